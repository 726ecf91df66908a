"""Drafts and submissions made for tests, through the services that people's pages use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import Draft, Kind, Submission
from taxonomy_app.contributions.services import DraftChanges

PATH = "compositional_skills/writing/seed_riddles"
KNOWLEDGE_PATH = "knowledge/gardening/compost"
SOURCE = {
    "title": "Written for this leaf",
    "link": "",
    "revision": "",
    "licence": "CC-BY-4.0",
    "creators": "Rosa Lind",
}
DOCUMENT = "# Compost\n\nCompost is ready when it smells of earth. It is turned every two weeks.\n"


def skill_form(task: str = "Make a riddle about a plant.", count: int = 5) -> dict[str, Any]:
    """A form with ``count`` seeds that has nothing wrong with it."""
    plants = ("bean", "pea", "beet", "kale", "chard", "leek", "onion", "carrot")
    return {
        "created_by": "rosa",
        "task_description": task,
        "domain": "",
        "document_outline": "",
        "document": None,
        "seed_examples": [
            {
                "context": "",
                "question": f"Make a riddle about the {plant}.",
                "answer": f"I grow in rows and end in soup;\nmy name is {plant}.",
            }
            for plant in plants[:count]
        ],
    }


def knowledge_form() -> dict[str, Any]:
    """A form of a knowledge leaf: five passages with three pairs each."""
    passages = ("smells of earth", "is turned every two weeks", "needs air", "stays damp", "is kept in the shade")
    return {
        "created_by": "rosa",
        "task_description": "",
        "domain": "gardening",
        "document_outline": "How compost is made.",
        "document": None,
        "seed_examples": [
            {
                "context": f"Good compost {passage}.",
                "questions_and_answers": [
                    {"question": f"What about compost, number {number}, {passage}?", "answer": f"It {passage}."}
                    for number in (1, 2, 3)
                ],
            }
            for passage in passages
        ],
    }


def make_draft(author: Any, *, now: datetime, path: str = PATH, form: dict[str, Any] | None = None) -> Draft:
    """A draft that can be submitted as it is."""
    kind = Kind.KNOWLEDGE if path.startswith("knowledge/") else Kind.FREEFORM
    draft = services.draft_create(author=author, kind=kind, path=path, now=now)
    knowledge = kind == Kind.KNOWLEDGE
    changes = DraftChanges(
        form=form or (knowledge_form() if knowledge else skill_form()),
        attribution=[SOURCE],
        document_name="compost.md" if knowledge else None,
        document_text=DOCUMENT if knowledge else None,
    )
    return services.draft_save(draft=draft, by=author, version=draft.version, changes=changes, now=now)


def submit(draft: Draft, *, now: datetime) -> Submission:
    """The draft, signed off and handed in."""
    return services.draft_submit(draft=draft, by=draft.author, version=draft.version, sign_off=True, now=now)


def make_submission(author: Any, *, now: datetime, path: str = PATH, form: dict[str, Any] | None = None) -> Submission:
    return submit(make_draft(author, now=now, path=path, form=form), now=now)


def make_improvement(author: Any, leaf: Any, *, now: datetime, seed: int, answer: str) -> Submission:
    """A submission that changes the answer of one seed of a leaf in the taxonomy."""
    draft = services.draft_improve(author=author, leaf=leaf, now=now)
    form = {**draft.form, "seed_examples": [dict(one) for one in draft.form["seed_examples"]]}
    form["seed_examples"][seed]["answer"] = answer
    draft = services.draft_save(draft=draft, by=author, version=draft.version, changes=DraftChanges(form=form), now=now)
    return submit(draft, now=now)


def approve(submission: Submission, reviewer: Any, *, now: datetime) -> None:
    services.submission_approve(
        submission=submission, reviewer=reviewer, revision_number=submission.revision_number, now=now
    )
