"""Every line of the history is a sentence."""

from itertools import product

import pytest
from flask import Flask

from inviter import daily_texts
from inviter.activity import Action, Line
from inviter.invitations import GivenHow, GivenTo, Overtaken
from inviter.models import Channel, Clinic, How, Invitation
from inviter.web import history
from tests.conftest import NOW

DETAILS: dict[Action, list[dict[str, object]]] = {
    Action.SENT: [{"channel": each} for each in Channel],
    Action.FAILED: [{"channel": each, "reason": "no-such-address"} for each in Channel],
    Action.DELIVERED: [{"channel": each} for each in Channel],
    Action.SUPPRESSED: [{"channel": each, "reason": "opted-out"} for each in Channel],
    Action.PUT_OFF: [
        {"channel": Channel.SMS, "reason": each} for each in daily_texts.REASONS.values()
    ],
    Action.OPTED_OUT: [{"channel": each} for each in Channel],
    Action.OPTED_IN: [{"channel": each} for each in Channel],
    Action.IN_DOUBT: [{"channel": each, "reason": None} for each in Channel],
    Action.ACCEPTED: [
        {"how": how, "has_other_contact": is_other} for how, is_other in product(How, (True, False))
    ],
    Action.CONTACT_CHANGED: [
        {"fields": fields, "code_changed": changed}
        for fields, changed in product((["email"], ["phone"], ["email", "phone"]), (True, False))
    ],
    Action.CODE_GIVEN: [{"how": how, "to": to} for how, to in product(GivenHow, GivenTo)],
}
OF_A_CLINIC = (
    *(Action.EXPORTED, Action.UPLOADED, Action.IMPORT_CANCELLED, Action.SECOND_FACTOR_RESET),
    *(Action.VIEWED, Action.SETTINGS_CHANGED),
)
OF_AN_INVITATION = [each for each in Action if each not in OF_A_CLINIC]


@pytest.mark.parametrize("action", OF_AN_INVITATION)
def test_everything_that_can_happen_has_a_sentence_of_its_own(app: Flask, action: Action) -> None:
    with app.test_request_context():
        lines = [Line(NOW, action, "Ana", each) for each in DETAILS.get(action, [{}])]
        said = [history.sentence(each) for each in lines]
    assert len(set(said)) == len(lines)
    assert not [each for each in said if "%" in each or "None" in each]


def test_a_failure_says_why(app: Flask) -> None:
    line = Line(NOW, Action.FAILED, None, {"channel": "sms", "reason": "channel-off"})
    with app.test_request_context():
        assert history.sentence(line) == "Text failed: Texts are switched off"


def test_a_message_about_joining_is_told_from_the_invitation(app: Flask) -> None:
    line = Line(NOW, Action.SENT, None, {"channel": "sms", "reason": None, "kind": "joined"})
    with app.test_request_context():
        assert history.sentence(line) == "Notice of having joined: Text sent"


def test_who_has_seen_nothing_is_not_told_of_others(app: Flask) -> None:
    invitation = Invitation(clinic_id=1, id=1, generation=1, first_name="Ada", last_name="Fixture")
    with app.test_request_context():
        said = history.refusal(Overtaken(), invitation, Clinic(time_zone="UTC"), seen=None)
    assert said.startswith("The list has changed since you opened it.")


def test_who_has_no_name_is_someone(app: Flask) -> None:
    with app.test_request_context():
        assert history.sentence(Line(NOW, Action.REMOVED, None, {})) == "Removed by someone"
