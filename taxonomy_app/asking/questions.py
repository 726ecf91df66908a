"""What is asked, and whom: questions and leaf of a draft or a revision, the student, the teacher. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.drafts import draft_problems
from taxonomy_app.contributions.models import Draft, Kind, Revision
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.releases.queries import current_release
from taxonomy_app.rounds.models import Round
from taxonomy_app.rounds.presentation import teacher_words
from taxonomy_app.rounds.services.plan import PlanProblem, documents_of
from taxonomy_repo.leaf import Leaf, leaf_kind, read_leaf
from workers.asking.specs import AskedQuestion, SamplesOrder
from workers.planning import seed_fingerprint, seed_pairs
from workers.recipes import recipe, recipe_names
from workers.specs import (
    BUNDLED_MODEL,
    Document,
    GenerationRecipe,
    LeafKind,
    ModelReference,
    PipelinePin,
    PlannedLeaf,
    TeacherReference,
    content_hash,
)

SAMPLES_TRIED = 5
# With fewer there is nothing to go by: the teacher is shown three.
LEAST_SEEDS = 3


@dataclass(frozen=True)
class Whom:
    """A model to be asked, in words for the page."""

    reference: ModelReference
    name: str

    @property
    def key(self) -> str:
        return f"{self.reference.name}@{self.reference.revision or ''}"


def student_now() -> Whom:
    """The current release's student, or before the first release the student that a round would begin with."""
    release = current_release()
    if release is not None:
        return Whom(ModelReference(name=release.student_model), f"the current release, {release.name}")
    latest = _latest_round()
    student = latest.read_plan().student if latest is not None else ModelReference(name=BUNDLED_MODEL)
    name = "SmolLM2-135M-Instruct" if student.name == BUNDLED_MODEL else student.name
    return Whom(student, f"the student before any teaching, {name}: there is no release yet")


@dataclass(frozen=True)
class HowGenerated:
    """How a round would generate samples now."""

    teacher: TeacherReference
    recipe: GenerationRecipe
    pipeline: PipelinePin | None

    @property
    def name(self) -> str:
        """The teacher in words."""
        return teacher_words(self.teacher)


def teacher_now() -> HowGenerated:
    """Teacher, recipe and pipeline of the latest round, or those that a round would have by itself."""
    latest = _latest_round()
    if latest is None:
        return HowGenerated(TeacherReference(), recipe(recipe_names()[0]).generation, None)
    plan = latest.read_plan()
    return HowGenerated(plan.teacher, plan.recipe.generation, plan.pipeline)


def _latest_round() -> Round | None:
    return Round.objects.filter(number__isnull=False).order_by("-number").first()


@dataclass(frozen=True)
class Placed:
    """A question and the form field its answer stands in, such as ``seed_examples[2].answer``."""

    field: str
    asked: AskedQuestion


def form_questions(form: Mapping[str, Any], kind: str) -> list[Placed]:
    """Every question of a form that has a text, in its order.

    What the student reads with it is what it reads when a release is scored: a grounded seed's text, and no passage
    of a knowledge leaf, from which any model could read the answer off.
    """
    found = []
    for index, seed in enumerate(form.get("seed_examples", ())):
        stem, context = f"seed_examples[{index}]", seed.get("context") or ""
        pairs: Sequence[Mapping[str, str]] = seed.get("questions_and_answers") or ()
        rows = [(f"{stem}.questions_and_answers[{at}].answer", pair) for at, pair in enumerate(pairs)]
        if kind != Kind.KNOWLEDGE:
            rows = [(f"{stem}.answer", seed)]
        for field, pair in rows:
            if not pair["question"].strip():
                continue
            found.append(
                Placed(
                    field,
                    AskedQuestion(
                        key=seed_fingerprint(pair["question"], context or None),
                        question=pair["question"],
                        shown=context if kind == Kind.GROUNDED else "",
                        answer=pair["answer"].strip(),
                    ),
                )
            )
    return found


def draft_questions(draft: Draft) -> list[Placed]:
    """The questions of a draft as it is stored.

    Raises:
        Refused: it is YAML that cannot be read.
    """
    form, kind = draft.form, draft.kind
    if draft.written_as == Draft.WrittenAs.YAML:
        form, kind = _form_of(draft.text, draft.kind, draft.path)
    return form_questions(form, kind)


def revision_questions(revision: Revision) -> list[Placed]:
    """The questions of a revision under review. Raises Refused as :func:`draft_questions` does."""
    form, kind = _form_of(revision.qna, revision.submission.kind, revision.path)
    return form_questions(form, kind)


def _form_of(text: str, kind: str, path: str) -> tuple[Mapping[str, Any], str]:
    try:
        return documents.form_from_text(text, kind=kind, path=path)
    except documents.NotAForm as error:
        raise Refused(
            _("The YAML has to be readable before anybody can be asked. %(error)s") % {"error": error}
        ) from None


def draft_samples(draft: Draft) -> SamplesOrder:
    """What the teacher would be given of a draft: its finished seeds, and for knowledge its document.

    Raises:
        Refused: too few finished seeds, a kind from which nothing is generated, or no document.
    """
    return _order(draft_problems(draft).qna, draft.path, draft.document_name, draft.document_text, draft.leaf_id)


def revision_samples(revision: Revision) -> SamplesOrder:
    """As :func:`draft_samples`, of a revision under review."""
    name, text = revision.document_name, revision.document_text
    return _order(revision.qna.encode(), revision.path, name, text, revision.submission.leaf_id)


def _order(qna: bytes, path: str, document_name: str, document_text: str, leaf_id: Any) -> SamplesOrder:
    leaf = read_leaf(qna, path).leaf
    if leaf is None:
        raise Refused(_("The YAML has to be readable before the teacher can be tried."))
    kind = LeafKind(leaf_kind(path, leaf))
    if kind is LeafKind.FOUNDATIONAL:
        raise Refused(
            _("Nothing is generated for foundational skills: the student learns from their seeds as they are.")
        )
    seeds = tuple(seed for seed in seed_pairs(leaf) if seed.question.strip() and seed.answer.strip())
    if len(seeds) < LEAST_SEEDS:
        raise Refused(
            _("The teacher needs at least %(least_seeds)s finished questions with answers to go by.")
            % {"least_seeds": LEAST_SEEDS}
        )
    if document_text.strip():
        documents_given: tuple[Document, ...] = (Document(name=document_name or "document.md", text=document_text),)
    else:
        documents_given = _stored_documents(path, leaf, kind)
    how = teacher_now()
    return SamplesOrder(
        leaf=PlannedLeaf(
            leaf_id=str(leaf_id or ""),
            path=path,
            kind=kind,
            blob=content_hash(qna.decode("utf-8", "replace")),
            task_description=leaf.task_description,
            domain=leaf.domain,
            document_outline=leaf.document_outline,
            seeds=seeds,
            documents=documents_given,
        ),
        pipeline=how.pipeline,
        teacher=how.teacher,
        recipe=how.recipe.model_copy(update={"samples_per_leaf": SAMPLES_TRIED}),
        random_seed=0,
    )


def _stored_documents(path: str, leaf: Leaf, kind: LeafKind) -> tuple[Document, ...]:
    if kind is not LeafKind.KNOWLEDGE:
        return ()
    try:
        found = tuple(documents_of(path, leaf.document))
    except PlanProblem as problem:
        raise Refused(_("The teacher asks about the document. %(problem)s") % {"problem": problem}) from None
    if not found:
        raise Refused(_("The teacher asks about the document: put it in first."))
    return found
