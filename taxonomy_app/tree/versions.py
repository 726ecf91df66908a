"""A leaf's history: its steps with who made them, and what each step changed, field by field. Reads only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree.models import Leaf, LeafVersion
from taxonomy_app.tree.queries import people_by_email
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_repo.attribution import AttributionEntry, read_attribution
from taxonomy_repo.comparison import FieldComparison, LeafComparison, leaf_compare, sources_compare
from taxonomy_repo.leaf import Leaf as Document
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.store import StoreProblem


@dataclass(frozen=True)
class Change:
    """One step of a leaf's history, with the account of who made it where there is one."""

    version: LeafVersion
    person: User | None


@dataclass(frozen=True)
class ChangeShown:
    """A step in full: what it changed against the step before it.

    ``comparison`` is None where one of the two files cannot be read as a leaf; then ``unreadable`` says which.
    """

    change: Change
    earlier: LeafVersion | None
    later: LeafVersion | None
    comparison: LeafComparison | None
    sources: tuple[tuple[FieldComparison, ...], ...]
    unreadable: str = ""
    submission: Submission | None = None

    @property
    def moved(self) -> bool:
        return bool(self.change.version.old_path)

    @property
    def head_shown(self) -> tuple[FieldComparison, ...]:
        """What stands above the seeds: all of it for a leaf that is new, otherwise what changed."""
        head = self.comparison.head if self.comparison else ()
        return head if self.earlier is None else tuple(field for field in head if field.changed)

    @property
    def sources_changed(self) -> bool:
        return any(field.changed for source in self.sources for field in source)

    @property
    def nothing_changed(self) -> bool:
        """Whether only the place changed, or what lies outside what people read (such as the order of keys)."""
        return self.comparison is not None and not self.comparison.changed and not self.sources_changed


def changes_with_people(versions: list[LeafVersion]) -> list[Change]:
    """The steps with their makers' accounts. One query."""
    people = people_by_email(version.author_email for version in versions)
    return [Change(version, people.get(version.author_email.lower())) for version in versions]


def history_of(leaf: Leaf, limit: int) -> tuple[list[Change], bool]:
    """The newest ``limit`` steps and whether there are more. Two queries."""
    versions = list(LeafVersion.objects.filter(leaf=leaf).order_by("-position")[: limit + 1])
    for version in versions:
        version.leaf = leaf  # its address needs the leaf's identity
    return changes_with_people(versions[:limit]), len(versions) > limit


def change_shown(leaf: Leaf, position: int, user: Any) -> ChangeShown:
    """The step of that number. Five queries at most; at most four blobs are read.

    Raises:
        LeafVersion.DoesNotExist: the leaf has no such step.
    """
    version = leaf.versions.get(position=position)
    earlier = leaf.versions.filter(position__lt=position).order_by("-position").first()
    later = leaf.versions.filter(position__gt=position).order_by("position").first()
    for one in (version, earlier, later):
        if one is not None:
            one.leaf = leaf
    (change,) = changes_with_people([version])
    unreadable = ""
    comparison: LeafComparison | None = None
    before, before_reads = _document(earlier)
    after, after_reads = _document(version)
    if before_reads and after_reads:
        comparison = leaf_compare(before, after)
    else:
        unreadable = "after" if not after_reads else "before"
    return ChangeShown(
        change=change,
        earlier=earlier,
        later=later,
        comparison=comparison,
        sources=sources_compare(_sources(earlier), _sources(version)),
        unreadable=unreadable,
        submission=_submission(version, leaf, user),
    )


def _submission(version: LeafVersion, leaf: Leaf, user: Any) -> Submission | None:
    """The submission that the step came from, where the person may see it. One query, none for other steps.

    A taxonomy that was brought from elsewhere names submissions of that place: the leaf must be the same.
    """
    named = re.match(r"S(\d{1,9})\b", version.submission)
    if named is None:
        return None
    return Submission.objects.visible_for(user).filter(pk=int(named[1]), leaf_id=leaf.leaf_id).first()


def _document(version: LeafVersion | None) -> tuple[Document | None, bool]:
    """The leaf as it was then (None where there was none), and whether it could be read."""
    if version is None or not version.blob:
        return None, True
    try:
        found = read_leaf(taxonomy_store().read_blob(version.blob), version.path).leaf
    except StoreProblem:
        return None, False
    return found, found is not None


def _sources(version: LeafVersion | None) -> tuple[AttributionEntry, ...]:
    if version is None or not version.attribution_blob:
        return ()
    try:
        return read_attribution(taxonomy_store().read_blob(version.attribution_blob)).attribution.entries
    except StoreProblem:
        return ()
