"""People who do not exist, for measuring: a `Random` -> who they are, what happened to them. Pure.

Common names, and some that occur once in 200,000; accents, hyphens and apostrophes in some 5 of
100. No address or number leads to anybody.
"""

import base64
from bisect import bisect
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from inviter.contacts import fold
from inviter.keys import LINK_ID_BYTES
from inviter.status import DeliveryState

SPAN = timedelta(days=730)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words("""
    Mary James Linda John Susan Robert Anna David Maria Michael Emma William Sarah Thomas Olivia
    Daniel Sophie Joseph Laura Peter Julia Paul Grace Mark Helen George Alice Kevin Ruth Brian
    Chloe Edward Irene Ronald Hannah Anthony Lucy Jason Nora Gary Clara Ryan Amy Eric Diane Stephen
    Ella Andrew Rose Scott Jean Frank Joan Raymond Evelyn Gregory Judith Samuel Megan Patrick Janet
    Dennis Walter Teresa Tyler Gloria Aaron Sara Henry Marie Douglas Wei Priya Arjun Fatima Omar
    Aisha Yusuf Mei Hiroshi Yuki Ling Jin Amina Hassan Layla Ibrahim Zara Ravi Anjali Sanjay Deepa
    Gurpreet Harpreet Manjit Simran Oleksandr Iryna Petro Oksana Taras Halyna Bohdan Svitlana Piotr
    Agnieszka Pawel Katarzyna Lars Ingrid Sven Astrid Giulia Marco Paolo Chiara Carlos Elena Diego
    Lucia Mateo Camila Pedro Luisa Kwame Abena Chidi Ngozi Tunde Folake Amara Kofi Rosario Angelica
    Jomar Marisol Tala Winona Kai Autumn River François Zoë José André Hélène Anne-Marie Jean-Luc
    Søren D’Arcy Renée Łukasz Siân Noël
""")
LAST_NAMES = _words("""
    Smith Brown Tremblay Martin Wilson Taylor Singh Campbell Anderson Johnson Lee Macdonald
    Thompson Wong Stewart Young Scott Robinson Clark Mitchell Kowalchuk Nguyen Kaur Friesen Penner
    Chen Patel Reimer Bird Cardinal Ross King Walker White Hill Green Baker Adams Nelson Carter
    Roberts Murray Fraser Grant Hughes Watson Kelly Graham Reid Bennett Gray Collins Cook Bailey
    Cooper Ward Peters Morin Bear Whitecap Sinclair Settee Sanderson Desjarlais Pelletier Fournier
    Lavoie Fortin Gill Dhillon Sidhu Sandhu Grewal Sharma Gupta Khan Ahmed Ali Hussain Malik
    Mohamed Abdi Warsame Wang Li Zhang Liu Yang Huang Zhao Wu Lam Chan Cheung Kim Park Choi Tanaka
    Sato Suzuki Tran Pham Hoang Reyes Cruz Bautista Ocampo Villanueva Mendoza Garcia Lopez
    Hernandez Torres Ramirez Flores Silva Costa Ferreira Rossi Russo Romano Bruno Novak Horvath
    Kovacs Nagy Kowalski Wozniak Lewandowski Shevchenko Boyko Melnyk Bondarenko Petrenko Savchuk
    Hnatyshyn Romanow Wiebe Klassen Dyck Loewen Unruh Schmidt Weber Hoffmann Becker Koch Larsen
    Hansen Olsen Berg Lindqvist Nyman Virtanen Okafor Adeyemi Mensah Boateng Balogun Diallo Traore
    Haddad Nassar Khoury Rahimi Hosseini Karimi Cohen Levy Papadopoulos Yilmaz Demir O’Brien Côté
    Gagné O’Connor Bélanger D’Angelo Lévesque Müller Nuñez Jiménez St-Onge MacÉwen
""")
RARE_NAMES = _words("""
    Quillfeather Zwarthoed Bexhorne Yggdalen Fothergill Wrzesniewski Xochitl Jaskolka Uhryniuk
    Oxtoby Vlachodimos Nwachukwu Tiihonen Sqwarrick Drzazga Ekwueme Hjalmarsson Kvitashvili
    Pfefferkorn Mgaloblishvili Ruijgrok Ceallachain Ahenakew Tchoukanov Llwyngwril Isbister
    Gudmundsdottir Abernethy-Quaye Zdrojewski Oglethorpe Whytecliffe Kpodzro Vuorisalo Njegovan
    Eyjolfsson Thwaites
""")
DOMAINS = ("example.org", "example.com", "example.net")
AREAS = _words("""
    306 639 204 431 403 587 780 825 604 250 778 236 416 647 437 905 289 365 519 226 548 613 343 705
    249 807 514 438 450 579 418 581 819 873 506 902 782 709 867 701 406 218 605 208 509 360 206 612
    651 763
""")
CLINICS = _words("""
    Aspen Prairie Wascana Riverbend Birchwood Qu’Appelle Lakeshore Harvest Northgate Meadow Broadway
    Cedar Stonebridge Willow Eastview Railway Sunrise Poplar Heritage Wheatland Maple Hillcrest
    Buffalo Cathedral Parkside
""")
KINDS = ("Family Clinic", "Walk-in Clinic", "Medical", "Health Centre")
LINES = 10_000  # of an area's 555, where nobody lives
PHONES = LINES * len(AREAS)
PHONE_STEP = 173_389  # shares no factor with PHONES: neighbours do not look alike, none is repeated
TYPED = ("{} {} {}", "({}) {}-{}", "{}-{}-{}", "{}.{}.{}")


class Person(NamedTuple):
    """As `contacts` would have read them."""

    first_name: str
    last_name: str
    name_key: str
    email: str | None
    phone: str | None
    phone_typed: str | None


def person(random: Random, place: int, *, with_both: bool = False) -> Person:
    """Four of five have an email, seven of ten a number, 7 of 100 neither; or all have both. Of two
    places below PHONES, the contacts differ."""
    first, last = name(random)
    keys = _key(first), _key(last)
    chance = 0.0 if with_both else random.random()
    email = f"{keys[0]}.{keys[1]}{place}@{random.choice(DOMAINS)}" if chance < 0.8 else None
    phone, typed = _phone(place) if chance < 0.57 or 0.8 <= chance < 0.93 else (None, None)
    return Person(first, last, " ".join(keys), email, phone, typed)


def name(random: Random) -> tuple[str, str]:
    """A first and a last name. The most common have some 2 of 100 people."""
    first, last, chance = _one(random, FIRST_NAMES), _one(random, LAST_NAMES), random.random()
    if chance < 0.0002:
        return first, random.choice(RARE_NAMES)
    return first, f"{last}-{_one(random, LAST_NAMES)}" if chance < 0.015 else last


def _one(random: Random, names: Sequence[str]) -> str:
    """The first is the most common, each a little rarer than the one before."""
    weights = _falling(len(names))
    return names[bisect(weights, random.random() * weights[-1])]


def ago(random: Random, place: int, count: int) -> timedelta:
    """When the one at this place of so many was invited: each later than the one before, and ever
    more of them, an eighth in the last month."""
    return SPAN * ((count - place - random.random()) / count) ** 1.5


def states(random: Random, messages: int) -> list[DeliveryState]:
    """What became of the messages of one invitation: of 100, 3 had none arrive."""
    chance = random.random()
    if chance < 0.03:
        return [DeliveryState.FAILED] * messages
    if chance < 0.033:
        return [DeliveryState.IN_DOUBT] * messages
    sent = [DeliveryState.DELIVERED if chance < 0.7 else DeliveryState.SENT] * messages
    return [DeliveryState.FAILED, *sent[1:]] if len(sent) > 1 and chance > 0.98 else sent


def until_given(random: Random) -> timedelta | None:
    """Half of those whom no message reaches were told their code there and then."""
    return timedelta(minutes=10) * random.random() if random.random() < 0.5 else None


def until_accepted(random: Random) -> timedelta | None:
    """More than half accept, most within days, all before it expires."""
    wait = timedelta(days=min(random.expovariate(1 / 3), 29), minutes=15)
    return wait if random.random() < 0.58 else None


def link_id(random: Random) -> str:
    """As `keys.new_link_id` makes them."""
    made = base64.urlsafe_b64encode(random.randbytes(LINK_ID_BYTES))
    return made.rstrip(b"=").decode()


def clinic_name(number: int) -> str:
    """Another for each number."""
    turn, place = divmod(number, len(CLINICS))
    plain = f"{CLINICS[place]} {KINDS[turn % len(KINDS)]}"
    return plain if turn < len(KINDS) else f"{plain} {number + 1}"


def _phone(place: int) -> tuple[str, str]:
    """As it is dialled, and as it was typed."""
    line, area = divmod(place * PHONE_STEP % PHONES, len(AREAS))
    parts = AREAS[area], "555", f"{line:04}"
    return "+1" + "".join(parts), TYPED[place % len(TYPED)].format(*parts)


@cache
def _falling(count: int) -> list[float]:
    """Weights, summed up."""
    return list(accumulate(1 / (place + 20) for place in range(count)))


_key = cache(fold)
