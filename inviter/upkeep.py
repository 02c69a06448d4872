"""Commands that keep house: a clinic's own settings, a patient who wishes to be forgotten, secrets
that are replaced, a backup that was restored, the record of who did what."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from flask import Flask
from flask.cli import with_appcontext

from inviter import (
    clinic_settings,
    clock,
    doubt,
    erasing,
    invitations,
    outbox,
    pauses,
    rotation,
    team,
    verifying,
)
from inviter.bulk import Reader
from inviter.clinic_settings import LIMITS
from inviter.config import Config
from inviter.contacts import Problem
from inviter.db import db, reading
from inviter.keys import Keys
from inviter.models import Clinic
from inviter.rotation import What

RANGES = {name: click.IntRange(*limits) for name, limits in LIMITS.items()}
SEALED = (What.CODES, What.SECOND_FACTORS, What.DRAFTS)
LEFT = {
    What.UNREADABLE: "could not be opened: the secret that sealed them is not in OLD_SECRET_KEYS.",
    What.HELD_TWICE: "codes are held twice and stay under the old secret: keep it, and run this"
    " again in 30 days.",
}


def init(app: Flask, *, check: Callable[[Flask], None]) -> None:
    settings: Config = app.extensions["settings"]
    keys: Keys = app.extensions["keys"]

    @app.cli.command("set-clinic")
    @click.argument("clinic")
    @click.option("--expiry-days", type=RANGES["expiry_days"], help="Of new invitations.")
    @click.option("--idle-minutes", type=RANGES["idle_minutes"], help="Until who is idle is out.")
    @click.option(
        "--keep-contacts-days",
        type=RANGES["keep_contacts_days"],
        help="Until email and number of who was removed or let it expire are erased.",
    )
    @click.option(
        "--time-zone",
        help="Of the times that are shown. What was sent expires at the moment it did before.",
    )
    @with_appcontext
    def set_clinic_command(clinic: str, **own: Any) -> None:
        """Change what is CLINIC's own to say, by its short name in addresses; says how it is."""
        check(app)
        click.echo(_set(_clinic(clinic), own))

    @app.cli.command("erase-patient")
    @click.argument("clinic")
    @click.argument("number", type=int)
    @with_appcontext
    def erase_patient_command(clinic: str, number: int) -> None:
        """Erase name, email and number of a patient at CLINIC for good. NUMBER is the last part of
        the address of an invitation's page."""
        check(app)
        click.echo(_erase(_clinic(clinic), number, keys=keys, reader=Reader(settings.sms_regions)))

    @app.cli.group("keys")
    def keys_group() -> None:
        """What is sealed under SECRET_KEY."""

    @keys_group.command("rotate")
    @with_appcontext
    def rotate_command() -> None:
        """After SECRET_KEY was replaced and the old one listed in OLD_SECRET_KEYS, everywhere:
        seal codes, second factors and drafts anew. May be cut off, and run again."""
        check(app)
        click.echo(_rotate(keys))

    _add_for_restored(app, check)
    _add_for_activity(app, check)


def _add_for_restored(app: Flask, check: Callable[[Flask], None]) -> None:
    @app.cli.command("hold")
    @with_appcontext
    def hold_command() -> None:
        """Let no message leave until `release`: say so before anything runs on a restored backup.

        What was being sent when the backup was made is in doubt from now on.
        """
        check(app)
        click.echo(_hold(clock.now()))

    @app.cli.command("release")
    @click.option("--send", "what", flag_value="send", help="Send what was queued by then.")
    @click.option(
        "--doubt",
        "what",
        flag_value="doubt",
        help="Show what was queued by then as in doubt: it may have been sent already.",
    )
    @with_appcontext
    def release_command(what: str | None) -> None:
        """Let messages leave again. After a restore someone must say what becomes of those that
        were queued when sending was held."""
        check(app)
        click.echo(_release(what, clock.now()))


def _add_for_activity(app: Flask, check: Callable[[Flask], None]) -> None:
    keys: Keys = app.extensions["keys"]

    @app.cli.group("activity")
    def activity_group() -> None:
        """The record of who did what."""

    @activity_group.command("verify")
    @with_appcontext
    def verify_command() -> None:
        """Say whether any line was changed, taken away or put in since it was sealed.

        Also whether lines wait for their seal for over an hour, as where no worker runs.
        """
        check(app)
        counts = verifying.Counts()
        well = True
        with reading():
            for each in verifying.troubles(keys=keys, counts=counts, now=clock.now()):
                well = False
                click.echo(f"{each.clinic or 'all clinics'}: {each.place}: {each.what}")
        click.echo(_verified(counts, well))
        if not well:
            raise SystemExit(1)


def _clinic(slug: str) -> Clinic:
    clinic = team.clinic_at(slug)
    if clinic is None:
        raise click.ClickException(f"There is no clinic {slug}.")
    return clinic


def _set(clinic: Clinic, own: dict[str, Any]) -> str:
    wanted = {name: value for name, value in own.items() if value is not None}
    try:
        clinic_settings.time_zone(wanted.get("time_zone", clinic.time_zone))
    except Problem as problem:
        raise click.ClickException(str(problem)) from None
    clinic_settings.change(clinic, wanted, by=None, now=clock.now())
    db.session.commit()
    return ", ".join(f"{name.replace('_', ' ')}: {getattr(clinic, name)}" for name in sorted(own))


def _erase(clinic: Clinic, number: int, *, keys: Keys, reader: Reader) -> str:
    invitation = invitations.of(clinic, number)
    if invitation is None:
        raise click.ClickException("There is no such invitation at this clinic.")
    count = erasing.erase(invitation, by=None, keys=keys, reader=reader, now=clock.now())
    db.session.commit()
    return f"Erased in {count} invitations." if count else "Nothing was left to erase."


def _rotate(keys: Keys) -> str:
    """Raises ClickException where something is left under an old secret."""
    done = Counter[What]()
    for some in rotation.rotate(keys=keys):
        db.session.commit()
        done += some
    sealed = ", ".join(f"{done[each]} {each}" for each in SEALED)
    click.echo(f"Sealed anew: {sealed}.")
    if left := [f"{done[each]} {words}" for each, words in LEFT.items() if done[each]]:
        raise click.ClickException(" ".join(left))
    return (
        "Invitation Links and recovery codes that were made under an old secret work, and what was"
        " sealed under it in Activity can be verified, as long as it stays in OLD_SECRET_KEYS."
        " All else needs it no longer; tries that are counted begin anew."
    )


def _verified(counts: verifying.Counts, well: bool) -> str:
    verdict = "All well" if well else "Not as it was"
    chains = f"{counts.clinics} clinics, {counts.seals} seals"
    return f"{verdict}: {chains}, {counts.sealed} lines sealed, {counts.unsealed} not yet."


def _hold(now: datetime) -> str:
    pauses.hold(now=now)
    db.session.commit()  # before all else: from here on nothing leaves
    doubted = doubt.of_sending(now=now)
    db.session.commit()
    return f"Sending is held. {doubted} messages are in doubt: they may have arrived."


def _release(what: str | None, now: datetime) -> str:
    held_at = pauses.held_at()
    if held_at is None:
        raise click.ClickException("Sending is not held.")
    waiting = outbox.queued_by(held_at)
    if waiting and what is None:
        raise click.ClickException(
            f"{waiting} messages were queued when sending was held. If the data is from a backup,"
            " they may have left since it was made. Say --doubt to have them shown as such and"
            " sent by no one but a person, or --send to send them."
        )
    doubted = doubt.of_queued(before=held_at, now=now) if what == "doubt" else 0
    pauses.release()
    db.session.commit()
    return f"Sending goes on. {doubted} messages are in doubt, {waiting - doubted} will leave."
