"""The pages of e-mail: what one gets, the link in each message that ends it, and the administrators' view of it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.contributions import mailing
from taxonomy_app.mail import links, services
from taxonomy_app.mail.forms import ChoicesForm
from taxonomy_app.mail.models import Email
from taxonomy_app.people.permissions import administrator_required, signed_in

_A_PAGE = 50


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def choices(request: HttpRequest) -> HttpResponse:
    """What one gets by e-mail; the account's page holds the same form."""
    form = ChoicesForm(request.POST or None, person=request.user)  # type: ignore[arg-type]  # signed_in
    if request.method == "POST" and form.is_valid():
        mailing.choices_keep(person=request.user, chosen=form.chosen())  # type: ignore[arg-type]  # signed_in
        messages.success(request, "What you get by e-mail is saved.")
        return redirect("people:profile")
    return render(request, "mail/choices.html", {"mail_form": form}, status=422 if form.errors else 200)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """End one kind of e-mail by the link in it, without signing in: its signature is the permission.

    A mail program posts here by itself (RFC 8058); a person who opens the link presses a button.
    """
    found = links.unsubscription(token)
    done = False
    if found is not None and request.method == "POST":
        done = mailing.unsubscribe(found)
    response = render(
        request,
        "mail/unsubscribe.html",
        {
            "found": found,
            "done": done,
            "posted": request.method == "POST",
            "weekly": found and found.kind == Email.Kind.REVIEWERS,
        },
        status=404 if found is None else 200,
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@administrator_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Whether e-mail leaves, how much waits, and what did not arrive."""
    counted = dict(Email.objects.order_by().values_list("state").annotate(Count("pk")))
    tried = Email.objects.waiting().exclude(problem="")
    page = Paginator(Email.objects.undelivered().select_related("person"), _A_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "mail/home.html",
        {
            "server": settings.EMAIL.shown if settings.EMAIL else "",
            "sender": settings.EMAIL.sender if settings.EMAIL else "",
            "counts": [
                ("Waiting", counted.get(Email.State.WAITING, 0) + counted.get(Email.State.HANDED_OVER, 0)),
                *((state.label, counted.get(state, 0)) for state in (Email.State.SENT, *Email.UNDELIVERED)),
                (Email.State.DROPPED.label, counted.get(Email.State.DROPPED, 0)),
            ],
            "latest_problem": tried.order_by("-next_try_at").first(),
            "page": page,
            "days": services.KEPT.days,
            "can_retry": counted.get(Email.State.GIVEN_UP, 0) + counted.get(Email.State.REFUSED, 0),
        },
    )


@administrator_required
@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    """Try again what was given up or refused."""
    count = services.emails_retry(now=timezone.now())
    messages.success(request, f"{count} e-mail{'s are' if count != 1 else ' is'} tried again.")
    return redirect("mail:home")
