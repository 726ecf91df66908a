"""Seeds that ask nearly what a submission's seeds ask, in the whole taxonomy and in other open submissions. Reads only.

Alike means: at least ``ALIKE`` of the words of both questions together are in both (Jaccard). The page asks for this
after it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from taxonomy_app.contributions.models import ANSWERABLE, Revision, State, Submission
from taxonomy_app.contributions.word_index import alike_in_taxonomy, words_of
from taxonomy_app.tree.models import Seed
from taxonomy_repo.leaf import Leaf, SeedExample, read_leaf

ALIKE = 0.6
MOST_SHOWN = 20
MOST_SUBMISSIONS = 200

# A question's number, its text and its words.
_Asked = tuple[int, str, frozenset[str]]


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
    found = [*_in_taxonomy(submission, own), *_in_submissions(submission, own)]
    return sorted(found, key=lambda one: (-one.share, one.number))[:MOST_SHOWN]


def _in_taxonomy(submission: Submission, own: Sequence[_Asked]) -> Iterator[AlikeSeed]:
    found = alike_in_taxonomy([words for *_, words in own], ALIKE)
    hits = [(pk, share, *asked[:2]) for asked, seeds in zip(own, found, strict=True) for pk, share in seeds]
    # Enough of the best, because those of the leaf itself are left out.
    hits = sorted(hits, key=lambda hit: (-hit[1], hit[2]))[: 10 * MOST_SHOWN]
    rows = Seed.objects.filter(pk__in={pk for pk, *_ in hits}, leaf__removed_at__isnull=True)
    seeds = {seed.pk: seed for seed in rows.select_related("leaf").only("question", "leaf__path", "leaf__leaf_id")}
    for pk, share, number, question in hits:
        seed = seeds.get(pk)
        if seed is not None and seed.leaf.path != submission.path and seed.leaf.leaf_id != submission.leaf_id:
            yield AlikeSeed(number, question, seed.question, share, seed.leaf.path, str(seed.leaf.leaf_id))


def _in_submissions(submission: Submission, own: Sequence[_Asked]) -> Iterator[AlikeSeed]:
    for other, words, path, other_id in _waiting(submission):
        for number, question, mine in own:
            shared = len(mine & words)
            share = shared / (len(mine) + len(words) - shared) if mine or words else 0.0
            if share >= ALIKE:
                yield AlikeSeed(number, question, other, share, path, submission_id=other_id)


def _numbered(leaf: Leaf) -> Iterator[tuple[int, SeedExample]]:
    """Every pair with the number of the seed it is in; contexts of a grounded skill only."""
    for number, seed in enumerate(leaf.seed_examples, start=1):
        if isinstance(seed, SeedExample):
            yield number, seed
        else:
            for pair in seed.questions_and_answers:
                yield number, SeedExample(pair.question, pair.answer)


def _waiting(submission: Submission) -> Iterator[tuple[str, frozenset[str], str, int]]:
    """Questions of other open submissions with their words, their place and whose they are."""
    # What was handed back to its author comes again.
    waiting = Submission.objects.filter(state__in=(*ANSWERABLE, State.APPROVED)).exclude(pk=submission.pk)
    numbers = dict(waiting.order_by("-submitted_at").values_list("pk", "revision_number")[:MOST_SUBMISSIONS])
    revisions = Revision.objects.filter(submission__in=list(numbers))
    for owner, number, qna, path in revisions.values_list("submission_id", "number", "qna", "path"):
        if numbers[owner] == number:
            for question, words in _asked_in(qna, path):
                yield question, words, path, owner


# Enough for every submission that is looked at, so that each is read once in a process.
@lru_cache(maxsize=10 * MOST_SUBMISSIONS)
def _asked_in(qna: str, path: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """The questions of a revision's file, each with its words."""
    leaf = read_leaf(qna.encode(), path).leaf
    if leaf is None:
        return ()
    pairs = leaf.pairs()
    return tuple((pair.question, words_of(pair.question, pair.context if leaf.is_grounded else None)) for pair in pairs)
