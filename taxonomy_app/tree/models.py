"""The database's index of the taxonomy: what git says, in a form that pages can ask. Rebuilt from git at will."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.db import connections, models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.tree import full_text
from taxonomy_app.tree.search_words import query_words
from workers.specs import LeafKind


class Branch(models.TextChoices):
    """The three branches of the taxonomy, as the folders at its root are called."""

    KNOWLEDGE = "knowledge", lazy("Knowledge")
    FOUNDATIONAL = "foundational_skills", lazy("Foundational skills")
    COMPOSITIONAL = "compositional_skills", lazy("Compositional skills")


class Kind(models.TextChoices):
    """What a leaf teaches; the values are those of ``workers.specs.LeafKind``."""

    KNOWLEDGE = LeafKind.KNOWLEDGE.value, lazy("Knowledge")
    GROUNDED = LeafKind.GROUNDED.value, lazy("Grounded skill")
    FREEFORM = LeafKind.FREEFORM.value, lazy("Freeform skill")
    FOUNDATIONAL = LeafKind.FOUNDATIONAL.value, lazy("Foundational skill")


def words(name: str) -> str:
    """A folder's or leaf's name as words: ``plant_rhymes`` → ``Plant rhymes``."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def folder_words(path: str) -> str:
    """What a folder is called: a branch in the reader's language, any other by the words of its name."""
    return str(Branch(path).label) if path in Branch.values else words(path.rpartition("/")[2])


def takes_leaves(folder: str) -> bool:
    """Whether people may begin a leaf in this folder: foundational skills come from public data sets instead."""
    return folder.partition("/")[0] in (Branch.KNOWLEDGE, Branch.COMPOSITIONAL)


def folders_above(path: str) -> list[tuple[str, str]]:
    """(name, path) of each folder that ``path`` lies in, the outermost first."""
    names = path.split("/")[:-1]
    return [(name, "/".join(names[: depth + 1])) for depth, name in enumerate(names)]


class LeafQuerySet(models.QuerySet["Leaf"]):
    def present(self) -> LeafQuerySet:
        """Leaves that are in the taxonomy now."""
        return self.filter(removed_at__isnull=True)

    def under(self, folder: str) -> LeafQuerySet:
        """Leaves inside ``folder`` (a path without trailing slash; empty for the root), at any depth."""
        return self.beginning_with(f"{folder}/") if folder else self

    def beginning_with(self, prefix: str) -> LeafQuerySet:
        """Leaves whose path begins with ``prefix``, to the letter; read from the index of paths."""
        if not prefix:
            return self
        if "\0" in prefix:  # no path has it, and PostgreSQL refuses the question
            return self.none()
        if connections[self.db].vendor == "sqlite":
            # SQLite's LIKE takes no index and knows no capitals; its texts are ordered by code point, so a range does.
            return self.filter(path__gte=prefix, path__lt=prefix + chr(0x10FFFF))
        return self.filter(path__startswith=prefix)

    def matching(
        self, text: str = "", *, author: str = "", field: full_text.Field = "all", most: int | None = None
    ) -> LeafQuerySet:
        """Leaves in whose ``field`` each word of ``text`` is, or begins, a word, and likewise each word of ``author``
        among the names of those who wrote them. What is empty is not asked for; a text without a word finds nothing.

        ``most`` stops the search in the full-text index after so many, which keeps a word that every leaf has from
        costing more the larger the taxonomy is; use it without other filters.
        """
        asked = {name: given for name, given in ((field, text), ("people", author)) if given}
        words = {name: query_words(given) for name, given in asked.items()}
        if not all(words.values()):
            return self.none()
        return self.filter(pk__in=full_text.LEAVES.rows_with(words, self.db, most=most)) if words else self


class LeafText(models.Model):
    """The words of a leaf that is present, as the search finds it: each word once, folded (``search_words``).

    The database keeps its own full-text index of this table: an FTS5 table with triggers on SQLite, a generated
    tsvector columns with GIN indexes on PostgreSQL (migration 0002). Whoever alters this table on SQLite makes the
    triggers again, because Django then builds the table anew and they go with the old one.
    """

    leaf = models.OneToOneField("Leaf", on_delete=models.CASCADE, primary_key=True, related_name="text")
    place = models.TextField()
    about = models.TextField()
    seeds = models.TextField()
    people = models.TextField()

    def __str__(self) -> str:
        return self.place


class Leaf(models.Model):
    """One leaf of the taxonomy. ``path`` is its folder; ``leaf_id`` its identity, which survives a move.

    A removed leaf keeps its row (scores and submissions point to it) with ``removed_at`` set; its path is free for
    another leaf.
    """

    leaf_id = models.UUIDField(unique=True)
    path = models.CharField(max_length=500)
    folder = models.CharField(max_length=500)
    branch = models.CharField(max_length=255, choices=Branch.choices)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    name = models.CharField(max_length=255)
    task_description = models.TextField(blank=True)
    domain = models.CharField(max_length=200, blank=True)
    document_outline = models.TextField(blank=True)
    # Where a knowledge leaf's texts are: {"repo", "commit", "patterns", "files": [{"name", "blob"}], "problem"}.
    document = models.JSONField(null=True, blank=True)
    created_by = models.CharField(max_length=120, blank=True)
    blob = models.CharField(max_length=64)
    attribution_blob = models.CharField(max_length=64, blank=True, default="")
    data_blob = models.CharField(max_length=64, blank=True, default="")
    seed_count = models.PositiveIntegerField(default=0)
    # A leaf that cannot be read is shown with this sentence instead of its seeds.
    problem = models.CharField(max_length=500, blank=True, default="")
    added_commit = models.CharField(max_length=64)
    changed_commit = models.CharField(max_length=64)
    added_at = models.DateTimeField()
    changed_at = models.DateTimeField(db_index=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = LeafQuerySet.as_manager()

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["path"], condition=Q(removed_at__isnull=True), name="tree_path_present"),
        ]
        indexes = [
            models.Index(fields=["path"], name="tree_leaf_path"),
            # For what begins with a text on PostgreSQL, whose ordinary index follows the language's order.
            models.Index(fields=["path"], name="tree_leaf_path_begins", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["kind", "path"], name="tree_leaf_kind"),
            models.Index(fields=["folder", "name"], condition=Q(removed_at__isnull=True), name="tree_leaf_folder"),
            # What changed last; an import changes every leaf at one moment.
            models.Index(fields=["-changed_at", "path"], condition=Q(removed_at__isnull=True), name="tree_leaf_newest"),
        ]

    def __str__(self) -> str:
        return self.path

    def get_absolute_url(self) -> str:
        return reverse("tree:leaf", args=[self.leaf_id])

    @property
    def folders(self) -> list[tuple[str, str]]:
        """(name, path) of each folder above the leaf, the branch first."""
        return folders_above(self.path)

    @property
    def title(self) -> str:
        """The leaf's name as words: what headings and links show."""
        return words(self.name)


class LeafVersion(models.Model):
    """One commit that touched a leaf, as a person is told of it: who, when, what. Read from git with the index."""

    class Kind(models.TextChoices):
        ADDED = "added", lazy("added the leaf")
        MODIFIED = "modified", lazy("changed the leaf")
        MOVED = "moved", lazy("moved the leaf")
        REMOVED = "removed", lazy("removed the leaf")

    leaf = models.ForeignKey(Leaf, on_delete=models.CASCADE, related_name="versions")
    commit = models.CharField(max_length=64)
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    path = models.CharField(max_length=500)
    old_path = models.CharField(max_length=500, blank=True)
    # Of the two files after this step; empty where there is none.
    blob = models.CharField(max_length=64, blank=True)
    attribution_blob = models.CharField(max_length=64, blank=True, default="")
    title = models.CharField(max_length=300)
    author_name = models.CharField(max_length=200)
    author_email = models.CharField(max_length=254)
    reviewed_by = models.CharField(max_length=300, blank=True)
    submission = models.CharField(max_length=60, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["leaf_id", "-position"]
        constraints = [models.UniqueConstraint(fields=["leaf", "commit"], name="tree_version_commit")]
        indexes = [models.Index(fields=["leaf", "-position"], name="tree_version_leaf")]

    def __str__(self) -> str:
        return f"{self.author_name} {self.get_kind_display()}"

    def get_absolute_url(self) -> str:
        return reverse("tree:version", args=[self.leaf.leaf_id, self.position])

    @property
    def reviewer_names(self) -> str:
        """The reviewers without their e-mail addresses."""
        return re.sub(r"\s*<[^>]*>", "", self.reviewed_by)


class LeafVector(models.Model):
    """What a leaf is about, in the form that one way of comparing (``source``) needs: see ``similarity``.

    ``blob`` and ``path`` say of which state of the leaf it was made; a worker makes it anew when they differ.
    """

    leaf = models.ForeignKey(Leaf, on_delete=models.CASCADE, related_name="vectors")
    source = models.CharField(max_length=120)
    blob = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    data = models.BinaryField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["leaf", "source"], name="tree_vector_source")]
        indexes = [models.Index(fields=["source", "made_at"], name="tree_vector_made")]

    def __str__(self) -> str:
        return f"{self.source} of {self.path}"


class Folder(models.Model):
    """A folder of the tree with what lies under it at any depth, so that browsing counts nothing."""

    path = models.CharField(max_length=500, unique=True)
    parent = models.CharField(max_length=500, db_index=True)
    name = models.CharField(max_length=255)
    leaf_count = models.PositiveIntegerField()
    seed_count = models.PositiveIntegerField()

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path

    @property
    def title(self) -> str:
        return folder_words(self.path)

    @property
    def takes_leaves(self) -> bool:
        return takes_leaves(self.path)


class Seed(models.Model):
    """One question and answer of a leaf as it is approved now; ``group`` numbers the contexts of a knowledge leaf."""

    leaf = models.ForeignKey(Leaf, on_delete=models.CASCADE, related_name="seeds")
    position = models.PositiveIntegerField()
    group = models.PositiveIntegerField()
    fingerprint = models.CharField(max_length=16, db_index=True)
    context = models.TextField(blank=True)
    question = models.TextField()
    answer = models.TextField()

    class Meta:
        ordering = ["leaf_id", "position"]
        constraints = [models.UniqueConstraint(fields=["leaf", "position"], name="tree_seed_position")]

    def __str__(self) -> str:
        return self.question[:80]


class IndexState(models.Model):
    """Which commit the index shows. One row."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    commit = models.CharField(max_length=64, blank=True, default="")
    indexed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="tree_one_index_state")]

    def __str__(self) -> str:
        return self.commit or "nothing indexed"
