"""Commands: `flask --app app …`, and what `python app.py` says and fills in."""

import os
import re
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import click
from flask import Flask
from flask.cli import with_appcontext
from sqlalchemy import update

from inviter import (
    activity,
    clinic_settings,
    clock,
    contacts,
    demo,
    large_demo,
    outbox,
    second_factor,
    team,
)
from inviter.activity import Action
from inviter.config import Config
from inviter.crew import Crew
from inviter.db import db
from inviter.keys import Keys
from inviter.models import Clinic, Kind, User

NAME_LIMIT = 100
CLINICS_PER_LINE = 20
THREADS_ALONE = 64


class Accounts(Protocol):
    """What commands need of sign-in; it belongs to the web and is handed in."""

    def hash_password(self, text: str) -> str: ...
    def new_uniquifier(self) -> str: ...
    def reset_token(self, user: User) -> str: ...
    def end_sign_ins(self, user: User) -> bool: ...


def init(
    app: Flask,
    *,
    accounts: Accounts,
    crew_of: Callable[[Flask, int], Crew],
    check: Callable[[Flask], None],
) -> None:
    @app.cli.command("worker")
    @click.option(
        "--threads",
        type=click.IntRange(1, 500),
        default=THREADS_ALONE,
        show_default=True,
        help="So many messages are handed over at once.",
    )
    @click.option("--until-input-ends", is_flag=True, help="Stop when standard input ends too.")
    def worker_command(threads: int, until_input_ends: bool) -> None:
        """Send what is queued and invite from files, until SIGTERM; then finish what is begun."""
        check(app)
        crew = crew_of(app, threads)
        signal.signal(signal.SIGTERM, lambda *_: crew.stop())
        signal.signal(signal.SIGINT, lambda *_: crew.stop())
        if until_input_ends:
            threading.Thread(target=_stop_when_input_ends, args=(crew,), daemon=True).start()
        crew.run()

    @app.cli.command("demo")
    @click.option("--password", help="For everyone in the demo; random if not given.")
    @click.option("--clinics", type=int, help="At least the 3 of the demo.")
    @click.option("--invitations", type=int, help="A sixth at Northside, the rest equal.")
    @click.option("--seed", type=int, help="The same gives the same data.  [default: 1]")
    @with_appcontext
    def demo_command(
        password: str | None, clinics: int | None, invitations: int | None, seed: int | None
    ) -> None:
        """Fill an empty database with the demo clinics; with counts, a large one for measuring."""
        check(app)
        shares = _shares(clinics, invitations, seed)
        if not demo.is_empty():
            raise click.ClickException("The database is not empty: nothing was filled in.")
        password = password or demo.random_password()
        if shares:
            _fill_large(app, accounts, password, shares, seed=1 if seed is None else seed)
        else:
            fill_if_empty(app, accounts, password)
        click.echo(_sign_ins(password))

    _add_commands_on_people(app, accounts, check)


def _stop_when_input_ends(crew: Crew) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    crew.stop()


def is_command() -> bool:
    """Whether a `flask` command is what runs, which checks for itself; `run` is the web."""
    return click.get_current_context(silent=True) is not None and _command() != "run"


def is_demo() -> bool:
    """`flask demo` is for the demo unless INVITER_DEMO says otherwise."""
    return is_command() and _command() == "demo"


def _command() -> str:
    """The name of the command: what is no option, nor an option's value, comes first."""
    words = sys.argv[1:]
    for before, word in zip(["", *words], words, strict=False):
        if not word.startswith("-") and before not in ("-A", "--app", "-e", "--env-file"):
            return word
    return ""


def fill_if_empty(app: Flask, accounts: Accounts, password: str | None = None) -> str | None:
    """The password of everyone in the demo; None where there is something already."""
    if not demo.is_empty():
        return None
    keys: Keys = app.extensions["keys"]
    password = password or demo.random_password()
    demo.fill(
        password=accounts.hash_password(password),
        new_uniquifier=accounts.new_uniquifier,
        keys=keys,
        now=clock.now(),
    )
    settings: Config = app.extensions["settings"]
    db.session.execute(update(Clinic).values(**_clinics_own(settings)))
    db.session.commit()
    return password


def _clinics_own(settings: Config) -> dict[str, int]:
    """What a new clinic begins with, and may have otherwise later."""
    return {
        "idle_minutes": settings.idle_minutes,
        "keep_contacts_days": settings.keep_contacts_days,
    }


def _add_commands_on_people(app: Flask, accounts: Accounts, check: Callable[[Flask], None]) -> None:
    settings: Config = app.extensions["settings"]

    @app.cli.command("create-clinic")
    @click.argument("name")
    @click.option("--admin", required=True, help="Email of the first Clinic Admin.")
    @click.option("--admin-name", help="Their name, as patients and colleagues read it.")
    @click.option("--time-zone", default="America/Regina", show_default=True)
    @with_appcontext
    def create_clinic_command(
        name: str, admin: str, admin_name: str | None, time_zone: str
    ) -> None:
        """Make a clinic and its first Clinic Admin, who is a provider too; prints a link to sign
        in by."""
        check(app)
        own = _clinics_own(settings)
        user = _create_clinic(name, admin, admin_name, time_zone, accounts, own=own)
        db.session.commit()
        click.echo(f"{settings.base_url}/reset-password/{accounts.reset_token(user)}")

    @app.cli.command("reset-second-factor")
    @click.argument("email")
    @with_appcontext
    def reset_second_factor_command(email: str) -> None:
        """For who lost the phone and the recovery codes: they set up an authenticator app anew
        when they sign in next. Be sure that it is they who ask."""
        check(app)
        click.echo(_reset_second_factor(email, accounts, clock.now()))


def _shares(clinics: int | None, invitations: int | None, seed: int | None) -> list[int]:
    """How many each clinic is to hold; none for the demo as it is."""
    if clinics is None and invitations is None:
        if seed is not None:
            raise click.ClickException("--seed goes with --clinics or --invitations: give either.")
        return []
    try:
        return large_demo.spread(clinics, invitations)
    except large_demo.Impossible as impossible:
        raise click.ClickException(str(impossible)) from None


def _fill_large(
    app: Flask, accounts: Accounts, password: str, shares: Sequence[int], *, seed: int
) -> None:
    """All or nothing; says now and then how far it is."""
    large = large_demo.LargeDemo(
        seed,
        password=accounts.hash_password(password),
        new_uniquifier=accounts.new_uniquifier,
        keys=app.extensions["keys"],
        now=clock.now(),
    )
    clinics = large.add_clinics(len(shares))
    for number, (clinic, share) in enumerate(zip(clinics, shares, strict=True)):
        large.invite(clinic, share)
        if number % CLINICS_PER_LINE == 0:
            click.echo(f"{clinic.name}: {share} invitations; {number + 1} of {len(shares)} clinics")
    db.session.commit()
    large_demo.tidy()


def greet(settings: Config, password: str | None) -> None:
    """What `python app.py` prints: where it is, and who can sign in."""
    click.echo(f"Inviter is at {settings.base_url}/sign-in")
    if password:
        click.echo(_sign_ins(password))
    elif settings.demo:
        click.echo("Everything is as you left it; the password is the one printed at first.")
        click.echo("(Lost it? Remove the database in instance/ to begin anew.)")
    click.echo("Stop with Ctrl+C.")


def _sign_ins(password: str) -> str:
    people = [f"  {each.address:24} {each.name}, {each.role}" for each in demo.PEOPLE]
    return "\n".join(["Sign in as one of", *people, f"with the password  {password}"])


def _create_clinic(
    name: str,
    admin: str,
    admin_name: str | None,
    time_zone: str,
    accounts: Accounts,
    *,
    own: Mapping[str, int],
) -> User:
    if len(admin_name or "") > NAME_LIMIT:
        raise click.ClickException(f"Use at most {NAME_LIMIT} characters for a name.")
    try:
        time_zone = clinic_settings.time_zone(time_zone)
        name, email = clinic_settings.name(name), contacts.email(admin)
    except contacts.Problem as problem:
        raise click.ClickException(str(problem)) from None
    if email is None:
        raise click.ClickException("Give the admin's email with --admin.")
    now = clock.now()
    clinic = Clinic(slug=_free_slug(name), name=name, time_zone=time_zone, created_at=now, **own)
    user = team.user_with(email)
    if user is None and not admin_name:
        raise click.ClickException("Give the admin's name, which patients read, with --admin-name.")
    # Also a provider, or there would be nobody to invite for.
    user = user or User(
        name=admin_name,
        email=email,
        password=accounts.hash_password(demo.random_password()),
        fs_uniquifier=accounts.new_uniquifier(),
        created_at=now,
    )
    db.session.add_all([clinic, user])
    db.session.flush()
    team.add(clinic, user, admin=True, provider=True, now=now)
    accounts.end_sign_ins(user)  # a browser left open opens no more than it did
    return user


def _reset_second_factor(email: str, accounts: Accounts, now: datetime) -> str:
    """Kept in the record of each clinic where they work."""
    user = team.user_with(email.strip().lower())
    if user is None or user.second_factor is None:
        raise click.ClickException("Nobody with this email has an authenticator app set up.")
    second_factor.remove(user)
    accounts.end_sign_ins(user)
    outbox.put_account_mail(user, Kind.SECOND_FACTOR_RESET, now=now)
    for clinic_id in team.clinics_of(user):
        activity.record(Action.SECOND_FACTOR_RESET, clinic_id=clinic_id, now=now, member_id=user.id)
    db.session.commit()
    return "They are signed out everywhere and set up a new app when they sign in next."


def _free_slug(name: str) -> str:
    """The clinic's short name in addresses, such as `northside-family-clinic`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:36].strip("-")
    if not slug:
        raise click.ClickException("A clinic's name needs letters a to z or digits.")
    taken = (slug, *(f"{slug}-{number}" for number in range(2, 100)))
    return next(each for each in taken if team.clinic_at(each) is None)
