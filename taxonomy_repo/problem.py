"""What is said when something is wrong with a leaf: a code, how bad it is, one sentence, and the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. Lines and columns count from 1; None where there is no place to point at.

    ``field`` names the value as people see it, such as ``seed_examples[2].answer``. ``code`` is stable: the
    explanation and an example are found under it in ``taxonomy_repo.checks.REGISTRY``.
    """

    code: str
    severity: Severity
    message: str
    line: int | None = None
    column: int | None = None
    field: str | None = None


def spoken_field(field: str) -> str:
    """A field's name in a sentence: ``seed_examples[2].answer`` is "The answer of seed 3", ``task_description`` is "The
    task description".
    """
    seed, pair, rest = "", "", field
    if field.startswith("seed_examples["):
        number, _, rest = field.removeprefix("seed_examples[").partition("]")
        seed = f"seed {int(number) + 1}"
        rest = rest.removeprefix(".")
        if rest.startswith("questions_and_answers["):
            number, _, rest = rest.removeprefix("questions_and_answers[").partition("]")
            pair = f"pair {int(number) + 1} of "
            rest = rest.removeprefix(".")
    if seed:
        whole = f"{pair}{seed}"
        return f"The {rest} of {whole}" if rest else whole[0].upper() + whole[1:]
    return f"The {field.replace('_', ' ')}"


def excerpt(text: str, most: int = 40) -> str:
    """``text`` as a sentence may quote it: on one line, at most ``most`` characters, nothing that a terminal obeys."""
    cut = text[:most] + ("…" if len(text) > most else "")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cut)
