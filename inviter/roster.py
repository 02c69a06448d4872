"""The rows of a file -> a fate each, from what the file alone tells. Pure.

It goes through the file once and keeps none of it: of each row some bytes, by which the same person
is known again. Who is already invited or a patient is not told here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from inviter.bulk import Cells, Reader
from inviter.contacts import BIDI, LOOK_ALIKES, N_, Phone, Problem, name_key

CODED = "xn--"
"""Begins a part of a domain that has other letters than a to z."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Recipient(NamedTuple):
    """One person to invite, checked and in canonical form (`contacts`)."""

    first_name: str
    last_name: str
    name_key: str
    email: str | None
    phone: Phone | None
    is_different: bool = False
    """Staff have said that this is another person than the one of the same name."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def number(self) -> str | None:
        return self.phone.e164 if self.phone else None

    @property
    def can_text(self) -> bool:
        return bool(self.phone and self.phone.can_text)


class Row(Cells, Protocol):
    """One row of a file: its number there, and its cells."""

    @property
    def number(self) -> int: ...
    @property
    def extra(self) -> bool:
        """Whether it has more cells than there are headings."""

    @property
    def beyond(self) -> Sequence[str] | None:
        """What stands in those."""


class Fate(StrEnum):
    """What becomes of a row; the file alone tells the first four."""

    READY = "ready"
    CHANGED = "changed"
    """Ready too, but a cell reads otherwise than in the file."""
    DUPLICATE_IN_FILE = "duplicate in file"
    NEEDS_FIXING = "needs fixing"
    ALREADY_INVITED = "already invited"
    ALREADY_PATIENT = "already a patient"
    INVITED = "invited"
    SKIPPED = "skipped"
    """Left out by staff."""


READY = Fate.READY
"""Looked up for each row of a large file: of an enumeration that takes long."""


class Change(NamedTuple):
    """Why a cell reads otherwise than what was typed. `str()` says it in English."""

    template: str
    typed: str

    def __str__(self) -> str:
        return self.template % {"typed": self.typed}


class Checked(NamedTuple):
    """A row, its fate and why. By the names of cells: `problems`, and `changes` that are worth a
    look; a problem of the whole row is under "row"."""

    row: Row
    fate: Fate
    recipient: Recipient | None = None
    """None where the row needs fixing."""
    problems: Mapping[str, Problem] = NOTHING
    changes: Mapping[str, Change] = NOTHING
    duplicate_of: int | None = None
    """The number of the first row with the same person."""
    by_name_only: bool = False
    """Only the name says so: staff may say that it is a different person."""


def check(rows: Iterable[Row], regions: Sequence[str]) -> Iterator[Checked]:
    """Each row of a file in its order, one at a time; nothing is read ahead."""
    reader, seen = Reader(regions), Seen()
    for row in rows:
        checked = check_row(row, reader)
        yield unless_repeated(checked, seen) if checked.recipient else checked


def check_row(
    row: Row, reader: Reader, *, one_name: bool = False, is_different: bool = False
) -> Checked:
    """A row by itself, in the file or mended by staff, who may have ticked "Has one name only" and
    "This is a different person"."""
    read = None if row.extra or one_name else reader.row(row)
    if read is None:
        read, problems = _read(row, reader, one_name=one_name and not row.last_name.strip())
        if problems:
            return Checked(row, Fate.NEEDS_FIXING, problems=problems)
    first, last, key, email, phone = read
    recipient = Recipient(first, last, key, email, phone, is_different)
    if _is_as_typed(row, recipient):
        return Checked(row, READY, recipient)
    changes = _changes(row, recipient)
    return Checked(row, Fate.CHANGED if changes else READY, recipient, NOTHING, changes)


class Earlier(NamedTuple):
    """The first row with the same person, and whether only the name says so."""

    number: int
    by_name_only: bool


class Seen:
    """Whom a file has named so far.

    The same patient is the same folded name with the same email or phone, or the same folded name
    where one side has no contact at all. Kept are 64 bits of each key, so that the largest file
    fits: one in a hundred million of them would call two people the same.
    """

    def __init__(self) -> None:
        self._first_with_contact = dict[int, int]().setdefault
        self._first_named = dict[int, int]().setdefault
        self._bare: dict[int, int] = {}

    def add(self, one: Recipient, number: int) -> Earlier | None:
        """The same person before. Rows come in the order of their numbers."""
        _, _, key, email, phone, is_different = one
        name, by_contact = hash(key), number
        if email:
            by_contact = self._first_with_contact(hash((name, email)), number)
        if phone:
            by_phone = self._first_with_contact(hash((name, phone[0])), number)
            by_contact = by_phone if by_phone < by_contact else by_contact
        by_name = self._first_named(name, number)
        if email or phone:
            by_name = self._bare.get(name, number)
        else:
            self._bare.setdefault(name, number)
        if is_different:
            by_name = number
        earliest = by_name if by_name < by_contact else by_contact
        return Earlier(earliest, by_name < by_contact) if earliest < number else None


def unless_repeated(checked: Checked, seen: Seen) -> Checked:
    if checked.recipient is None:
        return checked
    earlier = seen.add(checked.recipient, checked.row.number)
    if earlier is None:
        return checked
    return Checked(
        checked.row,
        Fate.DUPLICATE_IN_FILE,
        checked.recipient,
        changes=checked.changes,
        duplicate_of=earlier.number,
        by_name_only=earlier.by_name_only,
    )


def _read(row: Row, reader: Reader, *, one_name: bool) -> tuple[Any, dict[str, Problem]]:
    """What its cells were read as, and all that is wrong, so that it is said at once."""
    read: list[Any] = []
    problems: dict[str, Problem] = {}
    for cell, reads, typed in (
        ("first_name", reader.first_name, row.first_name),
        ("last_name", str.strip if one_name else reader.last_name, row.last_name),
        ("email", reader.email, row.email),
        ("phone", reader.phone, row.phone),
    ):
        try:
            read.append(reads(typed))
        except Problem as problem:
            problems[cell] = problem.with_traceback(None)  # it would hold this frame, and itself
    if not problems:
        read.insert(2, name_key(*read[:2]))
    if row.extra:
        text = N_(
            "This row has more cells than there are headings. Left over: %(cells)s."
            " Check that each is in its place"
        )
        cells = ", ".join(map(_shown, row.beyond or ["…"]))
        problems["row"] = Problem("extra-cells", text, cells=cells)
    return read, problems


def _changes(row: Row, kept: Recipient) -> Mapping[str, Change]:
    """Spaces, capital letters, what is not seen and how digits are grouped are no change."""
    why: dict[str, str] = {}
    for cell in ("first_name", "last_name"):
        if any(ord(character) in LOOK_ALIKES for character in getattr(row, cell)):
            why[cell] = N_("The file has %(typed)s, with a mark that only looks like ’ or -")
    if kept.email and CODED in kept.email and CODED not in row.email.lower():
        why["email"] = N_("The file has %(typed)s. This is how its domain is written for sending")
    if kept.phone and _count_digits(kept.phone.typed) < _count_digits(row.phone):
        why["phone"] = N_("The file has %(typed)s. Its end is not part of the number")
    return {cell: Change(text, _shown(getattr(row, cell))) for cell, text in why.items()}


def _is_as_typed(row: Row, kept: Recipient) -> bool:
    """Most rows are; what is left blank counts."""
    first, last, _, email, phone, _ = kept
    return (
        first == row.first_name
        and last == row.last_name
        and (email is None or email == row.email)
        and (phone is None or phone.typed == row.phone)
    )


def _count_digits(text: str) -> int:
    return sum(character.isdecimal() for character in text)


def _shown(text: str) -> str:
    return " ".join(text.translate(BIDI).split())
