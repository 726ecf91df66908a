"""Taking in a taxonomy that exists already: plain files as one commit, or a repository with its whole history.

An empty taxonomy becomes the imported one. Into one that has leaves, leaves are added (those that are there in another
form are merged seed by seed, and left alone where that is impossible), or all of it is replaced. Nothing is lost by a
replacement: what was there stays reachable in git.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import pygit2

from taxonomy_repo.archives import PlainFiles
from taxonomy_repo.merge import MergeConflict, merge_leaf_bytes
from taxonomy_repo.message import compose_message
from taxonomy_repo.paths import ATTRIBUTION_FILE, LEAF_FILES, QNA_FILE
from taxonomy_repo.remote.sync import look_over
from taxonomy_repo.repository import BranchMoved, Person, StoreProblem
from taxonomy_repo.store import TaxonomyStore
from taxonomy_repo.taxonomy_merge import TaxonomyConflict, merge_attributions, merge_histories

__all__ = ["ImportMode", "ImportResult", "fetch_local", "import_files", "import_history", "is_repository"]

ImportMode = Literal["add", "replace"]
_FETCHED = "refs/seedbed/imported"


@dataclass
class ImportResult:
    """What an import did, leaf by leaf (paths), and what was left out or left alone: path → why."""

    commit: str | None
    before: str | None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left_alone: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    versions: int = 1


def import_files(
    store: TaxonomyStore, found: PlainFiles, *, mode: ImportMode, author: Person, when: datetime, source: str
) -> ImportResult:
    """Take in plain files in one commit; none where nothing would change.

    Into an empty taxonomy, or in the place of another (``replace``), all files are taken as they are. With ``add`` only
    leaves are taken, beside those that are there.
    """
    store.create()
    repository = store.repository
    while True:
        before = store.head()
        result = ImportResult(before, before, left_out=dict(found.left_out))
        whole = before is None or mode == "replace"
        wanted = _whole(store, found, before, result) if whole else _added(store, found, before or "", result)
        if not wanted:
            return result
        with repository.writing() as writer:
            blobs = {path: None if data is None else writer.blob(data) for path, data in wanted.items()}
            tree = writer.tree(before, blobs)
            if before is not None and str(repository.commit(before).tree.id) == tree:
                return result
            try:
                result.commit = writer.commit(
                    tree=tree,
                    parent=before,
                    author=author,
                    message=compose_message(f"Import {found.leaves} leaves from {source}", {}),
                    when=when,
                )
            except BranchMoved:
                continue
        return result


def _whole(
    store: TaxonomyStore, found: PlainFiles, before: str | None, result: ImportResult
) -> dict[str, bytes | None]:
    """All files as they are, and those gone that were there and are not among them."""
    wanted: dict[str, bytes | None] = dict(found.files)
    if before is not None:
        for path in _paths(store.repository.commit(before).tree):
            wanted.setdefault(path, None)
    old = {} if before is None else {leaf.path: leaf for leaf in store.snapshot(before)}
    for path in _leaf_paths(found):
        if path not in old:
            result.added.append(path)
        elif all(
            _as_it_is(store, before or "", f"{path}/{name}", found.files.get(f"{path}/{name}")) for name in LEAF_FILES
        ):
            result.same.append(path)
        else:
            result.changed.append(path)
    result.removed = sorted(old.keys() - set(_leaf_paths(found)))
    return wanted


def _as_it_is(store: TaxonomyStore, commit: str, path: str, data: bytes | None) -> bool:
    return store.file_at(commit, path) == data


def _added(store: TaxonomyStore, found: PlainFiles, before: str, result: ImportResult) -> dict[str, bytes | None]:
    """The files of leaves that are new or come out of joining both; the others are counted."""
    wanted: dict[str, bytes | None] = {}
    snapshot = store.snapshot(before)
    for path in _leaf_paths(found):
        theirs = {name: found.files.get(f"{path}/{name}") for name in LEAF_FILES}
        if snapshot.get(path) is None:
            result.added.append(path)
            wanted |= {f"{path}/{name}": data for name, data in theirs.items() if data is not None}
            continue
        ours = {name: store.file_at(before, f"{path}/{name}") for name in LEAF_FILES}
        try:
            joined = _joined(path, ours, theirs)
        except (MergeConflict, ValueError) as problem:
            result.left_alone[path] = str(problem)
            continue
        different = {f"{path}/{name}": data for name, data in joined.items() if data != ours[name]}
        (result.changed if different else result.same).append(path)
        wanted |= different
    leaves = set(_leaf_paths(found))
    for path in found.files:
        folder, _, name = path.rpartition("/")
        if name not in LEAF_FILES or folder not in leaves:
            result.left_out[path] = "it is not a file of a leaf"
    return wanted


def _joined(path: str, ours: Mapping[str, bytes | None], theirs: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """One leaf of both; what only one has is kept. Raises MergeConflict or ValueError."""
    joined: dict[str, bytes | None] = {}
    for name in LEAF_FILES:
        one, other = ours[name], theirs[name]
        if one is None or other is None or one == other:
            joined[name] = other if one is None else one
        elif name == QNA_FILE:
            joined[name] = merge_leaf_bytes(None, one, other, path)
        elif name == ATTRIBUTION_FILE:
            joined[name] = merge_attributions(None, one, other)
        else:
            raise ValueError(f"{name} is there already and is another one.")
    return joined


def _leaf_paths(found: PlainFiles) -> list[str]:
    return sorted(path.rpartition("/")[0] for path in found.files if path.endswith(f"/{QNA_FILE}"))


def _paths(tree: pygit2.Tree, at: str = "") -> list[str]:
    found: list[str] = []
    for entry in tree:
        path = f"{at}{entry.name}"
        found += _paths(entry, f"{path}/") if isinstance(entry, pygit2.Tree) else [path]
    return found


def is_repository(folder: Path) -> bool:
    """Whether a folder is a git repository, with a work tree or bare."""
    return (folder / ".git").exists() or ((folder / "objects").is_dir() and (folder / "HEAD").is_file())


def fetch_local(store: TaxonomyStore, folder: Path, branch: str = "") -> str:
    """Bring the history of a repository on this machine's disk in; the commit of its ``branch`` (default: its HEAD).

    Nothing of the other repository's settings is used and none of its programs run. Raises StoreProblem.
    """
    store.create()
    try:
        other = pygit2.Repository(str(folder))
        head = other.references.get(f"refs/heads/{branch}") if branch else other.head
        if head is None:
            raise StoreProblem("no-branch", f"The repository has no branch {branch[:100]}.")
        name = head.resolve().name
        with store.repository.writing() as writer:
            remote = store.repository.git.remotes.create_anonymous(other.path)
            remote.fetch([f"+{name}:{_FETCHED}/local"])
            commit = str(store.repository.git.references[f"{_FETCHED}/local"].target)
            writer.keep(f"{_FETCHED}/local", commit)
    except (pygit2.GitError, KeyError) as error:
        raise StoreProblem("no-repository", f"{folder} cannot be read as a git repository: {error}.") from error
    return commit


def import_history(
    store: TaxonomyStore,
    theirs: str,
    *,
    mode: ImportMode,
    author: Person,
    when: datetime,
    source: str,
) -> ImportResult:
    """Take in a history that lies in the repository already (fetched), up to the commit ``theirs``.

    An empty taxonomy follows it. With ``add`` it is merged with what is here; what cannot be joined stays as it is here
    and is told in ``left_alone``. With ``replace`` the branch becomes it, and the commit that was the branch's is kept
    under ``refs/seedbed/replaced/``.

    Raises RemoteProblem where the history cannot be shown by this program.
    """
    repository = store.repository
    before = store.head()
    look_over(repository, theirs, before if before is not None and _related(store, before, theirs) else None)
    left_alone: dict[str, str] = {}
    if before is None or mode == "add":
        while True:
            try:
                after = merge_histories(
                    store,
                    theirs,
                    author=author,
                    message=f"Import the taxonomy from {source}",
                    when=when,
                    decided=dict.fromkeys(left_alone, "ours"),
                    unrelated=True,
                )
                break
            except TaxonomyConflict as conflict:
                found = {leaf.path: leaf.reason for leaf in conflict.leaves}
                if found.keys() <= left_alone.keys():
                    raise
                left_alone |= found
    else:
        after = _replace(store, theirs, when)
    result = ImportResult(after, before, left_alone=left_alone)
    for change in store.changes(before, after):
        {"added": result.added, "removed": result.removed}.get(change.kind, result.changed).append(change.path)
    touched = {*result.added, *result.changed, *left_alone}
    result.same = [leaf.path for leaf in store.snapshot(after) if leaf.path not in touched]
    result.versions = sum(1 for _ in repository.git.walk(repository.commit(theirs).id))
    return result


def _related(store: TaxonomyStore, one: str, other: str) -> bool:
    git = store.repository.git
    return git.merge_base(pygit2.Oid(hex=one), pygit2.Oid(hex=other)) is not None


def _replace(store: TaxonomyStore, theirs: str, when: datetime) -> str:
    while True:
        before = store.head()
        if before == theirs:
            return theirs
        with store.repository.writing() as writer:
            if before is not None:
                writer.keep(f"refs/seedbed/replaced/{when:%Y%m%dT%H%M%S}-{before[:12]}", before)
            try:
                writer.forward(before, theirs)
            except BranchMoved:
                continue
        return theirs
