"""Pages of reviewers: the queue with its filters in the address, and one submission to decide on.

Fields for whoever drives these pages without a browser (POST, with the CSRF token):

``contributions:decide``
    ``verdict`` (``approve``, ``request_changes`` or ``reject``), ``revision`` (the number that the page showed),
    ``path`` (the place that it showed), ``reason`` and ``canned`` (one of them needed unless approving), ``step_in``
    (any value; an administrator whom the place's rule does not name), ``filter`` (the queue's query, to land on the
    next of it). Answers with a redirect to the next submission, or to the queue where none is left.
``contributions:decide_all``
    ``filter`` (the queue's query), ``verdict`` (as above, or ``claim``), ``reason`` and ``canned``, ``seen_until``
    (as the page gave it). Answers with the report.
``contributions:claim``
    ``take_over`` (any value) takes it from a reviewer who has claimed it, ``step_in`` as above.
    ``contributions:release`` has no fields.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.contributions import bulk, services
from taxonomy_app.contributions.alike import alike_seeds
from taxonomy_app.contributions.approvals import approvals_count
from taxonomy_app.contributions.audit import trail_csv
from taxonomy_app.contributions.forms import CANNED_REASONS, DecisionForm
from taxonomy_app.contributions.models import Decision, Kind, RevisionFinding, SavedFilter, State, Submission
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.queue import AGES, CHECKS, CLAIMS, SORTS, WAITS, QueueFilter
from taxonomy_app.contributions.rules import Rules
from taxonomy_app.contributions.shown import author_record, revision_shown, timeline
from taxonomy_app.people.permissions import reviewer_required
from taxonomy_app.tree.models import Branch, Leaf

PAGE = 25
LONGEST_FILTER = 2_000

DECIDE = {
    Decision.Verdict.APPROVE: (services.submission_approve, "approved. It is on its way into the taxonomy"),
    Decision.Verdict.REQUEST_CHANGES: (services.submission_request_changes, "handed back with your request"),
    Decision.Verdict.REJECT: (services.submission_reject, "rejected"),
}


@reviewer_required
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    chosen = QueueFilter.parse(request.GET)
    now = timezone.now()
    page = Paginator(chosen.rows(user=request.user, now=now), PAGE).get_page(request.GET.get("page"))
    for one in page.object_list:
        one.taken = one.claimed_by_other(request.user, now=now)
        one.own = one.author_id == request.user.pk
    rules = Rules.load()
    counts = approvals_count(page.object_list, rules=rules)
    for one in page.object_list:
        one.count = counts[one.pk] if one.state == State.SUBMITTED else None
        one.approved_by_me = one.count is not None and one.count.by(request.user) is not None
        one.elsewhere = one.state == State.SUBMITTED and not rules.reviews(request.user, one.path)
    saved = list(SavedFilter.objects.filter(person=request.user))
    context = {
        "page": page,
        "chosen": chosen,
        "filter": chosen.query(),
        "states": State.choices,
        "branches": Branch.choices,
        "kinds": Kind.choices,
        "ages": [(value, words) for value, (words, _) in AGES.items()],
        "claims": CLAIMS.items(),
        "waits": WAITS.items(),
        "checks": _checks(chosen),
        "sorts": [(value, words) for value, (words, _) in SORTS.items()],
        "saved": saved,
        "saved_as": next((one for one in saved if one.query == chosen.query()), None),
    }
    template = "contributions/_queue_rows.html" if request.htmx else "contributions/queue.html"  # type: ignore[attr-defined]  # django-htmx
    return render(request, template, context)


def _checks(chosen: QueueFilter) -> list[tuple[str, str]]:
    """What the filter by checks offers: the broad answers, then each code that was found in what waits."""
    codes = RevisionFinding.objects.filter(submission__state=State.SUBMITTED).order_by("code")
    found = dict.fromkeys([*codes.values_list("code", flat=True).distinct(), *filter(None, [chosen.checks])])
    return [*CHECKS.items(), *((code, code.replace("-", " ").capitalize()) for code in found if code not in CHECKS)]


@reviewer_required
@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    """The audit trail of everything that the filter matches, as a CSV file."""
    rows = QueueFilter.parse(request.GET).rows(user=request.user, now=timezone.now())
    return trail_download(rows, "contributions.csv")


def trail_download(rows: QuerySet[Submission], name: str) -> HttpResponse:
    """The audit trail of ``rows`` as a file that a browser saves under ``name``."""
    # Not streamed: under ASGI an iterator that asks the database is collected first anyway.
    response = HttpResponse(trail_csv(rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@reviewer_required
@require_POST
def filter_save(request: HttpRequest) -> HttpResponse:
    """Keep the queue's filter under a name."""
    chosen = QueueFilter.parse(QueryDict(request.POST.get("filter", "")[:LONGEST_FILTER]))
    try:
        services.filter_save(person=request.user, name=request.POST.get("name", ""), query=chosen.query())
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect(_queue_address(chosen))


@reviewer_required
@require_POST
def filter_forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own saved filters."""
    found = get_object_or_404(SavedFilter, pk=pk, person=request.user)
    services.filter_forget(saved=found, by=request.user)
    messages.success(request, f"The filter {found.name} is forgotten.")
    return redirect("contributions:queue")


def _queue_address(chosen: QueueFilter) -> str:
    query = chosen.query()
    return reverse("contributions:queue") + (f"?{query}" if query else "")


def reviewed_or_404(pk: int) -> Submission:
    return get_object_or_404(Submission.objects.select_related("author", "claimed_by"), pk=pk)


@reviewer_required
@require_safe
def review(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    services.notices_read(person=request.user, submission=found, now=timezone.now())
    return _show(request, found)


def _show(
    request: HttpRequest, found: Submission, *, form: DecisionForm | None = None, refused: str = "", status: int = 200
) -> HttpResponse:
    revision = found.revisions.get(number=found.revision_number)
    shown = revision_shown(found, revision)
    chosen = filter_of(request)
    now = timezone.now()
    told = timeline(found, insider=True)
    rules = Rules.load()
    standing = rules.standing(request.user, found.path)
    count = approvals_count([found], rules=rules)[found.pk]
    context = {
        "submission": found,
        "revision": revision,
        "shown": shown,
        "errors": [problem for problem in shown.problems if problem.severity == "error"],
        "timeline": told,
        "open_comments": sum(entry.open_comment for entry in told),
        "why_not": why_not(found, request.user, standing=standing, rules=rules),
        "standing": standing,
        "can_suggest": found.author_id != request.user.pk and found.can_be_revised,
        "rule": rules.at(found.path),
        "approvals": count if found.state == State.SUBMITTED else None,
        "approved_before": count.by(request.user),
        "leaf_now": _moves_from(found),
        "record": author_record(found.author_id, before=found),
        "taken": found.claimed_by_other(request.user, now=now),
        "claimed": found.claimed_by_id == request.user.pk and found.state == State.SUBMITTED,
        "canned": CANNED_REASONS,
        "posted": form.data if form is not None else {},
        "refused": refused,
        "filter": chosen.query(),
        "next": chosen.following(found, user=request.user, now=now, rules=rules),
    }
    return render(request, "contributions/review.html", context, status=status)


def _moves_from(found: Submission) -> Leaf | None:
    """The leaf that goes elsewhere with this submission."""
    return Leaf.objects.present().filter(leaf_id=found.leaf_id).first() if found.moves else None


def filter_of(request: HttpRequest) -> QueueFilter:
    """The queue's filter: in the address of the review page, or posted along with a decision."""
    posted = request.POST.get("filter")
    return QueueFilter.parse(request.GET if posted is None else QueryDict(posted[:LONGEST_FILTER]))


def why_not(found: Submission, user: Any, *, standing: str = "reviewer", rules: Rules | None = None) -> str:
    """Why this person cannot decide, in one sentence; empty where they can.

    ``standing`` and ``rules``: as what they would decide (``Rules.standing``), where that was looked up.
    """
    if found.author_id == user.pk:
        return "This is your own contribution, so somebody else has to decide on it."
    if found.state != State.SUBMITTED:
        return f"There is nothing to decide: {found.get_state_display().lower()}."
    if not standing and rules is not None:
        rule = rules.at(found.path)
        return f"What is below {rule} is decided on by {rules.told(found.path)}. You may comment."
    return ""


@reviewer_required
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _show(request, found, form=form, refused="Choose approve, request changes or reject.", status=422)
    act, words = DECIDE[form.cleaned_data["verdict"]]
    seen = request.POST.get("path", found.path)
    try:
        if seen != found.path:
            raise ChangedMeanwhile(f"It was moved to {found.path} meanwhile, so nothing was decided. Look at it there.")
        decision = act(
            submission=found,
            reviewer=request.user,
            revision_number=form.cleaned_data["revision"],
            reason=form.whole_reason(),
            step_in=form.cleaned_data["step_in"],
            now=timezone.now(),
        )
    except Refused as refused:
        status = 409 if isinstance(refused, ChangedMeanwhile) else 422
        return _show(request, reviewed_or_404(pk), form=form, refused=refused.sentence, status=status)
    if decision is None:
        count = approvals_count([found])[found.pk]
        words = f"approved by you. It has {len(count.given)} of {count.needed} approvals; others go on with it"
    messages.success(request, f"{found.number} {found.name}: {words}.")
    chosen = filter_of(request)
    following = chosen.following(found, user=request.user, now=timezone.now())
    if following is None:
        return redirect(_queue_address(chosen))
    query = chosen.query()
    return redirect(reverse("contributions:review", args=[following.pk]) + (f"?{query}" if query else ""))


BULK = (
    (bulk.CLAIM, "Claim them"),
    (Decision.Verdict.APPROVE, "Approve them"),
    (Decision.Verdict.REQUEST_CHANGES, "Request changes"),
    (Decision.Verdict.REJECT, "Reject them"),
)


@reviewer_required
@require_http_methods(["GET", "HEAD", "POST"])
def decide_all(request: HttpRequest) -> HttpResponse:
    """One decision on everything that the filter matches: asked for, then told item by item."""
    chosen = filter_of(request)
    now = timezone.now()
    # What came in after the page was shown was not seen and is left for the next time.
    seen = Q(submitted_at__lte=_seen_until(request, now=now))
    rows = chosen.rows(user=request.user, now=now).filter(seen)
    decidable = chosen.decidable(user=request.user, now=now).filter(seen)
    count = decidable.count()
    context: dict[str, Any] = {
        "chosen": chosen,
        "filter": chosen.query(),
        "queue": _queue_address(chosen),
        "choices": BULK,
        "canned": CANNED_REASONS,
        "posted": request.POST,
        "most": bulk.MOST_AT_ONCE,
    }
    if request.method == "POST" and request.POST.get("verdict") in dict(BULK):
        reason = "\n".join(filter(None, (request.POST.get(name, "").strip() for name in ("canned", "reason"))))
        try:
            context["result"] = bulk.submissions_decide(
                submissions=[
                    *decidable[: bulk.MOST_AT_ONCE],
                    *rows.exclude(pk__in=decidable.values("pk").order_by())[: bulk.MOST_AT_ONCE],
                ],
                reviewer=request.user,
                verdict=request.POST["verdict"],
                reason=reason,
                now=now,
            )
        except Refused as refused:
            context["refused"] = refused.sentence
        else:
            context["left"] = max(count - bulk.MOST_AT_ONCE, 0)
            context["verdict"] = dict(BULK)[request.POST["verdict"]]
            return render(request, "contributions/decided_all.html", context)
    elif request.method == "POST":
        context["refused"] = "Choose what should be done with them."
    context |= {
        "count": count,
        "left_out": rows.count() - count,
        "first": decidable[:10],
        "seen_until": _seen_until(request, now=now).isoformat(),
    }
    return render(request, "contributions/decide_all.html", context, status=422 if "refused" in context else 200)


def _seen_until(request: HttpRequest, *, now: datetime) -> datetime:
    """The moment at which the page was shown that a decision on all comes from."""
    try:
        shown = datetime.fromisoformat(request.POST.get("seen_until", ""))
    except ValueError:
        return now
    return min(shown, now) if shown.tzinfo is not None else now


@reviewer_required
@require_POST
def claim(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    try:
        services.submission_claim(
            submission=found,
            reviewer=request.user,
            take_over="take_over" in request.POST,
            step_in="step_in" in request.POST,
            now=timezone.now(),
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
    return back_to_review(request, found)


@reviewer_required
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    found = reviewed_or_404(pk)
    try:
        services.submission_release(submission=found, reviewer=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    return back_to_review(request, found)


def back_to_review(request: HttpRequest, found: Submission) -> HttpResponse:
    query = filter_of(request).query()
    return redirect(reverse("contributions:review", args=[found.pk]) + (f"?{query}" if query else ""))


@reviewer_required
@require_safe
def alike(request: HttpRequest, pk: int) -> HttpResponse:
    """Seeds of the whole taxonomy and of other open submissions that ask nearly the same (a fragment)."""
    found = reviewed_or_404(pk)
    context = {"submission": found, "alike": alike_seeds(found)}
    return render(request, "contributions/_alike.html", context)
