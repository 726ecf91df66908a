"""Searching the taxonomy: what somebody asks, the leaves that answer it best first, and where they have the words.

Every search looks at a bounded number of leaves, so that a word which every leaf has costs no more in a large
taxonomy than in a small one. What is beyond the bound is said, not hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString

from taxonomy_app.tree.full_text import Field
from taxonomy_app.tree.leaf_states import in_state
from taxonomy_app.tree.models import Leaf, LeafQuerySet, Seed
from taxonomy_app.tree.search_words import finder, has_all, mark_words, query_words

# More than these nobody reads; the page asks for another word instead.
MOST_FOUND = 500
# Seeds that are read to show where a page of leaves has the words.
_MOST_SEEDS_READ = 300
_EXCERPT = 180


@dataclass(frozen=True)
class Wanted:
    """What is asked for; an empty text asks for nothing. ``place`` is how the path begins, ``state`` a key of
    ``leaf_states.STATES``.
    """

    words: str = ""
    branch: str = ""
    place: str = ""
    kind: str = ""
    author: str = ""
    state: str = ""

    @property
    def anything(self) -> bool:
        return any((self.words, self.narrowed))

    @property
    def narrowed(self) -> bool:
        """Whether anything but words is asked for."""
        return self.filtered or bool(self.author)

    @property
    def filtered(self) -> bool:
        """Whether anything is asked for that the full-text index does not know."""
        return any((self.branch, self.place, self.kind, self.state))


@dataclass(frozen=True)
class Found:
    """Row keys of leaves, best first; ``more`` says that there are others beyond ``MOST_FOUND``."""

    leaves: Sequence[int]
    more: bool


def search(wanted: Wanted, *, user: object) -> Found:
    """The leaves that are asked for. Two queries with words, one without.

    Best first: all words in the leaf's name and folders, then in its task too, then anywhere; among equals by path.
    """
    leaves = _narrowed(wanted, user)
    if not wanted.words:
        found = leaves.matching(author=wanted.author).order_by("path").values_list("pk", flat=True)
        keys = list(found[: MOST_FOUND + 1])
        return Found(keys[:MOST_FOUND], len(keys) > MOST_FOUND)
    words = query_words(wanted.words)
    # Only where nothing outside it narrows the search may the full-text index stop early: it has present leaves alone.
    most = None if wanted.filtered else MOST_FOUND + 1
    ranks: dict[int, tuple[int, str]] = {}
    # Those that are named so are asked for by themselves: where very many have the words they must not be missed.
    fields: tuple[Field, ...] = ("place", "all")
    for field in fields:
        found = leaves.matching(wanted.words, author=wanted.author, field=field, most=most).order_by()
        rows = found.values_list("pk", "path", "text__place", "text__about")
        for key, path, place, about in rows[: MOST_FOUND + 1]:
            if key not in ranks:
                # The index has the place's words apart from the task's; a leaf may have some in each.
                in_task = field == "all" and has_all(words, f"{place} {about}")
                ranks[key] = (0 if field == "place" else 1 if in_task else 2, path)
    keys = sorted(ranks, key=lambda key: ranks[key])
    return Found(keys[:MOST_FOUND], len(keys) > MOST_FOUND)


def _narrowed(wanted: Wanted, user: object) -> LeafQuerySet:
    """The leaves that everything but the full-text index lets through."""
    leaves: LeafQuerySet = Leaf.objects.present()
    if wanted.branch:
        leaves = leaves.under(wanted.branch)
    if wanted.place:
        leaves = leaves.beginning_with(wanted.place.strip().strip("/").replace(" ", "_"))
    if wanted.kind:
        leaves = leaves.filter(kind=wanted.kind)
    if wanted.state:
        leaves = in_state(leaves, wanted.state, user)
    return leaves


def in_order(keys: Sequence[int]) -> list[Leaf]:
    """The leaves of these keys in this order; one that went meanwhile is left out. One query."""
    rows = Leaf.objects.in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


def excerpts(leaves: Iterable[Leaf], text: str) -> dict[int, SafeString]:
    """Leaf key → a piece of a seed that has the first of the words found, marked. One query.

    Leaves that have the words only in their names and tasks, which the page shows anyway, are not in it.
    """
    words = query_words(text)
    plain = text.split()
    if not words:
        return {}
    has_one = Q()
    for word in plain:
        has_one |= Q(question__icontains=word) | Q(answer__icontains=word) | Q(context__icontains=word)
    rows = Seed.objects.filter(has_one, leaf__in=[leaf.pk for leaf in leaves]).order_by("leaf_id", "position")
    found: dict[int, SafeString] = {}
    for leaf, *texts in rows.values_list("leaf_id", "question", "answer", "context")[:_MOST_SEEDS_READ]:
        if leaf not in found and (piece := _excerpt(texts, words)):
            found[leaf] = piece
    return found


def _excerpt(texts: Iterable[str], words: tuple[str, ...]) -> SafeString | None:
    find = finder(words)
    for text in texts:
        first = next(iter(find(text)), None)
        if first is not None:
            start = max(0, first[0] - _EXCERPT // 3)
            piece = " ".join(text[start : start + _EXCERPT].split())
            end = "…" if start + _EXCERPT < len(text) else ""
            return format_html("{}{}{}", "…" if start else "", mark_words(piece, words), end)
    return None
