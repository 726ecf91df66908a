"""What differs between two versions of one leaf as a list of fields, for programs and shells.

Which seed became which is decided in ``comparison``, which lays the versions side by side for people; nothing is
joined here: ``merge`` does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from taxonomy_repo.comparison import match_seeds
from taxonomy_repo.leaf import KnowledgeSeed, Leaf, Seed, SeedExample


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


def _differing(field: str, before: Sequence[Seed], after: Sequence[Seed]) -> Iterator[FieldDifference]:
    """What changed of seeds that are on both sides, then what is gone, and last what is new."""
    partners = match_seeds(before, after)
    for place, was in sorted(partners.items()):
        yield from _parts(f"{field}[{place}]", before[was], after[place])
    for place in sorted(set(range(len(before))) - set(partners.values())):
        yield FieldDifference(f"{field}[{place}]", _shown(before[place]), None)
    for place in sorted(set(range(len(after))) - partners.keys()):
        yield FieldDifference(f"{field}[{place}]", None, _shown(after[place]))


def _parts(field: str, before: Seed, after: Seed) -> Iterator[FieldDifference]:
    for name in ("context", "question", "answer"):
        old, new = getattr(before, name, None), getattr(after, name, None)
        if old != new:
            yield FieldDifference(f"{field}.{name}", old, new)
    if isinstance(before, KnowledgeSeed) and isinstance(after, KnowledgeSeed):
        place = f"{field}.questions_and_answers"
        yield from _differing(place, _as_seeds(before), _as_seeds(after))


def _as_seeds(seed: KnowledgeSeed) -> list[SeedExample]:
    """The pairs of a passage, which are found again as seeds without a context are."""
    return [SeedExample(pair.question, pair.answer) for pair in seed.questions_and_answers]


def _shown(value: object) -> str | None:
    """A value as a person reads it; ``""`` for a text that is not there, None for anything else that is not."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, KnowledgeSeed):
        return "\n".join([value.context, *(f"{pair.question}\n{pair.answer}" for pair in value.questions_and_answers)])
    if isinstance(value, SeedExample):
        return "\n".join(part for part in (value.context, value.question, value.answer) if part is not None)
    return str(value)
