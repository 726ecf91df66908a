"""Keeping the words of leaves (``LeafText``) equal to the leaves: the part of the index that the search reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from taxonomy_app.tree.models import Leaf, LeafText, LeafVersion, Seed
from taxonomy_app.tree.search_words import distinct_words

_BATCH = 500
_INSERT = "INSERT INTO tree_leaftext (leaf_id, place, about, seeds, people) VALUES (%s, %s, %s, %s, %s)"
# What a leaf's words are made of.
_READ = ("pk", "path", "task_description", "document_outline", "domain", "created_by")


def write_texts(leaves: Sequence[int], *, seed_words: Mapping[int, str]) -> None:
    """Make the words of these leaves (row keys) anew; what is not in the taxonomy any more has none.

    Reads what the index holds of them now, so it is called once their rows, seeds and versions are written. A
    constant number of statements for each 500 leaves. ``seed_words``: those of the leaves' seeds, where they are known.
    """
    for start in range(0, len(leaves), _BATCH):
        some = leaves[start : start + _BATCH]
        LeafText.objects.filter(pk__in=some).delete()
        with connection.cursor() as cursor:
            # Without objects between: this is a part of the time that an index from nothing takes.
            cursor.executemany(_INSERT, _texts_of(some, seed_words))


def _texts_of(leaves: Sequence[int], seed_words: Mapping[int, str]) -> list[tuple[int, str, str, str, str]]:
    """The values of ``_INSERT`` for each of the leaves that is present."""
    seeds: dict[int, list[str]] = defaultdict(list)
    for leaf, *texts in (
        Seed.objects.filter(leaf__in=[leaf for leaf in leaves if leaf not in seed_words])
        .order_by("leaf_id", "position")
        .values_list("leaf_id", "context", "question", "answer")
    ):
        seeds[leaf] += texts
    people: dict[int, list[str]] = defaultdict(list)
    steps = LeafVersion.objects.filter(leaf__in=leaves).order_by("leaf_id", "position")
    for leaf, name in steps.values_list("leaf_id", "author_name"):
        people[leaf].append(name)
    return [
        (
            key,
            distinct_words((path,)),
            distinct_words(about),
            seed_words[key] if key in seed_words else distinct_words(seeds[key]),
            distinct_words((created_by, *people[key])),
        )
        for key, path, *about, created_by in Leaf.objects.present().filter(pk__in=leaves).order_by().values_list(*_READ)
    ]
