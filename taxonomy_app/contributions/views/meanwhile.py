"""When a draft was saved from another window meanwhile: both texts side by side, and a choice for each field.

``contributions:draft_settle`` (POST) takes ``version`` (the stored one, as the page showed it), what stood in the
window that could not save (the editor's own fields, or ``text`` for YAML), and for each difference its field with
``mine`` or ``theirs``. Where the draft was saved once more meanwhile, both are shown again.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import drafts
from taxonomy_app.contributions.meanwhile import Side, differences, fields_of, settled
from taxonomy_app.contributions.models import Draft
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.people.permissions import signed_in
from taxonomy_repo.leaf import UnwritableText
from taxonomy_repo.leaf_editing import edit_leaf


def side_stored(found: Draft) -> Side | None:
    """What is stored, or None for YAML that cannot be shown as a form."""
    form = found.form
    if found.written_as == Draft.WrittenAs.YAML:
        read = _form_of(found, found.text)
        if read is None:
            return None
        form = read
    return Side(form, found.attribution, found.document_name, found.document_text)


def side_posted(request: HttpRequest, found: Draft) -> Side | None:
    """What stands in the window that posted; None as for :func:`side_stored`."""
    if "text" in request.POST:
        form = _form_of(found, documents.clean(request.POST["text"]))
        stored = (found.attribution, found.document_name, found.document_text)
        return None if form is None else Side(form, *stored)
    fields = {name: request.POST[name] for name in request.POST}
    text = documents.clean(fields["document_text"]) if "document_text" in fields else found.document_text
    name = fields.get("document_name") or found.document_name
    return Side(
        documents.form_from_fields(fields, kind=found.kind, before=found.form),
        documents.sources_from_fields(fields, before=found.attribution),
        documents.document_file_name(name, found.path) if text.strip() else "",
        text if text.strip() else "",
    )


def _form_of(found: Draft, text: str) -> documents.Form | None:
    try:
        return documents.form_from_text(text, kind=found.kind, path=found.path)[0]
    except documents.NotAForm:
        return None


def show_both(request: HttpRequest, stored: Draft) -> HttpResponse:
    """The page with both texts; ``stored`` is the draft as it is in the database."""
    mine, theirs = side_posted(request, stored), side_stored(stored)
    text = request.POST.get("text")
    both = mine is not None and theirs is not None
    context = {
        "draft": stored,
        "differences": differences(mine, theirs, kind=stored.kind) if mine and theirs else [],
        "by_field": both,
        "mine_fields": fields_of(mine) if mine and text is None else [],
        "mine_document": (mine.document_name, mine.document_text) if mine and text is None else ("", ""),
        "mine_text": None if text is None else documents.clean(text),
        "their_text": stored.text if stored.written_as == Draft.WrittenAs.YAML else "",
    }
    return render(request, "contributions/draft_meanwhile.html", context, status=409)


@never_cache
@signed_in
@require_POST
def draft_settle(request: HttpRequest, pk: int) -> HttpResponse:
    from taxonomy_app.contributions.views.authoring import draft_or_404

    found = draft_or_404(request, pk)
    mine, theirs = side_posted(request, found), side_stored(found)
    version = documents.number_from_text(request.POST.get("version", "")) or 0
    if mine is None or theirs is None or version != found.version:
        return show_both(request, found)
    choices = {name: request.POST[name] for name in request.POST if name.startswith("keep-")}
    chosen = settled(mine, theirs, choices, kind=found.kind)
    changes = drafts.DraftChanges(
        form=chosen.form,
        attribution=chosen.attribution,
        document_name=chosen.document_name,
        document_text=chosen.document_text,
    )
    as_yaml = "text" in request.POST
    if as_yaml:
        text = documents.clean(request.POST["text"])
        try:
            leaf = documents.leaf_from_form(chosen.form, kind=found.kind)
            changes = drafts.DraftChanges(text=edit_leaf(text.encode(), found.path, leaf).decode())
        except UnwritableText as error:
            messages.error(request, str(error))
            return show_both(request, found)
    try:
        drafts.draft_save(
            draft=found, by=request.user, version=version, changes=changes, because="overwrite", now=timezone.now()
        )
    except ChangedMeanwhile:
        return show_both(request, draft_or_404(request, pk))
    except Refused as refused:
        messages.error(request, refused.sentence)
        return show_both(request, found)
    messages.success(request, "Saved as you chose. What was stored before is among the earlier saves.")
    return redirect("contributions:draft_yaml" if as_yaml else "contributions:draft", pk=pk)
