"""Pages of a draft's earlier saves: the list, one of them beside what the draft holds now, and having it back.

Fields for whoever drives these pages without a browser: ``contributions:draft_restore`` takes ``version`` (the draft's,
as the page gave it) by POST.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import Draft, DraftSave
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.contributions.views.authoring import draft_or_404
from taxonomy_app.people.permissions import signed_in
from taxonomy_repo.comparison import leaf_compare
from taxonomy_repo.leaf import Leaf, UnwritableText, write_leaf


@never_cache
@signed_in
@require_safe
def draft_saves(request: HttpRequest, pk: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    saves = found.saves.defer("text", "attribution", "document_text")
    context = {"draft": found, "saves": saves, "most": DraftSave.MOST, "tab": "saves"}
    return render(request, "contributions/draft_saves.html", context)


@never_cache
@signed_in
@require_safe
def draft_earlier(request: HttpRequest, pk: int, version: int) -> HttpResponse:
    """One earlier save beside what the draft holds now."""
    found = draft_or_404(request, pk)
    save = get_object_or_404(found.saves, version=version)
    before, after = _leaf_of(save, path=found.path), _leaf_of(found, path=found.path)
    context = {
        "draft": found,
        "save": save,
        "comparison": leaf_compare(before, after) if before and after else None,
        "sources_changed": save.attribution != found.attribution,
        "document_changed": save.document_text != found.document_text,
        "text": save.text if save.written_as == Draft.WrittenAs.YAML else _yaml_of(save),
        "tab": "saves",
    }
    return render(request, "contributions/draft_earlier.html", context)


def _leaf_of(kept: Draft | DraftSave, *, path: str) -> Leaf | None:
    """What was written as a leaf; ``None`` for YAML that cannot be read as one and so has no seeds to compare."""
    if kept.written_as == Draft.WrittenAs.FORM:
        return documents.leaf_from_form(kept.form, kind=kept.kind)
    try:
        return documents.leaf_from_text(kept.text, kind=kept.kind, path=path)
    except documents.NotAForm:
        return None


def _yaml_of(save: DraftSave) -> str:
    try:
        leaf = documents.leaf_from_form(save.form, kind=save.kind)
        return write_leaf(leaf).decode()
    except UnwritableText:
        return ""


@signed_in
@require_POST
def draft_restore(request: HttpRequest, pk: int, version: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    save = get_object_or_404(found.saves, version=version)
    posted = documents.number_from_text(request.POST.get("version", "")) or 0
    try:
        services.draft_restore(draft=found, by=request.user, version=posted, save=save, now=timezone.now())
    except Refused:
        messages.error(
            request, _("The draft was saved again since you opened this page. Compare once more, then decide.")
        )
        return redirect("contributions:draft_earlier", pk=pk, version=version)
    messages.success(request, _("This is the earlier save. What stood here before is among the earlier saves, too."))
    return redirect("contributions:draft", pk=pk)
