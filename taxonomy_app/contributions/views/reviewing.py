"""Pages of reviewers: the queue with its filters in the address, and one submission to decide on.

Fields for whoever drives these pages without a browser (POST, with the CSRF token):

``contributions:decide``
    ``verdict`` (``approve``, ``request_changes`` or ``reject``), ``revision`` (the number that the page showed),
    ``reason`` and ``canned`` (one of them needed unless approving), ``filter`` (the queue's query, to land on the
    next of it). Answers with a redirect to the next submission, or to the queue where none is left.
``contributions:claim``
    ``take_over`` (any value) takes it from a reviewer who has claimed it. ``contributions:release`` has no fields.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.alike import alike_seeds
from taxonomy_app.contributions.forms import CANNED_REASONS, DecisionForm
from taxonomy_app.contributions.models import Decision, Kind, State, Submission
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.contributions.shown import revision_shown, timeline
from taxonomy_app.people.permissions import reviewer_required
from taxonomy_app.tree.models import Branch

PAGE = 25
FILTERS = ("state", "branch", "kind", "author", "q", "claim")

DECIDE = {
    Decision.Verdict.APPROVE: (services.submission_approve, "approved. It is on its way into the taxonomy"),
    Decision.Verdict.REQUEST_CHANGES: (services.submission_request_changes, "handed back with your request"),
    Decision.Verdict.REJECT: (services.submission_reject, "rejected"),
}


def filtered(parameters: QueryDict, user: Any) -> tuple[QuerySet[Submission], dict[str, str]]:
    """The submissions that the address's parameters ask for, and the parameters that were understood."""
    chosen = {name: documents.clean(parameters.get(name, "")).strip()[:100] for name in FILTERS}
    chosen["state"] = chosen["state"] if chosen["state"] in (*State.values, "all") else State.SUBMITTED
    rows = Submission.objects.select_related("author", "claimed_by")
    if chosen["state"] != "all":
        rows = rows.filter(state=chosen["state"])
    if chosen["branch"] in Branch.values:
        rows = rows.filter(branch=chosen["branch"])
    if chosen["kind"] in Kind.values:
        rows = rows.filter(kind=chosen["kind"])
    if chosen["author"]:
        rows = rows.filter(Q(author__username__iexact=chosen["author"]) | Q(author__name__icontains=chosen["author"]))
    for word in chosen["q"].split()[:6]:
        rows = rows.filter(Q(path__icontains=word) | Q(summary__icontains=word))
    if chosen["claim"] == "mine":
        rows = rows.filter(claimed_by=user)
    elif chosen["claim"] == "free":
        rows = rows.unclaimed(now=timezone.now())
    return rows.order_by("submitted_at", "id"), chosen


@reviewer_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    rows, chosen = filtered(request.GET, request.user)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    for one in page.object_list:
        one.taken = one.claimed_by_other(request.user, now=now)
        one.own = one.author_id == request.user.pk
    context = {
        "page": page,
        "chosen": chosen,
        "filter": _query(chosen),
        "states": State.choices,
        "branches": Branch.choices,
        "kinds": Kind.choices,
        "filtered": any(chosen[name] for name in FILTERS if name != "state") or chosen["state"] != State.SUBMITTED,
    }
    template = "contributions/_queue_rows.html" if request.htmx else "contributions/queue.html"  # type: ignore[attr-defined]  # django-htmx
    return render(request, template, context)


def _query(chosen: dict[str, str]) -> str:
    """The filter as a query string, what is as always left out."""
    query = QueryDict(mutable=True)
    for name in FILTERS:
        if chosen[name] and not (name == "state" and chosen[name] == State.SUBMITTED):
            query[name] = chosen[name]
    return query.urlencode()


def reviewed_or_404(pk: int) -> Submission:
    return get_object_or_404(Submission.objects.select_related("author", "claimed_by"), pk=pk)


@reviewer_required
@require_safe
def review(request: HttpRequest, pk: int) -> HttpResponse:
    return _show(request, reviewed_or_404(pk))


def _show(
    request: HttpRequest, found: Submission, *, form: DecisionForm | None = None, refused: str = "", status: int = 200
) -> HttpResponse:
    revision = found.revisions.get(number=found.revision_number)
    shown = revision_shown(found, revision)
    rows, chosen = filtered(_filter_of(request), request.user)
    now = timezone.now()
    context = {
        "submission": found,
        "revision": revision,
        "shown": shown,
        "errors": [problem for problem in shown.problems if problem.severity == "error"],
        "timeline": timeline(found, insider=True),
        "why_not": _why_not(found, request.user),
        "taken": found.claimed_by_other(request.user, now=now),
        "claimed": found.claimed_by_id == request.user.pk and found.state == State.SUBMITTED,
        "canned": CANNED_REASONS,
        "posted": form.data if form is not None else {},
        "refused": refused,
        "filter": _query(chosen),
        "next": _next(rows, found, request.user),
    }
    return render(request, "contributions/review.html", context, status=status)


def _filter_of(request: HttpRequest) -> QueryDict:
    """The queue's filter: in the address of the review page, or posted along with a decision."""
    return QueryDict(request.POST["filter"][:500]) if "filter" in request.POST else request.GET


def _why_not(found: Submission, user: Any) -> str:
    """Why this person cannot decide, in one sentence; empty where they can."""
    if found.author_id == user.pk:
        return "This is your own contribution, so somebody else has to decide on it."
    if found.state != State.SUBMITTED:
        return f"There is nothing to decide: {found.get_state_display().lower()}."
    return ""


def _next(rows: QuerySet[Submission], found: Submission, user: Any) -> Submission | None:
    """The next one of the filter that this reviewer could decide; from the top when the end is reached."""
    open_rows = rows.filter(state=State.SUBMITTED).exclude(author=user).exclude(pk=found.pk)
    open_rows = open_rows.unclaimed(now=timezone.now(), by=user)
    later = Q(submitted_at__gt=found.submitted_at) | Q(submitted_at=found.submitted_at, id__gt=found.pk)
    return open_rows.filter(later).first() or open_rows.first()


@reviewer_required
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _show(request, found, form=form, refused="Choose approve, request changes or reject.", status=422)
    act, words = DECIDE[form.cleaned_data["verdict"]]
    try:
        act(
            submission=found,
            reviewer=request.user,
            revision_number=form.cleaned_data["revision"],
            reason=form.whole_reason(),
            now=timezone.now(),
        )
    except Refused as refused:
        status = 409 if isinstance(refused, services.ChangedMeanwhile) else 422
        return _show(request, reviewed_or_404(pk), form=form, refused=refused.sentence, status=status)
    messages.success(request, f"{found.number} {found.name}: {words}.")
    rows, chosen = filtered(_filter_of(request), request.user)
    following = _next(rows, found, request.user)
    query = _query(chosen)
    if following is None:
        return redirect(reverse("contributions:queue") + (f"?{query}" if query else ""))
    return redirect(reverse("contributions:review", args=[following.pk]) + (f"?{query}" if query else ""))


@reviewer_required
@require_POST
def claim(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    try:
        services.submission_claim(
            submission=found, reviewer=request.user, take_over="take_over" in request.POST, now=timezone.now()
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
    return _back_to_review(request, found)


@reviewer_required
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    try:
        services.submission_release(submission=found, reviewer=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    return _back_to_review(request, found)


def _back_to_review(request: HttpRequest, found: Submission) -> HttpResponse:
    _, chosen = filtered(_filter_of(request), request.user)
    query = _query(chosen)
    return redirect(reverse("contributions:review", args=[found.pk]) + (f"?{query}" if query else ""))


@reviewer_required
@require_safe
def alike(request: HttpRequest, pk: int) -> HttpResponse:
    """Seeds of the whole taxonomy and of other open submissions that ask nearly the same (a fragment)."""
    found = reviewed_or_404(pk)
    context = {"submission": found, "alike": alike_seeds(found)}
    return render(request, "contributions/_alike.html", context)
