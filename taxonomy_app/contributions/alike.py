"""Seeds that ask nearly what a submission's seeds ask, in the whole taxonomy and in other open submissions. Reads only.

Alike means: at least ``ALIKE`` of the words of both questions together are in both (Jaccard). Every question is
looked at once, so the cost grows with the taxonomy; the page asks for this after it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from taxonomy_app.contributions.models import Revision, State, Submission
from taxonomy_app.tree.models import Seed
from taxonomy_repo.leaf import Leaf, SeedExample, read_leaf

ALIKE = 0.6
MOST_SHOWN = 20
MOST_SUBMISSIONS = 200

_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True)
class AlikeSeed:
    """A question elsewhere that is nearly one of the submission's. ``share`` is 0…1."""

    number: int
    question: str
    other: str
    share: float
    path: str
    leaf_id: str = ""
    submission_id: int | None = None


def alike_seeds(submission: Submission) -> list[AlikeSeed]:
    """The most alike first, at most ``MOST_SHOWN``; the leaf's own seeds in the taxonomy are not counted."""
    revision = submission.revisions.get(number=submission.revision_number)
    leaf = read_leaf(revision.qna.encode(), revision.path).leaf
    if leaf is None:
        return []
    own = [(number, pair.question, words_of(pair.question, pair.context)) for number, pair in _numbered(leaf)]
    found: list[AlikeSeed] = []
    for other, words, path, leaf_id, other_id in _others(submission):
        for number, question, mine in own:
            # Two sets whose sizes differ this much cannot share enough words.
            if not mine or not ALIKE <= len(words) / len(mine) <= 1 / ALIKE:
                continue
            shared = len(mine & words)
            share = shared / (len(mine) + len(words) - shared)
            if share >= ALIKE:
                found.append(AlikeSeed(number, question, other, share, path, leaf_id, other_id))
    return sorted(found, key=lambda one: (-one.share, one.number))[:MOST_SHOWN]


def words_of(question: str, context: str | None) -> frozenset[str]:
    """The words by which a seed is compared: the question's, with those of a short context (``Translate:`` alone
    would make every seed of a grounded leaf alike).
    """
    words = frozenset(_WORD.findall(question.casefold()))
    return words | frozenset(_WORD.findall((context or "").casefold()[:2000])) if context else words


def _numbered(leaf: Leaf) -> Iterator[tuple[int, SeedExample]]:
    """Every pair with the number of the seed it is in; contexts of a grounded skill only."""
    for number, seed in enumerate(leaf.seed_examples, start=1):
        if isinstance(seed, SeedExample):
            yield number, seed
        else:
            for pair in seed.questions_and_answers:
                yield number, SeedExample(pair.question, pair.answer)


def _others(submission: Submission) -> Iterator[tuple[str, frozenset[str], str, str, int | None]]:
    """Questions elsewhere with their words and where they are."""
    seeds = Seed.objects.filter(leaf__removed_at__isnull=True).exclude(leaf__path=submission.path)
    if submission.leaf_id:
        seeds = seeds.exclude(leaf__leaf_id=submission.leaf_id)
    rows = seeds.values_list("question", "context", "leaf__path", "leaf__leaf_id", "leaf__kind").order_by()
    for question, context, path, leaf_id, kind in rows.iterator(chunk_size=2000):
        yield question, words_of(question, context if kind == "grounded" else None), path, str(leaf_id), None
    waiting = Submission.objects.filter(state__in=(State.SUBMITTED, State.APPROVED)).exclude(pk=submission.pk)
    numbers = dict(waiting.order_by("-submitted_at").values_list("pk", "revision_number")[:MOST_SUBMISSIONS])
    for revision in Revision.objects.filter(submission__in=list(numbers)):
        if revision.number != numbers[revision.submission_id]:
            continue
        leaf = read_leaf(revision.qna.encode(), revision.path).leaf
        for pair in leaf.pairs() if leaf else ():
            grounded = pair.context if leaf is not None and leaf.is_grounded else None
            yield pair.question, words_of(pair.question, grounded), revision.path, "", revision.submission_id
