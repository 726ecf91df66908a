"""Who wrote the seeds of a leaf: for each one the commit since which it reads as it does, through moves of the leaf."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from taxonomy_repo.leaf import Leaf, Seed, read_leaf
from taxonomy_repo.paths import QNA_FILE
from taxonomy_repo.store import CommitInfo, TaxonomyStore


@dataclass(frozen=True)
class SeedBlame:
    """Seed number ``position`` (from 0) of a leaf, and the commit that gave it its present wording.

    A seed that only changed its place in the file, or whose leaf was moved, keeps its commit.
    """

    position: int
    seed: Seed
    commit: CommitInfo


def blame(store: TaxonomyStore, leaf: str, *, commit: str | None = None) -> list[SeedBlame]:
    """For every seed of a leaf, in order, the commit that wrote it last.

    Args:
        leaf: its path at ``commit``, or its identity.
        commit: the version to look at; the newest by default. Empty where the leaf is not there or cannot be read.

    A version in between that cannot be read has none of the seeds: whoever mended it wrote them.
    """
    steps = store.history(leaf, commit=commit)
    if not steps or steps[0].kind == "removed":
        return []
    here = _leaf_after(store, steps[0])
    if here is None:
        return []
    # Of equal seeds the first ones are held to be the oldest.
    waiting: dict[Seed, list[int]] = {}
    for position, seed in enumerate(here.seed_examples):
        waiting.setdefault(seed, []).append(position)
    found: dict[int, CommitInfo] = {}
    for step, earlier in zip(steps, [*steps[1:], None], strict=True):
        before = None if earlier is None else _leaf_after(store, earlier)
        there = Counter(() if before is None else before.seed_examples)
        for seed, positions in waiting.items():
            while len(positions) > there[seed]:
                found[positions.pop()] = step
        if len(found) == len(here.seed_examples):
            break
    return [SeedBlame(position, seed, found[position]) for position, seed in enumerate(here.seed_examples)]


def _leaf_after(store: TaxonomyStore, step: CommitInfo) -> Leaf | None:
    """The leaf as that commit left it, or None where it was taken away or cannot be read."""
    data = store.file_at(step.commit, f"{step.path}/{QNA_FILE}")
    return None if data is None else read_leaf(data, step.path).leaf
