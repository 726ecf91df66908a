"""Reads for one leaf in one release: every seed that taught it, every held-out seed with its scores."""

from __future__ import annotations

from dataclasses import dataclass, field

from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.models import LeafScore, Release, Subject
from taxonomy_app.rounds.models import RoundLeaf
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.store import StoreProblem
from workers.planning import seed_pairs
from workers.specs import SeedPair


@dataclass
class HeldOutSeed:
    """A held-out seed and what each subject gave its reference answer; ``pair`` is None where its text is gone."""

    fingerprint: str
    pair: SeedPair | None
    values: dict[str, float] = field(default_factory=dict)

    @property
    def before(self) -> float | None:
        return self.values.get(Subject.BEFORE)

    @property
    def after(self) -> float | None:
        return self.values.get(Subject.AFTER)

    @property
    def control(self) -> float | None:
        return self.values.get(Subject.CONTROL)

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class LeafSeeds:
    taught: list[SeedPair]
    held_out: list[HeldOutSeed]


def pinned_pairs(leaf: RoundLeaf) -> dict[str, SeedPair]:
    """The seeds of exactly the version that the round pinned, by fingerprint; read from git by its blob.

    Empty where the taxonomy does not have that blob (a database without its repository).
    """
    from taxonomy_app.tree.services import taxonomy_store

    try:
        data = taxonomy_store().read_blob(leaf.blob)
    except StoreProblem:
        return {}
    found = read_leaf(data, leaf.path).leaf
    return {} if found is None else {pair.fingerprint: pair for pair in seed_pairs(found)}


def leaf_seeds(release: Release, leaf: RoundLeaf) -> LeafSeeds:
    """What taught and what was held out, the held-out ones with the values of each subject. One query, one blob."""
    pairs = pinned_pairs(leaf)
    rows = {fingerprint: HeldOutSeed(fingerprint, pairs.get(fingerprint)) for fingerprint in leaf.held_out}
    for score in LeafScore.objects.filter(release=release, leaf_id=leaf.leaf_id, metric=METRIC):
        for item_id, value, _cluster in score.items:
            rows.setdefault(item_id, HeldOutSeed(item_id, pairs.get(item_id))).values[score.subject] = value
    return LeafSeeds(
        taught=[pairs[fingerprint] for fingerprint in leaf.taught if fingerprint in pairs],
        held_out=list(rows.values()),
    )
