"""Connections that a web process keeps: handed on between threads, left where they are not to be trusted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections
from django.db.utils import OperationalError

from taxonomy_app import environment
from taxonomy_app.database.sqlite3.base import DatabaseWrapper
from workers.environment import EnvironmentProblem

# Databases of the tests' own, and the tests' server: none of it is in their transaction.
pytestmark = pytest.mark.django_db


def _wrapper(file: Path, pool: int = 2) -> DatabaseWrapper:
    entry = environment.database(file.parent, {}) | {"NAME": file}
    entry["OPTIONS"] = entry["OPTIONS"] | ({"pool": pool} if pool else {})
    return DatabaseWrapper(connections.configure_settings({"default": entry})["default"], "default")


def _raw(wrapper: DatabaseWrapper) -> object:
    wrapper.ensure_connection()
    return wrapper.connection


def _value(wrapper: DatabaseWrapper, statement: str) -> object:
    with wrapper.cursor() as cursor:
        return cursor.execute(statement).fetchone()[0]


def test_a_closed_connection_serves_the_next_thread(tmp_path: Path) -> None:
    first = _wrapper(tmp_path / "one.sqlite3")
    raw = _raw(first)
    first.close()

    def in_a_thread() -> tuple[object, object]:
        wrapper = _wrapper(tmp_path / "one.sqlite3")
        try:
            return _raw(wrapper), _value(wrapper, "PRAGMA foreign_keys")
        finally:
            wrapper.close()

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(in_a_thread).result() == (raw, 1)


def test_no_more_are_kept_than_asked_for_and_none_where_nothing_is_asked(tmp_path: Path) -> None:
    several = [_wrapper(tmp_path / "two.sqlite3") for _ in range(3)]
    raws = [_raw(one) for one in several]
    for one in several:
        one.close()
    again = [_raw(_wrapper(tmp_path / "two.sqlite3")) for _ in range(3)]
    assert len({id(raw) for raw in again} & {id(raw) for raw in raws[:2]}) == 2
    plain = _wrapper(tmp_path / "three.sqlite3", pool=0)
    raw = _raw(plain)
    plain.close()
    assert _raw(_wrapper(tmp_path / "three.sqlite3", pool=0)) is not raw


def test_one_in_the_middle_of_a_transaction_is_not_handed_on(tmp_path: Path) -> None:
    first = _wrapper(tmp_path / "four.sqlite3")
    raw = _raw(first)
    with first.cursor() as cursor:
        cursor.execute("CREATE TABLE moss (name TEXT)")
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO moss VALUES ('bryum')")
    first.close()
    second = _wrapper(tmp_path / "four.sqlite3")
    assert _raw(second) is not raw
    assert _value(second, "SELECT count(*) FROM moss") == 0


def test_rows_that_were_not_read_to_their_end_do_not_hold_the_next_request_in_the_past(tmp_path: Path) -> None:
    file = tmp_path / "six.sqlite3"
    first, writer = _wrapper(file), _wrapper(file)
    raw = _raw(first)
    with first.cursor() as cursor:
        cursor.execute("CREATE TABLE moss (name TEXT)")
        cursor.execute("INSERT INTO moss VALUES ('bryum'), ('funaria')")
    _raw(writer)
    # As in a view that fails amid its rows: what holds the cursor lives on until it is collected.
    left = first.cursor()
    assert left.execute("SELECT name FROM moss").fetchone() == ("bryum",)
    first.close()
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO moss VALUES ('mnium')")
    second = _wrapper(file)
    assert _raw(second) is raw
    assert _value(second, "SELECT count(*) FROM moss") == 3
    with second.cursor() as cursor:
        cursor.execute("INSERT INTO moss VALUES ('polytrichum')")
    assert _value(writer, "SELECT count(*) FROM moss") == 4


def test_a_database_that_was_put_back_is_opened_anew(tmp_path: Path) -> None:
    file, kept = tmp_path / "five.sqlite3", tmp_path / "backup.sqlite3"
    first = _wrapper(file)
    with first.cursor() as cursor:
        cursor.execute("PRAGMA user_version = 7")
    first.close()
    _raw(first)
    with first.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(file, kept)
    with first.cursor() as cursor:
        cursor.execute("PRAGMA user_version = 8")
    first.close()
    for name in ("five.sqlite3-wal", "five.sqlite3-shm"):
        (tmp_path / name).unlink()
    kept.replace(file)
    assert _value(_wrapper(file), "PRAGMA user_version") == 7


def test_the_number_to_keep_is_a_whole_one() -> None:
    assert environment.database_pool({}) == 8
    assert environment.database_pool({"SEEDBED_DATABASE_POOL": "0"}) == 0
    with pytest.raises(EnvironmentProblem, match="whole number"):
        environment.database_pool({"SEEDBED_DATABASE_POOL": "1.5"})


def test_a_process_that_serves_pages_keeps_connections_and_a_command_does_not(tmp_path: Path) -> None:
    told = "print(connections['default'].settings_dict['OPTIONS'].get('pool'))"
    start = "import django; django.setup(); from django.db import connections; "
    for first, kept in (("", "None"), ("import taxonomy_app.asgi; ", "3")):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", first + start + told],
            env={
                "DJANGO_SETTINGS_MODULE": "taxonomy_app.settings",
                "SEEDBED_VAR": str(tmp_path),
                "SEEDBED_DATABASE_POOL": "3",
            },
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == kept


def test_postgresql_ends_the_pools_connections_and_the_next_request_has_a_new_one() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("asks a PostgreSQL server: set SEEDBED_TEST_DATABASE_URL")
    backend = type(connections["default"])
    asked = environment.database(Path(), {"SEEDBED_DATABASE_URL": "postgresql://localhost/x"})["CONN_HEALTH_CHECKS"]
    entry = connection.settings_dict | {"CONN_HEALTH_CHECKS": asked}
    entry["OPTIONS"] = entry["OPTIONS"] | {"pool": {"min_size": 1, "max_size": 1, "timeout": 5}}

    def request() -> int:
        wrapper = backend(entry, "pooled")
        try:
            with wrapper.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return int(cursor.fetchone()[0])
        finally:
            wrapper.close()

    try:
        first = request()
        assert request() == first
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
        assert request() != first
        # Ended in the middle of a request, that request fails and the one after it does not.
        wrapper = backend(entry, "pooled")
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            held = cursor.fetchone()[0]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [held])
        with pytest.raises(OperationalError), wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
        wrapper.close()
        assert request() not in {first, held}
    finally:
        backend(entry, "pooled").close_pool()
