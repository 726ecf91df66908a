"""The pages of accounts: the door, one's own account, a person's page, and the administrators' list."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.contributions.models import State, Submission
from taxonomy_app.mail.choices import email_is_on
from taxonomy_app.mail.forms import ChoicesForm
from taxonomy_app.people import services, throttling
from taxonomy_app.people.demo import demo_accounts, published
from taxonomy_app.people.forms import (
    NewPasswordForm,
    PasswordChangeForm,
    PeopleFilterForm,
    PersonForm,
    ProfileForm,
    ReasonForm,
    RegistrationForm,
    RoleForm,
    SignInForm,
)
from taxonomy_app.people.models import Role, RoleChange, User
from taxonomy_app.people.permissions import administrator_required, signed_in, visible_to_visitors
from taxonomy_app.web import languages, zones
from taxonomy_app.web.languages import mid_sentence

_A_PAGE = 50


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is on this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("web:home")


# --- The door ---------------------------------------------------------------------------------------


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in by username or e-mail; failed tries are throttled."""
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = SignInForm(request.POST or None)
    status = 200
    wait = 0
    if request.method == "POST":
        status = 422
        if form.is_valid():
            now = timezone.now()
            address = request.META.get("REMOTE_ADDR", "")
            identifier = throttling.canonical(form.cleaned_data["identifier"])
            wait = throttling.wait_seconds(identifier=identifier, address=address, now=now)
            if wait:
                status = 429
                minutes = -(-wait // 60)
                form.add_error(
                    None,
                    ngettext(
                        "Too many tries that failed. Wait %(minutes)s minute, then try again.",
                        "Too many tries that failed. Wait %(minutes)s minutes, then try again.",
                        minutes,
                    )
                    % {"minutes": minutes},
                )
            else:
                person = authenticate(request, username=_username(identifier), password=form.cleaned_data["password"])
                if person is not None and published(person.username, form.cleaned_data["password"]):
                    form.add_error(
                        None,
                        _(
                            "This account's password is the demonstration's, which everybody may know. "
                            "Ask an administrator for a link to choose a new one."
                        ),
                    )
                elif person is not None:
                    throttling.failures_forget(identifier=identifier, address=address)
                    _enter(request, person)
                    response = redirect(_next(request))
                    if person.language:
                        languages.remember(response, person.language, secure=settings.HTTPS)
                    return response
                else:
                    throttling.failure_record(identifier=identifier, address=address, now=now)
                    form.add_error(None, _("The name or the password is not right. Check both and try again."))
    response = render(
        request,
        "people/sign_in.html",
        {"form": form, "next": request.POST.get("next") or request.GET.get("next") or "", "accounts": demo_accounts()},
        status=status,
    )
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _enter(request: HttpRequest, person: User) -> None:
    """Begin the session, and note whose clock the person reads."""
    login(request, person, backend="django.contrib.auth.backends.ModelBackend")
    services.time_zone_note(person=person, name=request.COOKIES.get(zones.COOKIE, ""))


def _username(identifier: str) -> str:
    """The username as it is written in the account (Django's backend compares it letter by letter)."""
    person = User.objects.by_identifier(identifier)
    return person.username if person else identifier


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    messages.success(request, _("You are signed out."))
    return redirect("web:home" if settings.PUBLIC else "people:sign_in")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Become a contributor; on a site that is not public an administrator opens accounts instead."""
    if request.user.is_authenticated:
        return redirect("web:home")
    if not settings.PUBLIC:
        return render(request, "people/registration_closed.html", status=403)
    form = RegistrationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        person = services.person_create(
            username=data["username"],
            email=data["email"],
            name=data["name"],
            password=data["password"],
            reason="Registered",
            now=timezone.now(),
        )
        _enter(request, person)
        messages.success(
            request, _("Welcome, %(name)s. You can start with your first seeds.") % {"name": person.get_short_name()}
        )
        if email_is_on():
            messages.info(request, f"We have sent a link to {person.email}. Follow it to get notices by e-mail.")
        return redirect(_next(request))
    context = {"form": form, "next": request.POST.get("next") or request.GET.get("next") or ""}
    return render(request, "people/register.html", context, status=422 if form.errors else 200)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password(request: HttpRequest, pk: int, token: str) -> HttpResponse:
    """Choose a password through the link that an administrator handed over; it works once."""
    person = User.objects.filter(pk=pk, is_active=True).first()
    if person is None or not default_token_generator.check_token(person, token):
        return render(request, "people/link_used.html", status=404)
    form = NewPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        person.set_password(form.cleaned_data["password"])
        person.save(update_fields=["password"])
        _enter(request, person)
        messages.success(request, _("Your password is set and you are signed in."))
        return redirect("web:home")
    response = render(
        request, "people/choose_password.html", {"form": form, "person": person}, status=422 if form.errors else 200
    )
    # The address holds the key.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm_email(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address by the link sent to it. It takes a press: programs that look into e-mails follow links."""
    shown = services.confirmation_read(token)
    if shown is None:
        return render(request, "people/confirmation_used.html", status=404)
    if request.method == "POST":
        services.email_confirm(person=shown, now=timezone.now())
        messages.success(request, f"{shown.email} is confirmed. What you get by e-mail is your choice.")
        return redirect("people:profile")
    response = render(request, "people/confirm_email.html", {"person": shown})
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@signed_in
@require_POST
def send_confirmation(request: HttpRequest) -> HttpResponse:
    """Send the link to confirm one's address once more."""
    if services.confirmation_send(person=request.user, now=timezone.now()):
        messages.success(request, f"A link is on its way to {request.user.email}.")
    elif not email_is_on():
        messages.error(request, "This site sends no e-mail.")
    elif request.user.email_confirmed_at is not None:
        messages.info(request, "Your address is confirmed already.")
    else:
        messages.error(request, "Several links were sent today. Look among unwanted mail, or try again tomorrow.")
    return redirect("people:profile")


# --- One's own account --------------------------------------------------------------------------------


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """One's name, e-mail address and password."""
    # A form writes into its instance even when it is wrong; the header shows request.user.
    own = User.objects.get(pk=request.user.pk)
    form = ProfileForm(request.POST or None, instance=own)
    if request.method == "POST" and form.is_valid():
        services.person_save(person=request.user, **form.cleaned_data, now=timezone.now())
        chosen = own.language
        with translation.override(chosen or languages.browsers_language(request)):
            messages.success(request, _("Your account is saved."))
        response = redirect("people:profile")
        languages.remember(response, chosen, secure=settings.HTTPS)
        return response
    return _profile(request, form, PasswordChangeForm(own), 422 if form.errors else 200)


def _profile(request: HttpRequest, form: ProfileForm, password_form: PasswordChangeForm, status: int) -> HttpResponse:
    """The page of one's account, with the form that was filled in wrongly in the place of its empty one."""
    shown = {"form": form, "password_form": password_form, "mail_form": ChoicesForm(person=request.user)}
    return render(request, "people/profile.html", shown, status=status)


@sensitive_post_parameters("password", "old_password")
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    """Change one's password; this session stays, others end. Wrong guesses at the old one count as failed sign-ins."""
    if request.method != "POST":
        return redirect("people:profile")
    own = User.objects.get(pk=request.user.pk)
    now = timezone.now()
    who = {"identifier": own.username.lower(), "address": request.META.get("REMOTE_ADDR", "")}
    form = PasswordChangeForm(own, request.POST)
    status = 422
    if throttling.wait_seconds(**who, now=now):
        status = 429
        form = PasswordChangeForm(own)
        messages.error(
            request,
            ngettext(
                "Too many tries that failed. Wait %(minutes)s minute, then try again.",
                "Too many tries that failed. Wait %(minutes)s minutes, then try again.",
                15,
            )
            % {"minutes": 15},
        )
    elif form.is_valid():
        own.set_password(form.cleaned_data["password"])
        own.save(update_fields=["password"])
        update_session_auth_hash(request, own)
        messages.success(request, _("Your password is changed. Other devices were signed out."))
        return redirect("people:profile")
    elif "old_password" in form.errors:
        throttling.failure_record(**who, now=now)
    return _profile(request, ProfileForm(instance=own), form, status)


# --- People ---------------------------------------------------------------------------------------------


def _person(username: str) -> User:
    found: User = get_object_or_404(User, username__iexact=username)
    return found


@visible_to_visitors
@require_safe
def person(request: HttpRequest, username: str) -> HttpResponse:
    """A person and what they have taught; administrators see the account as well."""
    shown = _person(username)
    if not shown.is_active and not getattr(request.user, "can_administer", False):
        raise Http404
    return render(request, "people/person.html", _person_page(request, shown))


def _person_page(request: HttpRequest, shown: User, **more: Any) -> dict[str, Any]:
    administers = getattr(request.user, "can_administer", False)
    taught = Submission.objects.filter(author=shown, state=State.COMMITTED).order_by("-updated_at")
    page = Paginator(taught, 20).get_page(request.GET.get("page"))
    return {
        "person": shown,
        "taught": page,
        "role_form": RoleForm(initial={"role": shown.role}, auto_id="role-%s") if administers else None,
        "close_form": ReasonForm(auto_id="close-%s") if administers else None,
        "changes": RoleChange.objects.filter(person=shown).select_related("changed_by", "person")[:50]
        if administers
        else [],
        **more,
    }


@administrator_required
@require_safe
def people_list(request: HttpRequest) -> HttpResponse:
    """Everybody with an account, with filters kept in the address."""
    form = PeopleFilterForm(request.GET)
    found = User.objects.order_by("name", "username")
    if form.is_valid():
        if form.cleaned_data["q"]:
            found = found.matching(form.cleaned_data["q"])
        if form.cleaned_data["role"]:
            found = found.filter(role=form.cleaned_data["role"])
    page = Paginator(found, _A_PAGE).get_page(request.GET.get("page"))
    counted = dict(User.objects.filter(is_active=True).values_list("role").annotate(Count("pk")))
    return render(
        request,
        "people/list.html",
        {
            "form": form,
            "page": page,
            "counts": [(label, counted.get(value, 0)) for value, label in Role.choices],
            "filtered": bool(request.GET.get("q") or request.GET.get("role")),
        },
    )


@administrator_required
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Open an account for somebody and show the link by which they choose a password."""
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        created = services.person_create(**form.cleaned_data, password=None, by=request.user, now=timezone.now())
        return _show_link(request, created, status=201)
    return render(request, "people/add.html", {"form": form}, status=422 if form.errors else 200)


def _show_link(request: HttpRequest, shown: User, *, status: int = 200) -> HttpResponse:
    token = services.person_password_link(person=shown, by=request.user, now=timezone.now())
    link = request.build_absolute_uri(reverse("people:choose_password", args=[shown.pk, token]))
    days = settings.PASSWORD_RESET_TIMEOUT // 86_400
    response = render(
        request, "people/password_link.html", {"person": shown, "link": link, "days": days}, status=status
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@administrator_required
@require_POST
def password_link(request: HttpRequest, username: str) -> HttpResponse:
    """A link for somebody who forgot the password, to be handed over by the administrator."""
    shown = _person(username)
    try:
        return _show_link(request, shown)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect(shown)


@administrator_required
@require_POST
def change_role(request: HttpRequest, username: str) -> HttpResponse:
    """Give a person another role."""
    shown = _person(username)
    form = RoleForm(request.POST, auto_id="role-%s")
    if form.is_valid():
        try:
            services.person_change_role(
                person=shown,
                role=form.cleaned_data["role"],
                reason=form.cleaned_data["reason"],
                by=request.user,
                now=timezone.now(),
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(
                request,
                _("%(person)s is now %(role)s.") % {"person": shown, "role": mid_sentence(shown.get_role_display())},
            )
            return redirect(shown)
    return render(request, "people/person.html", _person_page(request, shown, role_form=form), status=422)


@administrator_required
@require_POST
def close(request: HttpRequest, username: str) -> HttpResponse:
    """Close an account."""
    return _open_or_close(request, username, services.person_close, lazy("The account of %(person)s is closed."))


@administrator_required
@require_POST
def reopen(request: HttpRequest, username: str) -> HttpResponse:
    """Open a closed account again."""
    return _open_or_close(request, username, services.person_reopen, lazy("The account of %(person)s is open again."))


def _open_or_close(request: HttpRequest, username: str, service: Any, sentence: str) -> HttpResponse:
    shown = _person(username)
    form = ReasonForm(request.POST, auto_id="close-%s")
    if form.is_valid():
        try:
            service(person=shown, by=request.user, reason=form.cleaned_data["reason"], now=timezone.now())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, sentence % {"person": shown})
            return redirect(shown)
    return render(request, "people/person.html", _person_page(request, shown, close_form=form), status=422)
