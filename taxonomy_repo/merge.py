"""Joining two changes of one leaf, seed by seed, on the version that both began with.

A seed is found again on each side by being the same, by asking the same question about the same context, or by giving
the same answer. What only one side touched is taken from it; what both touched differently is a conflict, told by
field. Nothing is dropped but what a side took away, nothing is there that neither side wrote, and the sides may be
exchanged without changing the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from taxonomy_repo.leaf import (
    CURRENT_VERSION,
    KnowledgeSeed,
    Leaf,
    QuestionAnswer,
    Seed,
    SeedExample,
    read_leaf,
    write_leaf,
)
from taxonomy_repo.problem import spoken_field

__all__ = ["FieldConflict", "MergeConflict", "merge_leaf_bytes", "merge_leaves"]

T = TypeVar("T")
Keys = Sequence[Callable[[T], Hashable]]


@dataclass(frozen=True)
class FieldConflict:
    """A field that both sides changed, each in its way. A value is None where the side took the seed away.

    ``field`` counts seeds as ``ours`` has them (as the base has them, where ours took the seed away).
    """

    field: str
    base: str | None
    ours: str | None
    theirs: str | None

    def __str__(self) -> str:
        if self.ours is None or self.theirs is None:
            return f"{spoken_field(self.field)} was taken away on one side and changed on the other."
        return f"{spoken_field(self.field)} was changed on both sides, in different ways."


class MergeConflict(Exception):
    """Two changes of a leaf cannot be joined; ``conflicts`` says where, by field."""

    def __init__(self, conflicts: Sequence[FieldConflict]) -> None:
        self.conflicts = tuple(conflicts)
        more = f" There are {len(conflicts) - 1} more such places." if len(conflicts) > 1 else ""
        super().__init__(f"{conflicts[0]}{more}")


def merge_leaves(base: Leaf | None, ours: Leaf, theirs: Leaf) -> Leaf:
    """The leaf with both changes of ``base`` (None: both sides made the leaf anew).

    Raises MergeConflict where both changed the same thing differently.
    """
    base = base or Leaf(CURRENT_VERSION, "", "", ())
    conflicts: list[FieldConflict] = []

    def part(name: str) -> Any:
        return _three_way(getattr(base, name), getattr(ours, name), getattr(theirs, name), name, conflicts)

    seeds = _ListMerge("seed_examples", _SEED_KEYS, _merge_seed, conflicts)
    merged = Leaf(
        version=ours.version if ours.version == theirs.version else max(ours.version or 1, theirs.version or 1),
        created_by=part("created_by"),
        task_description=part("task_description"),
        seed_examples=tuple(seeds.merge(base.seed_examples, ours.seed_examples, theirs.seed_examples)),
        domain=part("domain"),
        document_outline=part("document_outline"),
        document=part("document"),
    )
    if conflicts:
        raise MergeConflict(conflicts)
    return merged


def merge_leaf_bytes(base: bytes | None, ours: bytes, theirs: bytes, path: str) -> bytes:
    """As :func:`merge_leaves`, on files. A side that is as the base gives the other's very bytes.

    Raises MergeConflict; ValueError where one of the files cannot be read as a leaf.
    """
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    leaves = [None if data is None else read_leaf(data, path).leaf for data in (base, ours, theirs)]
    if leaves[1] is None or leaves[2] is None or (base is not None and leaves[0] is None):
        raise ValueError(f"One of the versions of {path} cannot be read.")
    return write_leaf(merge_leaves(leaves[0], leaves[1], leaves[2]))


def _three_way(base: T, ours: T, theirs: T, field: str, conflicts: list[FieldConflict]) -> T:
    if ours in (theirs, base):
        return theirs
    if theirs != base:
        conflicts.append(FieldConflict(field, _shown(base), _shown(ours), _shown(theirs)))
    return ours


def _shown(value: object) -> str | None:
    """A value as a person reads it."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, SeedExample):
        context = "" if value.context is None else f"{value.context}\n"
        return f"{context}{value.question}\n{value.answer}"
    if isinstance(value, QuestionAnswer):
        return f"{value.question}\n{value.answer}"
    if isinstance(value, KnowledgeSeed):
        return "\n".join([value.context, *(_shown(pair) or "" for pair in value.questions_and_answers)])
    return str(value)


def _folded(text: str | None) -> str:
    return " ".join((text or "").split())


def _seed_question(seed: Seed) -> Hashable:
    """What a seed is known by: its context, and for a skill its question."""
    if isinstance(seed, KnowledgeSeed):
        return ("knowledge", _folded(seed.context))
    return ("skill", _folded(seed.context), _folded(seed.question))


def _seed_answer(seed: Seed) -> Hashable:
    """What a seed is found by when its question (or its context) was rewritten."""
    if isinstance(seed, KnowledgeSeed):
        pairs = tuple(sorted((p.question, p.answer) for p in seed.questions_and_answers))
        # Two passages that nothing is asked about yet have nothing in common.
        return ("knowledge", pairs) if pairs else _seed_question(seed)
    return ("skill", _folded(seed.context), _folded(seed.answer))


_SEED_KEYS: Keys[Seed] = (lambda seed: seed, _seed_question, _seed_answer)
_PAIR_KEYS: Keys[QuestionAnswer] = (
    lambda pair: pair,
    lambda pair: _folded(pair.question),
    lambda pair: _folded(pair.answer),
)


def _merge_seed(base: Seed | None, ours: Seed, theirs: Seed, field: str, conflicts: list[FieldConflict]) -> Seed:
    if isinstance(ours, KnowledgeSeed) and isinstance(theirs, KnowledgeSeed):
        before = base if isinstance(base, KnowledgeSeed) else KnowledgeSeed("", ())
        context = _three_way(before.context, ours.context, theirs.context, f"{field}.context", conflicts)
        pairs = _ListMerge[QuestionAnswer](f"{field}.questions_and_answers", _PAIR_KEYS, _merge_texts, conflicts).merge(
            before.questions_and_answers, ours.questions_and_answers, theirs.questions_and_answers
        )
        return KnowledgeSeed(context, tuple(pairs))
    return _merge_texts(base, ours, theirs, field, conflicts)


def _merge_texts(base: T | None, ours: T, theirs: T, field: str, conflicts: list[FieldConflict]) -> T:
    """Two changes of one question and answer are never mixed: an answer belongs to the question it was written for."""
    names = [name for name in ("context", "question", "answer") if hasattr(ours, name) or hasattr(theirs, name)]
    for name in names:
        values = [getattr(side, name, None) for side in (base, ours, theirs)]
        if values[1] != values[2]:
            conflicts.append(FieldConflict(f"{field}.{name}", *(_shown(v) or "" for v in values)))
    return ours


class _ListMerge(Generic[T]):
    """The three-way merge of a list; ``keys`` find an item again on a side, the strictest first."""

    def __init__(
        self,
        field: str,
        keys: Keys[T],
        join: Callable[[T | None, T, T, str, list[FieldConflict]], T],
        conflicts: list[FieldConflict],
    ) -> None:
        self.field = field
        self.keys = keys
        self.join = join
        self.conflicts = conflicts

    def merge(self, base: Sequence[T], ours: Sequence[T], theirs: Sequence[T]) -> list[T]:
        mine, yours = self.match(base, ours), self.match(base, theirs)
        kept: dict[int, T] = {}
        changed_by_ours: list[T] = []
        changed_by_theirs: list[T] = []
        for index, item in enumerate(base):
            left = ours[mine[index]] if index in mine else None
            right = theirs[yours[index]] if index in yours else None
            if left is None or right is None:
                self.taken_away(index, item, left, right, mine)
                continue
            if left == right:
                kept[index] = left
            elif right == item:
                kept[index] = left
                changed_by_ours.append(left)
            elif left == item:
                kept[index] = right
                changed_by_theirs.append(right)
            else:
                kept[index] = self.join(item, left, right, f"{self.field}[{mine[index]}]", self.conflicts)
        new_here = [i for i in range(len(ours)) if i not in mine.values()]
        new_there = [i for i in range(len(theirs)) if i not in yours.values()]
        new_here = self.not_made_there(new_here, ours, changed_by_theirs, ours_is_first=True)
        new_there = self.not_made_there(new_there, theirs, changed_by_ours, ours_is_first=False)
        order = self.order(list(kept), mine, yours)
        return self.placed(order, kept, (ours, mine, new_here), (theirs, yours, new_there))

    def match(self, base: Sequence[T], side: Sequence[T]) -> dict[int, int]:
        """Base position → the side's position, for every item that is found again."""
        found: dict[int, int] = {}
        taken: set[int] = set()
        for key in self.keys:
            places: dict[Hashable, list[int]] = {}
            for position in range(len(side) - 1, -1, -1):
                if position not in taken:
                    places.setdefault(key(side[position]), []).append(position)
            for index, item in enumerate(base):
                candidates = [] if index in found else places.get(key(item), [])
                if candidates:
                    found[index] = candidates.pop()
                    taken.add(found[index])
        return found

    def taken_away(self, index: int, item: T, left: T | None, right: T | None, mine: Mapping[int, int]) -> None:
        """An item that a side no longer has is gone, unless the other side changed it."""
        for other in (left, right):
            if other is not None and other != item:
                place = mine.get(index, index)
                conflict = FieldConflict(f"{self.field}[{place}]", _shown(item), _shown(left), _shown(right))
                self.conflicts.append(conflict)

    def not_made_there(
        self, new: list[int], side: Sequence[T], changed: Sequence[T], *, ours_is_first: bool
    ) -> list[int]:
        """New items of one side less those that the other side made of an old one. The same question is a conflict."""
        known = {self.keys[1](item): item for item in changed}
        left = []
        for position in new:
            item = side[position]
            other = known.get(self.keys[1](item))
            if other is None:
                left.append(position)
            elif other != item:
                ours, theirs = (item, other) if ours_is_first else (other, item)
                self.conflicts.append(FieldConflict(f"{self.field}[{position}]", None, _shown(ours), _shown(theirs)))
        return left

    @staticmethod
    def order(kept: Sequence[int], mine: Mapping[int, int], yours: Mapping[int, int]) -> list[int]:
        """The order of a side that changed it; the old one where neither did, or both did differently."""
        old = list(kept)
        here, there = sorted(old, key=mine.__getitem__), sorted(old, key=yours.__getitem__)
        if here == old:
            return there
        return here if there in (old, here) else old

    def placed(
        self,
        order: Sequence[int],
        kept: Mapping[int, T],
        ours: tuple[Sequence[T], Mapping[int, int], list[int]],
        theirs: tuple[Sequence[T], Mapping[int, int], list[int]],
    ) -> list[T]:
        """All items: the kept ones in ``order``, each followed by the new ones that stood behind it on their side."""
        rank = {index: position for position, index in enumerate(order)}
        here, there = _new_items(rank, *ours), _new_items(rank, *theirs)
        # Which side's new items come first at one place is told by their text alone, so that it does not matter which
        # side is called ours.
        places = range(-1, len(order))
        text = [{p: repr([n.item for n in side if n.place == p]) for p in places} for side in (here, there)]
        ours_first = {place: text[0][place] <= text[1][place] for place in places}
        self.join_new(here, there, ours_first)
        merged: list[T] = []
        for place in places:
            if place >= 0:
                merged.append(kept[order[place]])
            for side in (here, there) if ours_first[place] else (there, here):
                merged += (new.item for new in side if new.place == place and not new.elsewhere)
        return merged

    def join_new(self, here: list[_New[T]], there: list[_New[T]], ours_first: Mapping[int, bool]) -> None:
        """What both sides added is kept once, at the earlier of its places; a differing one is joined or a conflict."""
        for same in (True, False):
            waiting: dict[Hashable, list[_New[T]]] = {}
            for new in there:
                if not new.met:
                    waiting.setdefault(self.keys[0 if same else 1](new.item), []).append(new)
            for new in here:
                others = [] if new.met else waiting.get(self.keys[0 if same else 1](new.item), [])
                if not others:
                    continue
                other = others.pop(0)
                new.met = other.met = True
                joined = new.item
                if not same:
                    field = f"{self.field}[{new.position}]"
                    joined = self.join(None, new.item, other.item, field, self.conflicts)
                ours_leads = new.place < other.place or (new.place == other.place and ours_first[new.place])
                first, second = (new, other) if ours_leads else (other, new)
                first.item, second.elsewhere = joined, True


@dataclass
class _New(Generic[T]):
    """An item that a side added, at ``position`` of its own list, behind ``place`` of the order (-1: the start)."""

    item: T
    position: int
    place: int
    met: bool = False
    elsewhere: bool = False


def _new_items(rank: Mapping[int, int], side: Sequence[T], matched: Mapping[int, int], new: list[int]) -> list[_New[T]]:
    """The new items of a side, in its order."""
    kept_at = {position: rank[index] for index, position in matched.items() if index in rank}
    added = set(new)
    found: list[_New[T]] = []
    place = -1
    for position, item in enumerate(side):
        place = kept_at.get(position, place)
        if position in added:
            found.append(_New(item, position, place))
    return found
