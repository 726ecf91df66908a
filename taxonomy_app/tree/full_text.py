"""Asking the database's own full-text index: FTS5 on SQLite, tsvector and GIN on PostgreSQL, one meaning on both.

A word matches every word that begins with it (a very short one only itself). What is indexed are the columns of
``LeafText``, already cut into folded words (``search_words``), so that no database has rules of its own. Migration
0002 makes both indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from django.db import connections
from django.db.models.expressions import RawSQL

from taxonomy_app.tree.search_words import is_beginning

# Where words are looked for: in the leaf's place alone, in all that it says, among those who wrote it.
Field = Literal["place", "all", "people"]

_SQLITE_COLUMNS: dict[Field, str] = {"place": "place", "all": "place about seeds", "people": "people"}
_POSTGRESQL_COLUMNS: dict[Field, str] = {"place": "place_words", "all": "all_words", "people": "people_words"}


def leaves_with(words: Mapping[Field, Sequence[str]], using: str, *, most: int | None = None) -> RawSQL:
    """A subquery with the keys of the leaves that have, in each field, each of its words (letters and digits only).

    ``most`` stops after so many.
    """
    if connections[using].vendor == "sqlite":
        statement = "SELECT rowid FROM tree_leaftext_index WHERE tree_leaftext_index MATCH %s"
        parameters = [" AND ".join(_fts5(field, wanted) for field, wanted in words.items())]
    else:
        each = " AND ".join(f"{_POSTGRESQL_COLUMNS[field]} @@ to_tsquery('simple', %s)" for field in words)
        statement = "SELECT leaf_id FROM tree_leaftext WHERE " + each  # noqa: S608  # constant parts only
        parameters = [_tsquery(wanted) for wanted in words.values()]
    if most is not None:
        statement += f" LIMIT {int(most)}"
    return RawSQL(statement, parameters)  # noqa: S611  # a constant statement; what people wrote is its parameter


def _fts5(field: Field, words: Sequence[str]) -> str:
    every = " AND ".join(f'"{word}"*' if is_beginning(word) else f'"{word}"' for word in words)
    return f"({{{_SQLITE_COLUMNS[field]}}} : ({every}))"


def _tsquery(words: Sequence[str]) -> str:
    return " & ".join(f"'{word}':*" if is_beginning(word) else f"'{word}'" for word in words)
