"""What must hold of any input at all: one trial, used by the search and by the replay of what it found."""

from __future__ import annotations

from dataclasses import replace

from taxonomy_repo.attribution import read_attribution
from taxonomy_repo.checks import REGISTRY, check_leaf
from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL
from taxonomy_repo.comparison import leaf_compare
from taxonomy_repo.leaf import CURRENT_VERSION, Leaf, UnwritableText, read_leaf, write_leaf
from taxonomy_repo.mending import mend_leaf
from taxonomy_repo.merge import MergeConflict, merge_leaves
from taxonomy_repo.yaml_source import read_source

PLACES = ("compositional_skills/writing/haiku", "knowledge/places/osk")


# Where this project refuses what the public checker takes: what could do harm.
HARMFUL = {"file-too-large", "yaml-too-deep", "yaml-alias-loop"}


def try_input(data: bytes, *, compare: bool = False) -> None:
    """Check ``data`` (its first byte chooses the leaf's place) and raise AssertionError where a promise is broken.

    ``compare``: hold the verdict against the public checker's as well.
    """
    place, data = PLACES[data[0] % 2 if data else 0], data[1:]
    problems = check_leaf(data, place, data)
    lines = data.count(b"\n") + data.count(b"\r") + 2
    for problem in problems:
        assert problem.code in REGISTRY, problem
        assert problem.message.endswith((".", "?")), problem
        assert problem.message.isprintable(), problem
        assert problem.line is None or 1 <= problem.line <= lines, problem
        assert problem.column is None or problem.column >= 1, problem
    read_attribution(data)
    mended = mend_leaf(data).data
    assert mend_leaf(mended).repairs == (), "mending is never done"
    was = sum(problem.severity == "error" for problem in problems)
    left = sum(problem.severity == "error" for problem in check_leaf(mended, place, data))
    assert left <= was or read_source(data).root is None, "mending made it worse"
    reading = read_leaf(data, place)
    if reading.leaf is not None:
        if reading.valid:
            try_writing(reading.leaf, place)
        try_merging(reading.leaf, place)
    if compare and HARMFUL.isdisjoint(problem.code for problem in problems):
        from tests.taxonomy_repo.public_checker import public_verdict

        ours = not any(problem.severity == "error" for problem in check_leaf(data, place))
        theirs, said = public_verdict(data, place)
        assert ours == theirs, f"{'valid' if ours else 'invalid'} here; the public checker: {said}"


def try_writing(leaf: Leaf, place: str) -> None:
    """A leaf that is written is read again as it was, or cannot be written."""
    try:
        written = write_leaf(leaf)
    except UnwritableText:
        return
    again = read_leaf(written, place).leaf
    assert again == replace(leaf, version=CURRENT_VERSION), "writing changed it"


def try_merging(leaf: Leaf, place: str) -> None:
    """Merged with a change of another side it has all seeds of both, or conflicts; whose side is whose is the same."""
    good = read_leaf((GOOD_KNOWLEDGE if place.startswith("knowledge") else GOOD_SKILL).encode(), place).leaf
    assert good is not None
    other = replace(good, created_by="bob", seed_examples=good.seed_examples[1:])
    leaf_compare(good, leaf)
    outcomes: list[Leaf | None] = []
    for ours, theirs in ((leaf, other), (other, leaf)):
        try:
            outcomes.append(merge_leaves(good, ours, theirs))
        except MergeConflict:
            outcomes.append(None)
    first, second = outcomes
    assert (first is None) == (second is None), "it merges one way and not the other"
    if first is not None and second is not None:
        kept = set(leaf.seed_examples) - set(good.seed_examples)
        assert kept <= set(first.seed_examples), "merging lost a seed"
        assert set(first.seed_examples) == set(second.seed_examples), "it depends on whose side is whose"
