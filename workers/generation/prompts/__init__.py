"""The wording of every prompt, and lists of words, in files beside this one.

``$name`` in a prompt stands for what is put in (string.Template).
"""

from __future__ import annotations

import functools
from pathlib import Path
from string import Template

from workers.specs import content_hash

FOLDER = Path(__file__).parent


@functools.cache
def _text(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip()


@functools.cache
def word_list(name: str) -> tuple[str, ...]:
    """The lines of a file, without those that begin with ``#``. A line may come more than once, to be drawn oftener."""
    return tuple(line.strip() for line in _text(name).splitlines() if line.strip() and not line.startswith("#"))


def prompt(name: str, **values: str) -> str:
    """The prompt called ``name`` with every placeholder filled. A missing one is a KeyError."""
    return Template(_text(name)).substitute(values)


@functools.cache
def prompts_hash() -> str:
    """What all prompts hash to: part of every sample's pipeline hash."""
    return content_hash({file.name: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.txt"))})[:16]
