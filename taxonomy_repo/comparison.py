"""What differs between two versions of one leaf, field by field. Nothing is decided here: ``merge`` joins versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, SeedExample


@dataclass(frozen=True)
class FieldDifference:
    """One field that differs. None: it (or the seed it belongs to) is not there on that side.

    ``field`` counts seeds as the later version has them; as the earlier one where the seed is gone.
    """

    field: str
    before: str | None
    after: str | None


def leaf_differences(before: Leaf, after: Leaf) -> list[FieldDifference]:
    """Every field that differs, in the order of the file. Seeds that are only in another order do not differ."""
    found = []
    for name in ("version", "created_by", "task_description", "domain", "document_outline", "document"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found.append(FieldDifference(name, _shown(old), _shown(new)))
    found += _differing("seed_examples", before.seed_examples, after.seed_examples)
    return found


def _differing(field: str, before: tuple[object, ...], after: tuple[object, ...]) -> Iterator[FieldDifference]:
    """Items of two lists that are not in both, those that took another's place field by field."""
    kept = set(before) & set(after)
    gone = [(index, item) for index, item in enumerate(before) if item not in kept]
    come = [(index, item) for index, item in enumerate(after) if item not in kept]
    for (old_index, old), (new_index, new) in _paired(gone, come):
        if new is None:
            yield FieldDifference(f"{field}[{old_index}]", _shown(old), None)
        elif old is None:
            yield FieldDifference(f"{field}[{new_index}]", None, _shown(new))
        else:
            yield from _parts(f"{field}[{new_index}]", old, new)


Placed = tuple[int, object]


def _paired(gone: list[Placed], come: list[Placed]) -> list[tuple[Placed, Placed]]:
    """What was changed beside what it became (more than half is the same), what is gone, and last what is new."""
    pairs: list[tuple[Placed, Placed]] = []
    left = list(come)
    for place in gone:
        text = _shown(place[1]) or ""
        best, likeness = None, 0.5
        for candidate in left:
            matcher = SequenceMatcher(None, text, _shown(candidate[1]) or "", autojunk=False)
            if matcher.quick_ratio() > likeness and matcher.ratio() > likeness:
                best, likeness = candidate, matcher.ratio()
        if best is None:
            pairs.append((place, (-1, None)))
        else:
            left.remove(best)
            pairs.append((place, best))
    return pairs + [((-1, None), place) for place in left]


def _parts(field: str, before: object, after: object) -> Iterator[FieldDifference]:
    for name in ("context", "question", "answer"):
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old != new:
            yield FieldDifference(f"{field}.{name}", old, new)
    if isinstance(before, KnowledgeSeed) and isinstance(after, KnowledgeSeed):
        place = f"{field}.questions_and_answers"
        yield from _differing(place, before.questions_and_answers, after.questions_and_answers)


def _shown(value: object) -> str | None:
    """A value as a person reads it; ``""`` for a text that is not there, None for anything else that is not."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, KnowledgeSeed):
        return "\n".join([value.context, *(f"{pair.question}\n{pair.answer}" for pair in value.questions_and_answers)])
    if isinstance(value, QuestionAnswer):
        return f"{value.question}\n{value.answer}"
    if isinstance(value, SeedExample):
        return "\n".join(part for part in (value.context, value.question, value.answer) if part is not None)
    return str(value)
