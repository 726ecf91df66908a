"""Joining two histories of a whole taxonomy: leaf by leaf, each seed by seed (``merge``), moves followed.

What only one side changed is taken from it. A leaf that both changed is merged on the version that both began with;
one that was moved on one side and edited on the other is moved and edited. A true conflict is told leaf by leaf, and
nothing is committed then; whoever decides says for each such leaf whose version counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from taxonomy_repo.attribution import Attribution, read_attribution, write_attribution
from taxonomy_repo.identity import Files, differing_leaves, match_moves
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.merge import FieldConflict, MergeConflict, merge_leaf_bytes
from taxonomy_repo.message import compose_message, moves_of
from taxonomy_repo.paths import ATTRIBUTION_FILE, DATA_FILE, QNA_FILE
from taxonomy_repo.repository import BranchMoved, Person, Repository, StoreProblem
from taxonomy_repo.store import TaxonomyStore

__all__ = ["LeafConflict", "Side", "TaxonomyConflict", "merge_attributions", "merge_histories"]

Side = Literal["ours", "theirs"]
_NAMES = (QNA_FILE, ATTRIBUTION_FILE, DATA_FILE)
_MOST_NAMED = 20


@dataclass(frozen=True)
class LeafConflict:
    """A leaf (or another file, by its own path) that both sides changed in ways that cannot be joined."""

    path: str
    reason: str
    fields: tuple[FieldConflict, ...] = ()


class TaxonomyConflict(Exception):
    """Two histories cannot be joined; ``leaves`` says where and why."""

    def __init__(self, leaves: Sequence[LeafConflict]) -> None:
        self.leaves = tuple(leaves)
        count = len(leaves)
        names = ", ".join(leaf.path for leaf in leaves[:3]) + (" …" if count > 3 else "")
        super().__init__(f"{count} {'leaf was' if count == 1 else 'leaves were'} changed on both sides: {names}.")


@dataclass
class _Settled:
    """What both sides' changes come to, before anything is written: path → bytes, a blob's name, or None (gone)."""

    files: dict[str, bytes | str | None] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    conflicts: list[LeafConflict] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    """Where a leaf is on one side, and what it has there; both None where it is gone."""

    path: str | None
    files: Files | None


def merge_histories(
    store: TaxonomyStore,
    theirs: str,
    *,
    author: Person,
    message: str,
    when: datetime,
    decided: Mapping[str, Side] | None = None,
    unrelated: bool = False,
) -> str:
    """Bring ``theirs`` into the taxonomy's branch; the branch's commit afterwards.

    The branch follows where it can (its own commit is one of the first parents of ``theirs``); otherwise a commit with
    both as parents is made. Either way the commit before stays the first parent of what follows, which is what leaves'
    identities and histories are read from.

    Args:
        theirs: a commit that is in the repository already.
        decided: for leaves that cannot be joined, whose version counts, by the leaf's path as a conflict named it.
        unrelated: join histories that have no commit in common, too.

    Raises:
        TaxonomyConflict: both sides changed the same, and it is not decided.
        StoreProblem: ``unrelated`` when the histories have nothing in common.
    """
    repository = store.repository
    for _ in range(100):
        ours = repository.head()
        if ours is None or _follows(repository, theirs, ours):
            with repository.writing() as writer:
                try:
                    writer.forward(ours, theirs)
                except BranchMoved:
                    continue
            return theirs
        if repository.contains(ours, theirs):
            return ours
        base = _common(repository, ours, theirs)
        if base is None and not unrelated:
            raise StoreProblem(
                "unrelated",
                "The two taxonomies have no version in common, so nobody can say what changed. Import the other one.",
            )
        # Reading, parsing and joining leaves takes its time and happens before the mutex is taken.
        settled = _settle(repository, base, ours, theirs, decided or {})
        if settled.conflicts:
            raise TaxonomyConflict(settled.conflicts)
        with repository.writing() as writer:
            blobs = {path: writer.blob(f) if isinstance(f, bytes) else f for path, f in settled.files.items()}
            for path, side in (decided or {}).items():
                # Other files than leaves' are decided by their own path.
                sides = {"ours": repository.blob_at(ours, path), "theirs": repository.blob_at(theirs, path)}
                if any(sides.values()):
                    blobs.setdefault(path, sides[side])
            tree, unsettled = writer.joined_tree(base, ours, theirs, blobs)
            if tree is None:
                reason = "This file was changed on both sides, in different ways."
                raise TaxonomyConflict([LeafConflict(path, reason) for path in unsettled])
            try:
                return writer.commit(
                    tree=tree,
                    parent=ours,
                    joined=[theirs],
                    author=author,
                    message=compose_message(message, _joined_authors(repository, theirs, ours), settled.moves),
                    when=when,
                )
            except BranchMoved:
                continue
    raise StoreProblem("busy", "The taxonomy kept changing while this was joined with it. Try again soon.")


def _follows(repository: Repository, theirs: str, ours: str) -> bool:
    return any(str(commit.id) == ours for commit in repository.first_parents(theirs))


def _common(repository: Repository, ours: str, theirs: str) -> str | None:
    found = repository.git.merge_base(repository.commit(ours).id, repository.commit(theirs).id)
    return None if found is None else str(found)


def _joined_authors(repository: Repository, theirs: str, ours: str) -> dict[str, list[str]]:
    """Who wrote what comes in, as a trailer: on the branch's own line their commits are not."""
    git = repository.git
    walker = git.walk(repository.commit(theirs).id)
    walker.hide(repository.commit(ours).id)
    people = dict.fromkeys(f"{commit.author.name} <{commit.author.email}>" for commit in walker)
    return {"Co-authored-by": list(people)[:_MOST_NAMED]} if people else {}


def _side(
    repository: Repository, base: str | None, tip: str
) -> tuple[dict[str, Files], dict[str, Files], dict[str, str]]:
    """Leaves that differ from ``base``: as they were, as they are, and old path → new path of those that moved."""
    before = None if base is None else repository.commit(base).tree
    old, new = differing_leaves(before, repository.commit(tip).tree)
    told: dict[str, str] = {}
    if base is not None and any(path not in new for path in old):
        walker = repository.git.walk(repository.commit(tip).id)
        walker.hide(repository.commit(base).id)
        for commit in reversed(list(walker)):
            for source, target in moves_of(commit.message).items():
                first = next((start for start, end in told.items() if end == source), source)
                told[first] = target
    return old, new, {source: target for target, source in match_moves(old, new, told).items()}


def _settle(repository: Repository, base: str | None, ours: str, theirs: str, decided: Mapping[str, Side]) -> _Settled:
    """Every leaf that both sides touched, joined or told as a conflict."""
    settled = _Settled()
    old_here, here, moved_here = _side(repository, base, ours)
    old_there, there, moved_there = _side(repository, base, theirs)

    def place(path: str, new: Mapping[str, Files], moved: Mapping[str, str]) -> _Place:
        now = path if path in new else moved.get(path)
        return _Place(now, None if now is None else new[now])

    for path in sorted(old_here.keys() & old_there.keys()):
        left, right = place(path, here, moved_here), place(path, there, moved_there)
        if left.path != right.path or left.files != right.files:
            _settle_leaf(repository, path, old_here[path], left, right, decided, settled)
    arrived = set(moved_here.values()) | set(moved_there.values())
    for path in sorted((here.keys() - old_here.keys()) & (there.keys() - old_there.keys()) - arrived):
        if here[path] != there[path]:
            _settle_leaf(repository, path, None, _Place(path, here[path]), _Place(path, there[path]), decided, settled)
    # A leaf that only the other side moved is told in the new commit: on the branch's line nobody else says so.
    settled.moves |= {old: new for old, new in moved_there.items() if old not in old_here}
    return settled


def _settle_leaf(
    repository: Repository,
    name: str,
    base: Files | None,
    left: _Place,
    right: _Place,
    decided: Mapping[str, Side],
    settled: _Settled,
) -> None:
    chosen = decided.get(left.path or name)
    try:
        if chosen is not None:
            winner = left if chosen == "ours" else right
            _put(winner.path, winner.files or (None, None, None), settled)
            target = winner.path
        else:
            target = _joined_place(name, left, right)
            files = _joined_files(repository, target, base, left, right)
            _put(target, files, settled)
    except _Clash as clash:
        settled.conflicts.append(LeafConflict(left.path or name, str(clash), clash.fields))
        return
    for gone in {name, left.path, right.path} - {target, None}:
        for file in _NAMES:
            settled.files.setdefault(f"{gone}/{file}", None)
    if left.path is not None and target is not None and left.path != target:
        settled.moves[left.path] = target


class _Clash(Exception):
    def __init__(self, reason: str, fields: Sequence[FieldConflict] = ()) -> None:
        super().__init__(reason)
        self.fields = tuple(fields)


def _put(path: str | None, files: Sequence[bytes | str | None], settled: _Settled) -> None:
    if path is not None:
        settled.files |= {f"{path}/{name}": content for name, content in zip(_NAMES, files, strict=True)}


def _joined_place(name: str, left: _Place, right: _Place) -> str:
    if left.path is None or right.path is None:
        where = "here and changed at the other end" if left.path is None else "at the other end and changed here"
        raise _Clash(f"This leaf was taken away {where}.")
    if right.path in (left.path, name):
        return left.path
    if left.path == name:
        return right.path
    raise _Clash(f"This leaf was moved to two places: {left.path} here, {right.path} at the other end.")


def _joined_files(
    repository: Repository, path: str, base: Files | None, left: _Place, right: _Place
) -> list[bytes | str | None]:
    """The leaf's three files, each a blob's name where one side's can be taken as it is."""
    first, second = left.files, right.files
    before = base or (None, None, None)
    if first is None or second is None:  # told by _joined_place already
        raise _Clash("This leaf was taken away on one side.")
    found: list[bytes | str | None] = []
    for name, start, one, other in zip(_NAMES, before, first, second, strict=True):
        if other in (one, start):
            found.append(one)
        elif one == start:
            found.append(other)
        else:
            found.append(_joined_file(name, path, *(_bytes(repository, blob) for blob in (start, one, other))))
    return found


def _bytes(repository: Repository, blob: str | None) -> bytes | None:
    return None if blob is None else repository.read_blob(blob)


def _joined_file(name: str, path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes:
    if ours is None or theirs is None:
        raise _Clash(f"{name} was taken away on one side and changed on the other.")
    if name == ATTRIBUTION_FILE:
        return merge_attributions(base, ours, theirs)
    if name != QNA_FILE:
        raise _Clash(f"{name} was changed on both sides, in different ways.")
    try:
        joined = merge_leaf_bytes(base, ours, theirs, path)
    except MergeConflict as conflict:
        raise _Clash(str(conflict), conflict.conflicts) from None
    except ValueError as error:
        raise _Clash(str(error)) from None
    if read_leaf(ours, path).valid and read_leaf(theirs, path).valid and not read_leaf(joined, path).valid:
        raise _Clash("Both changes together do not make a valid leaf.")
    return joined


def merge_attributions(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    """The sources of both sides, each once and ours first, less those that either side took away."""
    first, second = (read_attribution(data).attribution.entries for data in (ours, theirs))
    before = read_attribution(base).attribution.entries if base is not None else ()
    gone = {entry for entry in before if entry not in first or entry not in second}
    kept = dict.fromkeys(entry for entry in (*first, *second) if entry not in gone)
    return write_attribution(Attribution(tuple(kept)))
