"""What the taxonomy's pages read: folders with what is in them, and all that is known of a leaf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Sum
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree.leaf_states import LeafState, states_of
from taxonomy_app.tree.models import Branch, Folder, Leaf, LeafVersion, Seed
from taxonomy_app.tree.services import document_store, taxonomy_store
from taxonomy_repo.attribution import AttributionEntry, read_attribution
from taxonomy_repo.store import StoreProblem

BRANCH_WORDS = {
    Branch.KNOWLEDGE: lazy(
        "Facts with their source. Each leaf has a document, and questions that passages of it answer."
    ),
    Branch.FOUNDATIONAL: lazy("Abilities that others rest on, such as counting or reading a table."),
    Branch.COMPOSITIONAL: lazy("Things to do with what one knows: write, summarise, explain, find in a text."),
}


# So many leaves of a folder are shown at once; the rest is fetched on request.
LEAVES_SHOWN = 100


@dataclass(frozen=True)
class LeafRow:
    """A leaf in a list, with how it stands."""

    leaf: Leaf
    state: LeafState

    @property
    def anything(self) -> bool:
        """Whether there is anything to say about how it stands."""
        return bool(self.leaf.problem or self.state.open_submissions or self.state.score)


@dataclass(frozen=True)
class Opened:
    """A folder that is shown open: the folders and the leaves right inside it.

    ``following`` is the number of the next piece of a folder with many leaves, None where this is the end.
    """

    path: str
    folders: list[Folder]
    leaves: list[LeafRow]
    following: int | None = None


def leaf_rows(leaves: Sequence[Leaf], user: Any) -> list[LeafRow]:
    """The leaves with their states, in their order. Five queries at most."""
    states = states_of(leaves, user)
    return [LeafRow(leaf, states[leaf.leaf_id]) for leaf in leaves]


def open_folder(path: str, user: Any, piece: int = 1) -> Opened:
    """What lies right inside ``path`` (empty: the root); of many leaves the ``piece``-th hundred. Seven queries."""
    folders = list(Folder.objects.filter(parent=path).order_by("name")) if piece == 1 else []
    start = (piece - 1) * LEAVES_SHOWN
    inside = Leaf.objects.present().filter(folder=path).order_by("name")[start : start + LEAVES_SHOWN + 1]
    leaves = list(inside)
    more = len(leaves) > LEAVES_SHOWN
    return Opened(path, folders, leaf_rows(leaves[:LEAVES_SHOWN], user), piece + 1 if more else None)


@dataclass(frozen=True)
class BranchShown:
    """A branch on the first page, with its folders closed."""

    branch: Branch
    text: str
    folder: Folder | None
    opened: Opened


def branches(user: Any) -> list[BranchShown]:
    """The three branches, whether anything is in them or not. Seven queries at most."""
    folders: dict[str, Folder] = {}
    inside: dict[str, list[Folder]] = {}
    for folder in Folder.objects.filter(parent__in=["", *Branch.values]).order_by("name"):
        if folder.parent:
            inside.setdefault(folder.parent, []).append(folder)
        else:
            folders[folder.path] = folder
    # A leaf right inside a branch is rare; were there many, the branch's own page has them all.
    direct = Leaf.objects.present().filter(folder__in=Branch.values).order_by("folder", "name")[:LEAVES_SHOWN]
    leaves: dict[str, list[LeafRow]] = {}
    for row in leaf_rows(direct, user):
        leaves.setdefault(row.leaf.folder, []).append(row)
    return [
        BranchShown(
            branch,
            BRANCH_WORDS[branch],
            folders.get(branch),
            Opened(branch.value, inside.get(branch, []), leaves.get(branch, [])),
        )
        for branch in Branch
    ]


@dataclass
class SeedGroup:
    """Questions that share a context: one seed of a knowledge leaf, or a single pair of a skill."""

    number: int
    context: str
    pairs: list[Seed] = field(default_factory=list)


def seed_groups(seeds: Iterable[Seed]) -> list[SeedGroup]:
    """The seeds as people read them, in the order of the leaf. ``number`` counts from 1."""
    found: list[SeedGroup] = []
    for group, rows in groupby(seeds, key=lambda seed: seed.group):
        pairs = list(rows)
        found.append(SeedGroup(group + 1, pairs[0].context, pairs))
    return found


def people_by_email(addresses: Iterable[str]) -> dict[str, User]:
    """Accounts by e-mail address in small letters. One query, none for no address."""
    wanted = {address.lower() for address in addresses}
    if not wanted:
        return {}
    found = User.objects.annotate(address=Lower("email")).filter(is_active=True, address__in=wanted)
    return {person.email.lower(): person for person in found}


@dataclass(frozen=True)
class Contributor:
    """Somebody who wrote in a leaf: an account, or only the name that git has."""

    name: str
    person: User | None
    changes: int


def contributors_of(leaf: Leaf) -> list[Contributor]:
    """Everybody who changed the leaf, who did most first. Two queries."""
    counted: dict[str, tuple[str, int]] = {}
    for name, email in (
        LeafVersion.objects.filter(leaf=leaf).order_by("position").values_list("author_name", "author_email")
    ):
        counted[email.lower()] = (name, counted.get(email.lower(), ("", 0))[1] + 1)
    people = people_by_email(counted)
    found = [Contributor(name, people.get(email), changes) for email, (name, changes) in counted.items()]
    return sorted(found, key=lambda one: -one.changes)


def attribution_of(leaf: Leaf) -> tuple[AttributionEntry, ...]:
    """The sources that the leaf names; empty where it has none. One blob is read."""
    if not leaf.attribution_blob:
        return ()
    try:
        return read_attribution(taxonomy_store().read_blob(leaf.attribution_blob)).attribution.entries
    except StoreProblem:
        return ()


def document_text(leaf: Leaf, name: str) -> str:
    """The text of one of the leaf's documents. One blob is read.

    Raises:
        ObjectDoesNotExist: the leaf has no document of that name, or it is gone.
    """
    for file in (leaf.document or {}).get("files", []):
        if file["name"] == name and file["blob"]:
            try:
                return document_store().repository.read_blob(file["blob"]).decode("utf-8", "replace")
            except StoreProblem as error:
                raise ObjectDoesNotExist(str(error)) from error
    raise ObjectDoesNotExist(f"The leaf has no document {name}.")


def submissions_of(leaf: Leaf, user: Any, limit: int = 20) -> list[Submission]:
    """The submissions about this leaf that ``user`` may see, newest first. One query, none for visitors."""
    if not user.is_authenticated:
        return []
    return list(
        Submission.objects.visible_for(user)
        .filter(leaf_id=leaf.leaf_id)
        .select_related("author")
        .order_by("-updated_at")[:limit]
    )


def totals() -> dict[str, int]:
    """How many leaves and seeds the taxonomy has. One query."""
    found = Folder.objects.filter(parent="").aggregate(leaves=Sum("leaf_count"), seeds=Sum("seed_count"))
    return {"leaves": found["leaves"] or 0, "seeds": found["seeds"] or 0}
