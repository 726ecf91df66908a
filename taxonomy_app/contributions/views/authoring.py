"""Pages on which a draft is begun, written, checked and submitted. They work without scripts; scripts only save steps.

Fields of the forms (all POST, with the CSRF token), for whoever drives these pages without a browser:

``contributions:new``
    ``kind`` (``freeform``, ``grounded`` or ``knowledge``), ``folder`` (below the branch, such as ``writing/poems``),
    ``name``. Answers with a redirect to the draft.
``contributions:draft`` (the form)
    ``version`` (as the page gave it) and ``action``: ``save`` stays, ``submit`` saves and goes to the submit page,
    the rest are the editor's buttons (``document.form_act``). Text: ``task_description`` for skills, ``domain``,
    ``document_outline``, ``document_name``, ``document_text`` (or the file ``document_file``) for knowledge. Seeds:
    ``seed_examples[i].question``, ``seed_examples[i].answer`` and ``seed_examples[i].context``; for knowledge
    ``seed_examples[i].context`` and ``seed_examples[i].questions_and_answers[j].question`` / ``.answer``; i and j
    count from 0. Sources: ``attribution[i].title``, ``.link``, ``.revision``, ``.licence``, ``.creators``. For a new
    leaf ``path`` moves it. What is not posted stays as it was. ``put-back:`` with the number of an earlier save as the
    action puts back what a button took out; ``ask``, ``ask:2`` and ``try`` save and then put questions to the models
    (``asking.views``). ``overwrite`` with the version that is stored now replaces what another
    window saved meanwhile.
``contributions:draft_yaml``
    ``version``, ``text`` (the YAML) or the file ``file``, ``action`` as above (``save`` or ``submit``), or
    ``mend`` to have mended what can be.
``contributions:draft_detach``
    No fields. For the next version of a submission that was decided on meanwhile.
``contributions:draft_submit``
    ``version``, ``sign_off`` (any value), ``message`` (may be empty). Answers with a redirect to the submission.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from taxonomy_app.asking.shown import draft_panel
from taxonomy_app.asking.views import asked_from_form
from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.editor import LICENCES, editor_for
from taxonomy_app.contributions.forms import NewLeafForm
from taxonomy_app.contributions.models import Draft, DraftSave, Kind, State, Submission
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.services import DraftChanges
from taxonomy_app.contributions.shown import open_suggestions
from taxonomy_app.contributions.views.meanwhile import show_both
from taxonomy_app.contributions.views.suggestions import answered_in_editor
from taxonomy_app.people.permissions import signed_in
from taxonomy_app.tree.models import Folder, Leaf
from taxonomy_repo.conversion import MOST_BYTES_TO_CONVERT, converted
from taxonomy_repo.documents import DocumentProblem
from taxonomy_repo.mending import Mending, mend_leaf

MOST_PLACES = 40
MOST_REPAIRS_TOLD = 6
# The author waits for it. What takes longer is for an administrator, whose documents the worker converts.
_CONVERSION_SECONDS = 25.0


def draft_or_404(request: HttpRequest, pk: int) -> Draft:
    """The person's own draft; anybody else's does not exist for them."""
    drafts = Draft.objects.visible_for(request.user).select_related("author", "submission")
    return get_object_or_404(drafts, pk=pk)


# --- Beginning ----------------------------------------------------------------------------------


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = NewLeafForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        try:
            made = services.draft_create(
                author=request.user, kind=form.cleaned_data["kind"], path=form.path, now=timezone.now()
            )
        except Refused as refused:
            form.add_error("folder" if "folder" in refused.sentence or "place" in refused.sentence else "name", refused)
        else:
            return redirect("contributions:draft", pk=made.pk)
    kind = form["kind"].value() or Kind.FREEFORM
    context = {"form": form, "places": _places(str(kind), documents.clean(str(form["folder"].value() or "")))}
    return render(request, "contributions/new.html", context, status=422 if form.errors else 200)


def _initial(request: HttpRequest) -> dict[str, str]:
    """What the address says beforehand; ``folder`` may be a folder of the taxonomy with its branch."""
    initial = {key: request.GET[key] for key in ("kind", "folder", "name") if key in request.GET}
    branch, _, rest = initial.get("folder", "").partition("/")
    if branch in documents.BRANCH_OF_KIND.values():
        initial["folder"] = rest
        if branch == documents.BRANCH_OF_KIND[Kind.KNOWLEDGE]:
            initial["kind"] = Kind.KNOWLEDGE
    return initial


@signed_in
@require_safe
def places(request: HttpRequest) -> HttpResponse:
    """Folders of the tree for the field's suggestions (a fragment)."""
    found = _places(request.GET.get("kind", ""), documents.clean(request.GET.get("folder", "")))
    return render(request, "contributions/_places.html", {"places": found})


def _places(kind: str, text: str) -> list[str]:
    """Folders below the kind's branch whose path has ``text``."""
    branch = documents.BRANCH_OF_KIND[Kind(kind if kind in Kind.values else Kind.FREEFORM)]
    folders = Folder.objects.filter(path__startswith=f"{branch}/")
    if text.strip():
        folders = folders.filter(path__icontains=text.strip().replace(" ", "_"))
    paths = folders.order_by("path").values_list("path", flat=True)[:MOST_PLACES]
    return [path.removeprefix(f"{branch}/") for path in paths]


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def improve(request: HttpRequest, leaf_id: UUID) -> HttpResponse:
    """Asks before it begins a draft; goes on with the one that the person has begun already."""
    leaf = get_object_or_404(Leaf.objects.present(), leaf_id=leaf_id)
    begun = Draft.objects.visible_for(request.user).filter(leaf_id=leaf_id, submission__isnull=True).first()
    if request.method != "POST" and begun is None:
        waiting = Submission.objects.filter(leaf_id=leaf_id, state=State.SUBMITTED).count()
        return render(request, "contributions/improve.html", {"leaf": leaf, "waiting": waiting})
    made = begun or services.draft_improve(author=request.user, leaf=leaf, now=timezone.now())
    return redirect("contributions:draft", pk=made.pk)


# --- The form -----------------------------------------------------------------------------------


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    if request.method != "POST":
        unreadable = found.written_as == Draft.WrittenAs.YAML and _unreadable(found)
        if unreadable:
            messages.warning(request, f"The form cannot show this YAML: {unreadable}")
            return redirect("contributions:draft_yaml", pk=pk)
        return _show_form(request, found)
    action = request.POST.get("action", "save")
    try:
        changes = _changes(request, found, action)
        services.draft_save(
            draft=found,
            by=request.user,
            version=_version(request),
            changes=changes,
            because=_because(request, action),
            now=timezone.now(),
        )
    except ChangedMeanwhile:
        return show_both(request, draft_or_404(request, pk))
    except Refused as refused:
        return _show_form(request, _as_posted(request, found), refused=refused, status=422)
    if action.startswith(("suggestion-accept:", "suggestion-decline:")):
        return answered_in_editor(request, found, action)
    ask_refused = asked_from_form(request, found, action)
    if ask_refused:
        return _show_form(request, found, ask_refused=ask_refused, status=422)
    return _after_save(request, found, action)


def _show_form(
    request: HttpRequest,
    found: Draft,
    *,
    refused: Refused | None = None,
    ask_refused: str = "",
    status: int = 200,
) -> HttpResponse:
    files = services.draft_problems(found)
    context = {
        "draft": found,
        "editor": editor_for(found, files.problems),
        "panel": draft_panel(found),
        "ask_refused": ask_refused,
        "licences": LICENCES,
        "refused": refused.sentence if refused else "",
        "stored_version": Draft.objects.filter(pk=found.pk).values_list("version", flat=True).first(),
        "overtaken": isinstance(refused, ChangedMeanwhile),
        "removed": _removed(request, found),
        "suggestions": open_suggestions(found.submission) if found.submission else [],
        "tab": "form",
    }
    return render(request, "contributions/draft.html", context, status=status)


def _removed(request: HttpRequest, found: Draft) -> DraftSave | None:
    """The save that holds what was taken out just now, for the button that puts it back."""
    number = documents.number_from_text(request.GET.get("removed", ""))
    return found.saves.filter(pk=number, version=found.version - 1).first() if number else None


def _because(request: HttpRequest, action: str) -> str:
    """Why what is replaced must be kept: it is taken out, or another window's."""
    if "overwrite" in request.POST:
        return "overwrite"
    return action[:40] if action.startswith(("seed-remove:", "pair-remove:", "source-remove:")) else ""


def _unreadable(found: Draft) -> str:
    """Why the draft's YAML cannot be shown as a form; empty where it can."""
    try:
        documents.form_from_text(found.text, kind=found.kind, path=found.path)
    except documents.NotAForm as error:
        return str(error)
    return ""


def _version(request: HttpRequest) -> int:
    text = request.POST.get("overwrite") or request.POST.get("version", "")
    return documents.number_from_text(text) or 0


def _changes(request: HttpRequest, found: Draft, action: str = "save") -> DraftChanges:
    """What the posted form says, one of the editor's buttons applied."""
    fields = {name: request.POST[name] for name in request.POST}
    form = documents.form_from_fields(fields, kind=found.kind, before=found.form)
    sources = documents.sources_from_fields(fields, before=found.attribution)
    form = documents.form_act(form, kind=found.kind, action=action)
    name, _, number = action.partition(":")
    save = found.saves.filter(pk=documents.number_from_text(number)).first() if name == "put-back" else None
    if save is not None:
        form = documents.form_put_back(form, earlier=save.form, action=save.because)
    if action == "source-add":
        sources.append(documents.empty_source())
    elif action.startswith("source-remove:"):
        gone = documents.number_from_text(action.partition(":")[2])
        sources = [source for index, source in enumerate(sources) if index != gone]
    name, text = request.POST.get("document_name"), request.POST.get("document_text")
    upload = request.FILES.get("document_file")
    if upload is not None:
        name, text = upload.name, _read_document(upload)
    return DraftChanges(
        form=form if _touches_form(fields, action) else None,
        attribution=sources,
        document_name=name,
        document_text=text,
        path=request.POST.get("path"),
    )


def _touches_form(fields: dict[str, str], action: str) -> bool:
    seeds = any(name.startswith("seed_examples[") for name in fields)
    return (
        seeds
        or action.startswith(("seed-", "pair-", "put-back:"))
        or bool({"task_description", "domain"} & fields.keys())
    )


def _read_upload(upload: Any, what: str) -> str:
    if upload.size > services.LONGEST_TEXT:
        raise Refused(f"{what} is larger than {services.LONGEST_TEXT // 1_000_000} MB. Shorten it and upload it again.")
    try:
        return str(upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Refused(
            f"{what} {upload.name} is not plain text in UTF-8 (byte {error.start + 1} is not). "
            "Save it as plain text with the encoding UTF-8 and upload it again."
        ) from None


def _read_document(upload: Any) -> str:
    """The text of a document, converted where it is of another kind than text."""
    if upload.size > MOST_BYTES_TO_CONVERT:
        most = MOST_BYTES_TO_CONVERT // 1_000_000
        raise Refused(f"The document is larger than {most} MB. Split it, or give the part that the seeds are about.")
    try:
        return converted(upload.name, upload.read(), seconds=_CONVERSION_SECONDS)
    except DocumentProblem as problem:
        raise Refused(str(problem)) from None


def _as_posted(request: HttpRequest, found: Draft) -> Draft:
    """The draft with what was typed in memory only, so that a refused save shows it again and nothing is lost."""
    fields = {name: request.POST[name] for name in request.POST}
    found.form = documents.form_from_fields(fields, kind=found.kind, before=found.form)
    found.attribution = documents.sources_from_fields(fields, before=found.attribution)
    if "document_text" in fields:
        found.document_text = documents.clean(fields["document_text"])
    found.version = _version(request)
    return found


def _after_save(request: HttpRequest, found: Draft, action: str) -> HttpResponse:
    if action == "submit":
        return redirect("contributions:draft_submit", pk=found.pk)
    where = reverse("contributions:draft", args=[found.pk])
    name, _, place = action.partition(":")
    if name in ("ask", "try"):
        return redirect(f"{where}#asking")
    if name == "put-back":
        return redirect(f"{where}#seeds-title")
    if name == "seed-add":
        return redirect(f"{where}#seed-{len(found.form['seed_examples'])}")
    if place and name.startswith(("seed-", "pair-")):
        at = documents.number_from_text(place.partition(".")[0]) or 0
        step = {"seed-up": 0, "seed-down": 2, "seed-duplicate": 2, "seed-remove": 0}.get(name, 1)
        if name.endswith("-remove"):
            save = found.saves.filter(version=found.version - 1).first()
            where += f"?removed={save.pk}" if save is not None else ""
        return redirect(f"{where}#seed-{max(at + step, 1)}")
    if name.startswith("source-"):
        return redirect(f"{where}#sources")
    messages.success(request, "Saved.")
    return redirect(where)


@signed_in
@require_POST
def draft_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Save what is typed and check it (a fragment): asked while one types. ``tab`` says from which page."""
    found = draft_or_404(request, pk)
    tab = "yaml" if request.POST.get("tab") == "yaml" else "form"
    context: dict[str, Any] = {"draft": found, "tab": tab}
    status = 200
    try:
        changes = DraftChanges(text=request.POST.get("text")) if tab == "yaml" else _changes(request, found)
        services.draft_save(
            draft=found, by=request.user, version=_version(request), changes=changes, now=timezone.now()
        )
    except Refused as refused:
        context["refused"] = refused.sentence
        status = 422
        if isinstance(refused, ChangedMeanwhile):
            stored = Draft.objects.filter(pk=pk).values_list("version", flat=True).first()
            context |= {"overtaken": True, "stored_version": stored}
            status = 409
        # The problems shown are those of what stands on the page, not of what is stored.
        found = _as_yaml(found, request.POST.get("text", "")) if tab == "yaml" else _as_posted(request, found)
    files = services.draft_problems(found)
    context["editor"] = editor_for(found, files.problems)
    return render(request, "contributions/_checks.html", context, status=status)


# --- YAML ---------------------------------------------------------------------------------------


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def draft_yaml(request: HttpRequest, pk: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    if request.method != "POST":
        unwritable = _unwritable(found)
        if unwritable:
            messages.warning(request, f"This cannot be written as YAML yet. {unwritable}")
            return redirect("contributions:draft", pk=pk)
        return _show_yaml(request, found, _text(found))
    text = request.POST.get("text")
    action = request.POST.get("action", "save")
    upload = request.FILES.get("file")
    because = _because(request, action)
    mending: Mending | None = None
    try:
        if upload is not None:
            because = "upload"
            text = _read_upload(upload, "The file")
        elif action == "upload":
            raise Refused("Choose a file first, then press the button again.")
        elif action == "mend" and text is not None:
            mending = mend_leaf(documents.clean(text).encode())
            text, because = mending.data.decode(), "mend" if mending.repairs else because
        services.draft_save(
            draft=found,
            by=request.user,
            version=_version(request),
            changes=DraftChanges(text=text),
            because="upload"
            if upload is not None
            else "mend"
            if mending and mending.repairs
            else _because(request, action),
            now=timezone.now(),
        )
    except ChangedMeanwhile as refused:
        if upload is None:
            return show_both(request, draft_or_404(request, pk))
        return _show_yaml(request, found, documents.clean(text or ""), refused=refused, status=409)
    except Refused as refused:
        kept = _text(found) if text is None else documents.clean(text)
        return _show_yaml(request, found, kept, refused=refused, status=422)
    if upload is not None:
        unreadable = _unreadable(found)
        if unreadable:
            messages.error(
                request,
                f"{upload.name} was taken over, but needs mending. {unreadable} "
                "What stood here before is among the earlier saves.",
            )
        else:
            messages.success(request, f"{upload.name} was taken over. What stood here is among the earlier saves.")
        return redirect("contributions:draft_yaml", pk=pk)
    if action == "submit":
        return redirect("contributions:draft_submit", pk=pk)
    if mending is not None:
        _tell_repairs(request, mending)
    else:
        messages.success(request, "Saved.")
    return redirect("contributions:draft_yaml", pk=pk)


def _tell_repairs(request: HttpRequest, mending: Mending) -> None:
    """What was mended, line by line, or that nothing could be."""
    repairs = mending.repairs
    if not repairs:
        messages.warning(request, "Nothing here could be mended without guessing. The lines named need your own hand.")
        return
    told = " ".join(f"Line {repair.line}: {repair.message}" for repair in repairs[:MOST_REPAIRS_TOLD])
    more = len(repairs) - MOST_REPAIRS_TOLD
    messages.success(
        request,
        f"Mended. {told}{f' And {more} more.' if more > 0 else ''} What stood here before is among the earlier saves.",
    )


def _text(found: Draft) -> str:
    """The draft as YAML: as it was typed, or written from the form."""
    if found.written_as == Draft.WrittenAs.YAML:
        return found.text
    return services.draft_problems(found).qna.decode()


def _unwritable(found: Draft) -> str:
    """Why the form cannot be written as YAML (signs that no file can hold); empty where it can."""
    if found.written_as == Draft.WrittenAs.YAML:
        return ""
    return next((p.message for p in services.draft_problems(found).problems if p.code == "text-unwritable"), "")


def _as_yaml(found: Draft, text: str) -> Draft:
    """The draft as it would be with ``text`` for its YAML, in memory only."""
    return Draft(
        author=found.author,
        kind=found.kind,
        path=found.path,
        written_as=Draft.WrittenAs.YAML,
        text=text,
        form=found.form,
        attribution=found.attribution,
        document_name=found.document_name,
        document_text=found.document_text,
    )


def _show_yaml(
    request: HttpRequest, found: Draft, text: str, *, refused: Refused | None = None, status: int = 200
) -> HttpResponse:
    files = services.draft_problems(_as_yaml(found, text))
    context = {
        "draft": found,
        "text": text,
        "editor": editor_for(found, files.problems),
        "refused": refused.sentence if refused else "",
        "stored_version": Draft.objects.filter(pk=found.pk).values_list("version", flat=True).first(),
        "overtaken": isinstance(refused, ChangedMeanwhile),
        "tab": "yaml",
    }
    return render(request, "contributions/draft_yaml.html", context, status=status)


@signed_in
@require_safe
def draft_download(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft's YAML as a file."""
    found = draft_or_404(request, pk)
    response = HttpResponse(_text(found), content_type="text/yaml; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"{found.name}.yaml")
    response["X-Content-Type-Options"] = "nosniff"
    return response


# --- Submitting and discarding ------------------------------------------------------------------


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def draft_submit(request: HttpRequest, pk: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    refused = ""
    status = 200
    if request.method == "POST":
        try:
            made = services.draft_submit(
                draft=found,
                by=request.user,
                version=_version(request),
                sign_off="sign_off" in request.POST,
                message=request.POST.get("message", ""),
                now=timezone.now(),
            )
        except Refused as error:
            refused, status = error.sentence, 409 if isinstance(error, ChangedMeanwhile) else 422
            found = draft_or_404(request, pk)
        else:
            messages.success(request, "Submitted. A reviewer will read it; this page shows what becomes of it.")
            return redirect(made)
    files = services.draft_problems(found)
    form = found.form
    context = {
        "draft": found,
        "files": files,
        "refused": refused,
        "signed_off_as": services.identity(request.user),
        "message": request.POST.get("message", ""),
        "seed_count": len(form.get("seed_examples", ())),
        "source_problems": [p for p in files.errors if (p.field or "").startswith("attribution")],
        "seed_problems": [p for p in files.errors if not (p.field or "").startswith(("attribution", "document"))],
        "document_problems": [p for p in files.errors if (p.field or "").startswith("document")],
    }
    return render(request, "contributions/draft_submit.html", context, status=status)


@signed_in
@require_POST
def draft_detach(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the next version of what is closed go on as a contribution of its own."""
    found = draft_or_404(request, pk)
    try:
        services.draft_detach(draft=found, by=request.user, now=timezone.now())
    except Refused as refused:
        messages.error(request, refused.sentence)
    else:
        messages.success(request, "This draft is now a contribution of its own. Read it through, then submit it.")
    return redirect("contributions:draft", pk=pk)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def draft_discard(request: HttpRequest, pk: int) -> HttpResponse:
    found = draft_or_404(request, pk)
    if request.method == "POST":
        services.draft_discard(draft=found, by=request.user)
        messages.success(request, f"The draft {found.name} was deleted.")
        return redirect("contributions:mine")
    return render(request, "contributions/draft_discard.html", {"draft": found})
