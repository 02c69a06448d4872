"""What a new password must be, and how it is written before it is compared."""

import re

from flask import current_app
from flask_babel import gettext as _

LENGTH = 12
LIMIT = 128
DIFFERENT_CHARACTERS = 5
EASY = re.compile(  # what every guesser tries, and what adds nothing to it
    r"[\W_]|\d{3,}|(.)\1{2,}|abcd\w?e?f?|qwerty(uiop)?|azerty(uiop)?|asdfgh(jkl)?|zxcvbnm?"
    r"|p[a@4][s$5]{2}w[o0]rd|passwort|motdepasse|letmein|welcome|bienvenue|iloveyou|jetaime|secret"
    r"|changeme|admin(istrator)?|login|master|dragon|monkey|shadow|sunshine|princess|football"
    r"|baseball|hockey|superman|batman|starwars|summer|winter|spring|autumn|soleil|bonjour|canada"
    r"|clini(c|que)|doct(or|eur)|hospital|patient|health|inviter|1q2w3e4r(5t)?|1qaz2wsx",
    re.IGNORECASE,
)


def problem_of(text: str, *, address: str = "") -> str | None:
    """What is wrong with a new password, in words; None when nothing is."""
    own = re.compile("|".join(re.findall(r"\w{3,}", address)), re.IGNORECASE)
    problem: str | None = None
    if len(text) < LENGTH:
        problem = _("Use at least %(length)s characters", length=LENGTH)
    elif len(normal(text)) > LIMIT:
        problem = _("Use at most %(length)s characters", length=LIMIT)
    elif _is_easy(text):
        problem = _("This is easy to guess. Use three or more words that do not belong together")
    elif _is_easy(own.sub("", text)):
        problem = _("Choose a password that is not made of your email or mobile number")
    return problem


def normal(text: str) -> str:
    """However its letters were put together."""
    return str(current_app.extensions["security"].password_util.normalize(text))


def _is_easy(text: str) -> bool:
    return len(set(EASY.sub("", text.casefold()))) < DIFFERENT_CHARACTERS
