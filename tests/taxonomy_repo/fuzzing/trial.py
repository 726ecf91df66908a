"""What must hold of any input at all: one trial, used by the search and by the replay of what it found."""

from __future__ import annotations

from taxonomy_repo.attribution import read_attribution
from taxonomy_repo.checks import REGISTRY, check_leaf
from taxonomy_repo.mending import mend_leaf
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
    if compare and HARMFUL.isdisjoint(problem.code for problem in problems):
        from tests.taxonomy_repo.public_checker import public_verdict

        ours = not any(problem.severity == "error" for problem in check_leaf(data, place))
        theirs, said = public_verdict(data, place)
        assert ours == theirs, f"{'valid' if ours else 'invalid'} here; the public checker: {said}"
