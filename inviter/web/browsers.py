"""What kind of browser someone signed in with, in a few words for their own eyes."""

from flask_babel import gettext as _

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
"""Most claim to be several: the first that is found is what it is."""
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "Chromebook"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def words_for(said: str) -> str:
    """Of the User-Agent nothing else is kept: it would tell one person's browser from another's."""
    found = (_first(SYSTEMS, said), _first(BROWSERS, said))
    return ", ".join(each for each in reversed(found) if each)


def shown(words: str) -> str:
    return words or _("Unknown browser")


def _first(known: tuple[tuple[str, str], ...], said: str) -> str:
    return next((name for mark, name in known if mark in said), "")
