"""Licences and SPDX expressions."""

from __future__ import annotations

import pytest

from taxonomy_repo.licence import is_allowed, meant_licence


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "mit",
        "Apache-2.0 OR GPL-3.0-only",
        "GPL-3.0-only or (MIT and CC-BY-4.0)",
        "MIT AND CC-BY-SA-4.0",
        "Apache-2.0 WITH LLVM-exception",
        "((CC0-1.0))",
        "GPL-3.0-only AND MIT OR CC-BY-4.0",
        "Apache-2.0+",
    ],
)
def test_what_comes_down_to_allowed_licences_may_be_used(expression: str) -> None:
    assert is_allowed(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "MIT OR",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "OR MIT",
        "MIT WITH",
        "CC-BY-NC-SA-4.0",
        "MIT, Apache-2.0",
        "(" * 5000 + "MIT" + ")" * 5000,
        "(" * 60 + "MIT" + ")" * 60,
    ],
)
def test_anything_else_may_not(expression: str) -> None:
    assert not is_allowed(expression)


def test_what_people_write_for_an_allowed_licence_is_understood_but_not_taken() -> None:
    assert meant_licence("Apache License, Version 2.0") == "Apache-2.0"
    assert meant_licence("CC BY-SA 4.0") == "CC-BY-SA-4.0"
    assert meant_licence("CC BY-NC-SA 4.0") is None
    assert not is_allowed("CC BY-SA 4.0")
