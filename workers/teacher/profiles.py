"""How a teacher is prompted and what it can judge: one profile for each kind of model.

A small or base model continues a text; an instruct model follows a chat and can be held to a JSON schema. A new
model that needs something else is a new line in ``PROFILES``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workers.specs import BUNDLED_MODEL

Style = Literal["continuation", "chat"]


@dataclass(frozen=True)
class TeacherProfile:
    """What is asked of a model, and how.

    Attributes:
        style: ``continuation`` shows a text to go on with, ``chat`` gives instructions.
        structured: answers are held to a JSON schema (``response_format``).
        judge: the judge whose verdict this teacher can give (``workers.generation.judges``), or none.
        request_seeds: whether each request names its random seed.
        target: what of a document one question is about: a ``chunk``, or a single ``sentence`` for a model that loses
            the thread in more.
        contexts_in_prompt: passages with their pairs shown before a chunk that is asked about.
        examples_in_prompt: seeds shown before a new skill row, or before a sentence that is asked about.
        judged_seeds: how many seeds the judge is tried on.
        most_temperature, top_p: bounds on chance; a weak model's unlikely words are mostly wrong ones.
        auxiliary: whether it is asked for summaries, key facts and extracts of whole passages.
        least_confidence: rows whose question (answer) has a lower mean log-probability a token are dropped; None
            where a model's own probabilities are not asked for.
    """

    name: str
    style: Style
    structured: bool
    judge: Literal["likelihood", "choice"] | None
    request_seeds: bool
    target: Literal["chunk", "sentence"] = "chunk"
    contexts_in_prompt: int = 2
    examples_in_prompt: int = 3
    judged_seeds: int = 24
    most_temperature: float = 2.0
    top_p: float = 1.0
    auxiliary: bool = False
    least_confidence: tuple[float, float] | None = None


PROFILES: dict[str, TeacherProfile] = {
    profile.name: profile
    for profile in (
        # Measured with a 135M model on an invented document: by chat and JSON nothing usable; asked about a paragraph
        # after two others with their pairs, one question in four made sense (mean log-probability -0.5 to -2); asked
        # about one sentence after six others, three in four did (-0.5 to -0.8), for a third of the tokens.
        TeacherProfile(
            "bundled-small",
            "continuation",
            False,
            "likelihood",
            False,
            target="sentence",
            examples_in_prompt=6,
            judged_seeds=8,
            most_temperature=0.7,
            top_p=0.9,
            least_confidence=(-0.95, -0.7),
        ),
        TeacherProfile("generic-base", "continuation", False, "likelihood", True),
        TeacherProfile("generic-instruct", "chat", True, "choice", True, auxiliary=True),
        TeacherProfile("mixtral-8x7b-instruct", "chat", True, "choice", True, auxiliary=True),
    )
}


class UnknownProfile(ValueError):
    """There is no profile of that name; the message lists those there are."""


def teacher_profile(wanted: str, model_name: str, folder: Path | None = None) -> TeacherProfile:
    """The profile called ``wanted``; ``auto`` decides by the model's name, then by whether it has a chat template.

    Args:
        folder: the model's files where they are on this machine.

    Raises:
        UnknownProfile: ``wanted`` is none of them.
    """
    if wanted != "auto":
        try:
            return PROFILES[wanted]
        except KeyError:
            known = ", ".join(["auto", *PROFILES])
            raise UnknownProfile(f"There is no teacher profile {wanted}: choose one of {known}.") from None
    name = model_name.lower()
    if model_name == BUNDLED_MODEL or "smollm2-135m" in name or "smollm2-360m" in name:
        return PROFILES["bundled-small"]
    if "mixtral-8x7b-instruct" in name:
        return PROFILES["mixtral-8x7b-instruct"]
    if folder is not None:
        return PROFILES["generic-instruct" if has_chat_template(folder) else "generic-base"]
    # Of a model elsewhere only the name is known; those who serve a model mostly serve one that chats.
    words = set(name.replace("/", "-").replace("_", "-").split("-"))
    return PROFILES["generic-base" if words & {"base", "pt", "pretrained"} else "generic-instruct"]


def has_chat_template(folder: Path) -> bool:
    """Whether a model's files say how to write a conversation down."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError, AttributeError):
        return False
