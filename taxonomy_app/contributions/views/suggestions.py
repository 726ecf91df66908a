"""Texts that reviewers propose for single fields, and the author's answer to them.

Fields for whoever drives these pages without a browser (POST, with the CSRF token):

``contributions:suggest``
    The names of fields (``seed_examples[2].answer``, ``task_description``) with what each should say, ``revision`` (the
    number that the page showed), ``remark`` (may be empty), ``back`` (``review`` or ``submission``). A GET with
    ``seed`` (counted from 0; left out for what stands above the seeds) shows the form.
``contributions:suggestion``
    Accepts. ``over`` with the draft's version gives up the draft's own text where it has changed since.
``contributions:suggestion_decline``
    No fields but ``back``.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.editor import anchor_of
from taxonomy_app.contributions.form_fields import field_label, fields_of
from taxonomy_app.contributions.models import Comment, Draft, Submission
from taxonomy_app.contributions.problems import NotYours, Refused
from taxonomy_app.contributions.suggestions import (
    LONGEST_SUGGESTION,
    Overtaken,
    draft_form,
    revision_form,
    suggestion_place,
)
from taxonomy_app.contributions.views.reviewing import reviewed_or_404
from taxonomy_app.contributions.views.submissions import submission_or_404, talk_page
from taxonomy_app.people.permissions import reviewer_required, signed_in


@reviewer_required
@require_http_methods(["GET", "HEAD", "POST"])
def suggest(request: HttpRequest, pk: int) -> HttpResponse:
    """Propose other texts for a seed, or for what stands above the seeds."""
    found = reviewed_or_404(pk)
    seed = documents.number_from_text(request.POST.get("seed", request.GET.get("seed", "")))
    number = documents.number_from_text(request.POST.get("revision", "")) or found.revision_number
    refused = ""
    if request.method == "POST":
        try:
            made = services.suggestions_add(
                submission=found,
                author=request.user,
                revision_number=number,
                texts={name: request.POST[name] for name in request.POST if _is_field(name)},
                remark=request.POST.get("remark", ""),
                now=timezone.now(),
            )
        except Refused as error:
            refused = error.sentence
        else:
            count = len(made)
            messages.success(
                request,
                _("Sent as a suggestion.") if count == 1 else _("Sent as %(count)s suggestions.") % {"count": count},
            )
            return redirect(f"{talk_page(request, found)}#{'head' if seed is None else f'seed-{seed + 1}'}")
    return _show(request, found, seed, number, refused=refused)


def _is_field(name: str) -> bool:
    return name.startswith("seed_examples[") or name in ("task_description", "domain", "document_outline")


def _show(request: HttpRequest, found: Submission, seed: int | None, number: int, *, refused: str = "") -> HttpResponse:
    back = request.POST.get("back", request.GET.get("back", "review"))
    context = {
        "submission": found,
        "seed": seed,
        "number": number,
        "remark": request.POST.get("remark", ""),
        "back": back,
        "most": LONGEST_SUGGESTION,
        "fields": [],
    }
    revision = get_object_or_404(found.revisions, number=number)
    try:
        form = revision_form(revision, found.kind)
        if seed is not None and seed >= len(form["seed_examples"]):
            raise Refused(_("This seed does not exist in the revision. Go back and look again."))
        context["fields"] = [
            {
                "name": name,
                "id": f"s-{anchor_of(name)}",
                "label": field_label(name),
                "text": request.POST.get(name, text),
            }
            for name, text in fields_of(form, seed)
        ]
    except Refused as error:
        refused = refused or error.sentence
    context["refused"] = refused
    fragment = bool(request.htmx) and request.method != "POST"  # type: ignore[attr-defined]  # django-htmx
    template = "contributions/_suggest.html" if fragment else "contributions/suggest.html"
    return render(request, template, context, status=422 if refused else 200)


def _comment_or_404(request: HttpRequest, pk: int, comment_pk: int) -> Comment:
    """A suggestion on a submission that the person may read."""
    found = submission_or_404(request, pk)
    rows = Comment.objects.filter(submission=found, suggestion__isnull=False)
    return get_object_or_404(
        rows.select_related("submission__author", "suggestion", "author", "resolution__by"), pk=comment_pk
    )


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def suggestion(request: HttpRequest, pk: int, comment_pk: int) -> HttpResponse:
    """The suggestion beside what the author's next version says; a POST accepts it."""
    comment = _comment_or_404(request, pk, comment_pk)
    if comment.submission.author_id != request.user.pk:
        raise NotYours
    if request.method != "POST":
        return _compare(request, comment)
    over = documents.number_from_text(request.POST.get("over", ""))
    try:
        draft = services.suggestion_accept(comment=comment, by=request.user, over_version=over, now=timezone.now())
    except Overtaken as overtaken:
        # Read again: the row in memory still has what the refused try would have settled.
        return _compare(request, _comment_or_404(request, pk, comment_pk), refused=overtaken.sentence, status=409)
    except Refused as refused:
        messages.error(request, refused.sentence)
        return redirect(f"{comment.submission.get_absolute_url()}#suggestions")
    messages.success(request, _("Accepted: it is in your next version, which you still have to send."))
    if over is not None:
        return redirect(draft)
    return redirect(f"{comment.submission.get_absolute_url()}#suggestions")


def _compare(request: HttpRequest, comment: Comment, *, refused: str = "", status: int = 200) -> HttpResponse:
    draft = Draft.objects.filter(submission=comment.submission).first()
    context = {"submission": comment.submission, "comment": comment, "draft": draft, "refused": refused}
    if draft is not None:
        try:
            context["place"] = suggestion_place(comment, draft_form(draft), kind=draft.kind)
        except Refused as error:
            context["refused"] = refused or error.sentence
    return render(request, "contributions/suggestion.html", context, status=status)


@signed_in
@require_POST
def suggestion_decline(request: HttpRequest, pk: int, comment_pk: int) -> HttpResponse:
    comment = _comment_or_404(request, pk, comment_pk)
    try:
        services.suggestion_decline(comment=comment, by=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    return redirect(f"{comment.submission.get_absolute_url()}#suggestions")


def answered_in_editor(request: HttpRequest, draft: Draft, action: str) -> HttpResponse:
    """What ``suggestion-accept:7`` or ``suggestion-decline:7`` does on the editor's page, once its text is saved."""
    name, _between, number = action.partition(":")
    editor = reverse("contributions:draft", args=[draft.pk])
    comment = get_object_or_404(
        Comment.objects.filter(submission=draft.submission_id, suggestion__isnull=False).select_related(
            "submission__author", "suggestion", "author"
        ),
        pk=documents.number_from_text(number),
    )
    try:
        if name == "suggestion-decline":
            services.suggestion_decline(comment=comment, by=request.user, now=timezone.now())
            return redirect(f"{editor}#suggestions")
        draft = services.suggestion_accept(comment=comment, by=request.user, now=timezone.now())
    except Overtaken:
        both = reverse("contributions:suggestion", args=[comment.submission_id, comment.pk])
        # The editor's buttons exchange the editor only; this is another page.
        return HttpResponseClientRedirect(both) if request.htmx else HttpResponseRedirect(both)  # type: ignore[attr-defined]  # django-htmx
    except Refused as refused:
        messages.error(request, refused.sentence)
        return redirect(f"{editor}#suggestions")
    place = suggestion_place(comment, draft_form(draft), kind=draft.kind)
    return redirect(f"{editor}#{anchor_of(place.name)}")
