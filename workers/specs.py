"""The contract between the web and the workers: what is sent, what is answered.

Everything here is plain data (pydantic), so that it can cross a broker, lie in an artifact and be hashed.
Nothing here computes anything about models; nothing here imports Django, torch or transformers.
"""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# Names under which the web sends work, and the workers report, through Celery.
RUN_STAGE_TASK = "seedbed.workers.run_stage"
REPORT_TASK = "seedbed.rounds.report"
DEFAULT_QUEUE = "default"


class Strict(BaseModel):
    """Frozen data; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal data gives equal text, whatever wrote it."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class LeafKind(StrEnum):
    """What a leaf teaches, and so how samples are made from it (LAB, arXiv 2403.01081, section 3)."""

    KNOWLEDGE = "knowledge"
    GROUNDED = "grounded"
    FREEFORM = "freeform"
    FOUNDATIONAL = "foundational"


class StageKind(StrEnum):
    """The stages of a round, in the order in which they run."""

    GENERATION = "generation"
    MIXTURE = "mixture"
    TUNING = "tuning"
    CONTROL = "control"
    EVALUATION = "evaluation"


# Which queue of the GPU workers takes which stage.
STAGE_QUEUE: dict[StageKind, str] = {
    StageKind.GENERATION: "teacher",
    StageKind.MIXTURE: "tuning",
    StageKind.TUNING: "tuning",
    StageKind.CONTROL: "tuning",
    StageKind.EVALUATION: "evaluation",
}


# --- Models -------------------------------------------------------------------------------------

BUNDLED_MODEL = "bundled:smollm2-135m-instruct"
_KEY_VARIABLE = re.compile(r"\A(?:SEEDBED_TEACHER_KEY[A-Z0-9_]{0,80}|[A-Z][A-Z0-9_]{0,80}_API_KEY)\Z")


class ModelReference(Strict):
    """A model by name: ``bundled:…``, ``artifact:<id>`` (a release's student), an absolute folder, or a hub id.

    ``workers.models`` resolves it to a folder; ``revision`` is for hub ids only.
    """

    name: str = Field(min_length=1, max_length=500)
    revision: str | None = None


def is_key_variable(name: str) -> bool:
    """Whether a plan may name this environment variable as the one that holds a teacher's key.

    Only names that are meant for it: a plan must not be able to send a worker's other secrets to an address of its
    choice.
    """
    return bool(_KEY_VARIABLE.match(name))


class FurtherEndpoint(Strict):
    """Another address that serves the same teacher, with its own limit; the key is the teacher's."""

    url: str
    max_in_flight: int = Field(default=16, ge=1, le=4096)


class TeacherReference(Strict):
    """Where the teacher answers, and how it is to be prompted.

    ``source``: ``vllm`` and ``transformers`` are servers that the worker starts and stops; ``endpoint`` is any
    OpenAI-compatible URL. ``auto`` is vllm where it is installed, else transformers. A key is never part of a
    spec: ``key_variable`` names the worker's environment variable (or its ``_FILE`` form) that holds it. ``further``
    are more addresses of an endpoint that serve the same model.
    """

    source: Literal["auto", "vllm", "transformers", "endpoint"] = "auto"
    model: ModelReference = ModelReference(name=BUNDLED_MODEL)
    url: str | None = None
    key_variable: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]{0,99}$")
    profile: str = "auto"
    max_in_flight: int = Field(default=16, ge=1, le=4096)
    further: tuple[FurtherEndpoint, ...] = ()
    max_model_length: int | None = Field(default=None, ge=256)
    tensor_parallel: int = Field(default=1, ge=1)
    data_parallel: int = Field(default=1, ge=1)
    extra_arguments: tuple[str, ...] = ()

    @property
    def in_flight(self) -> int:
        """Requests at once, over all addresses."""
        return self.max_in_flight + sum(other.max_in_flight for other in self.further)


# --- The leaves of a plan ---------------------------------------------------------------------------


class SeedPair(Strict):
    """One question and its answer; ``context`` where the leaf has contexts.

    ``fingerprint`` identifies it across rounds (``workers.planning.seed_fingerprint``); pairs of one knowledge
    context share ``context_index``.
    """

    fingerprint: str
    question: str
    answer: str
    context: str | None = None
    context_index: int | None = None


class Document(Strict):
    """A source text of a knowledge leaf, pinned by where it came from."""

    name: str
    text: str
    source: str = ""
    commit: str = ""


class PlannedLeaf(Strict):
    """A leaf as a round sees it: the seeds that teach, the seeds held out, its documents.

    A leaf that an earlier round taught and this one does not is in the plan to be scored: it has held-out seeds only.
    For foundational leaves the samples are the seeds themselves together with ``data`` (pairs that came with the
    leaf), not generated ones [LAB, section 3.1].
    """

    leaf_id: str
    path: str
    kind: LeafKind
    blob: str
    task_description: str = ""
    domain: str = ""
    document_outline: str = ""
    language: str = "en"
    seeds: tuple[SeedPair, ...]
    held_out: tuple[SeedPair, ...] = ()
    documents: tuple[Document, ...] = ()
    data: tuple[SeedPair, ...] = ()

    @property
    def teaches(self) -> bool:
        """Whether anything of it goes into the mixture; else it is only scored."""
        return bool(self.seeds or self.data)


# --- Recipes: every number that shapes a round ------------------------------------------------------


class GenerationRecipe(Strict):
    """How many samples are asked of the teacher for each leaf, and by what means they are kept.

    ``samples_per_leaf`` counts samples wanted after filters; ``attempts_factor`` bounds what is asked for it.
    ``judge_form``: a teacher that grades does so in one constrained ``token``, or ``written``, after saying why: a
    hundred times the tokens, to compare with.
    """

    samples_per_leaf: int = Field(default=30, ge=1, le=100_000)
    attempts_factor: float = Field(default=3.0, ge=1.0)
    temperature: float = Field(default=0.8, ge=0.0, le=2.0)
    max_answer_tokens: int = Field(default=256, ge=8)
    chunk_tokens: int = Field(default=384, ge=64)
    judge: bool = True
    judge_form: Literal["token", "written"] = "token"
    near_duplicate_threshold: float = Field(default=0.8, gt=0.0, le=1.0)


class PhaseRecipe(Strict):
    """One tuning phase. ``replay`` is the share (0…1) of the phase's samples drawn from earlier phases.

    ``general_replay`` is the share drawn from general chats and earlier releases, so that what the student knew
    before the round is not forgotten. Learning rate per optimiser step; no decay to zero between phases (LAB).
    The effective batch is given either by its loss tokens or, as in the paper, by its samples.
    """

    name: Literal["knowledge_short", "knowledge_long", "skills", "stacked"]
    epochs: float = Field(gt=0)
    learning_rate: float = Field(gt=0)
    batch_tokens: int | None = Field(default=None, ge=64, description="loss tokens of one effective batch, about")
    batch_samples: int | None = Field(default=None, ge=1, description="samples of one effective batch, about")
    warmup_steps: int = Field(default=0, ge=0)
    replay: float = Field(default=0.0, ge=0.0, lt=1.0)
    general_replay: float = Field(default=0.0, ge=0.0, lt=1.0)
    loss_on: Literal["answers", "all_but_system"] = "answers"
    include_documents: bool = False

    @model_validator(mode="after")
    def _one_batch_size_and_own_samples(self) -> Self:
        if (self.batch_tokens is None) == (self.batch_samples is None):
            raise ValueError("give batch_tokens or batch_samples, one of the two")
        if self.replay + self.general_replay >= 1:
            raise ValueError("replay and general_replay together must leave room for the phase's own samples")
        return self


class TuningRecipe(Strict):
    """The phases in order and what holds for all of them. ``control`` adds an arm tuned without any replay.

    ``gradient_checkpointing`` trades a third more arithmetic for much less memory; it is meant for GPUs.
    """

    phases: tuple[PhaseRecipe, ...]
    row_tokens: int = Field(default=512, ge=64)
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    weight_decay: float = Field(default=0.0, ge=0.0)
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    save_every_seconds: float = Field(default=60.0, gt=0.0)
    gradient_checkpointing: bool = False
    control: Literal["none", "without_replay"] = "none"


class EvaluationRecipe(Strict):
    """What every model of the round is scored on, besides the held-out seeds. ``limit``: items a benchmark, at most."""

    benchmarks: tuple[str, ...] = ("everyday_science",)
    general_loss: bool = True
    limit: int | None = Field(default=None, ge=1)


class Recipe(Strict):
    """A named set of all the above. Files in ``workers/recipes``."""

    name: str
    title: str
    description: str
    generation: GenerationRecipe
    tuning: TuningRecipe
    evaluation: EvaluationRecipe
    held_out_share: float = Field(default=0.25, ge=0.0, le=0.9)
    held_out_least: int = Field(default=2, ge=0)


# --- The plan ---------------------------------------------------------------------------------------


class LeafPin(Strict):
    leaf_id: str
    path: str
    blob: str
    held_out: tuple[str, ...] = ()
    # False: taught by an earlier round, here only scored, so that it is seen what this round made the student forget.
    teaches: bool = True


class PipelinePin(Strict):
    """How samples come to be: a pipeline's whole file with its name, version and the hash of its content."""

    name: str
    version: str
    hash: str
    text: str


class RoundPlan(Strict):
    """Everything that decides what a round does. Its hash names the round's data plan."""

    taxonomy_commit: str
    leaves: tuple[LeafPin, ...]
    teacher: TeacherReference
    student: ModelReference
    recipe: Recipe
    # None in plans from before pipelines were files: the shipped one.
    pipeline: PipelinePin | None = None
    random_seed: int = Field(ge=0, lt=2**31)
    code_version: str

    @property
    def hash(self) -> str:
        return content_hash(self)


# --- Stages: what is sent, what is answered ----------------------------------------------------------


class StageReference(Strict):
    """Which attempt speaks. A report of an attempt that is no longer the current one is ignored."""

    round_id: str
    stage_id: str
    kind: StageKind
    attempt: int = Field(ge=1)


class StageSpec(Strict):
    """One attempt at one stage, as it is sent to a GPU worker.

    ``plan`` is an artifact with ``plan.json`` (RoundPlan) and ``leaves.jsonl`` (PlannedLeaf, one a line).
    ``inputs`` are finished artifacts by role (``generation``, ``decisions``, ``mixture``, ``tuning``, ``control``);
    ``output`` is the artifact to make, the same for every attempt, so that a new attempt resumes from its parts.
    """

    reference: StageReference
    plan: str
    inputs: dict[str, str] = {}
    output: str

    @property
    def cancel_key(self) -> str:
        """The Redis key whose presence asks this attempt to stop."""
        return cancel_key(self.reference)


def cancel_key(reference: StageReference) -> str:
    return f"seedbed:cancel:{reference.stage_id}:{reference.attempt}"


class Progress(Strict):
    """What a running attempt shows. ``figures`` are the numbers beside the bar; ``curve`` points are (step, loss).

    A report carries the points since the one before it: the receiver adds them to what it has, by step.
    """

    done: int = 0
    total: int = 0
    unit: str = ""
    message: str = ""
    figures: dict[str, float] = {}
    curve: tuple[tuple[float, float], ...] = ()


class StageProblem(Strict):
    """Why an attempt failed, in one sentence a person can act on. ``retry``: trying again may help as it is."""

    code: str
    message: str
    advice: str = ""
    retry: bool = False


class Report(Strict):
    """A word from an attempt. ``sequence`` grows within the attempt; an older one arriving later is ignored."""

    sequence: int = Field(ge=0)
    event: Literal["started", "heartbeat", "progress", "done", "failed", "cancelled"]
    worker: str = ""
    progress: Progress | None = None
    problem: StageProblem | None = None
    artifact: str | None = None
    result: dict[str, Any] = {}


class StageReport(Report):
    """A word from an attempt at a stage."""

    reference: StageReference


# --- Samples ----------------------------------------------------------------------------------------


# An answer of at most this many words is short (a phrase or a sentence), as in LAB's first knowledge phase.
SHORT_ANSWER_WORDS = 20


class Message(Strict):
    role: Literal["system", "user", "assistant"]
    content: str


class SampleMetadata(Strict):
    """Where a sample came from. ``origin``: generated, seed, document, foundational, general, earlier release.

    ``pipeline`` is what generated it by name, with its version and the hash of its content.
    ``span`` is (document name, first character, last character + 1) of the chunk that the teacher was shown.
    """

    leaf_id: str
    leaf_path: str
    origin: Literal["generated", "seed", "document", "foundational", "general", "earlier_release", "imported"]
    length: Literal["short", "long"] = "short"
    pipeline: str = ""
    pipeline_version: str = ""
    pipeline_hash: str = ""
    seeds: tuple[str, ...] = ()
    span: tuple[str, int, int] | None = None
    scores: dict[str, float] = {}


class Sample(Strict):
    """One training example, one line of ``samples.jsonl``. A document sample has a single assistant message."""

    sample_id: str
    messages: tuple[Message, ...]
    metadata: SampleMetadata


class DroppedSample(Strict):
    """A row that did not become a sample, with the filter, the reason and the score that decided."""

    sample: Sample
    filter: str
    reason: str
    score: float | None = None


class RowVerdicts(Strict):
    """``decisions.json`` of a decisions artifact: ids of dropped rows that people restored, of kept ones rejected."""

    restored: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


class FunnelStep(Strict):
    """How many rows of one leaf a step was given, kept and dropped (given = kept + sum of dropped).

    ``task``: empty for questions with their answers, whose steps follow one another; else the task about whole
    passages of which this is the only step.
    """

    leaf_id: str
    step: str
    task: str = ""
    given: int
    kept: int
    dropped: dict[str, int] = {}


# --- Scores -----------------------------------------------------------------------------------------


class ItemScore(Strict):
    """One item under one model: the finest grain, on which models are compared pair by pair."""

    item_id: str
    value: float
    cluster: str = ""


class Score(Strict):
    """A model's score on a leaf's held-out seeds or on a benchmark.

    ``metric``: ``answer_logprob`` (mean natural-log probability a token of the reference answer; higher is better),
    ``accuracy`` (0…1), ``loss`` (nats a token; lower is better).
    """

    subject: Literal["before", "after", "control"]
    scope: Literal["leaf", "benchmark", "general"]
    name: str
    metric: Literal["answer_logprob", "accuracy", "exact_match", "loss", "judge_score"]
    mean: float
    standard_error: float | None
    items: tuple[ItemScore, ...]


class Comparison(Strict):
    """The mean of the paired differences (second minus first) with its 95 % interval; None where n < 2."""

    first: Literal["before", "after", "control"]
    second: Literal["before", "after", "control"]
    scope: Literal["leaf", "benchmark", "general"]
    name: str
    metric: str
    n: int
    difference: float
    low: Annotated[float | None, Field(description="lower bound")] = None
    high: Annotated[float | None, Field(description="upper bound")] = None
    method: str
    # Two-sided; ``p_holm`` is adjusted over the benchmarks of one pair of subjects (workers.evaluation.statistics).
    p_value: float | None = None
    p_holm: float | None = None


class EvaluationResult(Strict):
    """``scores.json`` of an evaluation artifact."""

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float
