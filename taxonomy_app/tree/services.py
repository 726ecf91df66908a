"""Keeping the index equal to the taxonomy in git. The only writer of this app's tables.

The index is brought forward commit by commit, so that it is the same whether it followed every commit or was made
from nothing: who changed what when is read from git alone, and so are the leaves' identities.
"""

from __future__ import annotations

import gc
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Count, Max, Sum
from django.db.models.functions import Now

from taxonomy_app.tree.leaf_files import LeafContent, LeafFile, read_contents
from taxonomy_app.tree.models import Folder, IndexState, Leaf, LeafVersion, Seed, folders_above
from taxonomy_app.tree.search_index import write_texts
from taxonomy_repo.documents import DocumentProblem, DocumentStore
from taxonomy_repo.identity import Files, LeafStep
from taxonomy_repo.leaf import DocumentReference, read_leaf
from taxonomy_repo.maintenance import maintain
from taxonomy_repo.store import CommitInfo, StoreProblem, TaxonomyStore

_LOG = logging.getLogger(__name__)
_BATCH = 500
# Up to so many changed leaves their folders are counted one by one; beyond, all in one pass.
_FEW = 20


def taxonomy_store() -> TaxonomyStore:
    """The installation's taxonomy."""
    return _taxonomy_at(str(settings.TAXONOMY_REPOSITORY))


def document_store() -> DocumentStore:
    """The installation's own documents of knowledge leaves."""
    return _documents_at(str(settings.DOCUMENT_REPOSITORY))


@lru_cache(maxsize=4)
def _taxonomy_at(path: str) -> TaxonomyStore:
    return TaxonomyStore(path)


@lru_cache(maxsize=4)
def _documents_at(path: str) -> DocumentStore:
    return DocumentStore(path)


@dataclass(frozen=True)
class IndexResult:
    """What an update did: the commit shown now, and how many leaves were written."""

    commit: str
    leaves_written: int
    rebuilt: bool = False


@dataclass
class _Row:
    """What the walk has learnt of one leaf, to be written once however many commits touched it.

    ``files`` is what the leaf has, or had last when it is gone; None when only its removal was walked over.
    """

    steps: list[tuple[int, CommitInfo, LeafStep]] = field(default_factory=list)
    files: Files | None = None
    gone: bool = False

    @property
    def path(self) -> str:
        return self.steps[-1][2].path

    @property
    def changed(self) -> CommitInfo:
        return self.steps[-1][1]


def index_update(*, now: datetime) -> IndexResult:
    """Bring the index to the taxonomy's newest commit. Calling it again, or twice at once, changes nothing more.

    An index whose commit is not part of the taxonomy's history (another repository was put in place) is made anew.
    """
    store = taxonomy_store()
    head = store.head()
    # Outside the transaction: when there is nothing to do, which is nearly always, nothing is locked.
    state = IndexState.objects.filter(pk=IndexState.ONLY).first()
    if head is None or (state is not None and state.commit == head):
        return IndexResult(head or "", 0)
    with transaction.atomic():
        IndexState.objects.get_or_create(pk=IndexState.ONLY)
        state = IndexState.objects.select_for_update().get(pk=IndexState.ONLY)
        head = store.head()
        if head is None or state.commit == head:
            return IndexResult(head or "", 0)
        follows = bool(state.commit) and _knows(store, head, state.commit)
        if state.commit and not follows:
            _LOG.warning("The index shows %s, which the taxonomy does not know: it is made anew.", state.commit[:12])
        written = _bring_forward(store, state.commit if follows else None, head)
        state.commit, state.indexed_at = head, now
        state.save(update_fields=["commit", "indexed_at"])
    return IndexResult(head, written, rebuilt=not follows)


def index_rebuild(*, now: datetime) -> IndexResult:
    """Forget the index and make it from git alone, with the same result, identities included.

    Other apps point to leaves by ``leaf_id``, never by row, so nothing of theirs breaks.
    """
    with transaction.atomic():
        IndexState.objects.update_or_create(pk=IndexState.ONLY, defaults={"commit": "", "indexed_at": None})
        Folder.objects.all().delete()
        Leaf.objects.all().delete()
        return index_update(now=now)


def repositories_maintain() -> None:
    """Repack the taxonomy and its documents where they need it. Commits and pages go on meanwhile."""
    for store in (taxonomy_store(), document_store()):
        if not (store.repository.path / "objects").is_dir():
            continue  # a new installation has no documents yet
        result = maintain(store.repository)
        if result.done:
            before, after = result.before, result.after
            _LOG.info(
                "Tidied %s: %d single objects and %d packs are now %d and %d.",
                store.repository.path.name, before.loose, before.packs, after.loose, after.packs,
            )  # fmt: skip


def _knows(store: TaxonomyStore, head: str, commit: str) -> bool:
    try:
        return store.contains(head, commit)
    except StoreProblem:
        return False


def _bring_forward(store: TaxonomyStore, since: str | None, head: str) -> int:
    if since is None:
        # Nothing of it, or what another history left behind.
        Leaf.objects.all().delete()
    rows = _walk(store.walk(since, head), first=_next_position())
    _make_room(rows)
    batches = list(_batches(rows.items()))
    wanted = [[LeafFile(row.files[0], row.path) for _, row in batch if row.files is not None] for batch in batches]
    with _collector_paused():
        for batch, contents in zip(batches, read_contents(store, wanted), strict=True):
            _write(batch, iter(contents))
    _count_folders(_touched_folders(rows) if since is not None and len(rows) <= _FEW else None)
    return len(rows)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the search for reference cycles: reading makes hundreds of objects a leaf and no cycle among them."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _next_position() -> int:
    last = LeafVersion.objects.order_by().aggregate(last=Max("position"))["last"]
    return 0 if last is None else int(last) + 1


def _walk(commits: Iterable[tuple[CommitInfo, list[LeafStep]]], *, first: int) -> dict[str, _Row]:
    """Where each touched leaf stands in the end, by identity. Commits are numbered from ``first`` on."""
    rows: dict[str, _Row] = {}
    for position, (info, steps) in enumerate(commits, first):
        for step in steps:
            row = rows.setdefault(step.leaf_id, _Row())
            row.steps.append((position, info, step))
            row.gone = step.files is None
            row.files = step.files or row.files
    return rows


def _make_room(rows: dict[str, _Row]) -> None:
    """Take leaves that moved or went off their paths first: two may be changing places."""
    for batch in _batches(rows.items()):
        where = {key: row.path for key, row in batch}
        leaving = [
            leaf
            for leaf in Leaf.objects.filter(leaf_id__in=where).only("leaf_id", "path")
            if where[str(leaf.leaf_id)] != leaf.path
        ]
        for leaf in leaving:
            leaf.path = f"//{leaf.leaf_id}"  # a path that no leaf can have
        Leaf.objects.bulk_update(leaving, ["path"])
    removed = [uuid.UUID(key) for key, row in rows.items() if row.gone]
    for start in range(0, len(removed), _BATCH):
        some = removed[start : start + _BATCH]
        Leaf.objects.filter(leaf_id__in=some, removed_at__isnull=True).update(removed_at=Now())


def _write(batch: list[tuple[str, _Row]], contents: Iterator[LeafContent]) -> None:
    """Write leaves with their seeds and versions; ``contents`` are those of the rows that have files, in order."""
    known = {str(leaf.leaf_id): leaf for leaf in Leaf.objects.filter(leaf_id__in=[key for key, _ in batch])}
    fresh: list[Leaf] = []
    changed: list[Leaf] = []
    rewritten: list[tuple[Leaf, LeafContent]] = []
    for key, row in batch:
        leaf = known.get(key)
        if leaf is None:
            leaf = Leaf(leaf_id=uuid.UUID(key))
            fresh.append(leaf)
        else:
            changed.append(leaf)
        # How a file is read depends on its branch, too. (A moved leaf's path was taken away in _make_room.)
        before = (leaf.blob, leaf.branch)
        content = next(contents) if row.files is not None else None
        _fill(leaf, row, content)
        if content is not None and (leaf.blob, leaf.branch) != before:
            rewritten.append((leaf, content))
    _insert(Leaf, (vars(leaf) for leaf in fresh))
    Leaf.objects.bulk_update(changed, _WRITTEN)
    Seed.objects.filter(leaf__in=[leaf.pk for leaf, _ in rewritten if leaf.pk is not None]).delete()
    rows = dict(Leaf.objects.filter(leaf_id__in=[key for key, _ in batch]).values_list("leaf_id", "pk"))
    written = [(rows[leaf.leaf_id], content) for leaf, content in rewritten]
    _insert(Seed, ({"leaf_id": pk, **seed._asdict()} for pk, content in written for seed in content.seeds or ()))
    _insert(LeafVersion, (_version_of(rows[uuid.UUID(key)], *step) for key, row in batch for step in row.steps))
    write_texts(list(rows.values()), seed_words={pk: content.words for pk, content in written})


# What the database's driver takes as it is.
_PLAIN = (models.CharField, models.TextField, models.PositiveIntegerField, models.ForeignKey)


def _insert(model: type[Leaf] | type[Seed] | type[LeafVersion], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert ``rows``, each with a value for every field of ``model`` but its key.

    Many rows for each leaf: making objects of them and sending every value through its field takes five times as long
    as this, and would take a third of the time that an index from nothing may take.
    """
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = [field.attname for field in fields]
    made = [(place, column) for place, column in enumerate(fields) if not isinstance(column, _PLAIN)]
    values = [[row[name] for name in names] for row in rows]
    for place, column in made:
        # Of the times of commits there are few among many rows.
        known: dict[object, object] = {}
        for row in values:
            value = row[place]
            if not isinstance(value, datetime):
                row[place] = column.get_db_prep_save(value, connection)
            elif value in known:
                row[place] = known[value]
            else:
                row[place] = known[value] = column.get_db_prep_save(value, connection)
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({marks})", values)  # noqa: S608


_WRITTEN = [
    "path",
    "folder",
    "branch",
    "kind",
    "name",
    "task_description",
    "domain",
    "document_outline",
    "document",
    "created_by",
    "blob",
    "attribution_blob",
    "data_blob",
    "seed_count",
    "problem",
    "changed_commit",
    "changed_at",
    "removed_at",
]


def _fill(leaf: Leaf, row: _Row, content: LeafContent | None) -> None:
    """Put what git says into ``leaf``; ``content`` is that of its file, None where only its removal was walked over."""
    leaf.changed_commit, leaf.changed_at = row.changed.commit, row.changed.when
    if not leaf.added_commit:
        added = row.steps[0][1]
        leaf.added_commit, leaf.added_at = added.commit, added.when
    leaf.path = row.path
    leaf.folder, _, leaf.name = row.path.rpartition("/")
    leaf.branch = row.path.partition("/")[0]
    # A removed leaf keeps its last content: scores and submissions still lead to it.
    leaf.removed_at = row.changed.when if row.gone else None
    if row.files is None or content is None:
        return
    leaf.blob = row.files[0]
    leaf.attribution_blob, leaf.data_blob = row.files[1] or "", row.files[2] or ""
    leaf.kind = content.kind
    leaf.problem = content.problem
    leaf.task_description = content.task_description
    leaf.domain = content.domain
    leaf.document_outline = content.document_outline
    leaf.created_by = content.created_by
    leaf.seed_count = content.seed_count
    leaf.document = _documents_of(content.document)


def _documents_of(reference: DocumentReference | None) -> dict[str, Any] | None:
    """Where the leaf's texts are; those of this installation with their blobs, so that a page reads them by blob."""
    if reference is None:
        return None
    found: dict[str, Any] = {
        "repo": reference.repo,
        "commit": reference.commit,
        "patterns": list(reference.patterns),
        "files": [],
        "problem": "",
        "code": "",
    }
    try:
        files = document_store().blobs(reference)
        found["files"] = [{"name": name, "blob": blob} for name, blob in files.items()]
    except (DocumentProblem, StoreProblem) as error:
        found["problem"], found["code"] = str(error), error.code
    return found


def documents_refresh(*, leaf: Leaf, problem: str = "", code: str = "", tried_at: datetime | None = None) -> None:
    """Look again for a leaf's documents, after they were fetched; or say why they could not be, and when."""
    reading = read_leaf(taxonomy_store().read_blob(leaf.blob), leaf.path)
    found = _documents_of(reading.leaf.document) if reading.leaf else None
    if found is not None and problem:
        found |= {"problem": problem, "code": code, "tried_at": tried_at.isoformat() if tried_at else None}
    # Not where the leaf was changed meanwhile: the index has looked for that version's documents itself.
    Leaf.objects.filter(pk=leaf.pk, blob=leaf.blob).update(document=found)


def _version_of(leaf: int, position: int, info: CommitInfo, step: LeafStep) -> dict[str, Any]:
    return {
        "leaf_id": leaf,
        "commit": info.commit,
        "position": position,
        "kind": step.kind,
        "path": step.path,
        "old_path": step.old_path or "",
        "blob": step.files[0] if step.files else "",
        "attribution_blob": (step.files[1] or "") if step.files else "",
        "title": info.message.partition("\n")[0][:300],
        "author_name": info.author.name[:200],
        "author_email": info.author.email[:254],
        "reviewed_by": ", ".join(info.trailers.get("Reviewed-by", ()))[:300],
        "submission": ", ".join(info.trailers.get("Submission", ()))[:60],
        "made_at": info.when,
    }


def _touched_folders(rows: dict[str, _Row]) -> set[str]:
    """Every folder above where a leaf is or was."""
    paths = {path for row in rows.values() for _, _, step in row.steps for path in (step.path, step.old_path) if path}
    return {folder for path in paths for _, folder in folders_above(path)}


def _count_folders(touched: set[str] | None) -> None:
    """Write the counts of the ``touched`` folders (None: of all) where they differ from what is there."""
    counted = _counts_of_all() if touched is None else _counts_of(touched)
    concerned = Folder.objects.all() if touched is None else Folder.objects.filter(path__in=touched)
    there = {folder.path: folder for folder in concerned}
    empty = [folder.pk for path, folder in there.items() if path not in counted]
    Folder.objects.filter(pk__in=empty).delete()
    fresh: list[Folder] = []
    changed: list[Folder] = []
    for path, (leaves, seeds) in counted.items():
        folder = there.get(path)
        if folder is None:
            parent, _, name = path.rpartition("/")
            fresh.append(Folder(path=path, parent=parent, name=name, leaf_count=leaves, seed_count=seeds))
        elif (folder.leaf_count, folder.seed_count) != (leaves, seeds):
            folder.leaf_count, folder.seed_count = leaves, seeds
            changed.append(folder)
    Folder.objects.bulk_create(fresh, batch_size=_BATCH)
    Folder.objects.bulk_update(changed, ["leaf_count", "seed_count"], batch_size=_BATCH)


def _counts_of_all() -> dict[str, tuple[int, int]]:
    """Folder → how many leaves and seeds lie under it; folders without leaves are not in it."""
    counted: dict[str, tuple[int, int]] = {}
    for path, seeds in Leaf.objects.present().order_by().values_list("path", "seed_count").iterator(chunk_size=5000):
        for _, folder in folders_above(path):
            leaves, total = counted.get(folder, (0, 0))
            counted[folder] = (leaves + 1, total + seeds)
    return counted


def _counts_of(folders: set[str]) -> dict[str, tuple[int, int]]:
    counted: dict[str, tuple[int, int]] = {}
    for folder in folders:
        found = Leaf.objects.present().under(folder).order_by().aggregate(leaves=Count("pk"), seeds=Sum("seed_count"))
        if found["leaves"]:
            counted[folder] = (found["leaves"], found["seeds"])
    return counted


def _batches(items: Iterable[tuple[str, _Row]]) -> Iterator[list[tuple[str, _Row]]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
