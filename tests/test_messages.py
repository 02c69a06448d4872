"""What patients and staff read: the same facts in every part, and names that stay plain text."""

import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any

import pytest
from bs4 import BeautifulSoup

from inviter import segments
from inviter.keys import Keys, Unreadable
from inviter.messages import Messages, NoRecipient
from inviter.models import Channel, Clinic, Delivery, Invitation, Kind, User
from inviter.senders import Message
from tests.conftest import settings_for

BASE_URL = "https://join.example.org:8443"
SETTINGS = replace(settings_for("sqlite://"), base_url=BASE_URL)
KEYS = Keys(SETTINGS.secret_key)
LINK_ID = "AAECAwQFBgcICQoLDA0ODw"
NASTY = [
    "<script>alert(1)</script>",
    '<a href="http://evil.example">Open</a>',
    '"><img src=x onerror=alert(1)>',
    "http://evil.example/pay",
    "Ada\r\nBcc: all@example.org",
    "Ada\n\nYour appointment was moved.",
    "Ada\u2028\x85\x0bBcc: all@example.org",
    "{{7*7}}",
    "{% raw %}",
    "{# gone #}",
    "%(link)s %s 100%",
    "O’Neil & Sons &lt;b&gt;",
    'Quoted "Name", <mail@evil.example>',
]
PARTS = ("text", "html")
OF_ACCOUNTS = [each for each in Kind if each not in (Kind.INVITATION, Kind.JOINED)]


def invitation_mail(
    channel: Channel = Channel.EMAIL,
    *,
    patient: str = "Ada",
    provider: str = "Dr. Amira Osei",
    clinic: str = "Northside Family Clinic",
    **changes: Any,
) -> Delivery:
    values: dict[str, Any] = {
        "clinic_id": 1,
        "id": 2,
        "first_name": patient,
        "last_name": "Fixture",
        "email": "ada@example.org",
        "phone": "+13065550142",
        "expires_at": datetime.fromisoformat("2026-06-11T23:59:59-06:00"),
        "code_sealed": KEYS.seal_code("482913", clinic_id=1, invitation_id=2),
        "link_id": LINK_ID,
        "link_version": 1,
    }
    at = {"phone": "306 555 0100", "email": "desk@example.org"}
    at |= {name: changes.pop(f"clinic_{name}") for name in at if f"clinic_{name}" in changes}
    place = Clinic(id=1, slug="northside", name=clinic, time_zone="America/Regina", **at)
    generation = changes.pop("generation", 1)
    invitation = Invitation(**values | changes, clinic=place, provider=User(name=provider))
    return Delivery(
        clinic_id=1,
        id=3,
        kind=Kind.INVITATION,
        channel=channel,
        generation=generation,
        invitation=invitation,
    )


def named(whose: str, name: str, channel: Channel = Channel.EMAIL) -> Delivery:
    """With a name of somebody's choosing."""
    names: dict[str, Any] = {whose: name}
    return invitation_mail(channel, **names)


def account_mail(kind: Kind, channel: Channel = Channel.EMAIL, **changes: Any) -> Delivery:
    user = User(name="Ana Moreau", email="ana@example.org", phone="+13065550142")
    return Delivery(clinic_id=0, id=4, kind=kind, channel=channel, **{"user": user} | changes)


def render(delivery: Delivery) -> Message:
    return Messages(SETTINGS, keys=KEYS, reset_token=lambda user: f"token-of-{user.email}").render(
        delivery
    )


def preview(delivery: Delivery, *, code: str | None) -> Message:
    invitation = delivery.invitation
    assert invitation is not None
    messages = Messages(SETTINGS, keys=KEYS, reset_token=lambda _user: "")
    return messages.preview(invitation, delivery.channel, code=code)


def words(html: str) -> str:
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ").split())


def as_read(message: Message, part: str) -> str:
    return words(message.html) if part == "html" else " ".join(message.text.split())


def tags(html: str) -> Counter[str]:
    return Counter(each.name for each in BeautifulSoup(html, "html.parser").find_all(True))


def links(html: str) -> list[str]:
    return [str(each["href"]) for each in BeautifulSoup(html, "html.parser").select("[href]")]


LINK = f"{BASE_URL}/j/{KEYS.link_token(LINK_ID, 1)}"
CODE_PAGE = f"{BASE_URL}/join/northside"


class TestInvitation:
    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize(
        "fact",
        [
            "Dear Ada,",
            "Dr. Amira Osei",
            "Northside Family Clinic",
            LINK,
            CODE_PAGE,
            "482 913",
            "11 June 2026",
            "306 555 0100",
            "join.example.org:8443",
        ],
    )
    def test_the_email_tells_it_in_text_and_in_html(self, part: str, fact: str) -> None:
        assert fact in as_read(render(invitation_mail()), part)

    @pytest.mark.parametrize(
        "fact",
        [
            "Dr. Amira Osei",
            "Northside Family Clinic",
            LINK,
            "482 913",
            "11 June 2026",
            "306 555 0100",
            "join.example.org:8443/join/northside",
        ],
    )
    def test_the_text_message_tells_it(self, fact: str) -> None:
        assert fact in render(invitation_mail(Channel.SMS)).text

    def test_the_steps_are_numbered_in_text(self) -> None:
        steps = re.findall(r"^(\d)\. (\w+)", render(invitation_mail()).text, re.MULTILINE)
        assert steps == [("1", "Open"), ("2", "Create"), ("3", "Type")]

    def test_the_steps_are_numbered_in_html(self) -> None:
        page = BeautifulSoup(render(invitation_mail()).html, "html.parser")
        steps = [each.get_text(strip=True).split()[0] for each in page.select("ol > li")]
        assert steps == ["Open", "Create", "Type"]

    def test_the_steps_are_numbered_in_a_text_message(self) -> None:
        assert re.findall(r"\b(\d)\. \w+", render(invitation_mail(Channel.SMS)).text) == list("123")

    def test_the_subject_names_the_clinic(self) -> None:
        assert "Northside Family Clinic" in render(invitation_mail()).subject

    def test_an_email_goes_to_the_address_and_a_text_to_the_number(self) -> None:
        assert render(invitation_mail()).to == "ada@example.org"
        assert render(invitation_mail(Channel.SMS)).to == "+13065550142"

    def test_a_text_message_has_neither_subject_nor_html(self) -> None:
        message = render(invitation_mail(Channel.SMS))
        assert (message.subject, message.html) == ("", "")

    def test_the_last_day_is_the_clinics_not_greenwichs(self) -> None:
        delivery = invitation_mail(expires_at=datetime.fromisoformat("2026-06-12T05:59:59+00:00"))
        assert "11 June 2026" in render(delivery).text

    @pytest.mark.parametrize("channel", Channel)
    def test_a_clinic_without_a_phone_says_nothing_about_calling(self, channel: Channel) -> None:
        message = render(invitation_mail(channel, clinic_phone=None))
        assert not re.search("call|question|none", message.text + words(message.html), re.I)

    @pytest.mark.parametrize("part", PARTS)
    def test_a_patient_with_one_name_is_greeted_by_it(self, part: str) -> None:
        delivery = invitation_mail(patient="Madonna", last_name="")
        assert "Dear Madonna," in as_read(render(delivery), part)

    def test_the_link_is_the_same_in_every_rendering_channel_and_resend(self) -> None:
        found = {
            address
            for channel in Channel
            for generation in (1, 2, 3)
            for address in re.findall(
                r"\S+/j/\S+", render(invitation_mail(channel, generation=generation)).text
            )
        }
        assert found == {LINK}

    def test_a_text_message_of_the_usual_length_takes_two_segments(self) -> None:
        text = render(invitation_mail(Channel.SMS)).text.replace(":8443", "")
        assert segments.count(text).segments == 2

    @pytest.mark.parametrize("channel", Channel)
    def test_it_asks_for_no_answer_and_names_no_reason_for_care(self, channel: Channel) -> None:
        message = render(invitation_mail(channel))
        assert not re.search(r"\breply|appointment|diagnos|treatment", message.text, re.I)

    def test_a_text_message_fits_gsm_7_where_only_marks_stand_in_the_way(self) -> None:
        text = render(invitation_mail(Channel.SMS, clinic="Thérèse O’Neil – Clinic")).text
        assert text.startswith("Thérèse O'Neil - Clinic: ")
        assert segments.count(text).encoding == "GSM-7"

    def test_a_text_message_keeps_a_name_that_gsm_7_lacks(self) -> None:
        text = render(invitation_mail(Channel.SMS, provider="Dr. Zoë O’Neil")).text
        assert "Dr. Zoë O’Neil" in text

    def test_every_address_begins_with_base_url(self) -> None:
        message = render(invitation_mail())
        text = render(invitation_mail(Channel.SMS)).text
        addresses = links(message.html) + re.findall(r"\w+://\S+", f"{message.text} {text}")
        assert set(addresses) == {LINK, CODE_PAGE}

    def test_nothing_is_loaded_from_elsewhere(self) -> None:
        page = BeautifulSoup(render(invitation_mail()).html, "html.parser")
        assert page.select("[src], link, script, style, iframe, form") == []

    def test_an_address_that_is_gone_is_not_written_to(self) -> None:
        with pytest.raises(NoRecipient):
            render(invitation_mail(email=None))
        with pytest.raises(NoRecipient):
            render(invitation_mail(Channel.SMS, phone=None))

    @pytest.mark.parametrize("sealed", [None, "", "junk", "é"])
    def test_without_a_readable_code_it_is_not_written(self, sealed: str | None) -> None:
        with pytest.raises(Unreadable):
            render(invitation_mail(code_sealed=sealed))


class TestPreview:
    @pytest.mark.parametrize("channel", Channel)
    def test_it_is_what_is_sent(self, channel: Channel) -> None:
        delivery = invitation_mail(channel)
        assert preview(delivery, code="482913") == render(delivery)

    @pytest.mark.parametrize("channel", Channel)
    def test_without_a_code_stars_take_the_same_room(self, channel: Channel) -> None:
        delivery = invitation_mail(channel)
        sent, shown = render(delivery), preview(delivery, code=None)
        token = LINK.rpartition("/")[2]
        for part in ("text", "html", "subject"):
            stars = getattr(sent, part).replace("482 913", "*** ***").replace(token, "*" * 43)
            assert getattr(shown, part) == stars

    def test_of_one_that_is_not_made_only_what_is_typed_is_read(self) -> None:
        made = {"id": None, "code_sealed": None, "link_id": None, "link_version": None}
        delivery = invitation_mail(**made)
        assert "*** ***" in preview(delivery, code=None).text


class TestSender:
    def test_it_is_our_address_under_the_clinics_name(self) -> None:
        sender = render(invitation_mail()).sender
        assert parseaddr(sender) == ("Northside Family Clinic", "invitations@example.org")

    def test_answers_go_to_the_clinic(self) -> None:
        assert render(invitation_mail()).reply_to == "desk@example.org"
        assert render(invitation_mail(clinic_email=None)).reply_to == ""

    @pytest.mark.parametrize("name", ["Clinique Thérèse", "Smith, Lee & Co.", "Ωμέγα (Nord)"])
    def test_a_clinics_name_is_readable_whatever_its_letters(self, name: str) -> None:
        sender = render(invitation_mail(clinic=name)).sender
        assert parseaddr(sender) == (name, "invitations@example.org")

    def test_account_mail_comes_from_us_and_awaits_no_answer(self) -> None:
        message = render(account_mail(Kind.PASSWORD_RESET))
        assert message.sender == "Inviter <invitations@example.org>"
        assert message.reply_to == ""


@pytest.mark.parametrize("whose", ["patient", "provider", "clinic"])
@pytest.mark.parametrize("name", NASTY, ids=range(len(NASTY)))
class TestNastyNames:
    def test_they_are_plain_text_in_every_part(self, whose: str, name: str) -> None:
        message = render(named(whose, name))
        shown = " ".join(name.split())
        assert shown in as_read(message, "text")
        assert shown in as_read(message, "html")

    def test_they_are_plain_text_in_the_subject(self, whose: str, name: str) -> None:
        subject = render(named(whose, name)).subject
        clinic = " ".join(name.split()) if whose == "clinic" else "Northside Family Clinic"
        assert subject == f"{clinic} invites you to its virtual clinic"

    def test_they_are_plain_text_in_a_text_message(self, whose: str, name: str) -> None:
        text = render(named(whose, name, Channel.SMS)).text
        assert whose == "patient" or segments.plain(" ".join(name.split())) in text
        assert "\n" not in text

    def test_they_add_no_markup_and_no_link(self, whose: str, name: str) -> None:
        usual, html = render(invitation_mail()).html, render(named(whose, name)).html
        assert tags(html) == tags(usual)
        assert links(html) == links(usual)

    def test_they_begin_no_paragraph(self, whose: str, name: str) -> None:
        usual, text = render(invitation_mail()).text, render(named(whose, name)).text
        assert len(text.splitlines()) == len(usual.splitlines())

    def test_they_begin_no_header(self, whose: str, name: str) -> None:
        message = render(named(whose, name))
        headers = (message.to, message.sender, message.reply_to, message.subject)
        assert all(len(each.splitlines()) == 1 for each in headers)
        assert parseaddr(message.sender)[1] == "invitations@example.org"


def test_a_subject_is_never_longer_than_its_column() -> None:
    assert len(render(invitation_mail(clinic="x" * 500)).subject) == 200


class TestAccountMail:
    @pytest.mark.parametrize("part", PARTS)
    def test_a_password_link_carries_the_token_that_was_made_for_it(self, part: str) -> None:
        message = render(account_mail(Kind.PASSWORD_RESET))
        assert message.to == "ana@example.org"
        assert f"{BASE_URL}/reset-password/token-of-ana@example.org" in as_read(message, part)

    def test_a_password_link_goes_by_text_too(self) -> None:
        message = render(account_mail(Kind.PASSWORD_RESET, Channel.SMS))
        assert message.to == "+13065550142"
        assert f"{BASE_URL}/reset-password/token-of-ana@example.org" in message.text

    def test_the_token_is_made_when_the_message_is_written_and_kept_nowhere(self) -> None:
        made = iter(["first", "second"])
        messages = Messages(SETTINGS, keys=KEYS, reset_token=lambda _user: next(made))
        delivery = account_mail(Kind.PASSWORD_RESET)
        assert "first" in messages.render(delivery).text
        assert "second" in messages.render(delivery).text
        assert not re.search("first|second", repr(vars(delivery)))

    @pytest.mark.parametrize("part", PARTS)
    def test_a_changed_password_says_what_to_do_if_it_was_not_you(self, part: str) -> None:
        message = render(account_mail(Kind.PASSWORD_CHANGED))
        assert f"{BASE_URL}/forgot-password" in as_read(message, part)
        assert "/reset-password/" not in as_read(message, part)

    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize("kind", [Kind.SECOND_FACTOR_SET, Kind.SECOND_FACTOR_RESET])
    def test_a_changed_authenticator_app_says_what_to_do_if_it_was_not_you(
        self, kind: Kind, part: str
    ) -> None:
        said = as_read(render(account_mail(kind)), part)
        assert "authenticator app" in said
        assert f"{BASE_URL}/forgot-password" in said

    @pytest.mark.parametrize("kind", OF_ACCOUNTS)
    def test_every_address_begins_with_base_url(self, kind: Kind) -> None:
        message, text = render(account_mail(kind)), render(account_mail(kind, Channel.SMS)).text
        addresses = links(message.html) + re.findall(r"\w+://\S+", f"{message.text} {text}")
        assert addresses
        assert all(each.startswith(f"{BASE_URL}/") for each in addresses)

    def test_an_account_that_is_gone_is_not_written_to(self) -> None:
        with pytest.raises(NoRecipient):
            render(account_mail(Kind.PASSWORD_RESET, user=None))


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("kind", OF_ACCOUNTS)
def test_each_kind_of_account_mail_has_a_message_on_each_channel(
    kind: Kind, channel: Channel
) -> None:
    assert render(account_mail(kind, channel)).text.strip()


class TestJoined:
    def joined(self, channel: Channel = Channel.EMAIL, **changes: Any) -> Delivery:
        delivery = invitation_mail(channel, **changes)
        delivery.kind = Kind.JOINED
        return delivery

    @pytest.mark.parametrize("part", PARTS)
    def test_whoever_was_invited_learns_what_to_do_if_it_was_not_they(self, part: str) -> None:
        message = render(self.joined())
        said = as_read(message, part)
        assert "Ada, you have joined Northside Family Clinic." in said
        assert "If that was not you, call the clinic: 306 555 0100" in said
        assert (message.subject, message.to) == (
            "You have joined Northside Family Clinic",
            "ada@example.org",
        )

    def test_a_text_says_it_in_one_line(self) -> None:
        assert render(self.joined(Channel.SMS)).text == (
            "Ada, you have joined Northside Family Clinic."
            " If that was not you, call the clinic: 306 555 0100"
        )

    def test_a_clinic_without_a_phone_is_told_all_the_same(self) -> None:
        message = render(self.joined(Channel.SMS, clinic_phone=None))
        assert message.text.endswith("If that was not you, tell the clinic.")

    def test_it_holds_neither_link_nor_code_and_needs_none(self) -> None:
        message = render(self.joined(code_sealed=None))
        assert links(message.html) == []
        assert "/j/" not in message.text
