"""Asking the database's own full-text index: FTS5 on SQLite, tsvector and GIN on PostgreSQL, one meaning on both.

A word matches every word that begins with it (a very short one only itself). What is indexed are columns that hold
words already cut and folded (``search_words``), so that no database has rules of its own. Migrations make the indexes:
``tree`` 0002 that of leaves, ``contributions`` 0006 that of submissions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db import connections
from django.db.models.expressions import RawSQL

from taxonomy_app.tree.search_words import is_beginning

# Where words of leaves are looked for: in the leaf's place alone, in all that it says, among those who wrote it.
Field = Literal["place", "all", "people"]


@dataclass(frozen=True)
class FullText:
    """A table of words with its index. ``key`` is the column that names the row the words belong to; ``fields`` has
    for each field that may be asked for the columns of the FTS5 table and the tsvector column.

    The FTS5 table is called like the table with ``_index`` behind it, and its rowid is the key.
    """

    table: str
    key: str
    fields: Mapping[str, tuple[str, str]]

    def rows_with(self, words: Mapping[str, Sequence[str]], using: str, *, most: int | None = None) -> RawSQL:
        """A subquery with the keys of the rows that have, in each field, each of its words (letters and digits only).

        ``most`` stops after so many.
        """
        if connections[using].vendor == "sqlite":
            index = f"{self.table}_index"
            statement = f"SELECT rowid FROM {index} WHERE {index} MATCH %s"  # noqa: S608  # constant parts only
            parameters = [" AND ".join(_fts5(self.fields[name][0], wanted) for name, wanted in words.items())]
        else:
            each = " AND ".join(f"{self.fields[name][1]} @@ to_tsquery('simple', %s)" for name in words)
            statement = f"SELECT {self.key} FROM {self.table} WHERE {each}"  # noqa: S608  # constant parts only
            parameters = [_tsquery(wanted) for wanted in words.values()]
        if most is not None:
            statement += f" LIMIT {int(most)}"
        return RawSQL(statement, parameters)  # noqa: S611  # a constant statement; what people wrote is its parameter


LEAVES = FullText(
    "tree_leaftext",
    "leaf_id",
    {
        "place": ("place", "place_words"),
        "all": ("place about seeds", "all_words"),
        "people": ("people", "people_words"),
    },
)


def _fts5(columns: str, words: Sequence[str]) -> str:
    every = " AND ".join(f'"{word}"*' if is_beginning(word) else f'"{word}"' for word in words)
    return f"({{{columns}}} : ({every}))"


def _tsquery(words: Sequence[str]) -> str:
    return " & ".join(f"'{word}':*" if is_beginning(word) else f"'{word}'" for word in words)
