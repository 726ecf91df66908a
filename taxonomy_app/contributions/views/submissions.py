"""A person's own contributions, and the page of a submission: what became of it, and what its author can do."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.approvals import approvals_count
from taxonomy_app.contributions.messages import NEXT_FOR_AUTHOR, next_for_author
from taxonomy_app.contributions.models import CLOSED, Draft, Notice, State, Submission
from taxonomy_app.contributions.problems import NotYours, Refused
from taxonomy_app.contributions.shown import open_suggestions, revision_shown, timeline
from taxonomy_app.contributions.views.reviewing import trail_download
from taxonomy_app.people.permissions import sign_in_redirect, signed_in, visible_to_visitors
from taxonomy_app.releases.queries import releases_containing

PAGE = 25


def submission_or_404(request: HttpRequest, pk: int) -> Submission:
    """A submission that the person may read; others do not exist for them."""
    found = Submission.objects.visible_for(request.user).select_related("author", "claimed_by")
    return get_object_or_404(found, pk=pk)


@signed_in
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    drafts = Paginator(Draft.objects.visible_for(request.user).listed(), PAGE).get_page(request.GET.get("drafts"))
    submissions = Submission.objects.filter(author=request.user).order_by("-updated_at", "-id")
    state = request.GET.get("state", "")
    if state in State.values:
        submissions = submissions.filter(state=state)
    page = Paginator(submissions, PAGE).get_page(request.GET.get("page"))
    for one in page.object_list:
        one.next = NEXT_FOR_AUTHOR[State(one.state)]
    context = {"drafts": drafts, "page": page, "state": state, "states": State.choices}
    return render(request, "contributions/mine.html", context)


@never_cache
@signed_in
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """What happened to submissions that concern the person, the newest first."""
    found = Notice.objects.filter(person=request.user).select_related("submission", "by")
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    newest = found.values_list("pk", flat=True).first()
    unread = Notice.objects.unread_by(request.user).exists()
    return render(request, "contributions/notices.html", {"page": page, "newest": newest, "unread": unread})


@signed_in
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark as read what the page showed; ``until`` is the number of its newest notice."""
    until = documents.number_from_text(request.POST.get("until", ""))
    if until is not None:
        services.notices_read(person=request.user, until=until, now=timezone.now())
    return redirect("contributions:notices")


@visible_to_visitors
@require_safe
def submission(request: HttpRequest, pk: int) -> HttpResponse:
    if not request.user.is_authenticated and not Submission.objects.visible_for(request.user).filter(pk=pk).exists():
        return sign_in_redirect(request)
    found = submission_or_404(request, pk)
    own = found.author_id == request.user.pk
    insider = own or (request.user.is_authenticated and request.user.can_review)
    if insider:
        # Who sees what became of it has been told.
        services.notices_read(person=request.user, submission=found, now=timezone.now())
    overtaken = found.state == State.CONFLICT
    revision = found.revisions.get(number=found.revision_number)
    context: dict[str, Any] = {
        "submission": found,
        "own": own,
        "insider": insider,
        "can_talk": insider and found.state not in CLOSED,
        "next": next_for_author(found) if own else "",
        "revision": revision,
        "shown": revision_shown(found, revision),
        "timeline": timeline(found, insider=insider),
        "revision_count": found.revision_number,
        "releases": releases_containing(found, user=request.user),
        "conflict": found.pending_commits.filter(state="conflict").last() if insider and overtaken else None,
        "suggestions": open_suggestions(found) if insider and found.can_be_revised else [],
        "next_draft": Draft.objects.filter(submission=found).only("pk").first() if own else None,
        "approvals": approvals_count([found])[found.pk] if insider and found.state == State.SUBMITTED else None,
        "stuck": found.pending_commits.stuck().first() if insider and found.state == State.APPROVED else None,
    }
    return render(request, "contributions/submission.html", context)


@signed_in
@require_safe
def trail(request: HttpRequest, pk: int) -> HttpResponse:
    """The audit trail of one submission as a CSV file, for its author and reviewers."""
    found = submission_or_404(request, pk)
    if found.author_id != request.user.pk and not request.user.can_review:
        raise NotYours
    return trail_download(Submission.objects.filter(pk=pk), f"{found.number}.csv")


@signed_in
@require_safe
def revision(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One revision as it was signed off, compared with the one before it (the first: with the taxonomy then)."""
    found = submission_or_404(request, pk)
    if found.author_id != request.user.pk and not request.user.can_review and number != found.revision_number:
        raise Http404
    wanted = get_object_or_404(found.revisions, number=number)
    context = {
        "submission": found,
        "revision": wanted,
        "number": str(wanted.number),
        "own": found.author_id == request.user.pk,
        "insider": found.author_id == request.user.pk or request.user.can_review,
        "shown": revision_shown(found, wanted, against="earlier"),
    }
    return render(request, "contributions/revision.html", context)


@signed_in
@require_POST
def revise(request: HttpRequest, pk: int) -> HttpResponse:
    found = submission_or_404(request, pk)
    try:
        draft = services.submission_revise(submission=found, by=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
        return redirect(found)
    return redirect(draft)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    found = submission_or_404(request, pk)
    if request.method != "POST":
        if found.author_id != request.user.pk:
            raise NotYours
        return render(request, "contributions/withdraw.html", {"submission": found})
    begun = Draft.objects.filter(submission=found).exists()
    try:
        services.submission_withdraw(
            submission=found, by=request.user, reason=request.POST.get("reason", ""), now=timezone.now()
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
    else:
        told = [_("Taken back. What you wrote is still here to read.")]
        if begun:
            told.append(_("The next version that you had begun is among your drafts."))
        messages.success(request, " ".join(told))
    return redirect(found)


@signed_in
@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    found = submission_or_404(request, pk)
    seed = documents.number_from_text(request.POST.get("seed", ""))
    try:
        services.comment_add(
            submission=found,
            author=request.user,
            text=request.POST.get("text", ""),
            revision_number=documents.number_from_text(request.POST.get("revision", "")),
            seed_position=seed,
            now=timezone.now(),
        )
    except Refused as refused:
        messages.error(request, refused.sentence)
    where = talk_page(request, found)
    return redirect(f"{where}#{'talk' if seed is None else f'seed-{seed + 1}'}")


@signed_in
@require_POST
def comment_resolve(request: HttpRequest, pk: int, comment_pk: int) -> HttpResponse:
    """Settle a comment; ``back`` as in ``comment``."""
    found = submission_or_404(request, pk)
    wanted = get_object_or_404(found.comments.select_related("submission"), pk=comment_pk)
    try:
        services.comment_resolve(comment=wanted, by=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect(f"{talk_page(request, found)}#talk")


def talk_page(request: HttpRequest, found: Submission) -> str:
    """The page on which something was said: the desk, or the submission's own."""
    if request.POST.get("back") == "review" and request.user.can_review:
        return reverse("contributions:review", args=[found.pk])
    return found.get_absolute_url()
