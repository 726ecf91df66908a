"""Two versions of a leaf side by side: seeds matched to each other, fields compared word by word.

Pure functions. Seeds have no names, so they are matched by what they say: the same text first, then the most alike
of the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from taxonomy_repo.attribution import AttributionEntry
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, DocumentReference, KnowledgeSeed, Leaf, SeedExample

# Two seeds whose words agree less than this are one removed and one added, not one changed.
ALIKE = 0.5
# SequenceMatcher's cost grows with the square of the words; longer texts are shown whole.
LONGEST_COMPARED = 4_000

_WORDS = re.compile(r"\s+|[^\W_]+|[^\w\s]|_", re.UNICODE)


@dataclass(frozen=True)
class Run:
    """A stretch of text that is the same on both sides, or on one side only."""

    text: str
    changed: bool


@dataclass(frozen=True)
class FieldComparison:
    """One field on both sides; ``before`` and ``after`` in stretches, empty where the side has no such field."""

    label: str
    before: tuple[Run, ...]
    after: tuple[Run, ...]

    @property
    def changed(self) -> bool:
        return any(run.changed for run in (*self.before, *self.after))

    @property
    def text(self) -> str:
        """What the newer side says, or the older one where the newer has nothing."""
        return "".join(run.text for run in (self.after or self.before))


@dataclass(frozen=True)
class SeedComparison:
    """One seed on both sides. ``position`` is its place in the new version (for a removed one, in the old)."""

    change: Literal["same", "changed", "added", "removed"]
    position: int
    fields: tuple[FieldComparison, ...]
    moved_from: int | None = None


@dataclass(frozen=True)
class LeafComparison:
    """Everything that differs between two versions of a leaf, and what does not."""

    head: tuple[FieldComparison, ...]
    seeds: tuple[SeedComparison, ...]

    @property
    def changed(self) -> bool:
        """Whether anything differs, the order of the seeds included."""
        return any(field.changed for field in self.head) or any(
            seed.change != "same" or seed.moved_from is not None for seed in self.seeds
        )

    @property
    def counts(self) -> dict[str, int]:
        found = dict.fromkeys(("added", "changed", "removed", "same"), 0)
        for seed in self.seeds:
            found[seed.change] += 1
        return found


def words_compare(before: str, after: str) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The two texts in stretches, marked where they differ; the finest grain is a word or a sign."""
    if before == after:
        same = (Run(before, False),) if before else ()
        return same, same
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > LONGEST_COMPARED:
        return (Run(before, True),), (Run(after, True),)
    left: list[Run] = []
    right: list[Run] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if i2 > i1:
            left.append(Run("".join(old[i1:i2]), tag != "equal"))
        if j2 > j1:
            right.append(Run("".join(new[j1:j2]), tag != "equal"))
    return tuple(left), tuple(right)


def leaf_compare(before: Leaf | None, after: Leaf | None) -> LeafComparison:
    """Compare two versions of a leaf; ``before`` is None for a leaf that is new, ``after`` for one that was removed."""
    head = tuple(
        _field(label, old, new)
        for (label, old), (_, new) in zip(_head_fields(before), _head_fields(after), strict=True)
        if old or new
    )
    old_seeds = before.seed_examples if before else ()
    new_seeds = after.seed_examples if after else ()
    partners = match_seeds(old_seeds, new_seeds)
    taken = set(partners.values())
    moved = _moved(partners)
    seeds: list[SeedComparison] = []
    removed = [index for index in range(len(old_seeds)) if index not in taken]
    for position, seed in enumerate(new_seeds):
        at = partners.get(position)
        while removed and at is not None and removed[0] < at:
            gone = removed.pop(0)
            seeds.append(SeedComparison("removed", gone, _seed_fields(old_seeds[gone], None)))
        if at is None:
            seeds.append(SeedComparison("added", position, _seed_fields(None, seed)))
            continue
        fields = _seed_fields(old_seeds[at], seed)
        change: Literal["same", "changed"] = "changed" if any(field.changed for field in fields) else "same"
        seeds.append(SeedComparison(change, position, fields, moved_from=at if position in moved else None))
    seeds.extend(SeedComparison("removed", gone, _seed_fields(old_seeds[gone], None)) for gone in removed)
    return LeafComparison(head, tuple(seeds))


def sources_compare(
    before: Sequence[AttributionEntry], after: Sequence[AttributionEntry]
) -> tuple[tuple[FieldComparison, ...], ...]:
    """Compare the sources that two versions name, each with the one at its place; a source's fields that are empty on
    both sides are left out.
    """
    found = []
    for at in range(max(len(before), len(after))):
        old = _source_fields(before[at]) if at < len(before) else {}
        new = _source_fields(after[at]) if at < len(after) else {}
        labels = dict.fromkeys([*new, *old])
        found.append(tuple(_field(label, old.get(label, ""), new.get(label, "")) for label in labels))
    return tuple(found)


def _source_fields(source: AttributionEntry) -> dict[str, str]:
    fields = {
        "Title": source.title,
        "Link": source.link,
        "Revision": source.revision,
        "Licence": source.licence,
        "Made by": source.creators,
    }
    return {label: text for label, text in fields.items() if text}


def match_seeds(
    old: Sequence[SeedExample | KnowledgeSeed], new: Sequence[SeedExample | KnowledgeSeed]
) -> dict[int, int]:
    """For places in ``new`` their partner in ``old``: equal seeds first, then those that ask the same, then the most
    alike of the rest.
    """
    partners: dict[int, int] = {}
    for key in (seed_text, _asked):
        free = set(range(len(old))) - set(partners.values())
        by_key: dict[str, list[int]] = {}
        for index in sorted(free):
            by_key.setdefault(key(old[index]), []).append(index)
        for index, seed in enumerate(new):
            if index not in partners and key(seed).strip() and by_key.get(key(seed)):
                partners[index] = by_key[key(seed)].pop(0)
    left_old = [index for index in range(len(old)) if index not in set(partners.values())]
    left_new = [index for index in range(len(new)) if index not in partners]
    old_words = {index: set(seed_text(old[index]).casefold().split()) for index in left_old}
    new_words = {index: set(seed_text(new[index]).casefold().split()) for index in left_new}
    pairs = sorted(
        ((_overlap(old_words[i], new_words[j]), -abs(i - j), i, j) for i in left_old for j in left_new), reverse=True
    )
    used: set[int] = set()
    for score, _, i, j in pairs:
        if score < ALIKE:
            break
        if i not in used and j not in partners:
            partners[j] = i
            used.add(i)
    return partners


def _moved(partners: dict[int, int]) -> set[int]:
    """Places in the new version whose seed changed its order among those that are in both; additions and removals
    around them do not count. The longest run that kept its order stays, the rest has moved.
    """
    pairs = sorted(partners.items())
    best: list[list[int]] = []  # for every pair, the longest kept order that ends with it
    for index, (_, old) in enumerate(pairs):
        before = [best[i] for i in range(index) if pairs[i][1] < old]
        longest: list[int] = max(before, key=len) if before else []
        best.append([*longest, index])
    longest_run: list[int] = max(best, key=len) if best else []
    kept = set(longest_run)
    return {position for index, (position, _) in enumerate(pairs) if index not in kept}


def _overlap(one: set[str], other: set[str]) -> float:
    """Dice's coefficient of two sets of words, 0…1."""
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def _asked(seed: SeedExample | KnowledgeSeed) -> str:
    """What a seed asks: its text and question, for knowledge its passage."""
    return seed.context if isinstance(seed, KnowledgeSeed) else f"{seed.context or ''}\n{seed.question}"


def seed_text(seed: SeedExample | KnowledgeSeed) -> str:
    """All that a seed says, for matching it with another version of itself."""
    return " ".join(value for _, value in seed_fields(seed))


def seed_fields(seed: SeedExample | KnowledgeSeed) -> list[tuple[str, str]]:
    """A seed's fields in the order in which people read them, with their labels."""
    found = [("Text", seed.context)] if seed.context else []
    if isinstance(seed, KnowledgeSeed):
        for number, pair in enumerate(seed.questions_and_answers, start=1):
            found += [(f"Question {number}", pair.question), (f"Answer {number}", pair.answer)]
    else:
        found += [("Question", seed.question), ("Answer", seed.answer)]
    return found


def _head_fields(leaf: Leaf | None) -> list[tuple[str, str]]:
    """What stands above the seeds, with labels; the same labels for every leaf."""
    return [
        ("Task", leaf.task_description if leaf else ""),
        ("Domain", leaf.domain if leaf else ""),
        ("Outline of the document", leaf.document_outline if leaf else ""),
        ("Document", _reference(leaf.document) if leaf and leaf.document else ""),
    ]


def _reference(document: DocumentReference) -> str:
    """Which documents, as one line with their version; one that is still to be stored has none (all zeros). Where they
    lie is told of those that lie elsewhere.
    """
    place = "" if document.repo == DOCUMENT_REPOSITORY else document.repo
    version = f"version {document.commit[:12]}" if document.commit.strip("0") else ""
    more = ", ".join(part for part in (place, version) if part)
    return f"{', '.join(document.patterns)}{f' ({more})' if more else ''}"


def _seed_fields(
    before: SeedExample | KnowledgeSeed | None, after: SeedExample | KnowledgeSeed | None
) -> tuple[FieldComparison, ...]:
    old, new = dict(seed_fields(before)) if before else {}, dict(seed_fields(after)) if after else {}
    labels = list(dict.fromkeys([*new, *old]))
    if "Text" in labels:
        labels.sort(key=lambda label: label != "Text")
    return tuple(_field(label, old.get(label, ""), new.get(label, "")) for label in labels)


def _field(label: str, before: str, after: str) -> FieldComparison:
    return FieldComparison(label, *words_compare(before, after))
