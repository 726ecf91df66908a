"""Django's SQLite backend, which hands a closed connection to the next thread instead of opening a new one.

What it adds happens only with ``OPTIONS["pool"]``, the number of idle connections that this process keeps
(``taxonomy_app.database``). The name of the module is Django's rule.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections import deque
from typing import Any, ClassVar

from django.db.backends.sqlite3 import base
from django.utils.asyncio import async_unsafe

# The file that a name means: device and inode. A backup that is put back is another file under the same name.
_File = tuple[int, int]


def _file(name: Any) -> _File | None:
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection. Those that are idle are shared by all threads of the process, by the file's name."""

    _idle: ClassVar[dict[str, deque[tuple[_File, sqlite3.Connection]]]] = {}
    _opened: _File | None = None
    _cursors: weakref.WeakSet[sqlite3.Cursor]

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop("pool", None)
        return parameters

    @async_unsafe
    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        name = conn_params["database"]
        self._opened, self._cursors = _file(name), weakref.WeakSet()
        kept = self._idle.get(str(name))
        while kept:
            with contextlib.suppress(IndexError):  # another thread was faster
                file, connection = kept.pop()
                if file == self._opened:
                    return connection
                connection.close()
        made: sqlite3.Connection = super().get_new_connection(conn_params)
        self._opened = _file(name)  # opening makes the file where there is none
        return made

    @async_unsafe
    def create_cursor(self, name: str | None = None) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = super().create_cursor(name)
        self._cursors.add(cursor)
        return cursor

    def _close(self) -> None:
        connection, most = self.connection, self.settings_dict["OPTIONS"].get("pool", 0)
        # One that is left in the middle of something is not to be trusted.
        if connection is None or self._opened is None or self.in_atomic_block or connection.in_transaction:
            super()._close()
            return
        kept = self._idle.setdefault(str(self.settings_dict["NAME"]), deque())
        if len(kept) >= most:
            super()._close()
            return
        # A SELECT that was not read to its end keeps its connection at the moment of its beginning, for as long as
        # something holds its cursor: whoever comes next would neither see nor be able to write what came after.
        for cursor in list(self._cursors):
            cursor.close()
        self.connection = None
        kept.append((self._opened, connection))
