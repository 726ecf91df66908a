"""Files that were made to hurt whoever reads them: what tests refuse, and what a benchmark times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
import yaml

from taxonomy_repo import yaml_source
from taxonomy_repo.checks.registry import GOOD_SKILL
from taxonomy_repo.yaml_source import MOST_BYTES


@dataclass(frozen=True)
class Hostile:
    """``code`` is the problem by which it is refused. ``many_parts``: that is only seen once many of them were read."""

    data: bytes
    code: str
    many_parts: bool = False


def _laughs(levels: int) -> bytes:
    """Each name stands for twice the one before it."""
    return b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, levels))


HOSTILE = {
    "brackets": Hostile(b"a: " + b"[" * 20_000, "yaml-too-deep"),
    "braces": Hostile(b"a: " + b"{b: " * 20_000, "yaml-too-deep"),
    "hyphens": Hostile(b"- " * 20_000 + b"a\n", "yaml-too-deep"),
    "question marks": Hostile(b"? " * 5_000 + b"a\n", "yaml-too-deep"),
    "1 MB of brackets": Hostile(b"a: " + b"[" * 990_000, "yaml-too-deep"),
    "1 MB of hyphens": Hostile(b"- " * 490_000 + b"a\n", "yaml-too-deep"),
    "NUL": Hostile(b"version: 3\na: \x00b\n", "control-character"),
    "UTF-16": Hostile(GOOD_SKILL.encode("utf-16"), "not-utf8"),
    "Windows-1252": Hostile(GOOD_SKILL.replace("Cold", "K\u00e4lte").encode("cp1252"), "not-utf8"),
    "billion laughs": Hostile(_laughs(60), "yaml-alias-loop"),
    "loop": Hostile(b"a: &a\n  b: *a\n", "yaml-alias-loop"),
    "duplicate keys": Hostile(
        GOOD_SKILL.replace("    answer: Cold.", "    answer: Warm.\n    answer: Cold.").encode(), "duplicate-key"
    ),
    "one word": Hostile(b"x" * 999_000, "not-a-mapping"),
    "quotes": Hostile(b"a: 'x\n" * 100_000, "yaml-syntax"),
    "quotes and tabs": Hostile(b"a: 'x\t\n" * 100_000, "yaml-syntax"),
    "70,000 keys": Hostile(b"\n".join(b"k%d: v" % n for n in range(70_000)), "yaml-too-deep", many_parts=True),
    "1 MB of items": Hostile(b"a: [" + b"b," * 490_000 + b"]\n", "yaml-too-deep", many_parts=True),
    "1 MB of empty items": Hostile(b"-\n" * 490_000, "yaml-too-deep", many_parts=True),
    "too large": Hostile(b"x" * (MOST_BYTES + 1), "file-too-large"),
}


def count_parts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count from now on how many nodes are composed, and how many tokens are taken beside."""
    parts: Counter[str] = Counter()
    descend, take = yaml_source._Composer.descend_resolver, yaml.CSafeLoader.get_token

    def count_node(self: yaml_source._Composer, parent: object, index: object) -> None:
        parts["nodes"] += 1
        descend(self, parent, index)

    def count_token(self: yaml.CSafeLoader) -> object:
        parts["tokens"] += 1
        return take(self)

    monkeypatch.setattr(yaml_source._Composer, "descend_resolver", count_node)
    monkeypatch.setattr(yaml.CSafeLoader, "get_token", count_token)
    return parts
