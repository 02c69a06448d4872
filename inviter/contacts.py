"""Names, emails and phone numbers: what was typed -> canonical form, or a Problem staff can act on.

Pure. Whatever comes in, only Problem goes out. Nothing is guessed: what might be meant is said in
the text. Texts are English templates marked for translation; the web translates them.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

NAME_LIMIT = 100
EMAIL_LIMIT = 254
PHONE_LIMIT = 40
ECHO_LIMIT = 60
KEY_LIMIT = 200  # of each half of a name key, so that a key fits its column: one ﷺ folds to 15

BIDI = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e"))
BIDI |= dict.fromkeys(range(0x2066, 0x206A))
# Letters and marks that show nothing: a joiner, the Hangul fillers, emoji's variation selectors.
BLANKS = set("\u034f\u115f\u1160\u3164\uffa0") | set(map(chr, range(0xFE00, 0xFE10)))

# What spreadsheets, and our own files for them, put before what begins like a formula.
KEPT_A_TEXT = re.compile(r"\A(?:' ?)+(?=[=+\-@＝＋－＠])")

LOOK_ALIKES = str.maketrans("‐‑‒–—−´`‘", "------’’’")  # keyboards make them; the rule has - and ’
NAME_LINK = re.compile(r"@|://|\b(?:www|https?)\b|\.\w\w", re.IGNORECASE)
# Letters that NFKD leaves whole, and apostrophes that Unicode counts as letters.
FOLDED = {"đ": "d", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i"}  # casefold does ß
FOLDING = str.maketrans(FOLDED | dict.fromkeys("ʹʻʼʽʾʿˈ", ""))

EMAIL_EXAMPLE = "name@example.com"
ADDRESS = r"[^\s<>(),:;\"@]+@[^\s<>(),:;\"@]*[^\s<>(),:;\"@.]"
PASTED = re.compile(rf"(?:[^<>]*<\s*)?(?:mailto:)?({ADDRESS})[\s>,;.]*", re.IGNORECASE)
# .example and one-letter endings are ours, the rest the library refuses too, without saying why.
UNREACHABLE = re.compile(r"\.(example|test|local|localhost|invalid|onion|arpa|.)$", re.IGNORECASE)
COMMON_DOMAINS = (
    *("gmail.com", "hotmail.com", "hotmail.ca", "outlook.com", "yahoo.com", "yahoo.ca"),
    *("icloud.com", "sasktel.net", "shaw.ca", "telus.net", "rogers.com", "bell.net"),
    *("live.ca", "live.com", "videotron.ca"),
    *("mail.com", "ymail.com", "email.com"),  # real, though one letter from gmail.com
)

PHONE_EXAMPLE = "306 555 0142"
EXCEL_DAMAGE = re.compile(r"\d+([.,]\d+)?E\+?\d+", re.IGNORECASE)
EXCEL_FLOAT = re.compile(r"^(\+?\d{7,})[.,]0+$")
EXTENSION = re.compile(r"\d[\s.,;]*(#|x|ext\w*|poste|local)[\s.:=]*\d+$", re.IGNORECASE)
SEPARATORS = re.compile(r"[,;/&|]|\b(?:or|and|ou|et)\b", re.IGNORECASE)
PHONE_CHARACTERS = re.compile(r"[\d\s+＋()（）./．\-‐-―−－]*")  # none that begins an extension
# In +1; the library calls 976 ordinary, and directory assistance, which each area code has.
PAID = re.compile(r"(900|976)\d{7}|\d{3}976\d{4}|\d{3}5551212")
TEXTABLE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def N_(text: str) -> str:
    """Mark a text for pybabel, which looks for this name; it is translated where it is shown."""
    return text


class Problem(ValueError):
    """A refusal. `str()` tells staff in English what to do; `code` tells code which one it is."""

    def __init__(self, code: str, template: str, **values: object) -> None:
        self.code = code
        self.template = template
        self.values = values
        super().__init__(template % values)


class Phone(NamedTuple):
    """A valid number, as typed for people, and whether we send texts there."""

    e164: str
    typed: str
    can_text: bool


def first_name(text: str) -> str:
    return _name(text, Problem("first-name-missing", N_("Enter a first name")))


def last_name(text: str) -> str:
    """The code `last-name-missing` is where "Has one name only" is offered."""
    return _name(text, Problem("last-name-missing", N_("Enter a last name")))


def name_key(first: str, last: str) -> str:
    """The folded name by which two spellings are the same person; a lone name has last == ""."""
    return f"{fold(first)} {fold(last)}".strip()


def fold(name: str) -> str:
    """Only the letters, without case and marks: how names are compared and searched."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = unicodedata.normalize("NFKD", folded).translate(FOLDING)
    return "".join(c for c in letters if unicodedata.category(c).startswith("L"))[:KEY_LIMIT]


def email(text: str) -> str | None:
    """The address in lower case with an ASCII domain; None for a blank."""
    typed = KEPT_A_TEXT.sub("", one_line(text, EMAIL_LIMIT))
    if not typed:
        return None
    _refuse_unclear_email(typed)
    try:
        address = validate_email(typed, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        raise _unreadable_email(typed) from None
    return f"{address.local_part}@{address.ascii_domain}".lower()


def email_hint(address: str) -> str | None:
    """The address that was likely meant, to suggest and never to use unasked."""
    local, _, domain = address.lower().rpartition("@")
    if domain in COMMON_DOMAINS:
        return None
    meant = next((common for common in COMMON_DOMAINS if _one_slip(domain, common)), None)
    return f"{local}@{meant}" if meant else None


def phone(text: str, regions: Sequence[str]) -> Phone | None:
    """Read a number, without + as of `regions[0]`; None for a blank.

    Valid numbers outside `regions`, and those which are surely no mobiles, are kept but get no
    texts. +1 is twenty countries, so the country code alone decides nothing.
    """
    # Phones wrap copied numbers in bidi controls; our exports and Excel put an apostrophe before.
    typed = one_line(text.translate(BIDI), PHONE_LIMIT).lstrip("'").strip()
    if not typed:
        return None
    typed = EXCEL_FLOAT.sub(r"\1", typed)
    _refuse_unclear_phone(typed)
    number = _parse(typed, regions[0])
    region = phonenumbers.region_code_for_number(number)
    can_text = region in regions and phonenumbers.number_type(number) in TEXTABLE
    return Phone(phonenumbers.format_number(number, PhoneNumberFormat.E164), typed, can_text)


def without_extension(number: str) -> str:
    """What one dials first."""
    extension = EXTENSION.search(number)
    return number[: extension.start() + 1] if extension else number


def show_phone(e164: str, regions: Sequence[str]) -> str:
    """A number that `phone` made, as one dials it from `regions[0]`."""
    number = phonenumbers.parse(e164)
    near = number.country_code == phonenumbers.country_code_for_region(regions[0])
    near = near and phonenumbers.region_code_for_number(number) in regions
    style = PhoneNumberFormat.NATIONAL if near else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)


def one_line(text: str, limit: int) -> str:
    """One visible line: NFC, trimmed, white space collapsed.

    Unseen characters go silently, also the joiners that Persian and Indic spelling knows: nobody
    can act on what is not seen, and matching drops them anyway. Bidi controls are refused, since
    without them the text may read otherwise than it looked.
    """
    text = text.strip()
    _refuse_longer(text, limit, slack=4)  # bounds the work; accents written apart shrink later
    _refuse_hidden(text)
    seen = (c for c in text if unicodedata.category(c) != "Cf" and c not in BLANKS)
    line = " ".join(unicodedata.normalize("NFC", "".join(seen)).split())
    _refuse_longer(line, limit)
    return line


def _refuse_longer(text: str, limit: int, slack: int = 1) -> None:
    if len(text) > limit * slack:
        raise Problem("too-long", N_("Shorten this to %(limit)s characters or fewer"), limit=limit)


def _refuse_hidden(text: str) -> None:
    if len(text.splitlines()) > 1:
        raise Problem("line-break", N_("Type this again on one line"))
    if any(ord(character) in BIDI for character in text):
        hint = N_("This has hidden characters that change its order. Type it again, do not paste")
        raise Problem("direction", hint)
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") or c == "\ufffd" for c in text):
        raise Problem("control", N_("This has a character that cannot be shown. Type it again"))


def _short(text: str) -> str:
    return text if len(text) <= ECHO_LIMIT else text[: ECHO_LIMIT - 1] + "…"


def _name(text: str, missing: Problem) -> str:
    """An apostrophe before what no name begins with is none of the name: '-Ana stays as wrong as
    -Ana, whereas 't Hooft keeps his."""
    name = KEPT_A_TEXT.sub("", one_line(text, NAME_LIMIT)).translate(LOOK_ALIKES)
    if not name:
        raise missing
    refuse_link(name)
    _refuse_symbols(name)
    if not fold(name):
        raise Problem(missing.code, N_("Enter a name with at least one letter"))
    if name[0] in "-.":
        raise Problem("start", N_("Begin the name with a letter"))
    return name


def refuse_link(name: str) -> None:
    """J.R. passes, St.John and evil.com do not: no web address ends in a dot and one letter."""
    unmarked = "".join(c for c in name if not unicodedata.category(c).startswith("M"))
    if NAME_LINK.search(unmarked):
        text = N_("Enter only a name, not a web or email address. After a dot leave a space")
        raise Problem("link", text)


def _refuse_symbols(name: str) -> None:
    for character in name:
        kind = unicodedata.category(character)[0]
        if kind == "N":
            raise Problem("digit", N_("Enter the name without digits"))
        if kind not in "LM" and character not in " '’-.":
            text = N_("Take out “%(character)s”. Use letters, spaces, hyphens, ’ and dots")
            raise Problem("symbol", text, character=character)


def _refuse_unclear_email(typed: str) -> None:
    pasted, found = PASTED.fullmatch(typed), re.findall(ADDRESS, typed.lower())
    if pasted and pasted[1] != typed and len(set(found)) == 1:
        text = N_("Enter only the address: %(address)s")
        raise Problem("only-address", text, address=_short(pasted[1]))
    if len(found) > 1:
        raise Problem("two-addresses", N_("Enter only one email address"))
    if "@" not in typed:
        text = N_("Enter an email address with an @, such as %(example)s, or leave it blank")
        raise Problem("no-at", text, example=EMAIL_EXAMPLE)
    if " " in typed:
        text = N_("Take the spaces out of this email address: %(typed)s")
        raise Problem("space", text, typed=_short(typed))
    if ending := UNREACHABLE.search(typed):
        text = N_("Check this email address. None that ends in %(ending)s can get email")
        raise Problem("unreachable", text, ending=ending[0])


def _unreadable_email(typed: str) -> Problem:
    if not typed.rpartition("@")[0].isascii():
        text = N_("Use only letters without accents before the @: %(typed)s")
        return Problem("accent", text, typed=_short(typed))
    text = N_("Check this email address: %(typed)s. It should look like %(example)s")
    return Problem("not-an-address", text, typed=_short(typed), example=EMAIL_EXAMPLE)


def _one_slip(typed: str, meant: str) -> bool:
    """One letter too many, too few or wrong, or two swapped."""
    if typed and typed[0] == meant[:1]:
        return _one_slip(typed[1:], meant[1:])
    swapped = typed[:2] == meant[1::-1] and typed[2:] == meant[2:]
    return swapped or typed[1:] == meant[1:] or typed[1:] == meant or typed == meant[1:]


def _refuse_unclear_phone(typed: str) -> None:
    parts = [part for part in SEPARATORS.split(typed) if _count_digits(part) >= 7]
    if len(parts) > 1 or _count_digits(typed) > 18:  # 011 and the longest number there is
        raise Problem("two-numbers", N_("Enter only one phone number"))
    if EXCEL_DAMAGE.fullmatch(typed):
        text = N_("Excel changed this number: %(typed)s. Type it again, e.g. %(example)s")
        raise Problem("excel", text, typed=typed, example=PHONE_EXAMPLE)
    if EXTENSION.search(typed):
        text = N_("Enter a number without an extension, or leave it blank: %(typed)s")
        raise Problem("extension", text, typed=typed)
    if any(character.isalpha() for character in typed):
        text = N_("Enter the phone number in digits, or leave it blank: %(typed)s")
        raise Problem("letters", text, typed=typed)
    if not PHONE_CHARACTERS.fullmatch(typed):
        text = N_("Use only digits, spaces and dashes in a phone number: %(typed)s")
        raise Problem("symbol", text, typed=typed)


def _count_digits(text: str) -> int:
    return sum(character.isdecimal() for character in text)


def _parse(typed: str, region: str) -> PhoneNumber:
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        raise _no_number(typed) from None
    if _is_paid(number):
        text = N_("%(typed)s is a paid number, such as 900 or 976. Enter the patient’s own number")
        raise Problem("paid", text, typed=typed)
    if not phonenumbers.is_valid_number(number):
        raise _no_number(typed, phonenumbers.is_possible_number_with_reason(number))
    return number


def _is_paid(number: PhoneNumber) -> bool:
    if number.country_code == 1 and PAID.fullmatch(str(number.national_number)):
        return True
    return phonenumbers.number_type(number) == PhoneNumberType.PREMIUM_RATE


def _no_number(typed: str, length: int = ValidationResult.IS_POSSIBLE) -> Problem:
    if length in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        text = N_("%(typed)s is too short. Enter all of it with the area code, e.g. %(example)s")
        return Problem("too-short", text, typed=typed, example=PHONE_EXAMPLE)
    if length == ValidationResult.TOO_LONG:
        text = N_(
            "%(typed)s has too many digits. Begin a number abroad with + and the country code"
        )
        return Problem("too-many-digits", text, typed=typed)
    text = N_("No phone has the number %(typed)s. Ask the patient, or leave it blank")
    return Problem("no-such-number", text, typed=typed)
