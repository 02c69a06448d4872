import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inviter import contacts
from inviter.bulk import Reader
from inviter.contacts import Phone, Problem

REGIONS = ("CA", "US")
READERS = {
    "first name": contacts.first_name,
    "last name": contacts.last_name,
    "email": contacts.email,
    "phone": lambda text: contacts.phone(text, REGIONS),
}
LINK = "Enter only a name, not a web or email address. After a dot leave a space"
HIDDEN = "This has hidden characters that change its order. Type it again, do not paste"
UNSHOWN = "This has a character that cannot be shown. Type it again"
ONE_LINE = "Type this again on one line"
DIGITS = "Enter the name without digits"
LETTER = "Enter a name with at least one letter"

real_letters = st.characters(categories=["Lu", "Ll", "Lt", "Lo"])
hostile = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "-'’.@ <>=+%{}/:\u202e\u200d\u200b\ufeff\x00\n\t,;0123456789xeE()＋٣\ud800"
        ),
    ),
    max_size=60,
)


def refusal(reader, *args):
    with pytest.raises(Problem) as caught:
        reader(*args)
    return caught.value


def answer(reader, *args):
    """What comes back, a Problem too; anything else that is raised fails the test."""
    try:
        return reader(*args)
    except Problem as problem:
        return problem


def take_out(character):
    return f"Take out “{character}”. Use letters, spaces, hyphens, ’ and dots"


# Names


@pytest.mark.parametrize(
    "name",
    [
        "O'Brien",
        "O’Brien",
        "O’Neil",
        "François",
        "José",
        "Nguyễn",
        "Anne-Marie",
        "Mary-Jane",
        "García Márquez",
        "de la Cruz",
        "JONES",
        "St. John",
        "J. R.",
        "J.R.",
        "J.-P.",
        "J.P.",
        "D.J. O’Brien",
        "Wwwera",
        "Ahttpsa",
        "Jr.",
        "'t Hooft",
        "ᓄᓇᕗᑦ",
        "李",
        "김민준",
        "राम",
        "Sahaiʔa",
        "Ng",
        "X",
        "a" * 100,
    ],
)
def test_real_names_stay_as_they_were_typed(name):
    assert contacts.first_name(name) == name
    assert contacts.last_name(name) == name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Ana  ", "Ana"),
        ("Ana\u00a0\u3000Maria", "Ana Maria"),
        ("Ana\r\n", "Ana"),
        ("\ufeffAna\u200b", "Ana"),
        ("\u200b Ana \u2060", "Ana"),
        ("A\u00adna", "Ana"),
        ("علی\u200cرضا", "علیرضا"),
        ("Ana\ufe0f", "Ana"),
        ("Jose\u0301", "José"),
        ("O´Neil", "O’Neil"),
        ("O‘Neil", "O’Neil"),
        ("O`Neil", "O’Neil"),
        ("Anne‑Marie", "Anne-Marie"),
        ("Anne–Marie", "Anne-Marie"),
        ("e\u0301" * 100, "é" * 100),
    ],
)
def test_what_keyboards_and_pasting_add_to_a_name_goes_silently(typed, name):
    assert contacts.first_name(typed) == name


@pytest.mark.parametrize("blank", ["", "   ", "\u00a0\t\n", "\u200b\ufeff", "\u3164"])
def test_a_blank_name_is_asked_for(blank):
    first, last = refusal(contacts.first_name, blank), refusal(contacts.last_name, blank)
    assert (first.code, str(first)) == ("first-name-missing", "Enter a first name")
    assert (last.code, str(last)) == ("last-name-missing", "Enter a last name")


@pytest.mark.parametrize("typed", ["-", "'", "’", ".", "--", ". -", "ʼ", "\u0301"])
def test_a_last_name_without_letters_counts_as_missing_so_that_one_name_is_offered(typed):
    problem = refusal(contacts.last_name, typed)
    assert (problem.code, str(problem)) == ("last-name-missing", LETTER)


@pytest.mark.parametrize(
    ("typed", "code", "text"),
    [
        ("evil.com", "link", LINK),
        ("Visit bit.ly", "link", LINK),
        ("evil.c\u0301om", "link", LINK),
        ("evil.q\u0308com", "link", LINK),
        ("evil .com", "link", LINK),
        ("ｅｖｉｌ.ｃｏｍ", "link", LINK),
        ("пример.рф", "link", LINK),
        ("evil\u200b.\u200bcom", "link", LINK),
        ("www.x", "link", LINK),
        ("http://x", "link", LINK),
        ("HTTPS://evil", "link", LINK),
        ("ana@b.ca", "link", LINK),
        ("@SUM", "link", LINK),
        ("St.John", "link", LINK),
        ("bit.ly/x", "link", LINK),
        ("t.me join", "link", LINK),
        ("evil.com Ana", "link", LINK),
        ("www evil com", "link", LINK),
        ("WWW", "link", LINK),
        ("w\u200bww evil", "link", LINK),
        ("http evil", "link", LINK),
        ("Ana-https", "link", LINK),
        ("javascript:x", "symbol", take_out(":")),
        ("evil․com", "symbol", take_out("․")),
        ("[Ana]", "symbol", take_out("[")),
        ("Ana &amp", "symbol", take_out("&")),
        ("=1+1", "symbol", take_out("=")),
        ("=HYPERLINK()", "symbol", take_out("=")),
        ("+Ana", "symbol", take_out("+")),
        ("<b>Ana</b>", "symbol", take_out("<")),
        ("Ana>", "symbol", take_out(">")),
        ("<script>alert(1)</script>", "symbol", take_out("<")),
        ("{{config}}", "symbol", take_out("{")),
        ("Ana %s", "symbol", take_out("%")),
        ("Ana/Bob", "symbol", take_out("/")),
        ("Smith, Ana", "symbol", take_out(",")),
        ("evil。com", "symbol", take_out("。")),
        ("Ana 😀", "symbol", take_out("😀")),
        ("👩\u200d👧", "symbol", take_out("👩")),
        ("-Ana", "start", "Begin the name with a letter"),
        ("–Ana", "start", "Begin the name with a letter"),
        (". Ana", "start", "Begin the name with a letter"),
        ("Ana2", "digit", DIGITS),
        ("٣Ana", "digit", DIGITS),
        ("Ana Ⅲ", "digit", DIGITS),
        ("Ana\nSilva", "line-break", ONE_LINE),
        ("Ana\r\nBcc: x", "line-break", ONE_LINE),
        ("Ana\u2028Silva", "line-break", ONE_LINE),
        ("Ana\u202egpj", "direction", HIDDEN),
        ("\u202eAna", "direction", HIDDEN),
        ("Ana\u2066Silva\u2069", "direction", HIDDEN),
        ("Ana\u200fSilva", "direction", HIDDEN),
        ("Ana\x00", "control", UNSHOWN),
        ("Ana\tSilva", "control", UNSHOWN),
        ("Ana\x1b[31m", "control", UNSHOWN),
        ("Ana\ud800", "control", UNSHOWN),
        ("Fran\ufffdois", "control", UNSHOWN),
        ("a" * 101, "too-long", "Shorten this to 100 characters or fewer"),
        ("a" * 10_000, "too-long", "Shorten this to 100 characters or fewer"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_with_what_to_do(typed, code, text):
    for reader in (contacts.first_name, contacts.last_name):
        problem = refusal(reader, typed)
        assert (problem.code, str(problem)) == (code, text)


# The name by which two spellings are one person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("José", "O'Brien"), ("JOSE", "O’brien")),
        (("Anne-Marie", "St. John"), ("anne marie", "St John")),
        (("François", "Nguyễn"), ("Francois", "Nguyen")),
        (("Đặng", "Łukasz"), ("Dang", "lukasz")),
        (("Søren", "Strauß"), ("soren", "STRAUSS")),
        (("Æsa", "Œdip"), ("aesa", "oedip")),
        (("Işık", "İnan"), ("isik", "inan")),
        (("Jose\u0301", "Silva"), ("José", "Silva")),
        (("Kaʻiulani", "Oʼneil"), ("Ka'iulani", "O’Neil")),
        (("علی\u200cرضا", "ا"), ("علیرضا", "ا")),
        (("ＡＮＡ", "Silva"), ("Ana", "Silva")),
    ],
)
def test_spellings_of_one_name_share_a_key(one, other):
    assert contacts.name_key(*one) == contacts.name_key(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Ann", "Abel"), ("Anna", "Bel")),
        (("Ann", "Abel"), ("Abel", "Ann")),
        (("Ana", "Silva"), ("Ana", "Silvas")),
        (("Ana", ""), ("Ana", "A")),
        (("ᓄᓇ", "ᕗᑦ"), ("ᓄᓇ", "ᓄᑦ")),
        (("李", "明"), ("王", "明")),
    ],
)
def test_different_names_have_different_keys(one, other):
    assert contacts.name_key(*one) != contacts.name_key(*other)


def test_a_key_is_readable_and_a_lone_name_has_no_space():
    assert contacts.name_key("Zoë", "O'Hara") == "zoe ohara"
    assert contacts.name_key("Pelé", "") == "pele"
    assert contacts.name_key("ᓄᓇᕗᑦ", "李") == "ᓄᓇᕗᑦ 李"


def test_a_key_fits_its_column_whatever_a_letter_folds_to():
    name = contacts.first_name("ﷺ" * 100)
    assert len(contacts.name_key(name, name)) <= 420


# Emails


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("Ana@Example.ORG", "ana@example.org"),
        (" a@b.ca \r\n", "a@b.ca"),
        ("\ufeffa@b.ca\u200b", "a@b.ca"),
        ("ana+kids@b.ca", "ana+kids@b.ca"),
        ("o'brien@b.ca", "o'brien@b.ca"),
        ("info@northside.clinic", "info@northside.clinic"),
        ("a@mail.example.com", "a@mail.example.com"),
        ("a@MÜNCHEN.de", "a@xn--mnchen-3ya.de"),
        ("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
    ],
)
def test_an_address_is_kept_in_lower_case(typed, address):
    assert contacts.email(typed) == address


@pytest.mark.parametrize("blank", ["", "  ", "\u00a0\n", "\u200b"])
def test_no_email_and_no_phone_is_fine(blank):
    assert contacts.email(blank) is None
    assert contacts.phone(blank, REGIONS) is None


@pytest.mark.parametrize(
    "typed",
    [
        "Ana <a@b.ca>",
        '"Silva, Ana" <a@b.ca>',
        "<a@b.ca>",
        "a@b.ca <a@b.ca>",
        "a@b.ca <mailto:a@b.ca>",
        "mailto:a@b.ca",
        "a@b.ca,",
        "a@b.ca;",
        "a@b.ca.",
    ],
)
def test_a_pasted_address_is_refused_with_the_part_to_keep(typed):
    problem = refusal(contacts.email, typed)
    assert (problem.code, str(problem)) == ("only-address", "Enter only the address: a@b.ca")


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("'+plus@sasktel.net", "+plus@sasktel.net"),
        ("' -dash@b.ca", "-dash@b.ca"),
        ("''=is@b.ca", "=is@b.ca"),
        ("'\u200b+plus@b.ca", "+plus@b.ca"),
        ("'t.hooft@b.ca", "'t.hooft@b.ca"),
        ("'+'plus@b.ca", "+'plus@b.ca"),
    ],
)
def test_an_apostrophe_that_kept_an_address_from_being_a_formula_is_none_of_it(typed, address):
    assert contacts.email(typed) == Reader(("CA",)).email(typed) == address
    assert contacts.email(address) == address


@pytest.mark.parametrize(
    ("typed", "code"),
    [("'-Ana", "start"), ("' -Ana", "start"), ("'=Ana", "symbol"), ("'+Ana", "symbol")],
)
def test_an_apostrophe_makes_no_name_of_what_begins_like_a_formula(typed, code):
    assert refusal(contacts.first_name, typed).code == code
    assert contacts.last_name("'t Hooft") == "'t Hooft"


@pytest.mark.parametrize(
    "typed",
    ["a@b.ca, c@d.ca", "a@b.ca;c@d.ca", "a@b.ca c@d.ca", "a@b.ca <c@d.ca>", "a@b.ca or c@d.ca"],
)
def test_two_addresses_are_refused(typed):
    problem = refusal(contacts.email, typed)
    assert (problem.code, str(problem)) == ("two-addresses", "Enter only one email address")


def looks_like(typed):
    return f"Check this email address: {typed}. It should look like name@example.com"


NO_AT = "Enter an email address with an @, such as name@example.com, or leave it blank"


@pytest.mark.parametrize(
    ("typed", "code", "text"),
    [
        ("ana.b.ca", "no-at", NO_AT),
        ("n/a", "no-at", NO_AT),
        ("306 555 0142", "no-at", NO_AT),
        ("a@", "not-an-address", looks_like("a@")),
        ("@b.ca", "not-an-address", looks_like("@b.ca")),
        ("a@b", "not-an-address", looks_like("a@b")),
        ("a@localhost", "not-an-address", looks_like("a@localhost")),
        ("a..b@c.ca", "not-an-address", looks_like("a..b@c.ca")),
        ("a@@b.ca", "not-an-address", looks_like("a@@b.ca")),
        ("a@[127.0.0.1]", "not-an-address", looks_like("a@[127.0.0.1]")),
        ("'ana@b.ca'", "not-an-address", looks_like("'ana@b.ca'")),
        ("ana@b..ca" + "a" * 90, "not-an-address", looks_like("ana@b..ca" + "a" * 50 + "…")),
        ("é@b.ca", "accent", "Use only letters without accents before the @: é@b.ca"),
        ("a b@c.ca", "space", "Take the spaces out of this email address: a b@c.ca"),
        (
            "Ana <a b@c.ca>",
            "space",
            "Take the spaces out of this email address: Ana <a b@c.ca>",
        ),
        (
            "dora@invalid.example",
            "unreachable",
            "Check this email address. None that ends in .example can get email",
        ),
        (
            "a@printer.LOCAL",
            "unreachable",
            "Check this email address. None that ends in .LOCAL can get email",
        ),
        (
            "a@gmail.c",
            "unreachable",
            "Check this email address. None that ends in .c can get email",
        ),
        ("a@b.ca\nBcc: c@d.ca", "line-break", ONE_LINE),
        ("a\r\n@b.ca", "line-break", ONE_LINE),
        ("a@b.ca\x00", "control", UNSHOWN),
        ("a\t@b.ca", "control", UNSHOWN),
        ("a\u202e@b.ca", "direction", HIDDEN),
        ("a" * 250 + "@b.ca", "too-long", "Shorten this to 254 characters or fewer"),
        ("a" * 10_000, "too-long", "Shorten this to 254 characters or fewer"),
    ],
)
def test_a_broken_address_is_refused_with_what_to_do(typed, code, text):
    problem = refusal(contacts.email, typed)
    assert (problem.code, str(problem)) == (code, text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a@gmial.com", "a@gmail.com"),
        ("a@gmal.com", "a@gmail.com"),
        ("a@gmaill.com", "a@gmail.com"),
        ("a@gmail.con", "a@gmail.com"),
        ("a@gmail.co", "a@gmail.com"),
        ("a@hotmial.com", "a@hotmail.com"),
        ("a@hotmail.cq", "a@hotmail.ca"),
        ("a@yaho.com", "a@yahoo.com"),
        ("a@outlok.com", "a@outlook.com"),
        ("a@iclould.com", "a@icloud.com"),
        ("a@sasktel.ne", "a@sasktel.net"),
        ("a@asktel.net", "a@sasktel.net"),
        ("a@telus.ent", "a@telus.net"),
        ("A@Gmial.com", "a@gmail.com"),
    ],
)
def test_a_likely_typo_is_answered_with_what_was_meant(typed, meant):
    assert contacts.email_hint(typed) == meant


@pytest.mark.parametrize(
    "address",
    ["a@b.ca", "a@example.org", "a@gmx.com", "a@gamil.ca", "a@northside.clinic", "a@gmail.com.br"],
)
def test_other_domains_get_no_hint(address):
    assert contacts.email_hint(address) is None


@pytest.mark.parametrize("domain", contacts.COMMON_DOMAINS)
def test_a_common_domain_is_never_called_a_typo(domain):
    assert contacts.email_hint(f"a@{domain}") is None


def test_a_typo_is_suggested_and_never_changed():
    assert contacts.email("a@gmial.com") == "a@gmial.com"


# Phones


@pytest.mark.parametrize(
    "typed",
    [
        "306 555 0142",
        "3065550142",
        "306-555-0142",
        "306–555–0142",
        "306.555.0142",
        "306/555/0142",
        "(306) 555-0142",
        "+1 (306) 555-0142",
        "+13065550142",
        "1 306 555 0142",
        "13065550142",
        "３０６５５５０１４２",
        "＋１（３０６）５５５－０１４２",
        "٣٠٦٥٥٥٠١٤٢",
        "306\u00a0555\u00a00142",
        "\u202a306 555 0142\u202c",
        "\u200b3065550142\u200b",
        "'+13065550142",
        "3065550142.0",
        "13065550142.0",
        "3065550142,00",
    ],
)
def test_a_number_is_read_however_it_is_written(typed):
    phone = contacts.phone(typed, REGIONS)
    assert phone is not None
    assert (phone.e164, phone.can_text) == ("+13065550142", True)


@pytest.mark.parametrize("line", range(100, 200))
def test_the_numbers_that_documentation_uses_are_accepted(line):
    assert contacts.phone(f"306 555 0{line}", REGIONS) is not None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("  (306)  555-0142 ", "(306) 555-0142"),
        ("306\u00a05550142", "306 5550142"),
        ("\u202a306 555 0142\u202c", "306 555 0142"),
        ("3065550142.0", "3065550142"),
        ("'+13065550142", "+13065550142"),
    ],
)
def test_a_number_is_shown_as_typed_but_tidy(typed, shown):
    phone = contacts.phone(typed, REGIONS)
    assert phone is not None
    assert phone.typed == shown


@pytest.mark.parametrize(
    ("typed", "e164"),
    [
        ("+44 7911 123456", "+447911123456"),
        ("011 44 7911 123456", "+447911123456"),
        ("+44 7409 761234", "+447409761234"),  # 976 is paid in +1 only
        ("+1 876 555 1234", "+18765551234"),  # Jamaica, and without + too
        ("876 555 1234", "+18765551234"),
        ("+52 55 1234 5678", "+525512345678"),
        ("+800 1234 5678", "+80012345678"),
    ],
)
def test_a_number_abroad_is_kept_but_gets_no_texts(typed, e164):
    assert contacts.phone(typed, REGIONS) == Phone(e164, typed, can_text=False)


def test_regions_are_a_list_and_the_first_reads_numbers_without_a_plus():
    assert contacts.phone("07400 123456", ["GB"]) == Phone("+447400123456", "07400 123456", True)
    only_canada = contacts.phone("212 555 0142", ["CA"])
    assert only_canada is not None
    assert not only_canada.can_text


@pytest.mark.parametrize(("typed", "region"), [("1 800 555 0142", "US"), ("020 7946 0958", "GB")])
def test_a_number_that_is_surely_no_mobile_gets_no_texts(typed, region):
    phone = contacts.phone(typed, [region])
    assert phone is not None
    assert not phone.can_text


def excel(typed):
    return f"Excel changed this number: {typed}. Type it again, e.g. 306 555 0142"


def too_short(typed):
    return f"{typed} is too short. Enter all of it with the area code, e.g. 306 555 0142"


def too_many(typed):
    return f"{typed} has too many digits. Begin a number abroad with + and the country code"


def extension(typed):
    return f"Enter a number without an extension, or leave it blank: {typed}"


def letters(typed):
    return f"Enter the phone number in digits, or leave it blank: {typed}"


def symbols(typed):
    return f"Use only digits, spaces and dashes in a phone number: {typed}"


def paid(typed):
    return f"{typed} is a paid number, such as 900 or 976. Enter the patient’s own number"


def nobody(typed):
    return f"No phone has the number {typed}. Ask the patient, or leave it blank"


@pytest.mark.parametrize(
    ("typed", "code", "text"),
    [
        ("1.55E+10", "excel", excel),
        ("3.07E+09", "excel", excel),
        ("3.07e9", "excel", excel),
        ("1,55E+10", "excel", excel),
        ("3.065550142E+09", "excel", excel),
        ("306.555.0142 ext. 4", "extension", extension),
        ("306 555 0142 x4", "extension", extension),
        ("306 555 0142 #4", "extension", extension),
        ("306 555 0142 extension 12", "extension", extension),
        ("306 555 0142 poste 4", "extension", extension),
        ("3065550142;ext=4", "extension", extension),
        ("306-FLOWERS", "letters", letters),
        ("cell 306 555 0142", "letters", letters),
        ("n/a", "letters", letters),
        ("none", "letters", letters),
        ("=3065550142", "symbol", symbols),
        ("306•555•0142", "symbol", symbols),
        ("*67 306 555 0142", "symbol", symbols),
        ("3065550142,,4", "symbol", symbols),
        ("<3065550142>", "symbol", symbols),
        ("911", "too-short", too_short),
        ("+1 911", "too-short", too_short),
        ("411", "too-short", too_short),
        ("12345", "too-short", too_short),
        ("555-0142", "too-short", too_short),
        ("976-1234", "too-short", too_short),
        ("306 555 014", "too-short", too_short),
        ("30655501422", "too-many-digits", too_many),
        ("447911123456", "too-many-digits", too_many),
        ("00 44 7911 123456", "too-many-digits", too_many),
        ("1-900-555-1234", "paid", paid),
        ("900 555 0142", "paid", paid),
        ("306 976 1234", "paid", paid),
        ("+1 306 976 1234", "paid", paid),
        ("976 306 1234", "paid", paid),
        ("306 555 1212", "paid", paid),
        ("+1 212 555 1212", "paid", paid),
        ("+33 899 12 34 56", "paid", paid),
        ("+979 1 2345 6789", "paid", paid),
        ("72527", "too-short", too_short),
        ("118 118", "too-short", too_short),
        ("+44 909 8790 999", "paid", paid),
        ("306 155 0142", "no-such-number", nobody),
        ("0000000000", "no-such-number", nobody),
        ("+999 123 456 789", "no-such-number", nobody),
        ("-", "no-such-number", nobody),
        ("306 555 0142, 306 555 0143", "two-numbers", None),
        ("306 555 0142 / 306 555 0143", "two-numbers", None),
        ("306 555 0142 or 306 555 0143", "two-numbers", None),
        ("555-0142, 555-0143", "two-numbers", None),
        ("306 555 0142 306 555 0143", "two-numbers", None),
        ("306\n555 0142", "line-break", None),
        ("306\x005550142", "control", None),
        ("306\t5550142", "control", None),
        ("1" * 41, "too-long", None),
        ("1" * 10_000, "too-long", None),
    ],
)
def test_a_number_we_cannot_use_is_refused_with_what_to_do(typed, code, text):
    fixed = {
        "two-numbers": "Enter only one phone number",
        "line-break": ONE_LINE,
        "control": UNSHOWN,
        "too-long": "Shorten this to 40 characters or fewer",
    }
    problem = refusal(contacts.phone, typed, REGIONS)
    assert (problem.code, str(problem)) == (code, text(typed) if text else fixed[code])


def test_a_spreadsheets_float_with_a_digit_missing_gains_no_zero():
    assert refusal(contacts.phone, "306555014.0", REGIONS).code == "too-short"


@pytest.mark.parametrize(
    ("e164", "regions", "shown"),
    [
        ("+13065550142", REGIONS, "(306) 555-0142"),
        ("+12125550142", REGIONS, "(212) 555-0142"),
        ("+12125550142", ("CA",), "+1 212-555-0142"),
        ("+18765551234", REGIONS, "+1 876-555-1234"),
        ("+447911123456", REGIONS, "+44 7911 123456"),
        ("+33612345678", ("FR", "CA"), "06 12 34 56 78"),
        ("+13065550142", ("FR", "CA"), "+1 306-555-0142"),
    ],
)
def test_a_number_is_shown_as_one_dials_it_here(e164, regions, shown):
    assert contacts.show_phone(e164, regions) == shown


# Problems


def test_a_problem_keeps_its_template_and_values_for_translation():
    problem = refusal(contacts.phone, "3.07E+09", REGIONS)
    french = "Excel a changé ce numéro : %(typed)s. Entrez-le de nouveau, p. ex. %(example)s"
    assert problem.template % problem.values == str(problem)
    assert french % problem.values == (
        "Excel a changé ce numéro : 3.07E+09. Entrez-le de nouveau, p. ex. 306 555 0142"
    )


def test_a_percent_sign_in_what_was_typed_harms_no_text():
    assert str(refusal(contacts.email, "%(x)s@")) == looks_like("%(x)s@")


# Everything that may be typed


@given(hostile)
@example("٣@.")
@example("a@b.ca" * 10)
@example("+")
def test_whatever_is_typed_only_a_problem_in_plain_words_comes_out(text):
    forbidden = {"invalid", "token", "bounce", "client", "user", "record"}
    problems = [answer(reader, text) for reader in READERS.values()]
    for problem in (each for each in problems if isinstance(each, Problem)):
        assert len(str(problem)) <= 180
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", problem.code)
        assert not forbidden & set(re.findall(r"\w+", problem.template.lower()))


@given(hostile)
@example("O´Neil")
@example("\u1ffd")
def test_a_name_that_passed_passes_again_unchanged(text):
    name = answer(contacts.first_name, text)
    if isinstance(name, Problem):
        return
    assert contacts.last_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert 1 <= len(name) <= 100
    assert contacts.name_key(name, "")


@given(st.text(real_letters, min_size=1, max_size=20), st.text(real_letters, max_size=20))
def test_a_key_ignores_case_accents_and_how_accents_are_written(first, last):
    key = contacts.name_key(first, last)
    accented = "\u0301".join(first) + "\u0327"
    assert contacts.name_key(first.upper(), last.lower()) == key
    assert contacts.name_key(accented, unicodedata.normalize("NFD", last)) == key
    assert contacts.name_key(f" {first}-", f"'{last}.") == key


@given(st.text(real_letters, max_size=20), st.text(real_letters, max_size=20))
def test_a_key_of_a_key_is_itself(first, last):
    key = contacts.name_key(first, last)
    halves = key.split(" ") if " " in key else [key, ""]
    assert contacts.name_key(*halves) == key


@given(st.one_of(st.emails(), hostile))
def test_an_address_that_passed_passes_again_unchanged(text):
    address = answer(contacts.email, text)
    if isinstance(address, str):
        assert contacts.email(address) == address
        assert address.isascii()
        assert address == address.lower()


@given(st.one_of(st.from_regex(r"\+?[0-9 ().-]{7,16}", fullmatch=True), hostile))
@example("+44 7911 123456")
@example("+39 06 1234567")
def test_a_number_that_passed_passes_again_unchanged(text):
    phone = answer(contacts.phone, text, REGIONS)
    if not isinstance(phone, Phone):
        return
    assert re.fullmatch(r"\+[1-9][0-9]{6,14}", phone.e164)
    assert len(phone.typed) <= 40
    again = contacts.phone(phone.e164, REGIONS)
    assert again == Phone(phone.e164, phone.e164, phone.can_text)
    shown = contacts.phone(contacts.show_phone(phone.e164, REGIONS), REGIONS)
    assert shown is not None
    assert shown.e164 == phone.e164


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "bit", ["a", " ", "@", "a@", "1", "a@b.ca,", "\u0315\u0300\u0327", "\u200b", "<", ".a", "1,"]
)
def test_a_very_long_text_is_answered_at_once(reader, bit):
    begun = time.perf_counter()
    for text in (bit * 10_000, "a" + bit * 10_000, bit * 40):
        assert len(str(answer(READERS[reader], text))) <= 254
    assert time.perf_counter() - begun < 0.5


def test_folding_a_very_long_name_is_quick():
    begun = time.perf_counter()
    contacts.name_key("a" * 10_000, "é\u0315\u0300" * 3_000)
    assert time.perf_counter() - begun < 1
