"""Writes to drafts: begin, save, check, delete. Handing one in is a matter of ``services``, which offers these too.

A save names the version that its writer had before them; the UPDATE is conditional on it, so that two windows cannot
overwrite each other unseen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Draft, DraftSave, Kind
from taxonomy_app.contributions.problems import ChangedMeanwhile, NeedsWork, NotYours, Refused
from taxonomy_app.tree import models as tree_models
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_repo.documents import DocumentProblem, document_text
from taxonomy_repo.leaf import Problem, UnwritableText, check_path

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

LONGEST_TEXT = 1_000_000


def draft_create(*, author: User, kind: str, path: str, now: datetime) -> Draft:
    """Begin a new leaf at ``path``.

    Raises:
        NeedsWork: the path is not one that a new leaf may have.
        Refused: there is a leaf at this path already.
    """
    path = path.strip().rstrip("/")
    path_require(path=path, kind=kind)
    return Draft.objects.create(
        author=author,
        kind=kind,
        path=path,
        form=documents.empty_form(kind, author.get_username()),
        attribution=[documents.empty_source()],
        created_at=now,
        updated_at=now,
    )


def path_require(*, path: str, kind: str) -> None:
    """Refuse a path that cannot be a new leaf of this kind."""
    problems = [problem for problem in check_path(path) if problem.severity == "error"]
    if problems:
        raise NeedsWork(problems[0].message, problems)
    branch = documents.BRANCH_OF_KIND[Kind(kind)]
    if path.split("/", 1)[0] != branch:
        raise NeedsWork(f"A leaf of this kind belongs under {branch}: choose a place there.")
    taken = tree_models.Leaf.objects.present().filter(path=path).exists()
    if taken:
        raise Refused(
            f"There is a leaf at {path} already: open it in the taxonomy and improve it, or choose another name."
        )
    nesting_refuse(path)


def nesting_refuse(path: str) -> None:
    """Refuse a path inside a leaf, or around leaves: a leaf holds no other."""
    folders = path.split("/")
    above = ["/".join(folders[:depth]) for depth in range(2, len(folders))]
    holder = tree_models.Leaf.objects.present().filter(path__in=above).first()
    if holder is not None:
        raise Refused(f"{holder.path} is a leaf itself, and a leaf can hold no other: choose a folder beside it.")
    if tree_models.Leaf.objects.present().under(path).exists():
        raise Refused(f"{path} is a folder with leaves in it: choose a name inside it.")


def draft_improve(*, author: User, leaf: tree_models.Leaf, now: datetime) -> Draft:
    """Begin, or go on with, the author's draft of an improvement to a leaf that is in the taxonomy."""
    existing = Draft.objects.filter(author=author, leaf_id=leaf.leaf_id, submission__isnull=True).first()
    if existing is not None:
        return existing
    draft = Draft(author=author, kind=leaf.kind, path=leaf.path, leaf_id=leaf.leaf_id, created_at=now, updated_at=now)
    draft_fill(
        draft,
        qna=blob_text(leaf.blob),
        attribution=blob_text(leaf.attribution_blob).encode(),
        base_blob=leaf.blob,
        base_attribution_blob=leaf.attribution_blob or "",
    )
    draft.save()
    return draft


def blob_text(blob: str | None) -> str:
    return taxonomy_store().read_blob(blob).decode("utf-8", "replace") if blob else ""


def draft_fill(draft: Draft, *, qna: str, attribution: bytes, base_blob: str, base_attribution_blob: str) -> None:
    """Put existing files into a draft: as a form where they can be shown as one, as text where not."""
    try:
        draft.form, draft.kind = documents.form_from_text(qna, kind=draft.kind, path=draft.path)
        draft.written_as = Draft.WrittenAs.FORM
    except documents.NotAForm:
        draft.form = documents.empty_form(draft.kind, draft.author.get_username())
        draft.written_as = Draft.WrittenAs.YAML
    draft.text = qna
    draft.attribution = documents.sources_from_bytes(attribution) if attribution else [documents.empty_source()]
    draft.base_blob = base_blob
    draft.base_attribution_blob = base_attribution_blob


@dataclass(frozen=True)
class DraftChanges:
    """What a save brings; ``None`` leaves that part as it is. ``form`` and ``text`` exclude each other."""

    form: Mapping[str, Any] | None = None
    text: str | None = None
    attribution: Sequence[Mapping[str, str]] | None = None
    document_name: str | None = None
    document_text: str | None = None
    path: str | None = None


@transaction.atomic
def draft_save(
    *, draft: Draft, by: User, version: int, changes: DraftChanges, because: str = "", now: datetime
) -> Draft:
    """Store what was written, valid or not, if ``version`` is still the one that the writer had before them.

    YAML that can be shown as a form becomes the form too; YAML that cannot is kept to the letter. What is replaced is
    kept as an earlier save where ``because`` says why it must be, and otherwise every few minutes.

    Raises:
        NotYours: the draft is somebody else's.
        ChangedMeanwhile: the draft was saved from elsewhere since; nothing was overwritten.
        Refused: more text than a leaf can hold, or a path that a leaf cannot have.
    """
    if draft.author_id != by.pk:
        raise NotYours
    fields: dict[str, Any] = {}
    if changes.form is not None:
        if len(changes.form["seed_examples"]) > documents.MOST_SEEDS:
            raise Refused(f"The form holds {documents.MOST_SEEDS} seeds. Write a leaf of more as YAML.")
        fields.update(form=dict(changes.form), written_as=Draft.WrittenAs.FORM)
    elif changes.text is not None:
        text = documents.clean(changes.text)
        _require_short("The YAML", text)
        fields.update(text=text, written_as=Draft.WrittenAs.YAML)
        # Where it cannot be shown as a form, the text is what counts, and the form keeps what it last held.
        with contextlib.suppress(documents.NotAForm):
            fields["form"], fields["kind"] = documents.form_from_text(text, kind=draft.kind, path=draft.path)
    if changes.attribution is not None:
        fields["attribution"] = [dict(source) for source in changes.attribution]
    if changes.document_text is not None:
        text = documents.clean(changes.document_text)
        _require_short("The document", text)
        fields["document_text"] = text
        fields["document_name"] = documents.document_file_name(changes.document_name or draft.document_name, draft.path)
        if not text.strip():
            fields.update(document_text="", document_name="")
    if changes.path is not None and changes.path.strip().rstrip("/") != draft.path:
        path = changes.path.strip().rstrip("/")
        if not draft.is_new_leaf:
            raise Refused("The place of this leaf is settled; only a new leaf's place can be chosen.")
        path_require(path=path, kind=draft.kind)
        fields["path"] = path
    _replace(draft, version=version, because=because, now=now, **fields)
    return draft


def _replace(draft: Draft, *, version: int, because: str, now: datetime, **fields: Any) -> None:
    """Put ``fields`` in the place of what the draft holds, which is kept where it should be."""
    stored = Draft.objects.select_for_update(of=("self",)).filter(pk=draft.pk, version=version).first()
    if stored is None:
        raise ChangedMeanwhile(
            "This draft was changed in another window or deleted since you opened it here, so nothing was overwritten. "
            "Compare the two, and keep of each what you want."
        )
    if any(getattr(stored, name) != value for name, value in fields.items()):
        _keep(stored, because=because, now=now)
    Draft.objects.filter(pk=draft.pk).update(version=F("version") + 1, updated_at=now, **fields)
    draft.refresh_from_db()


def _keep(stored: Draft, *, because: str, now: datetime) -> None:
    """Keep what is about to be replaced: for a reason always, else when the last one kept is old enough."""
    last = stored.saves.order_by("-version").values_list("kept_at", flat=True).first()
    if not because and (now - (last or stored.created_at)) < DraftSave.PAUSE:
        return
    content = {name: getattr(stored, name) for name in DraftSave.CONTENT}
    DraftSave.objects.create(
        draft=stored, version=stored.version, because=because, saved_at=stored.updated_at, kept_at=now, **content
    )
    too_old = stored.saves.order_by("-version").values_list("pk", flat=True)[DraftSave.MOST :]
    DraftSave.objects.filter(pk__in=list(too_old)).delete()


@transaction.atomic
def draft_restore(*, draft: Draft, by: User, version: int, save: DraftSave, now: datetime) -> Draft:
    """Put an earlier save in the place of what the draft holds now, which becomes an earlier save itself.

    The place in the tree stays: it was chosen for the draft, not written in it.

    Raises:
        NotYours, ChangedMeanwhile as in :func:`draft_save`.
    """
    if draft.author_id != by.pk or save.draft_id != draft.pk:
        raise NotYours
    content = {name: getattr(save, name) for name in DraftSave.CONTENT}
    _replace(draft, version=version, because="restore", now=now, **content)
    return draft


def _require_short(what: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise Refused(
            f"{what} is longer than {LONGEST_TEXT:,} characters. Shorten it, or split it into several leaves."
        )


def draft_discard(*, draft: Draft, by: User) -> None:
    """Delete a draft for good."""
    if draft.author_id != by.pk:
        raise NotYours
    draft.delete()


@dataclass(frozen=True)
class DraftFiles:
    """The two files as they would be submitted now, and what is wrong with them."""

    qna: bytes
    attribution: bytes
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def draft_problems(draft: Draft) -> DraftFiles:
    """Write the draft's files in memory and check them; no database, no git."""
    name = documents.document_place(draft.path, draft.document_name) if draft.document_text.strip() else ""
    try:
        qna = documents.qna_bytes(
            kind=draft.kind,
            path=draft.path,
            written_as=draft.written_as,
            form=draft.form,
            text=draft.text,
            document_name=name,
            created_by=draft.author.get_username(),
        )
    except UnwritableText as error:
        problem = Problem("text-unwritable", "error", str(error), field=error.field)
        return DraftFiles(qna=b"", attribution=b"", problems=(problem,))
    attribution = documents.attribution_bytes(draft.attribution)
    problems = documents.check(qna=qna, path=draft.path, attribution=attribution)
    if name:
        try:
            document_text(name, draft.document_text.encode())
        except DocumentProblem as error:
            problems.append(Problem(error.code, "error", str(error), field="document_text"))
    return DraftFiles(qna=qna, attribution=attribution, problems=tuple(problems))
