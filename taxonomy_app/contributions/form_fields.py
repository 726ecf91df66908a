"""One field of a leaf's form by its name, such as ``seed_examples[2].answer``: its text, its label, another text in it.

Pure functions over the form's JSON (``document`` has its shape); names are those of problems and of the editor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as lazy

HEAD_LABELS = {
    "task_description": lazy("Task"),
    "domain": lazy("Domain"),
    "document_outline": lazy("Outline of the document"),
}
_LABELS = {"context": lazy("Text"), "question": lazy("Question"), "answer": lazy("Answer")}

_SEED_FIELD = re.compile(
    r"seed_examples\[(?P<seed>\d{1,4})\]"
    r"(?:\.(?P<plain>context|question|answer)|\.questions_and_answers\[(?P<pair>\d{1,3})\]\.(?P<half>question|answer))\Z"
)


def seed_position(name: str) -> int | None:
    """The seed that a field is in, counted from 0; None for a field above the seeds."""
    match = _SEED_FIELD.match(name)
    return int(match["seed"]) if match else None


def field_label(name: str) -> str:
    """What people call the field: ``Answer``, for knowledge ``Answer 2``, above the seeds ``Task``."""
    match = _SEED_FIELD.match(name)
    if match is None:
        return HEAD_LABELS.get(name, name)
    return _LABELS[match["plain"]] if match["plain"] else f"{_LABELS[match['half']]} {int(match['pair']) + 1}"


def fields_of(form: Mapping[str, Any], seed: int | None) -> Iterator[tuple[str, str]]:
    """Name and text of each field of a seed, or of what stands above the seeds where it holds anything."""
    if seed is None:
        yield from ((name, form[name]) for name in HEAD_LABELS if form.get(name))
        return
    stem, held = f"seed_examples[{seed}]", form["seed_examples"][seed]
    if held.get("context"):
        yield f"{stem}.context", held["context"]
    if "questions_and_answers" in held:
        for number, pair in enumerate(held["questions_and_answers"]):
            yield f"{stem}.questions_and_answers[{number}].question", pair["question"]
            yield f"{stem}.questions_and_answers[{number}].answer", pair["answer"]
    else:
        yield f"{stem}.question", held["question"]
        yield f"{stem}.answer", held["answer"]


def field_text(form: Mapping[str, Any], name: str) -> str | None:
    """What the field holds; None where the form has no such field."""
    match = _SEED_FIELD.match(name)
    if match is None:
        return str(form.get(name, "")) if name in HEAD_LABELS else None
    try:
        held = form["seed_examples"][int(match["seed"])]
        if match["half"]:
            held = held["questions_and_answers"][int(match["pair"])]
        return str(held[match["half"] or match["plain"]])
    except (IndexError, KeyError):
        return None


def field_put(form: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    """The form with ``text`` in the field, which must be there; ``form`` itself stays as it is."""
    match = _SEED_FIELD.match(name)
    if match is None:
        return {**form, name: text}
    seeds = [dict(seed) for seed in form["seed_examples"]]
    held = seeds[int(match["seed"])]
    if match["half"]:
        pairs = [dict(pair) for pair in held["questions_and_answers"]]
        pairs[int(match["pair"])][match["half"]] = text
        held["questions_and_answers"] = pairs
    else:
        held[match["plain"]] = text
    return {**form, "seed_examples": seeds}


def field_in_seed(name: str, seed: int) -> str:
    """The same field of another seed."""
    return re.sub(r"\[\d+\]", f"[{seed}]", name, count=1)
