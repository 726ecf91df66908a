"""What the search found worth keeping, tried again: without atheris, in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.taxonomy_repo.fuzzing.trial import try_input

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def test_there_is_something_to_try() -> None:
    assert len(CORPUS) > 20


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_input_that_the_search_found_breaks_no_promise(file: Path) -> None:
    try_input(file.read_bytes(), compare=True)
