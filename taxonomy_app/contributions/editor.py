"""What the draft editor shows: cards of fields, each with its text, its word count and its problems. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taxonomy_app.contributions.models import Draft, Kind
from taxonomy_repo.leaf import ALLOWED_LICENCES

if TYPE_CHECKING:
    from taxonomy_repo.leaf import Problem

# design/3-method.md: a knowledge leaf's context has at most 500 words, question and answer 250.
MOST_CONTEXT_WORDS = 500
MOST_WORDS = 250


@dataclass(frozen=True)
class Field:
    """One text field: ``name`` is both the form field's and the problem's."""

    name: str
    label: str
    value: str
    rows: int = 3
    most_words: int = 0
    hint: str = ""
    single_line: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def id(self) -> str:
        """The name as an id that CSS selectors and anchors can hold."""
        return "f-" + self.name.replace("[", "-").replace("].", "-").replace("]", "").replace(".", "-")

    @property
    def words(self) -> int:
        return len(self.value.split())

    @property
    def too_long(self) -> bool:
        return bool(self.most_words) and self.words > self.most_words


@dataclass(frozen=True)
class Pair:
    """A question and its answer below a context."""

    index: int
    question: Field
    answer: Field


@dataclass(frozen=True)
class Card:
    """One seed: either with one question and answer, or (knowledge) a context with its ``pairs``."""

    index: int
    context: Field | None
    question: Field | None = None
    answer: Field | None = None
    pairs: tuple[Pair, ...] = ()
    problems: tuple[Problem, ...] = ()
    last: bool = False

    @property
    def number(self) -> int:
        return self.index + 1


@dataclass(frozen=True)
class Source:
    """One entry of the attribution."""

    index: int
    fields: tuple[Field, ...]
    licence: Field


@dataclass
class Editor:
    """Everything that the editor's page shows of a draft."""

    head: list[Field]
    cards: list[Card]
    sources: list[Source]
    document: Field | None
    problems: tuple[Problem, ...]
    unplaced: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def warnings(self) -> int:
        return sum(problem.severity == "warning" for problem in self.problems)


LICENCES = tuple(ALLOWED_LICENCES)


def editor_for(draft: Draft, problems: Sequence[Problem]) -> Editor:
    """The editor of a draft with each problem at the field it names; the rest comes in ``unplaced``."""
    by_field: dict[str, list[Problem]] = {}
    for problem in problems:
        by_field.setdefault(problem.field or "", []).append(problem)
    form = draft.form

    def make(name: str, label: str, value: str, **options: Any) -> Field:
        return Field(name, label, value, problems=tuple(by_field.pop(name, ())), **options)

    head = _head(form, draft.kind, make)
    cards = [
        _card(index, seed, draft.kind, make, by_field, last=index == len(form["seed_examples"]) - 1)
        for index, seed in enumerate(form["seed_examples"])
    ]
    sources = [_source(index, source, make) for index, source in enumerate(draft.attribution)]
    document = None
    if draft.kind == Kind.KNOWLEDGE:
        found = [problem for name in list(by_field) if name.startswith("document") for problem in by_field.pop(name)]
        document = Field("document_text", "The document's text", draft.document_text, rows=12, problems=tuple(found))
    unplaced = [problem for rest in by_field.values() for problem in rest]
    return Editor(head, cards, sources, document, tuple(problems), unplaced)


def _head(form: Mapping[str, Any], kind: str, make: Any) -> list[Field]:
    if kind == Kind.KNOWLEDGE:
        return [
            make(
                "domain",
                "Domain",
                form["domain"],
                single_line=True,
                hint="The field this belongs to, such as astronomy or local history.",
            ),
            make(
                "document_outline",
                "Outline of the document",
                form["document_outline"],
                rows=2,
                hint="One or two sentences on what the document covers. The teacher reads them.",
            ),
        ]
    return [
        make(
            "task_description",
            "What should the model learn to do?",
            form["task_description"],
            rows=2,
            hint="One or two sentences, as you would explain it to a colleague.",
        )
    ]


def _card(
    index: int, seed: Mapping[str, Any], kind: str, make: Any, by_field: dict[str, list[Problem]], *, last: bool
) -> Card:
    stem = f"seed_examples[{index}]"
    context = None
    if kind in (Kind.KNOWLEDGE, Kind.GROUNDED):
        label = "Passage from the document" if kind == Kind.KNOWLEDGE else "The text to work on"
        context = make(f"{stem}.context", label, seed.get("context", ""), rows=5, most_words=MOST_CONTEXT_WORDS)
    if kind == Kind.KNOWLEDGE:
        pairs = tuple(
            Pair(
                number,
                make(
                    f"{stem}.questions_and_answers[{number}].question",
                    f"Question {number + 1}",
                    pair["question"],
                    rows=2,
                    most_words=MOST_WORDS,
                ),
                make(
                    f"{stem}.questions_and_answers[{number}].answer",
                    f"Answer {number + 1}",
                    pair["answer"],
                    rows=2,
                    most_words=MOST_WORDS,
                ),
            )
            for number, pair in enumerate(seed["questions_and_answers"])
        )
        own = _of_seed(stem, by_field)
        return Card(index, context, pairs=pairs, problems=own, last=last)
    question = make(f"{stem}.question", "Question", seed["question"], rows=3, most_words=MOST_WORDS)
    answer = make(f"{stem}.answer", "Answer", seed["answer"], rows=4, most_words=MOST_WORDS)
    return Card(index, context, question, answer, problems=_of_seed(stem, by_field), last=last)


def _of_seed(stem: str, by_field: dict[str, list[Problem]]) -> tuple[Problem, ...]:
    """Problems of the seed that name none of its fields, such as too few questions."""
    names = [name for name in by_field if name == stem or name.startswith(f"{stem}.")]
    return tuple(problem for name in names for problem in by_field.pop(name))


def _source(index: int, source: Mapping[str, str], make: Any) -> Source:
    stem = f"attribution[{index}]"
    labels = {
        "title": ("Title of the work", "For your own words: a short title such as “Examples written for this leaf”."),
        "creators": ("Who made it", "Names of the authors, or your own."),
        "link": ("Link", "Where it can be found. Leave empty for your own words."),
        "revision": ("Version or date", "Which version of the work you used, where it has versions."),
    }
    fields = tuple(
        make(f"{stem}.{key}", label, source.get(key, ""), single_line=True, hint=hint)
        for key, (label, hint) in labels.items()
    )
    licence = make(f"{stem}.licence", "Licence", source.get("licence", ""), single_line=True)
    return Source(index, fields, licence)
