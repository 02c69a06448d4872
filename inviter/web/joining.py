"""The patient's way in: by link or by code, then who invites, an account, and one press to accept.

What the patient has shown so far travels in a cookie (`proofs`).
"""

from flask import Blueprint, Response, abort, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from inviter import guessing, joining, team
from inviter.db import db
from inviter.guessing import Verdict
from inviter.joining import Closed
from inviter.models import How, Invitation, Patient, User
from inviter.web import auth, closed_links, forms, guards, passwords, proofs, tries
from inviter.web.fragments import respond
from inviter.web.joining_forms import AcceptForm, CodeForm, FindForm
from inviter.web.proofs import Proof

bp = Blueprint("joining", __name__)


@bp.get("/j/<token>")
def link(token: str) -> BaseResponse:
    """Changes nothing, however often it is fetched; the token leaves the address at once."""
    invitation = joining.by_link(token, keys=guards.keys())
    if invitation is None:
        return closed_links.unknown(token)
    response = redirect(url_for("joining.accept", slug=invitation.clinic.slug))
    return proofs.remember(response, Proof(token, How.LINK))


@bp.get("/join")
def find() -> Response:
    form = FindForm(request.args)
    found = joining.clinics_named((form.clinic.data or "")[:100].replace("\0", ""))
    matches = [
        {"name": each.name, "url": url_for("joining.code", slug=each.slug)} for each in found
    ]
    return respond("joining/find.html", "content", form=form, matches=matches)


@bp.get("/join/<slug>")
@bp.post("/join/<slug>")
def code(slug: str) -> BaseResponse:
    """Enter an Invite Code. Whatever does not match gets the same answer."""
    clinic = team.clinic_at(slug) or abort(404)
    form, keys, status = CodeForm(formdata=request.form), guards.keys(), 422
    form.regions = guards.settings().sms_regions
    if guessing.needs_contact(clinic, keys=keys, now=g.now):
        form.ask_contact()
    if form.validate_on_submit():
        network = tries.network(request.remote_addr or "")
        verdict, found = guessing.guess(clinic, form.typed, network, keys=keys, now=g.now)
        db.session.commit()  # what was counted, before anything is answered
        if found is not None:
            token = keys.link_token(found.link_id, found.link_version)
            response = redirect(url_for("joining.accept", slug=slug), 303)
            return proofs.remember(response, Proof(token, How.CODE))
        status = _refuse(form, verdict)
    errors = forms.errors_of(form)
    status = status if errors else 200
    return respond(
        "joining/code.html", "content", status=status, form=form, errors=errors, clinic=clinic
    )


@bp.get("/join/<slug>/accept")
def accept(slug: str) -> BaseResponse:
    """Who invites, an account, the name: all that accepting takes."""
    proof, invitation = proofs.let_in(slug)
    if _is_mine(joining.patient_of(invitation)):
        return redirect(url_for("joining.joined", slug=slug))
    if joining.closed_by(invitation, now=g.now):
        return closed_links.closed(invitation)
    return _accept_page(invitation, proof, _accept_form(invitation, proof))


@bp.post("/join/<slug>/accept")
def join(slug: str) -> BaseResponse:
    """Accept Invitation, or Continue after a code: the one POST that accepts."""
    proof, invitation = proofs.let_in(slug)
    form = _accept_form(invitation, proof)
    if not _is_sound(form, invitation):
        return _accept_page(invitation, proof, form)
    account = g.user or _account(form)
    if account is None:
        return _accept_page(invitation, proof, form)
    try:
        joining.accept(invitation, account=account, how=proof.how, now=g.now)
    except Closed:
        return closed_links.closed(invitation)
    if g.user is None:
        auth.sign_in(account, now=g.now)
    db.session.commit()
    return redirect(url_for("joining.joined", slug=slug), 303)


@bp.get("/join/<slug>/joined")
def joined(slug: str) -> BaseResponse:
    _proof, invitation = proofs.shown_for(slug)
    if invitation is None or not _is_mine(joining.patient_of(invitation)):
        return redirect(url_for("joining.code", slug=slug), 303)
    return respond("joining/joined.html", "content", clinic=invitation.clinic)


def _refuse(form: CodeForm, verdict: Verdict) -> int:
    """The status that goes with its words."""
    match verdict:
        case Verdict.ADDRESS_SPENT:
            form.wait()
            return tries.REFUSED
        case Verdict.NEEDS_CONTACT:
            form.refuse_without_contact()
        case _:
            form.refuse()
    return 422


def _is_mine(patient: Patient | None) -> bool:
    return patient is not None and g.user is not None and patient.user_id == g.user.id


def _accept_form(invitation: Invitation, proof: Proof) -> AcceptForm:
    """Asks only what is not known yet: no name after a code, no account of who is signed in."""
    form = AcceptForm(formdata=request.form)
    settings = guards.settings()
    form.invitation, form.regions = invitation, settings.sms_regions
    form.sms = settings.sms != "off"
    if g.user is not None:
        del form.address, form.password, form.agree
    if proof.how == How.CODE:
        del form.first_name, form.last_name
    elif not invitation.last_name:
        form.first_name.label.text = _("Name")
        del form.last_name
    return form


def _is_sound(form: AcceptForm, invitation: Invitation) -> bool:
    """What it says; of who comes by a link the names count, before they are looked at."""
    if form.first_name is None:
        return form.validate()
    keys = guards.keys()
    if not guessing.may_name(invitation, keys=keys, now=g.now):
        form.refuse_names()
        db.session.commit()
        return False
    is_sound = form.validate()
    if form.is_named:
        guessing.was_named(invitation, keys=keys)
    db.session.commit()
    return is_sound


def _account(form: AcceptForm) -> User | None:
    """The account of this address and password, new if need be; None with a text at a field."""
    address, password = form.address.data or "", form.password.data or ""
    user = auth.authenticate(address, password) or _open_account(form, address, password)
    if user is None and not form.errors:  # the same form was sent twice, and this is the later one
        user = auth.authenticate(address, password)
        if user is None:
            form.password.errors = [
                _(
                    "There is an account with this email or mobile number already. Type its"
                    " password, or choose “I already have an account”."
                )
            ]
    if user is not None and team.is_staff(user):
        form.address.errors = [
            _("This address belongs to a member of a care team. Use another to join as a patient.")
        ]
        return None
    return user


def _open_account(form: AcceptForm, address: str, password: str) -> User | None:
    if problem := passwords.problem_of(password, address=address):
        form.password.errors = [problem]
        return None
    return joining.open_account(
        email=form.email,
        phone=form.phone,
        password=auth.hash_password(password),
        uniquifier=auth.new_uniquifier(),
        now=g.now,
    )


def _accept_page(invitation: Invitation, proof: Proof, form: AcceptForm) -> Response:
    errors = forms.errors_of(form)
    return respond(
        "joining/accept.html",
        "content",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        invitation=invitation,
        clinic=invitation.clinic,
        mode="account" if g.user else "new",
        account_address=g.user.address if g.user else "",
        button=_("Continue") if proof.how == How.CODE else _("Accept Invitation"),
        sign_in_url=url_for("auth.sign_in", next=request.path),
    )
