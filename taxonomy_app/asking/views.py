"""Pages and fragments of askings. An asking from the draft's form comes by that form's own view, which saves first.

Fields (POST, with the CSRF token): ``asking:question_new`` takes ``question``; ``asking:submission`` takes ``whom``
(``model`` or ``teacher``); ``asking:stop`` has none. From a draft's form, ``action`` is ``ask`` (every question not
answered yet), ``ask:2`` (those of one seed, counted from 0) or ``try``.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.asking import services
from taxonomy_app.asking.models import Asking
from taxonomy_app.asking.shown import draft_panel, question_panel, submission_panel
from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Draft, Submission
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.people.permissions import signed_in


def asked_from_form(request: HttpRequest, found: Draft, action: str) -> str:
    """Begin what a button of the draft's form asks for; why it was refused, or nothing."""
    name, _, seed = action.partition(":")
    try:
        if name == "ask":
            number = documents.number_from_text(seed)
            services.draft_ask(draft=found, by=request.user, seed=number, now=timezone.now())
        elif name == "try":
            services.draft_try(draft=found, by=request.user, now=timezone.now())
    except Refused as refused:
        return refused.sentence
    return ""


@never_cache
@signed_in
@require_safe
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel of a draft, and each answer for its place in the page (a fragment, while one is under way)."""
    found = get_object_or_404(Draft.objects.visible_for(request.user), pk=pk)
    return render(request, "asking/_draft.html", {"draft": found, "panel": draft_panel(found), "replacing": True})


def _insiders_submission(request: HttpRequest, pk: int) -> Submission:
    """A submission whose author or a reviewer looks; for anybody else it has no askings."""
    rows = Submission.objects.all() if request.user.can_review else Submission.objects.filter(author=request.user)  # type: ignore[union-attr]  # signed in
    return get_object_or_404(rows, pk=pk)


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def submission(request: HttpRequest, pk: int) -> HttpResponse:
    """The answers and samples of a submission (a fragment); ``whom`` asks for new ones."""
    found = _insiders_submission(request, pk)
    refused = ""
    if request.method == "POST":
        begin = services.submission_try if request.POST.get("whom") == "teacher" else services.submission_ask
        try:
            begin(submission=found, by=request.user, now=timezone.now())
        except Refused as error:
            refused = error.sentence
    context = {"submission": found, "panel": submission_panel(found), "ask_refused": refused}
    template = "asking/_submission.html" if request.htmx else "asking/submission.html"  # type: ignore[attr-defined]  # django-htmx
    return render(request, template, context, status=422 if refused else 200)


@signed_in
@require_POST
def question_new(request: HttpRequest) -> HttpResponse:
    """Ask a question that belongs to no draft yet."""
    text = request.POST.get("question", "")
    try:
        made = services.question_ask(question=text, by=request.user, now=timezone.now())
    except Refused as refused:
        if request.htmx:  # type: ignore[attr-defined]  # django-htmx
            return render(request, "asking/_question.html", {"ask_refused": refused.sentence}, status=422)
        messages.error(request, refused.sentence)
        return redirect("contributions:new")
    if request.htmx:  # type: ignore[attr-defined]  # django-htmx
        return render(request, "asking/_question.html", {"asking": made, "panel": question_panel(made)})
    return redirect("asking:question", pk=made.pk)


@never_cache
@signed_in
@require_safe
def question(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What the model answers to one's own question, as a page or a fragment."""
    made = get_object_or_404(Asking, pk=pk, person=request.user, draft=None, submission=None)
    template = "asking/_question.html" if request.htmx else "asking/question.html"  # type: ignore[attr-defined]  # django-htmx
    return render(request, template, {"asking": made, "panel": question_panel(made)})


@signed_in
@require_POST
def stop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop an asking of one's own; back to where it is shown."""
    made = get_object_or_404(Asking, pk=pk, person=request.user)
    services.asking_cancel(asking=made, by=request.user, now=timezone.now())
    if made.draft_id is not None:
        if request.htmx:  # type: ignore[attr-defined]  # django-htmx
            return redirect("asking:draft", pk=made.draft_id)
        return redirect("contributions:draft", pk=made.draft_id)
    if made.submission_id is not None:
        return redirect("asking:submission", pk=made.submission_id)
    return redirect("asking:question", pk=made.pk)
