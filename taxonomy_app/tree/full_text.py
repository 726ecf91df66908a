"""Asking the database's own full-text index: FTS5 on SQLite, tsvector and GIN on PostgreSQL, one meaning on both.

A word matches every word that begins with it (a very short one only itself). What is indexed are the columns of
``LeafText``, already cut into folded words (``search_words``), so that no database has rules of its own. Migration
0002 makes both indexes.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections
from django.db.models.expressions import RawSQL

from taxonomy_app.tree.search_words import is_beginning

# The columns of LeafText by the weight that PostgreSQL knows them by.
WEIGHTS = {"place": "A", "about": "B", "seeds": "C", "people": "D"}
# Where words are looked for unless something else is asked; people are asked for by name.
SEARCHED = ("place", "about", "seeds")


_SQLITE = "SELECT rowid FROM tree_leaftext_index WHERE tree_leaftext_index MATCH %s"
_POSTGRESQL = "SELECT leaf_id FROM tree_leaftext WHERE words @@ to_tsquery('simple', %s)"


def leaves_with(words: Sequence[str], fields: Sequence[str], using: str, *, most: int | None = None) -> RawSQL:
    """A subquery with the keys of the leaves that have each word (letters and digits only) in one of the fields."""
    if connections[using].vendor == "sqlite":
        every = " AND ".join(f'"{word}"*' if is_beginning(word) else f'"{word}"' for word in words)
        statement, asked = _SQLITE, f"{{{' '.join(fields)}}} : ({every})"
    else:
        weights = "".join(WEIGHTS[field] for field in fields)
        statement, asked = (
            _POSTGRESQL,
            " & ".join(f"'{word}':{'*' if is_beginning(word) else ''}{weights}" for word in words),
        )
    if most is not None:
        statement += f" LIMIT {int(most)}"
    return RawSQL(statement, [asked])  # noqa: S611  # a constant statement; what people wrote is its parameter
