"""A code host for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from taxonomy_repo.store import TaxonomyStore
from tests.git_host import GitHost, git_host


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    folder = tmp_path / "host"
    folder.mkdir()
    with git_host(folder) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made
