"""The mixture of a round: which samples each tuning phase sees, replay included, and the same without any replay.

Phases after LAB (arXiv 2403.01081): knowledge with short answers; knowledge with long answers together with
foundational skills; compositional skills. A recipe's single phase ``stacked`` takes all. Everything is drawn with the
plan's random seed, so the same plan and samples give the same mixture.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.generation.documents import chunks_of, count_tokens_of
from workers.generation.rows import user_text
from workers.specs import (
    SHORT_ANSWER_WORDS,
    Document,
    DroppedSample,
    LeafKind,
    Message,
    PlannedLeaf,
    Progress,
    RoundPlan,
    RowVerdicts,
    Sample,
    SampleMetadata,
    SeedPair,
    StageProblem,
    StageSpec,
)
from workers.stages import StageContext, StageFailure
from workers.tuning.general_chats import general_chats, normalised

PHASES_FILE = "phases.json"
CONTROL = "control"
# Where a sample goes whose own phase the recipe does not have: nothing that was taught is left out silently.
_INSTEAD: dict[str, tuple[str, ...]] = {
    "knowledge_short": ("knowledge_short", "knowledge_long", "stacked", "skills"),
    "knowledge_long": ("knowledge_long", "stacked", "knowledge_short", "skills"),
    "skills": ("skills", "stacked", "knowledge_long", "knowledge_short"),
}


@dataclass
class PhaseMixture:
    """The samples of one phase: its own, those replayed from earlier phases, general ones and earlier releases'."""

    name: str
    own: list[Sample] = field(default_factory=list)
    replayed: list[Sample] = field(default_factory=list)
    general: list[Sample] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        return [*self.own, *self.replayed, *self.general]

    def as_json(self) -> dict[str, Any]:
        leaves = Counter(sample.metadata.leaf_id for sample in self.own)
        return {
            "name": self.name,
            "file": f"{self.name}.jsonl",
            "samples": len(self.samples),
            "own": len(self.own),
            "replayed": len(self.replayed),
            "general": len(self.general),
            "origins": dict(sorted(Counter(sample.metadata.origin for sample in self.samples).items())),
            "leaves": dict(sorted(leaves.items())),
            "replayed_leaves": dict(sorted(Counter(s.metadata.leaf_id for s in self.replayed).items())),
        }


@dataclass
class LeftOut:
    """Samples that are not in the mixture, counted by reason."""

    held_out: int = 0
    duplicate: int = 0
    empty: int = 0
    foundational_surplus: int = 0

    def as_json(self) -> dict[str, int]:
        return dict(vars(self))


# --- The mixture ------------------------------------------------------------------------------------


def build_mixture(
    plan: RoundPlan,
    leaves: Sequence[PlannedLeaf],
    generated: Iterable[Sample],
    *,
    earlier: Iterable[Sample] = (),
    general: Sequence[Sample] | None = None,
    replay: bool = True,
) -> tuple[list[PhaseMixture], LeftOut]:
    """The phases of the plan's recipe, filled.

    Args:
        generated: the teacher's samples, in any order.
        earlier: samples of earlier releases' mixtures.
        general: general chats to replay; the project's own where None.
        replay: False for the control arm: the same phases without a replayed sample.

    A held-out seed never gets in: neither itself, nor a sample made from it, nor one that asks the same.
    """
    recipes = plan.recipe.tuning.phases
    phases: dict[str, PhaseMixture] = {recipe.name: PhaseMixture(recipe.name) for recipe in recipes}
    gate = _Gate(leaves)
    for sample in _own_samples(plan, leaves, generated, gate):
        home = phases[phase_of(sample, tuple(phases))]
        if gate.admits(sample):
            home.own.append(sample)
    _add_documents(plan, phases, leaves, gate)
    if replay:
        _add_replay(plan, phases, gate, earlier=earlier, general=general_chats() if general is None else general)
    gate.check(sample for phase in phases.values() for sample in phase.samples)
    return list(phases.values()), gate.left_out


def phase_of(sample: Sample, names: Sequence[str]) -> str:
    """The phase, of those named, that a sample belongs to: by its leaf's branch and its answer's length."""
    branch = sample.metadata.leaf_path.split("/", 1)[0]
    if branch == "compositional_skills":
        wanted = "skills"
    elif branch == "knowledge" and sample.metadata.length == "short":
        wanted = "knowledge_short"
    else:
        wanted = "knowledge_long"
    return next(name for name in _INSTEAD[wanted] if name in names)


class _Gate:
    """Lets a sample in once, and never one that shows a held-out seed."""

    def __init__(self, leaves: Sequence[PlannedLeaf]) -> None:
        self.left_out = LeftOut()
        self._seen: set[str] = set()
        self._held_prints = {seed.fingerprint for leaf in leaves for seed in leaf.held_out}
        self._held_questions = {question_key(_asked(leaf, seed)) for leaf in leaves for seed in leaf.held_out}

    def admits(self, sample: Sample) -> bool:
        if not all(message.content.strip() for message in sample.messages):
            self.left_out.empty += 1
            return False
        if self._shows_held_out(sample):
            self.left_out.held_out += 1
            return False
        key = question_key(sample.messages[0].content if len(sample.messages) == 1 else _question(sample))
        if key in self._seen:
            self.left_out.duplicate += 1
            return False
        self._seen.add(key)
        return True

    def check(self, samples: Iterable[Sample]) -> None:
        """The promise, checked on what is about to be written.

        Raises:
            StageFailure: a held-out seed got in, which is a fault of the program.
        """
        for sample in samples:
            if self._shows_held_out(sample):
                raise StageFailure(
                    StageProblem(
                        code="held_out_leak",
                        message=f"The sample {sample.sample_id} shows a held-out seed; the mixture was not made.",
                        advice="Report this fault: scores of this round would mean nothing.",
                    )
                )

    def _shows_held_out(self, sample: Sample) -> bool:
        if self._held_prints.intersection(sample.metadata.seeds):
            return True
        return len(sample.messages) > 1 and question_key(_question(sample)) in self._held_questions


def question_key(text: str) -> str:
    """By what two questions are the same; the text itself where it has no word (``3 + 4 = ?`` and ``3 - 4 = ?``)."""
    # Signs are dropped from prose, but between numbers they are the question.
    signs = "".join(sign for sign in text if sign in "+-−*×/÷=<>%^") if any(c.isdigit() for c in text) else ""
    return hashlib.sha256(f"{normalised(text)}\x00{signs}".encode()).hexdigest()


def _question(sample: Sample) -> str:
    return "\n".join(message.content for message in sample.messages if message.role == "user")


def _asked(leaf: PlannedLeaf, seed: SeedPair) -> str:
    """What the student is asked: a knowledge question by itself, a grounded one with its text."""
    return user_text(seed.question, None if leaf.kind is LeafKind.KNOWLEDGE else seed.context)


# --- Own samples -------------------------------------------------------------------------------------


def _own_samples(
    plan: RoundPlan, leaves: Sequence[PlannedLeaf], generated: Iterable[Sample], gate: _Gate
) -> Iterator[Sample]:
    """Taught seeds first, then foundational data, then the teacher's samples in an order of their own."""
    for leaf in leaves:
        for seed in leaf.seeds:
            yield _seed_sample(leaf, seed, "foundational" if leaf.kind is LeafKind.FOUNDATIONAL else "seed")
    yield from _foundational(plan, leaves, gate)
    # Samples arrive in the order in which the teacher answered; the mixture must not depend on that.
    yield from sorted(generated, key=lambda sample: (sample.metadata.leaf_path, sample.sample_id))


def _seed_sample(leaf: PlannedLeaf, seed: SeedPair, origin: Literal["seed", "foundational"]) -> Sample:
    return Sample(
        sample_id=f"{origin}-{leaf.leaf_id}-{seed.fingerprint}",
        messages=(
            Message(role="user", content=_asked(leaf, seed)),
            Message(role="assistant", content=seed.answer.strip()),
        ),
        metadata=SampleMetadata(
            leaf_id=leaf.leaf_id,
            leaf_path=leaf.path,
            origin=origin,
            length="short" if len(seed.answer.split()) <= SHORT_ANSWER_WORDS else "long",
            seeds=(seed.fingerprint,),
        ),
    )


def _foundational(plan: RoundPlan, leaves: Sequence[PlannedLeaf], gate: _Gate) -> Iterator[Sample]:
    """Rows of the foundational leaves' data, as many for each leaf as others have generated samples.

    The whole is shared out in proportion to the leaves' rows, so that a large data set counts for more than a small
    one and none drowns what the round teaches.
    """
    with_data = [leaf for leaf in leaves if leaf.kind is LeafKind.FOUNDATIONAL and leaf.data]
    rows = [len(leaf.data) for leaf in with_data]
    bound = plan.recipe.generation.samples_per_leaf * len(with_data)
    for leaf, share in zip(with_data, in_proportion(bound, rows), strict=True):
        draw = _random(plan, "foundational", leaf.leaf_id)
        gate.left_out.foundational_surplus += len(leaf.data) - share
        for index in sorted(draw.sample(range(len(leaf.data)), share)):
            yield _seed_sample(leaf, leaf.data[index], "foundational")


def in_proportion(total: int, sizes: Sequence[int]) -> list[int]:
    """``total`` shared out in proportion to ``sizes`` (largest remainders), each share at most its size."""
    whole = sum(sizes)
    if whole <= total:
        return list(sizes)
    shares = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(total * sizes[i] % whole), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def _add_documents(
    plan: RoundPlan, phases: dict[str, PhaseMixture], leaves: Sequence[PlannedLeaf], gate: _Gate
) -> None:
    """The texts of knowledge leaves, in pieces, for the phases that are to read them."""
    readers = [phase.name for phase in plan.recipe.tuning.phases if phase.include_documents]
    for leaf in leaves:
        if leaf.kind is not LeafKind.KNOWLEDGE or not readers:
            continue
        for sample in document_samples(leaf, chunk_tokens=plan.recipe.generation.chunk_tokens):
            if gate.admits(sample):
                for name in readers:
                    phases[name].own.append(sample)


def document_samples(leaf: PlannedLeaf, *, chunk_tokens: int) -> Iterator[Sample]:
    """A knowledge leaf's documents in pieces; where it has none, the contexts of its taught seeds."""
    contexts = dict.fromkeys(seed.context for seed in leaf.seeds if seed.context)
    documents = leaf.documents or tuple(
        Document(name=f"context {number}", text=text) for number, text in enumerate(contexts, 1)
    )
    for chunk in chunks_of(documents, chunk_tokens=chunk_tokens, count=count_tokens_of(None)):
        text = f"{chunk.heading}\n\n{chunk.text}" if chunk.heading else chunk.text
        digest = hashlib.sha256(f"{chunk.document}\x00{chunk.start}\x00{text}".encode()).hexdigest()[:16]
        yield Sample(
            sample_id=f"document-{leaf.leaf_id}-{digest}",
            messages=(Message(role="assistant", content=text),),
            metadata=SampleMetadata(
                leaf_id=leaf.leaf_id,
                leaf_path=leaf.path,
                origin="document",
                length="long",
                span=(chunk.document, chunk.start, chunk.end),
            ),
        )


# --- Replay ------------------------------------------------------------------------------------------


def _add_replay(
    plan: RoundPlan,
    phases: dict[str, PhaseMixture],
    gate: _Gate,
    *,
    earlier: Iterable[Sample],
    general: Sequence[Sample],
) -> None:
    """Give every phase its shares of earlier phases' samples and of general chats and earlier releases' samples."""
    chats = [sample for sample in general if gate.admits(sample)]
    _random(plan, "general", "").shuffle(chats)
    before = [_as_earlier(sample) for sample in earlier if sample.metadata.origin != "general"]
    before = _by_turns([sample for sample in before if gate.admits(sample)], _random(plan, "earlier", ""))
    chat_at = before_at = 0
    done: list[PhaseMixture] = []
    for recipe in plan.recipe.tuning.phases:
        phase = phases[recipe.name]
        replayed, from_general = replay_counts(len(phase.own), recipe.replay, recipe.general_replay)
        # A text that several phases read is this phase's own already.
        own = {sample.sample_id for sample in phase.own}
        pool = [sample for other in done for sample in other.own if sample.sample_id not in own]
        phase.replayed = _by_turns(pool, _random(plan, "replay", recipe.name))[:replayed]
        # Half from earlier releases where there are any, the rest from general chats, the one making up for the
        # other. Phases go on where the one before stopped, so that all are used before any comes again.
        of_before = min(len(before), from_general - min(len(chats), from_general // 2))
        of_chats = min(len(chats), from_general - of_before)
        phase.general = [before[(before_at + i) % len(before)] for i in range(of_before)]
        phase.general += [chats[(chat_at + i) % len(chats)] for i in range(of_chats)]
        before_at, chat_at = before_at + of_before, chat_at + of_chats
        if phase.own:
            done.append(phase)


def replay_counts(own: int, replay: float, general: float) -> tuple[int, int]:
    """How many samples to add so that they make up the shares ``replay`` and ``general`` of the whole phase."""
    whole = own / (1 - replay - general)
    return round(whole * replay), round(whole * general)


def _by_turns(samples: Sequence[Sample], draw: random.Random) -> list[Sample]:
    """All samples, each leaf giving one in turn, drawn within the leaf: any beginning is spread over all leaves."""
    by_leaf: dict[str, list[Sample]] = {}
    for sample in samples:
        by_leaf.setdefault(sample.metadata.leaf_id, []).append(sample)
    queues = list(by_leaf.values())
    for queue in queues:
        draw.shuffle(queue)
    draw.shuffle(queues)
    turns: list[Sample] = []
    while queues:
        turns += [queue.pop() for queue in queues]
        queues = [queue for queue in queues if queue]
    return turns


def _as_earlier(sample: Sample) -> Sample:
    return sample.model_copy(update={"metadata": sample.metadata.model_copy(update={"origin": "earlier_release"})})


def _random(plan: RoundPlan, purpose: str, name: str) -> random.Random:
    """A generator for one purpose: what is drawn for another cannot change what this one gives."""
    return random.Random(f"{plan.random_seed}/{purpose}/{name}")  # noqa: S311  # draws samples, keeps no secrets


# --- The stage ---------------------------------------------------------------------------------------


def run(spec: StageSpec, context: StageContext) -> dict[str, Any]:
    """The MIXTURE stage: ``<phase>.jsonl`` with ``phases.json``, and the control arm's under ``control/``.

    Inputs: ``generation`` (its ``samples.jsonl``; absent for a round without generated samples), perhaps ``decisions``
    (what people decided about its rows), and any number of ``earlier:<n>``, the mixtures of earlier rounds.
    """
    verdicts = _read_verdicts(context.store, spec.inputs.get("decisions"))
    generated = _read_generated(context.store, spec.inputs.get("generation"), verdicts)
    roles = sorted(role for role in spec.inputs if role.startswith("earlier:"))
    earlier = [sample for role in roles for sample in _read_mixture(context.store, spec.inputs[role])]
    artifact = context.store.artifact(spec.output)
    context.check()
    arms = {"": True}
    if context.plan.recipe.tuning.control == "without_replay":
        arms[f"{CONTROL}/"] = False
    result: dict[str, Any] = {}
    for position, (folder, replay) in enumerate(arms.items(), 1):
        phases, left_out = build_mixture(context.plan, context.leaves, generated, earlier=earlier, replay=replay)
        if not any(phase.own for phase in phases):
            raise StageFailure(
                StageProblem(
                    code="empty_mixture",
                    message="There is no sample to tune on: no seed, no generated sample and no document.",
                    advice="Look at the dropped samples of the generation stage, or plan the round with more leaves.",
                )
            )
        for phase in phases:
            lines = [json.dumps(sample.model_dump(mode="json"), ensure_ascii=False) for sample in phase.samples]
            artifact.write_text(f"{folder}{phase.name}.jsonl", "".join(f"{line}\n" for line in lines))
        counts = [phase.as_json() for phase in phases]
        artifact.write_json(f"{folder}{PHASES_FILE}", {"phases": counts, "left_out": left_out.as_json()})
        result["control" if folder else "phases"] = [
            {key: count[key] for key in ("name", "samples", "own", "replayed", "general", "origins")}
            for count in counts
        ]
        if not folder:
            result["left_out"] = left_out.as_json()
            result["samples"] = sum(count["samples"] for count in counts)
            result["by_hand"] = {"restored": len(verdicts.restored), "rejected": len(verdicts.rejected)}
        context.report(Progress(done=position, total=len(arms), unit="arms", message="Mixing the phases"))
        context.check()
    return result


def _read_verdicts(store: ArtifactStore, artifact_id: str | None) -> RowVerdicts:
    if artifact_id is None:
        return RowVerdicts()
    try:
        return RowVerdicts.model_validate(store.artifact(artifact_id).read_json("decisions.json"))
    except ValidationError as error:
        raise ArtifactProblem(f"Artifact {artifact_id} holds no decisions about rows.") from error


def _read_generated(store: ArtifactStore, artifact_id: str | None, verdicts: RowVerdicts) -> list[Sample]:
    """The samples that were kept, without those that people rejected, and the dropped rows that they restored.

    Raises:
        ArtifactProblem: a decision is about a row that the artifact does not have.
    """
    if artifact_id is None:
        return []
    rejected, restored = set(verdicts.rejected), set(verdicts.restored)
    kept = []
    for sample in _samples(store, artifact_id, "samples.jsonl"):
        if sample.sample_id in rejected:
            rejected.discard(sample.sample_id)
        else:
            kept.append(sample)
    if restored:
        for line in store.artifact(artifact_id).lines("dropped.jsonl"):
            # Few rows are restored: the others are not worth reading.
            if line and any(name in line for name in restored):
                row = DroppedSample.model_validate_json(line)
                if row.sample.sample_id in restored:
                    restored.discard(row.sample.sample_id)
                    kept.append(row.sample)
    unknown = sorted(rejected | restored)
    if unknown:
        raise ArtifactProblem(f"A decision is about the row {unknown[0]}, which artifact {artifact_id} does not have.")
    return kept


def _read_mixture(store: ArtifactStore, artifact_id: str) -> Iterator[Sample]:
    """The samples of an earlier round's mixture, each once."""
    seen: set[str] = set()
    for phase in store.artifact(artifact_id).read_json(PHASES_FILE)["phases"]:
        for sample in _samples(store, artifact_id, phase["file"]):
            if sample.sample_id not in seen:
                seen.add(sample.sample_id)
                yield sample


def _samples(store: ArtifactStore, artifact_id: str, name: str) -> Iterator[Sample]:
    """
    Raises:
        ArtifactProblem: the artifact is unfinished, or a line is no sample.
    """
    artifact = store.artifact(artifact_id)
    artifact.manifest()
    for number, line in enumerate(artifact.lines(name), 1):
        if line:
            try:
                yield Sample.model_validate_json(line)
            except ValidationError as error:
                raise ArtifactProblem(f"Artifact {artifact_id}: line {number} of {name} is not a sample.") from error
