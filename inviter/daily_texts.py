"""How many texts leave in a day of the clinic: to one number, to one block of numbers, in all.

What is above waits for the next day. It is counted as texts are claimed, with the claim's commit,
and given back where it is certain that none left. Each clinic counts by itself: who waits for what
another has sent would learn of it. Account mail is no clinic's and has budgets of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from inviter import budgets
from inviter.budgets import Counted
from inviter.keys import Keys
from inviter.models import Channel, Clinic, Delivery

MOST_TO_ONE_NUMBER = 3
BLOCK = len("+1") + 7
"""So much of a number its block shares: in +1 a thousand numbers, which one may own who is paid
for each text."""
LOOK_AGAIN = timedelta(minutes=1)
MIDNIGHT, MORNING = time(0), time(8)
"""What waited for a day leaves when it wakes nobody."""

TO_NUMBER, TO_BLOCK, OF_CLINIC = "texts to a number", "texts to a block", "texts of a clinic"
REASONS = {
    TO_NUMBER: "number-has-enough",
    TO_BLOCK: "block-has-enough",
    OF_CLINIC: "clinic-has-enough",
}
"""Why a text waits, by what it is counted in."""


class Text(NamedTuple):
    """One that is about to leave, by its delivery's id."""

    id: int
    clinic: Clinic
    number: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A text that does not leave today."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """Of texts that are about to leave, by their ids: what they are counted in, or their wait."""

    counted: Mapping[int, Sequence[Counted]]
    waits: Mapping[int, Wait]


class DailyTexts:
    """The limits as they are set; remembers what is full, so that of many not each is asked for."""

    def __init__(self, keys: Keys, *, of_clinic: int, to_block: int) -> None:
        self._keys = keys
        self._most = {OF_CLINIC: of_clinic, TO_BLOCK: to_block, TO_NUMBER: MOST_TO_ONE_NUMBER}
        self._full: dict[Counted, datetime] = {}

    def count(self, deliveries: Iterable[Delivery], *, now: datetime) -> Told:
        """One statement for all of them, where none has to wait. Whoever counts the same at the
        same time waits until the caller commits: so of many workers no more than allowed leave."""
        self._full = {each: ends_at for each, ends_at in self._full.items() if ends_at > now}
        texts = {each: self._places(each, now) for each in _texts(deliveries)}
        asked = {each for each, places in texts.items() if self._full.keys().isdisjoint(places)}
        left = self._spend({each: texts[each] for each in texts if each in asked}, now)
        counted, waits, unused = dict[int, Sequence[Counted]](), {}, Counter[Counted]()
        for text, places in texts.items():
            full = next((each for each in places if self._is_full(each, left)), None)
            if full is None:
                counted[text.id] = places
                left.update({each: left[each] - 1 for each in places})
                continue
            waits[text.id] = Wait(_next_day(text.clinic, MORNING, now), REASONS[full[0]])
            unused.update(places if text in asked else ())
        budgets.give_back_all(unused)
        self._remember(texts, left, now)
        return Told(counted, waits)

    def is_full(self, clinic: Clinic, *, now: datetime) -> bool:
        """Whether no more texts of this clinic leave today."""
        place, most = self._key(OF_CLINIC, clinic, now), self._most[OF_CLINIC]
        return not budgets.left(*place, most=most, within=budgets.LONGEST, now=now)

    def _is_full(self, place: Counted, left: Mapping[Counted, int]) -> bool:
        return place in self._full or left.get(place, 1) <= 0

    def _spend(self, texts: Mapping[Text, Sequence[Counted]], now: datetime) -> dict[Counted, int]:
        """As if all would leave; what was left of each before."""
        wanted, ends = Counter[Counted](), dict[Counted, datetime]()
        for text, places in texts.items():
            wanted.update(places)
            ends.update(dict.fromkeys(places, _next_day(text.clinic, MIDNIGHT, now)))
        began = {each: ends_at - budgets.LONGEST for each, ends_at in ends.items()}
        spent = budgets.spend_all(wanted, began_at=began)
        return {each: self._most[each[0]] - spent[each] + many for each, many in wanted.items()}

    def _remember(
        self,
        texts: Mapping[Text, Sequence[Counted]],
        left: Mapping[Counted, int],
        now: datetime,
    ) -> None:
        """Clinics and blocks that are full; numbers are too many."""
        for text, places in texts.items():
            for each in places:
                if each[0] != TO_NUMBER and left.get(each, 1) <= 0:
                    # What refused texts give back is found a minute later.
                    day_ends = _next_day(text.clinic, MIDNIGHT, now)
                    self._full[each] = min(day_ends, now + LOOK_AGAIN)

    def _places(self, text: Text, now: datetime) -> tuple[Counted, ...]:
        """What a text is counted in."""
        return (
            self._key(OF_CLINIC, text.clinic, now),
            self._key(TO_BLOCK, text.clinic, now, text.number[:BLOCK]),
            self._key(TO_NUMBER, text.clinic, now, text.number),
        )

    def _key(self, purpose: str, clinic: Clinic, now: datetime, number: str = "") -> Counted:
        day = now.astimezone(ZoneInfo(clinic.time_zone)).date()
        return purpose, budgets.key(purpose, f"{clinic.id} {day} {number}", keys=self._keys)


def _texts(deliveries: Iterable[Delivery]) -> Iterator[Text]:
    """Those to patients."""
    for each in deliveries:
        invitation = each.invitation
        if each.channel == Channel.SMS and invitation and invitation.phone:
            yield Text(each.id, invitation.clinic, invitation.phone)


def _next_day(clinic: Clinic, at: time, now: datetime) -> datetime:
    """The next day at the clinic, at this hour."""
    zone = ZoneInfo(clinic.time_zone)
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, at, zone).astimezone(UTC)  # where each day before has 24 hours
