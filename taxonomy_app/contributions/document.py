"""The leaf of a draft as plain data: between the form's fields, the JSON that is stored, and the two files.

Pure functions; nothing here reads the database or git. A form field's name is the name that ``taxonomy_repo``
gives the same place in its problems, such as ``seed_examples[2].answer``, so that a problem finds its field.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from taxonomy_app.contributions.models import Kind
from taxonomy_app.web.repository_words import said
from taxonomy_repo.checks import check_leaf
from taxonomy_repo.leaf import (
    DOCUMENT_REPOSITORY,
    Attribution,
    AttributionEntry,
    DocumentReference,
    KnowledgeSeed,
    Leaf,
    Problem,
    QuestionAnswer,
    SeedExample,
    read_attribution,
    read_leaf,
    write_attribution,
    write_leaf,
)
from taxonomy_repo.leaf_editing import edit_leaf

# What stands for the document's commit until the outbox has stored the document and knows it.
COMMIT_TO_COME = "0" * 40

SEEDS_AT_FIRST = 5
PAIRS_AT_FIRST = 3
MOST_SEEDS = 500
SOURCE_FIELDS = ("title", "link", "revision", "licence", "creators")

BRANCH_OF_KIND = {
    Kind.KNOWLEDGE: "knowledge",
    Kind.GROUNDED: "compositional_skills",
    Kind.FREEFORM: "compositional_skills",
    Kind.FOUNDATIONAL: "foundational_skills",
}

Form = dict[str, Any]

_FIELD = re.compile(
    r"^seed_examples\[(?P<seed>\d{1,4})\]"
    r"(?:\.(?P<plain>context|question|answer)|\.questions_and_answers\[(?P<pair>\d{1,3})\]\.(?P<half>question|answer))$"
)
_SOURCE = re.compile(r"^attribution\[(?P<entry>\d{1,2})\]\.(?P<key>title|link|revision|licence|creators)$")


_DOCUMENT_KEY = re.compile(r"^document\s*:", re.MULTILINE)
_DOCUMENT_BLOCK = re.compile(r"^document:\n(?:[ -].*\n)+", re.MULTILINE)

# Errors of YAML that the form can show and mend; anything else would be lost on the way into it.
_SHOWN_IN_FORM = frozenset({"empty-text", "missing-key", "too-few", "duplicate-item", "not-text"})


# The public tools take an empty leaf, one without its sources, and sources under any licence; here nobody reviews
# these, so what is missing is asked for before.
_NEEDED_HERE = frozenset({"attribution-missing", "attribution-incomplete", "licence-not-allowed", "empty-file"})


class NotAForm(ValueError):
    """The YAML cannot be shown as a form: it is not readable, or not of the shape this kind of leaf has."""


# --- An empty leaf ------------------------------------------------------------------------------


def empty_seed(kind: str) -> Form:
    if kind == Kind.KNOWLEDGE:
        return {"context": "", "questions_and_answers": [empty_pair() for _ in range(PAIRS_AT_FIRST)]}
    return {"context": "", "question": "", "answer": ""}


def empty_pair() -> Form:
    return {"question": "", "answer": ""}


def empty_source() -> dict[str, str]:
    return dict.fromkeys(SOURCE_FIELDS, "")


def empty_form(kind: str, created_by: str) -> Form:
    """The form of a new leaf: as many empty seeds as a leaf needs at least."""
    return {
        "created_by": created_by,
        "task_description": "",
        "domain": "",
        "document_outline": "",
        "document": None,
        "seed_examples": [empty_seed(kind) for _ in range(SEEDS_AT_FIRST)],
    }


# --- Form fields --------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Text as a browser sends it, made what a file holds: line ends of one kind, no NUL (databases refuse it)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def number_from_text(text: str) -> int | None:
    """A count that a page posted, or ``None`` for anything that no page of this site posts."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def form_from_fields(fields: Mapping[str, str], *, kind: str, before: Form) -> Form:
    """The form's JSON from posted fields; what was not posted stays as it was in ``before``.

    Seeds come as ``seed_examples[i].…``. Their numbers need not be without gaps: order counts, so that a field
    removed in the browser leaves no empty seed behind. Without any seed field the seeds stay as they were.
    """
    seeds: dict[int, dict[str, Any]] = {}
    for name, value in fields.items():
        match = _FIELD.match(name)
        if match is None:
            continue
        seed = seeds.setdefault(int(match["seed"]), {"pairs": {}})
        if match["plain"]:
            seed[match["plain"]] = clean(value)
        else:
            seed["pairs"].setdefault(int(match["pair"]), empty_pair())[match["half"]] = clean(value)
    form = dict(before)
    for key in ("task_description", "domain", "document_outline"):
        if key in fields:
            form[key] = clean(fields[key])
    if seeds:
        ordered = [seeds[index] for index in sorted(seeds)]
        if kind == Kind.KNOWLEDGE:
            form["seed_examples"] = [
                {
                    "context": seed.get("context", ""),
                    "questions_and_answers": [seed["pairs"][index] for index in sorted(seed["pairs"])],
                }
                for seed in ordered
            ]
        else:
            form["seed_examples"] = [
                {key: seed.get(key, "") for key in ("context", "question", "answer")} for seed in ordered
            ]
    return form


def sources_from_fields(fields: Mapping[str, str], *, before: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The sources (attribution) from posted fields ``attribution[i].title`` and so on; as before where none came."""
    entries: dict[int, dict[str, str]] = {}
    for name, value in fields.items():
        match = _SOURCE.match(name)
        if match is not None:
            entries.setdefault(int(match["entry"]), empty_source())[match["key"]] = " ".join(clean(value).split())
    return [entries[index] for index in sorted(entries)] if entries else list(before)


def form_act(form: Form, *, kind: str, action: str) -> Form:
    """The form after one of the editor's buttons: ``seed-add``, ``seed-remove:2``, ``seed-up:2``, ``seed-down:2``,
    ``seed-duplicate:2``, ``pair-add:2``, ``pair-remove:2.1``. An unknown action or number changes nothing.
    """
    name, _between, where = action.partition(":")
    seed_text, _between, pair_text = where.partition(".")
    seeds = [dict(seed) for seed in form["seed_examples"]]
    at, pair = number_from_text(seed_text), number_from_text(pair_text)
    if name == "seed-add" and len(seeds) < MOST_SEEDS:
        seeds.append(empty_seed(kind))
    elif at is not None and at < len(seeds):
        if name == "seed-remove":
            del seeds[at]
        elif name == "seed-up" and at > 0:
            seeds[at - 1], seeds[at] = seeds[at], seeds[at - 1]
        elif name == "seed-down" and at + 1 < len(seeds):
            seeds[at + 1], seeds[at] = seeds[at], seeds[at + 1]
        elif name == "seed-duplicate" and len(seeds) < MOST_SEEDS:
            seeds.insert(at + 1, dict(seeds[at]))
        elif name in ("pair-add", "pair-remove") and "questions_and_answers" in seeds[at]:
            pairs = list(seeds[at]["questions_and_answers"])
            if name == "pair-add":
                pairs.append(empty_pair())
            elif pair is not None and pair < len(pairs):
                del pairs[pair]
            seeds[at]["questions_and_answers"] = pairs
    return {**form, "seed_examples": seeds}


def form_put_back(form: Form, *, earlier: Form, action: str) -> Form:
    """The form with what ``action`` (``seed-remove:2`` or ``pair-remove:2.1``) took out of ``earlier`` in it again."""
    name, _between, where = action.partition(":")
    seed_text, _between, pair_text = where.partition(".")
    at, pair_at = number_from_text(seed_text), number_from_text(pair_text)
    seeds, before = [dict(seed) for seed in form["seed_examples"]], earlier["seed_examples"]
    if at is None or at >= len(before):
        return form
    if name == "seed-remove":
        seeds.insert(at, dict(before[at]))
    elif name == "pair-remove" and pair_at is not None and at < len(seeds):
        pairs, pairs_before = list(seeds[at].get("questions_and_answers", ())), before[at].get("questions_and_answers")
        if pairs_before and pair_at < len(pairs_before):
            pairs.insert(pair_at, dict(pairs_before[pair_at]))
            seeds[at]["questions_and_answers"] = pairs
    return {**form, "seed_examples": seeds}


# --- Leaf and files -----------------------------------------------------------------------------


def leaf_from_form(form: Form, *, kind: str, document_name: str = "") -> Leaf:
    """The leaf that the form describes, valid or not. A document given with the draft is referred to by name."""
    seeds: list[SeedExample | KnowledgeSeed] = []
    for seed in form["seed_examples"]:
        if kind == Kind.KNOWLEDGE:
            pairs = tuple(QuestionAnswer(pair["question"], pair["answer"]) for pair in seed["questions_and_answers"])
            seeds.append(KnowledgeSeed(context=seed["context"], questions_and_answers=pairs))
        else:
            context = seed.get("context") or ("" if kind == Kind.GROUNDED else None)
            seeds.append(SeedExample(question=seed["question"], answer=seed["answer"], context=context))
    knowledge = kind == Kind.KNOWLEDGE
    return Leaf(
        version=3,
        created_by=form["created_by"],
        task_description="" if knowledge else form["task_description"],
        seed_examples=tuple(seeds),
        domain=form["domain"] if knowledge else "",
        document_outline=form["document_outline"] if knowledge else "",
        document=_reference(form, document_name) if knowledge else None,
    )


def _reference(form: Form, document_name: str) -> DocumentReference | None:
    if document_name:
        return DocumentReference(repo=DOCUMENT_REPOSITORY, commit=COMMIT_TO_COME, patterns=(document_name,))
    known = form.get("document")
    if not known:
        return None
    return DocumentReference(repo=known["repo"], commit=known["commit"], patterns=tuple(known["patterns"]))


def form_from_leaf(leaf: Leaf, *, kind: str) -> Form:
    """The form that shows ``leaf``.

    Raises:
        NotAForm: the leaf has knowledge seeds and the draft is of a skill, or the other way round; or more seeds than
            a page can hold.
    """
    if len(leaf.seed_examples) > MOST_SEEDS:
        raise NotAForm(
            _("It has %(count)s seeds; the form holds %(most_seeds)s. Edit it as YAML.")
            % {"count": len(leaf.seed_examples), "most_seeds": MOST_SEEDS}
        )
    seeds: list[Form] = []
    for seed in leaf.seed_examples:
        if isinstance(seed, KnowledgeSeed) != (kind == Kind.KNOWLEDGE):
            raise NotAForm(
                _("This YAML holds another kind of leaf than the draft: knowledge and skills differ in shape.")
            )
        if isinstance(seed, KnowledgeSeed):
            pairs = [{"question": pair.question, "answer": pair.answer} for pair in seed.questions_and_answers]
            seeds.append({"context": seed.context, "questions_and_answers": pairs})
        else:
            seeds.append({"context": seed.context or "", "question": seed.question, "answer": seed.answer})
    document = leaf.document
    return {
        "created_by": leaf.created_by,
        "task_description": leaf.task_description,
        "domain": leaf.domain,
        "document_outline": leaf.document_outline,
        "document": document
        and {"repo": document.repo, "commit": document.commit, "patterns": list(document.patterns)},
        "seed_examples": seeds,
    }


def form_from_text(text: str, *, kind: str, path: str) -> tuple[Form, str]:
    """The form for YAML text, and the kind it turned out to be (a free skill with contexts becomes grounded).

    Raises:
        NotAForm: with a sentence for its author, naming the line where it is known.
    """
    reading = read_leaf(text.encode(), path)
    beyond = [p for p in reading.problems if p.severity == "error" and p.code not in _SHOWN_IN_FORM]
    if reading.leaf is None or beyond:
        raise NotAForm(first_sentence(beyond or reading.problems))
    if kind in (Kind.FREEFORM, Kind.GROUNDED):
        contexts = any(isinstance(seed, SeedExample) and seed.context for seed in reading.leaf.seed_examples)
        kind = Kind.GROUNDED if contexts else Kind.FREEFORM
    return form_from_leaf(reading.leaf, kind=kind), kind


def leaf_from_text(text: str, *, kind: str, path: str) -> Leaf:
    """The leaf that YAML text holds, for showing it beside another version.

    Raises:
        NotAForm: as ``form_from_text`` does.
    """
    form, kind = form_from_text(text, kind=kind, path=path)
    return leaf_from_form(form, kind=kind)


def first_sentence(problems: Sequence[Problem]) -> str:
    """One sentence about the first error, with its line."""
    problem = next((p for p in problems if p.severity == "error"), problems[0] if problems else None)
    if problem is None:
        return _("This file cannot be read as a leaf.")
    return (
        _("Line %(line)s: %(message)s") % {"line": problem.line, "message": said(problem.message)}
        if problem.line
        else said(problem.message)
    )


def qna_bytes(
    *, kind: str, path: str, written_as: str, form: Form, text: str, document_name: str, created_by: str
) -> bytes:
    """The ``qna.yaml`` of a draft, valid or not.

    Text written as YAML is kept to the letter, except that a document given with the draft is put in where the
    text names none of its own. What the form changes is changed in that text, so that comments and the order of keys
    stay.
    """
    if written_as != "yaml":
        form = form if form.get("created_by") else {**form, "created_by": created_by}
        return edit_leaf(text.encode(), path, leaf_from_form(form, kind=kind, document_name=document_name))
    data = text.encode()
    if kind == Kind.KNOWLEDGE and document_name:
        leaf = read_leaf(data, path).leaf
        wanted = DocumentReference(repo=DOCUMENT_REPOSITORY, commit=COMMIT_TO_COME, patterns=(document_name,))
        if leaf is not None and leaf.document is None and not _DOCUMENT_KEY.search(text):
            # At the end, so that the lines of problems stay those that the author sees.
            lines = write_leaf(replace(leaf, document=wanted, seed_examples=())).decode()
            return (text.rstrip("\n") + "\n" + _DOCUMENT_BLOCK.search(lines)[0]).encode()
        if leaf is not None and leaf.document is not None and leaf.document.repo == DOCUMENT_REPOSITORY:
            return edit_leaf(data, path, replace(leaf, document=wanted))
    return data


def with_document(data: bytes, path: str, leaf: Leaf, reference: DocumentReference) -> bytes:
    """The file ``data``, which says ``leaf``, with its document pinned to ``reference``."""
    return edit_leaf(data, path, replace(leaf, document=reference))


def document_file_name(name: str, path: str) -> str:
    """A plain file name for a document: the given one folded to letters, digits and hyphens, ``.md`` or ``.txt``."""
    stem, _between, ending = name.replace("\\", "/").rsplit("/", 1)[-1].strip().rpartition(".")
    if not stem or ending.lower() not in ("md", "txt"):
        stem, ending = name.rsplit("/", 1)[-1].strip(), "md"
    stem = re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower())
    return f"{stem.strip('-')[:80] or path.rsplit('/', 1)[-1]}.{ending.lower()}"


def document_place(path: str, name: str) -> str:
    """Where a leaf's document lies among the installation's documents: beside no other leaf's."""
    return f"{path}/{name}" if name else ""


def attribution_bytes(sources: Sequence[Mapping[str, str]]) -> bytes:
    """The ``attribution.txt`` for the sources; empty when nothing at all was filled in."""
    entries = tuple(
        AttributionEntry(
            title=source.get("title", ""),
            link=source.get("link", ""),
            revision=source.get("revision", ""),
            licence=source.get("licence", ""),
            creators=source.get("creators", ""),
        )
        for source in sources
        if any(source.get(key) for key in SOURCE_FIELDS)
    )
    return write_attribution(Attribution(entries)) if entries else b""


def sources_from_bytes(data: bytes) -> list[dict[str, str]]:
    """The sources for the form, from an ``attribution.txt``."""
    entries = read_attribution(data).attribution.entries
    return [{key: getattr(entry, key) for key in SOURCE_FIELDS} for entry in entries]


def check(*, qna: bytes, path: str, attribution: bytes) -> list[Problem]:
    """Everything that is wrong with the two files, errors first, then in the order of the file."""
    problems = [
        replace(problem, severity="error") if problem.code in _NEEDED_HERE else problem
        for problem in check_leaf(qna, path, attribution)
    ]
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(problems, key=lambda problem: (rank[problem.severity], problem.line or 0))
