"""Which leaf is which over time, from git's history alone.

A leaf is born in the commit that first has it; its identity is a UUID made of that commit and that path. It keeps it
when its folder moves: when in one commit a leaf goes and one with the very same ``qna.yaml`` comes, or when a trailer
of the commit says so (a move that also edits). A leaf that was taken away and comes back at its old place with its old
content is the same leaf. Only the first parent of a commit counts, so a history has one reading.

What was worked out is remembered in a file beside the objects; it is a cache, checked against history, and may be
deleted at any time.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pygit2

from taxonomy_repo.message import moves_of
from taxonomy_repo.paths import ATTRIBUTION_FILE, DATA_FILE, QNA_FILE
from taxonomy_repo.repository import Repository

NAMESPACE = uuid.UUID("5eedbed0-0000-5000-8000-7461786f6e6f")
CACHE_FILE = "seedbed-identities.json"
CACHE_FORMAT = 1
# So many commits are worked out again sooner than their outcome is written for a taxonomy of any size.
_FEW_COMMITS = 10

# A leaf's files as (qna, attribution, data) blobs.
Files = tuple[str, str | None, str | None]


@dataclass
class Identities:
    """The identities at one commit: of the leaves that are there, and of those gone, with where and what they were."""

    alive: dict[str, str] = field(default_factory=dict)
    gone: dict[str, tuple[str, str]] = field(default_factory=dict)  # path → (identity, qna blob)


@dataclass(frozen=True)
class LeafStep:
    """What one commit did to one leaf; ``files`` is what it has since, None where it is gone."""

    kind: Literal["added", "modified", "removed", "moved"]
    path: str
    leaf_id: str
    old_path: str | None = None
    files: Files | None = None


def leaf_in(tree: pygit2.Tree, path: str) -> Files | None:
    """The files of the leaf at ``path``, or None."""
    folder = tree[path] if path in tree else None  # noqa: SIM401 - a Tree has no get
    return files_of(folder) if isinstance(folder, pygit2.Tree) else None


def files_of(folder: pygit2.Tree) -> Files | None:
    """The files of the leaf that ``folder`` is, or None where it has no qna.yaml."""

    def blob(name: str) -> str | None:
        entry = folder[name] if name in folder else None  # noqa: SIM401
        return str(entry.id) if isinstance(entry, pygit2.Blob) else None

    qna = blob(QNA_FILE)
    return None if qna is None else (qna, blob(ATTRIBUTION_FILE), blob(DATA_FILE))


def differing_leaves(
    old: pygit2.Tree | None, new: pygit2.Tree | None, at: str = ""
) -> tuple[dict[str, Files], dict[str, Files]]:
    """The leaves that two trees do not have in common, by path, on each side. Equal folders are not entered."""
    before: dict[str, Files] = {}
    after: dict[str, Files] = {}
    if at:
        here = None if old is None else files_of(old)
        there = None if new is None else files_of(new)
        if here != there:
            if here is not None:
                before[at] = here
            if there is not None:
                after[at] = there
    left = {} if old is None else {str(e.name): e for e in old if isinstance(e, pygit2.Tree)}
    right = {} if new is None else {str(e.name): e for e in new if isinstance(e, pygit2.Tree)}
    for name in left.keys() | right.keys():
        one, two = left.get(name), right.get(name)
        if one is not None and two is not None and one.id == two.id:
            continue
        deeper = differing_leaves(one, two, f"{at}/{name}" if at else name)
        before.update(deeper[0])
        after.update(deeper[1])
    return before, after


def match_moves(old: Mapping[str, Files], new: Mapping[str, Files], told: Mapping[str, str]) -> dict[str, str]:
    """New path → old path of the leaves that moved, given those that went or changed and those that came or changed.

    ``told`` (old → new) comes first. Then equal ``qna.yaml``: of several, those whose last name is the same, and then
    in the order of their paths.
    """
    gone = {path: files for path, files in old.items() if path not in new}
    come = {path: files for path, files in new.items() if path not in old}
    moves: dict[str, str] = {}
    for source, target in sorted(told.items()):
        if source in gone and target in come:
            moves[target] = source
            del gone[source], come[target]
    by_blob: dict[str, list[str]] = {}
    for path in sorted(gone):
        by_blob.setdefault(gone[path][0], []).append(path)
    for same_name in (True, False):
        for path in sorted(come):
            candidates = by_blob.get(come[path][0], [])
            name = path.rpartition("/")[2]
            chosen = next((c for c in candidates if not same_name or c.rpartition("/")[2] == name), None)
            if path not in moves and chosen is not None:
                moves[path] = chosen
                candidates.remove(chosen)
    return moves


def moved_from(repository: Repository, commit: pygit2.Commit, path: str) -> str | None:
    """Where the leaf that came to ``path`` in ``commit`` was before, or None where it was nowhere."""
    return _moves_in(repository, commit).get(path)


def moved_to(repository: Repository, commit: pygit2.Commit, path: str) -> str | None:
    """Where the leaf that left ``path`` in ``commit`` went, or None where it was taken away."""
    return next((target for target, source in _moves_in(repository, commit).items() if source == path), None)


def taken_away(repository: Repository, until: str | None, path: str) -> tuple[str, str] | None:
    """The newest commit up to ``until`` that took a leaf at ``path`` away (not elsewhere), and the blob it had.

    None where there is none. Other leaves may have come to that place and moved on since.
    """
    for step in repository.first_parents(until):
        before = leaf_in(repository.commit(str(step.parent_ids[0])).tree, path) if step.parent_ids else None
        if before is not None and leaf_in(step.tree, path) is None and moved_to(repository, step, path) is None:
            return str(step.id), before[0]
    return None


def _moves_in(repository: Repository, commit: pygit2.Commit) -> dict[str, str]:
    """New path → old path of what moved in ``commit``."""
    if not commit.parent_ids:
        return {}
    old, new = differing_leaves(repository.commit(str(commit.parent_ids[0])).tree, commit.tree)
    return match_moves(old, new, moves_of(commit.message))


def identities(repository: Repository, commit: str) -> Identities:
    """The identities at ``commit``, from the nearest remembered commit on, and remembered."""
    cached_at, known = _load(repository)
    steps = []
    start = Identities()
    for step in repository.first_parents(commit):
        if cached_at is not None and str(step.id) == cached_at:
            start = known
            break
        steps.append(step)
    for step in reversed(steps):
        advance(repository, start, step)
    if cached_at is None or start is not known or len(steps) > _FEW_COMMITS:
        _remember(repository, cached_at, commit, start)
    return start


def place_of(repository: Repository, commit: str, leaf: str) -> tuple[str, bool] | None:
    """The path of a leaf at ``commit``, or where it was last, and whether it is there; None where it never was.

    ``leaf`` is an identity; a path is given back as it is, as if a leaf were there.
    """
    try:
        wanted = str(uuid.UUID(leaf))
    except ValueError:
        return leaf, True
    found = identities(repository, commit)
    for path, name in found.alive.items():
        if name == wanted:
            return path, True
    return next(((path, False) for path, (name, _) in found.gone.items() if name == wanted), None)


def _remember(repository: Repository, cached_at: str | None, commit: str, found: Identities) -> None:
    """Remember only what moves forward: looking at an old commit must not throw a newer answer away."""
    if cached_at is None or not _contains(repository, cached_at, commit):
        _save(repository, commit, found)


def _contains(repository: Repository, commit: str, ancestor: str) -> bool:
    return repository.git.get(commit) is not None and repository.contains(commit, ancestor)


def walk(repository: Repository, since: str | None, until: str) -> Iterator[tuple[pygit2.Commit, list[LeafStep]]]:
    """Every commit after ``since`` (None: from the first) up to ``until``, oldest first, and what it did to leaves."""
    commits = list(repository.first_parents(until, since))
    at = Identities() if since is None else identities(repository, since)
    for commit in reversed(commits):
        yield commit, advance(repository, at, commit)
    if len(commits) > _FEW_COMMITS or (since is None and commits):
        _remember(repository, _load(repository)[0], until, at)


def advance(repository: Repository, at: Identities, commit: pygit2.Commit) -> list[LeafStep]:
    """Bring the identities of the parent of ``commit`` to ``commit``; what happened, sorted by path."""
    parent = repository.commit(str(commit.parent_ids[0])).tree if commit.parent_ids else None
    old, new = differing_leaves(parent, commit.tree)
    moves = match_moves(old, new, moves_of(commit.message))
    taken = {source: at.alive.pop(source) for source in moves.values()}
    for path, files in old.items():
        if path not in new and path not in taken:
            at.gone[path] = (at.alive.pop(path), files[0])
    for path, files in new.items():
        if path in moves:
            at.alive[path] = taken[moves[path]]
        elif path not in old:
            last = at.gone.get(path)
            if last is not None and last[1] == files[0]:
                at.alive[path] = last[0]
                del at.gone[path]
            else:
                at.alive[path] = str(uuid.uuid5(NAMESPACE, f"{commit.id}:{path}"))
    done = [LeafStep("removed", path, at.gone[path][0]) for path in old if path not in new and path not in taken]
    for path, files in new.items():
        kind: Literal["added", "modified", "moved"] = (
            "moved" if path in moves else "modified" if path in old else "added"
        )
        done.append(LeafStep(kind, path, at.alive[path], moves.get(path), files))
    return sorted(done, key=lambda step: step.path)


def _load(repository: Repository) -> tuple[str | None, Identities]:
    try:
        saved = json.loads((repository.path / CACHE_FILE).read_bytes())
        if saved["format"] == CACHE_FORMAT:
            gone = {path: (name, blob) for path, (name, blob) in saved["gone"].items()}
            return str(saved["commit"]), Identities(dict(saved["alive"]), gone)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # a cache that cannot be read is one that is not there
    return None, Identities()


def _save(repository: Repository, commit: str, found: Identities) -> None:
    saved = {"format": CACHE_FORMAT, "commit": commit, "alive": found.alive, "gone": found.gone}
    try:
        descriptor, name = tempfile.mkstemp(prefix=".seedbed-", dir=repository.path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(
                json.dumps(saved, separators=(",", ":"))
            )  # in C; to write piece by piece takes ten times as long
        os.replace(name, repository.path / CACHE_FILE)
    except OSError:
        return  # it is only a cache: the next one works it out again
