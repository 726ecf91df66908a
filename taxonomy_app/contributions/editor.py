"""What the draft editor shows: cards of fields, each with its text, its word count and its problems. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from taxonomy_app.contributions.models import Draft, Kind
from taxonomy_repo.leaf import ALLOWED_LICENCES

if TYPE_CHECKING:
    from taxonomy_repo.leaf import Problem

# A knowledge leaf's context has at most 500 words, question and answer 250 (the check text-too-long); skills have none.
MOST_CONTEXT_WORDS = 500
MOST_WORDS = 250


# Problems that only say that something is still to be written.
_MISSING = frozenset({"empty-text", "missing-key", "attribution-missing", "attribution-incomplete"})


def is_missing(problem: Problem) -> bool:
    return problem.code in _MISSING or (problem.code == "licence-not-allowed" and "names no licence" in problem.message)


def anchor_of(name: str) -> str:
    """A field's name as an id that anchors can hold."""
    return "f-" + name.replace("[", "-").replace("].", "-").replace("]", "").replace(".", "-")


@dataclass(frozen=True)
class Remark:
    """A problem in the list beside the editor, with a way to the field it is about."""

    problem: Problem
    anchor: str = ""
    place: str = ""

    @property
    def message(self) -> str:
        return self.problem.message

    @property
    def severity(self) -> str:
        return self.problem.severity

    @property
    def line(self) -> int | None:
        return self.problem.line

    @property
    def column(self) -> int | None:
        return self.problem.column

    @property
    def field(self) -> str | None:
        return self.problem.field


@dataclass(frozen=True)
class Field:
    """One text field: ``name`` is both the form field's and the problem's."""

    name: str
    label: str
    value: str
    rows: int = 3
    counted: bool = False
    most_words: int = 0
    hint: str = ""
    single_line: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def id(self) -> str:
        return anchor_of(self.name)

    @property
    def mistakes(self) -> tuple[Problem, ...]:
        """What is wrong with what was written; that nothing is written yet is not held against anyone."""
        return tuple(problem for problem in self.problems if not is_missing(problem))

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
    def ready(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    @property
    def missing(self) -> int:
        """How many fields are still to be written."""
        return sum(is_missing(problem) and problem.severity == "error" for problem in self.problems)

    @property
    def missing_places(self) -> list[Remark]:
        """Where something is still to be written, each place once."""
        found = [self._remark(p) for p in self.problems if p.severity == "error" and is_missing(p)]
        return list({remark.place: remark for remark in reversed(found) if remark.place}.values())[::-1]

    @property
    def mistakes(self) -> list[Remark]:
        """Errors in what was written."""
        return [self._remark(p) for p in self.problems if p.severity == "error" and not is_missing(p)]

    @property
    def remarks(self) -> list[Remark]:
        """Warnings and notes: they do not stand in the way."""
        return [self._remark(p) for p in self.problems if p.severity != "error" and not is_missing(p)]

    @property
    def source_problems(self) -> list[Problem]:
        return [p for p in self.unplaced if (p.field or "").startswith("attribution") and not is_missing(p)]

    @property
    def seed_list_problems(self) -> list[Problem]:
        return [problem for problem in self.unplaced if problem.field == "seed_examples"]

    @property
    def path_problems(self) -> list[Problem]:
        return [problem for problem in self.unplaced if problem.field == "path"]

    def _remark(self, problem: Problem) -> Remark:
        name = problem.field or ""
        if name.startswith("seed_examples["):
            number, _between, rest = name.removeprefix("seed_examples[").partition("]")
            anchor = anchor_of(name) if rest.startswith(".") and rest.count(".") else f"seed-{int(number) + 1}"
            return Remark(problem, anchor, _("Seed %(number)s") % {"number": int(number) + 1})
        if name.startswith("attribution"):
            return Remark(problem, "sources", _("Sources"))
        if name.startswith("document") and name != "document_outline":
            return Remark(problem, "document", _("Document"))
        if name == "seed_examples":
            return Remark(problem, "seeds-title", _("Seeds"))
        known = {shown.name: shown.label for shown in self.head}
        return Remark(problem, anchor_of(name), known[name]) if name in known else Remark(problem)


LICENCES = tuple(ALLOWED_LICENCES)


def editor_for(draft: Draft, problems: Sequence[Problem]) -> Editor:
    """The editor of a draft with each problem at the field it names; the rest comes in ``unplaced``."""
    form = draft.form
    problems = [problem for problem in problems if not _about_nothing(problem, form)]
    by_field: dict[str, list[Problem]] = {}
    for problem in problems:
        by_field.setdefault(problem.field or "", []).append(problem)

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
        found = [p for name in list(by_field) if name.startswith("document") for p in by_field.pop(name)]
        document = Field("document_text", _("The document's text"), draft.document_text, rows=12, problems=tuple(found))
    unplaced = [problem for rest in by_field.values() for problem in rest]
    return Editor(head, cards, sources, document, tuple(problems), unplaced)


def _about_nothing(problem: Problem, form: Mapping[str, Any]) -> bool:
    """Whether it says that two seeds are the same which are both still empty."""
    if problem.code not in ("duplicate-item", "repeated-question", "repeated-context", "blank-text"):
        return False
    number = (problem.field or "").removeprefix("seed_examples[").partition("]")[0]
    seeds = form["seed_examples"]
    if not number.isdecimal() or int(number) >= len(seeds):
        return False
    return not any(text.strip() for text in _texts(seeds[int(number)]))


def _texts(seed: Mapping[str, Any]) -> list[str]:
    """All that is written in a seed of the form."""
    pairs = seed.get("questions_and_answers") or [seed]
    return [seed.get("context", ""), *(pair[key] for pair in pairs for key in ("question", "answer"))]


def _head(form: Mapping[str, Any], kind: str, make: Any) -> list[Field]:
    if kind == Kind.KNOWLEDGE:
        return [
            make(
                "domain",
                _("Domain"),
                form["domain"],
                single_line=True,
                hint=_("The field this belongs to, such as astronomy or local history."),
            ),
            make(
                "document_outline",
                _("Outline of the document"),
                form["document_outline"],
                rows=2,
                hint=_("One or two sentences on what the document covers. The teacher reads them."),
            ),
        ]
    return [
        make(
            "task_description",
            _("What should the model learn to do?"),
            form["task_description"],
            rows=2,
            hint=_("One or two sentences, as you would explain it to a colleague."),
        )
    ]


def _card(
    index: int, seed: Mapping[str, Any], kind: str, make: Any, by_field: dict[str, list[Problem]], *, last: bool
) -> Card:
    stem = f"seed_examples[{index}]"
    context = None
    if kind in (Kind.KNOWLEDGE, Kind.GROUNDED):
        label = _("Passage from the document") if kind == Kind.KNOWLEDGE else _("The text to work on")
        most = MOST_CONTEXT_WORDS if kind == Kind.KNOWLEDGE else 0
        context = make(f"{stem}.context", label, seed.get("context", ""), rows=5, counted=True, most_words=most)
    if kind == Kind.KNOWLEDGE:
        pairs = tuple(
            Pair(
                number,
                make(
                    f"{stem}.questions_and_answers[{number}].question",
                    _("Question %(number)s") % {"number": number + 1},
                    pair["question"],
                    rows=2,
                    counted=True,
                    most_words=MOST_WORDS,
                ),
                make(
                    f"{stem}.questions_and_answers[{number}].answer",
                    _("Answer %(number)s") % {"number": number + 1},
                    pair["answer"],
                    rows=2,
                    counted=True,
                    most_words=MOST_WORDS,
                ),
            )
            for number, pair in enumerate(seed["questions_and_answers"])
        )
        own = _of_seed(stem, by_field)
        return Card(index, context, pairs=pairs, problems=own, last=last)
    question = make(f"{stem}.question", _("Question"), seed["question"], rows=3, counted=True)
    answer = make(f"{stem}.answer", _("Answer"), seed["answer"], rows=4, counted=True)
    return Card(index, context, question, answer, problems=_of_seed(stem, by_field), last=last)


def _of_seed(stem: str, by_field: dict[str, list[Problem]]) -> tuple[Problem, ...]:
    """Problems of the seed that name none of its fields, such as too few questions."""
    names = [name for name in by_field if name == stem or name.startswith(f"{stem}.")]
    return tuple(problem for name in names for problem in by_field.pop(name))


def _source(index: int, source: Mapping[str, str], make: Any) -> Source:
    stem = f"attribution[{index}]"
    labels = {
        "title": (
            _("Title of the work"),
            _("For your own words: a short title such as “Examples written for this leaf”."),
        ),
        "creators": (_("Who made it"), _("Names of the authors, or your own.")),
        "link": (_("Link"), _("Where it can be found. Leave empty for your own words.")),
        "revision": (_("Version or date"), _("Which version of the work you used, where it has versions.")),
    }
    fields = tuple(
        make(f"{stem}.{key}", label, source.get(key, ""), single_line=True, hint=hint)
        for key, (label, hint) in labels.items()
    )
    licence = make(f"{stem}.licence", _("Licence"), source.get("licence", ""), single_line=True)
    return Source(index, fields, licence)
