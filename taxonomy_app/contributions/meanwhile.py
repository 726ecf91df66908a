"""A draft that was saved from elsewhere meanwhile: both texts field by field, and one text of what is chosen.

Pure functions on the form's JSON. "Mine" is what stands in the window that could not save, "theirs" what is stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal

from taxonomy_app.contributions.models import Kind
from taxonomy_repo.comparison import Run, words_compare

Form = dict[str, Any]
Which = Literal["mine", "theirs"]

_HEAD = {
    "task_description": "What the model should learn to do",
    "domain": "Domain",
    "document_outline": "Outline of the document",
}


@dataclass(frozen=True)
class Side:
    """What one of the two windows holds."""

    form: Form
    attribution: Sequence[Mapping[str, str]]
    document_name: str = ""
    document_text: str = ""


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same on both sides. ``choice`` is the field in which ``mine`` or ``theirs`` is posted.

    A side that has nothing of the kind (a seed that only the other has) is None.
    """

    choice: str
    place: str
    label: str
    mine: tuple[Run, ...] | None
    theirs: tuple[Run, ...] | None

    @property
    def proposed(self) -> Which:
        """What is chosen before the person chooses: mine, but a seed that only they have is not dropped unasked."""
        return "theirs" if self.mine is None else "mine"


def differences(mine: Side, theirs: Side, *, kind: str) -> list[Difference]:
    """Everything that differs, in the order of the form."""
    found = [
        _compared(f"keep-{key}", "", label, mine.form.get(key) or "", theirs.form.get(key) or "")
        for key, label in _HEAD.items()
        if (mine.form.get(key) or "") != (theirs.form.get(key) or "")
    ]
    if (mine.document_name, mine.document_text) != (theirs.document_name, theirs.document_text):
        found.append(_compared("keep-document", "", "Document", mine.document_text, theirs.document_text))
    noun = "Passage" if kind == Kind.KNOWLEDGE else "Seed"
    for number, (own, other) in enumerate(_slots(mine.form["seed_examples"], theirs.form["seed_examples"])):
        place = f"{noun} {number + 1}"
        if own is None or other is None or not _alike(own, other):
            if own != other:
                found.append(
                    Difference(
                        f"keep-{number}",
                        place,
                        "The whole of it",
                        None if own is None else (Run(_all_of(own), True),),
                        None if other is None else (Run(_all_of(other), True),),
                    )
                )
            continue
        texts = zip(_texts(own), _texts(other), strict=True)
        found += [
            _compared(f"keep-{number}-{key}", place, label, one, another)
            for (key, label, one), (_, _, another) in texts
            if one != another
        ]
    if list(map(dict, mine.attribution)) != list(map(dict, theirs.attribution)):
        found.append(_compared("keep-sources", "", "Sources", _sources(mine), _sources(theirs)))
    return found


def settled(mine: Side, theirs: Side, choices: Mapping[str, str], *, kind: str) -> Side:
    """One text of both: of each difference the side that ``choices`` names, else the one that is proposed."""
    proposed = {one.choice: one.proposed for one in differences(mine, theirs, kind=kind)}

    def which(choice: str) -> Which:
        said = choices.get(choice)
        return said if said in ("mine", "theirs") else proposed.get(choice, "mine")  # type: ignore[return-value]  # the two words

    sides = {"mine": mine, "theirs": theirs}
    form = dict(mine.form)
    for key in _HEAD:
        form[key] = sides[which(f"keep-{key}")].form.get(key) or ""
    seeds = []
    for number, (own, other) in enumerate(_slots(mine.form["seed_examples"], theirs.form["seed_examples"])):
        if own is None or other is None or not _alike(own, other):
            seed = own if which(f"keep-{number}") == "mine" else other
            if seed is not None:
                seeds.append(seed)
        else:
            seeds.append(_joined(own, other, lambda key, number=number: which(f"keep-{number}-{key}")))
    form["seed_examples"] = seeds
    document = sides[which("keep-document")]
    attribution = sides[which("keep-sources")].attribution
    return Side(form, attribution, document.document_name, document.document_text)


def fields_of(side: Side) -> list[tuple[str, str]]:
    """The side as the editor's form posts it (``document.form_from_fields`` reads it back)."""
    fields = [(key, side.form.get(key) or "") for key in _HEAD]
    for number, seed in enumerate(side.form["seed_examples"]):
        stem = f"seed_examples[{number}]"
        fields.append((f"{stem}.context", seed.get("context") or ""))
        if "questions_and_answers" in seed:
            for at, pair in enumerate(seed["questions_and_answers"]):
                fields += [
                    (f"{stem}.questions_and_answers[{at}].{half}", pair[half]) for half in ("question", "answer")
                ]
        else:
            fields += [(f"{stem}.{half}", seed[half]) for half in ("question", "answer")]
    for number, source in enumerate(side.attribution):
        fields += [(f"attribution[{number}].{key}", value) for key, value in source.items()]
    return fields


def _compared(choice: str, place: str, label: str, mine: str, theirs: str) -> Difference:
    before, after = words_compare(theirs, mine)
    return Difference(choice, place, label, after, before)


def _slots(mine: Sequence[Form], theirs: Sequence[Form]) -> Iterable[tuple[Form | None, Form | None]]:
    """Seeds of both sides that belong together, in one order; what only one side has stands alone."""
    own, other = ([json.dumps(seed, sort_keys=True) for seed in seeds] for seeds in (mine, theirs))
    for _, i1, i2, j1, j2 in SequenceMatcher(None, own, other, autojunk=False).get_opcodes():
        yield from zip_longest(mine[i1:i2], theirs[j1:j2])


def _alike(one: Form, other: Form) -> bool:
    """Whether two seeds have the same fields, so that they can be compared one by one."""
    return len(one.get("questions_and_answers", ())) == len(other.get("questions_and_answers", ()))


def _texts(seed: Form) -> list[tuple[str, str, str]]:
    """Key, label and text of each field of a seed."""
    found = [("context", "The text to work on", seed.get("context") or "")]
    if "questions_and_answers" in seed:
        found = [("context", "Passage", seed.get("context") or "")]
        for number, pair in enumerate(seed["questions_and_answers"]):
            found.append((f"{number}-question", f"Question {number + 1}", pair["question"]))
            found.append((f"{number}-answer", f"Answer {number + 1}", pair["answer"]))
        return found
    return [*found, ("question", "Question", seed["question"]), ("answer", "Answer", seed["answer"])]


def _joined(own: Form, other: Form, which: Any) -> Form:
    sides = {"mine": own, "theirs": other}
    joined: Form = {"context": sides[which("context")].get("context") or ""}
    if "questions_and_answers" in own:
        joined["questions_and_answers"] = [
            {
                half: sides[which(f"{number}-{half}")]["questions_and_answers"][number][half]
                for half in ("question", "answer")
            }
            for number in range(len(own["questions_and_answers"]))
        ]
        return joined
    return joined | {half: sides[which(half)][half] for half in ("question", "answer")}


def _all_of(seed: Form) -> str:
    return "\n\n".join(text for _, _, text in _texts(seed) if text)


def _sources(side: Side) -> str:
    return "\n\n".join("\n".join(value for value in source.values() if value) for source in side.attribution)
