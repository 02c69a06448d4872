"""Inviter: a clinic invites its patients, and they join."""
