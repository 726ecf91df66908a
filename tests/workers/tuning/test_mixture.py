"""The mixture: every sample in its phase once, replay in its share, held-out seeds never, the same at every call."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.tuning.conftest import make_chat
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import shared_settings
from workers.planning import seed_fingerprint
from workers.recipes import recipe
from workers.specs import (
    BUNDLED_MODEL,
    Document,
    DroppedSample,
    LeafKind,
    LeafPin,
    ModelReference,
    PlannedLeaf,
    Recipe,
    RoundPlan,
    Sample,
    SeedPair,
    StageKind,
    StageReference,
    StageSpec,
    TeacherReference,
)
from workers.stages import StageContext, StageFailure
from workers.tuning import mixture
from workers.tuning.general_chats import general_chats
from workers.tuning.mixture import build_mixture, in_proportion, phase_of, question_key, replay_counts

TEXT = "# The ferry\n\nThe ferry leaves at nine. It carries peat to the island in summer and mail in winter."
BRANCH = {
    LeafKind.KNOWLEDGE: "knowledge",
    LeafKind.GROUNDED: "compositional_skills",
    LeafKind.FREEFORM: "compositional_skills",
    LeafKind.FOUNDATIONAL: "foundational_skills",
}


def pair(question: str, answer: str = "Nine.", context: str | None = None) -> SeedPair:
    return SeedPair(fingerprint=seed_fingerprint(question, context), question=question, answer=answer, context=context)


def leaf(name: str, kind: LeafKind, *, seeds: int = 4, held: int = 2, data: int = 0) -> PlannedLeaf:
    context = "The ferry leaves at nine." if kind in (LeafKind.KNOWLEDGE, LeafKind.GROUNDED) else None
    taught = tuple(pair(f"Taught {i} of {name}?", "Nine. " * (30 if i % 2 else 1), context) for i in range(seeds))
    return PlannedLeaf(
        leaf_id=name,
        path=f"{BRANCH[kind]}/{name}",
        kind=kind,
        blob="0",
        seeds=taught,
        held_out=tuple(pair(f"Held {i} of {name}?", "Ten.", context) for i in range(held)),
        documents=(Document(name=f"{name}.md", text=TEXT.replace("ferry", name)),)
        if kind is LeafKind.KNOWLEDGE
        else (),
        data=tuple(pair(f"Row {i} of {name}?") for i in range(data)),
    )


LEAVES = (
    leaf("ferry", LeafKind.KNOWLEDGE),
    leaf("clock", LeafKind.KNOWLEDGE),
    leaf("haiku", LeafKind.FREEFORM),
    leaf("notice", LeafKind.GROUNDED),
    leaf("calendar", LeafKind.FOUNDATIONAL, data=100),
)


def samples_of(leaves: tuple[PlannedLeaf, ...] = LEAVES, count: int = 10) -> list[Sample]:
    return [
        make_chat(
            f"Generated {i} for {one.leaf_id}?",
            "Nine.",
            name=f"g-{one.leaf_id}-{i}",
            leaf=one.leaf_id,
            leaf_path=one.path,
            length="long" if i % 2 else "short",
        )
        for one in leaves
        if one.kind is not LeafKind.FOUNDATIONAL
        for i in range(count)
    ]


def a_recipe(name: str = "quick", **phase: Any) -> Recipe:
    found = recipe(name)
    phases = tuple(old.model_copy(update=phase) for old in found.tuning.phases)
    return found.model_copy(update={"tuning": found.tuning.model_copy(update={"phases": phases})})


def a_plan(leaves: tuple[PlannedLeaf, ...] = LEAVES, used: Recipe | None = None, seed: int = 7) -> RoundPlan:
    return RoundPlan(
        taxonomy_commit="c",
        leaves=tuple(LeafPin(leaf_id=one.leaf_id, path=one.path, blob="0") for one in leaves),
        teacher=TeacherReference(),
        student=ModelReference(name=BUNDLED_MODEL),
        recipe=used or a_recipe(),
        random_seed=seed,
        code_version="test",
    )


def texts(samples: list[Sample]) -> list[str]:
    return [sample.messages[0].content for sample in samples]


def test_each_sample_goes_to_the_phase_of_its_leaf_and_length() -> None:
    phases, _ = build_mixture(a_plan(used=a_recipe(include_documents=True)), LEAVES, samples_of())
    short, long, skills = phases
    assert {s.metadata.leaf_path.split("/")[0] for s in short.own} == {"knowledge"}
    assert {s.metadata.length for s in short.own if s.metadata.origin != "document"} == {"short"}
    assert {s.metadata.origin for s in long.own} == {"generated", "seed", "document", "foundational"}
    assert {s.metadata.leaf_path.split("/")[0] for s in skills.own if s.metadata.origin != "document"} == {
        "compositional_skills"
    }


def test_nothing_taught_or_generated_is_lost() -> None:
    generated = samples_of()
    phases, left_out = build_mixture(a_plan(), LEAVES, generated)
    own = [sample for phase in phases for sample in phase.own]
    assert {s.sample_id for s in generated} <= {s.sample_id for s in own}
    taught = {seed.fingerprint for one in LEAVES for seed in one.seeds}
    assert taught <= {fingerprint for sample in own for fingerprint in sample.metadata.seeds}
    assert (left_out.held_out, left_out.duplicate, left_out.empty) == (0, 0, 0)


def test_a_stacked_recipe_takes_everything_in_its_one_phase() -> None:
    [only], _ = build_mixture(a_plan(used=recipe("stacked")), LEAVES, samples_of())
    assert {s.metadata.leaf_id for s in only.own} == {one.leaf_id for one in LEAVES}
    assert any(s.metadata.origin == "document" for s in only.own)


def test_a_sample_whose_phase_the_recipe_lacks_goes_to_another() -> None:
    sample = make_chat("q", "a", leaf_path="compositional_skills/x")
    assert phase_of(sample, ("knowledge_short", "knowledge_long")) == "knowledge_long"
    assert phase_of(sample, ("stacked",)) == "stacked"


def test_a_knowledge_question_is_asked_without_its_text_and_a_grounded_one_with_it() -> None:
    phases, _ = build_mixture(a_plan(), LEAVES, [])
    seeds = {s.metadata.leaf_id: texts([s])[0] for p in phases for s in p.own if s.metadata.origin == "seed"}
    assert "The ferry leaves" not in seeds["ferry"]
    assert seeds["notice"].startswith("The ferry leaves at nine.\n\nTaught")


def test_held_out_seeds_never_get_in_by_any_way() -> None:
    held = LEAVES[0].held_out[0]
    grounded = LEAVES[3].held_out[0]
    leaks = [
        make_chat(held.question, "Ten.", name="same", leaf_path="knowledge/ferry"),
        make_chat(held.question.upper() + " ", "Ten.", name="folded", leaf_path="knowledge/ferry"),
        make_chat("Another?", "Ten.", name="made from it", leaf_path="knowledge/ferry", seeds=(held.fingerprint,)),
        make_chat(f"{grounded.context}\n\n{grounded.question}", "Ten.", name="grounded"),
    ]
    phases, left_out = build_mixture(a_plan(), LEAVES, leaks, earlier=leaks, general=leaks)
    names = {sample.sample_id for phase in phases for sample in phase.samples}
    assert not names & {leak.sample_id for leak in leaks}
    assert left_out.held_out == 3 * len(leaks)


def test_a_held_out_seed_that_slips_past_the_filter_stops_the_mixture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture._Gate, "admits", lambda *_: True)
    leak = make_chat(LEAVES[0].held_out[0].question, "Ten.", leaf_path="knowledge/ferry")
    with pytest.raises(StageFailure, match="held-out"):
        build_mixture(a_plan(), LEAVES, [leak])


def test_the_same_question_comes_once_and_the_seed_wins() -> None:
    seed = LEAVES[2].seeds[0]
    again = make_chat(f"  {seed.question.lower()}", "Other.", name="again", leaf_path="compositional_skills/haiku")
    phases, left_out = build_mixture(a_plan(), LEAVES, [again])
    assert left_out.duplicate == 1
    assert "again" not in {s.sample_id for p in phases for s in p.samples}
    for phase in phases:
        keys = [question_key(sample.messages[0].content) for sample in phase.samples]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("What is 3 + 4?", "What is 3 - 4?", False),
        ("What is rain?", "what  is RAIN", True),
        ("Naïve question?", "Naïve question?", True),
        ("What is rain?", "What is hail?", False),
    ],
)
def test_questions_are_the_same_by_their_words_and_sums_by_their_signs(first: str, second: str, same: bool) -> None:
    assert (question_key(first) == question_key(second)) is same


def test_an_empty_answer_is_left_out_and_counted() -> None:
    phases, left_out = build_mixture(a_plan(), LEAVES, [make_chat("Why?", " ", name="empty", leaf_path="knowledge/x")])
    assert left_out.empty == 1
    assert "empty" not in {s.sample_id for p in phases for s in p.samples}


def test_replay_has_its_share_and_comes_from_earlier_phases_alone() -> None:
    plan = a_plan(used=a_recipe(replay=0.2, general_replay=0.1))
    phases, _ = build_mixture(plan, LEAVES, samples_of(count=20))
    done: set[str] = set()
    for phase in phases:
        assert {s.sample_id for s in phase.replayed} <= done
        if done:
            assert len(phase.replayed) / len(phase.samples) == pytest.approx(0.2, abs=0.02)
        assert len(phase.general) / len(phase.own) == pytest.approx(0.1 / 0.7, abs=0.02)
        assert {s.metadata.origin for s in phase.general} == {"general"}
        done |= {s.sample_id for s in phase.own}
    last = Counter(s.metadata.leaf_id for s in phases[-1].replayed)
    assert set(last) == {"ferry", "clock", "calendar"}
    assert max(last.values()) - min(last.values()) <= 1


def test_general_chats_of_different_phases_differ_while_there_are_enough() -> None:
    phases, _ = build_mixture(a_plan(), LEAVES, samples_of())
    used = [s.sample_id for phase in phases for s in phase.general]
    assert used
    assert len(used) == len(set(used))


def test_earlier_releases_share_the_general_replay_and_are_marked() -> None:
    before = [make_chat(f"Old {i}?", "Nine.", name=f"old-{i}", leaf=f"old{i % 3}") for i in range(30)]
    before.append(make_chat("General of old?", "Nine.", name="old-general", origin="general"))
    phases, _ = build_mixture(
        a_plan(used=a_recipe(general_replay=0.3, replay=0.0)), LEAVES, samples_of(), earlier=before
    )
    for phase in phases:
        origins = Counter(sample.metadata.origin for sample in phase.general)
        assert set(origins) == {"general", "earlier_release"}
        assert abs(origins["general"] - origins["earlier_release"]) <= 1
    assert "old-general" not in {s.sample_id for p in phases for s in p.samples}


def test_where_general_chats_are_few_earlier_releases_make_up_for_them() -> None:
    before = [make_chat(f"Old {i}?", "Nine.", name=f"old-{i}") for i in range(50)]
    few = [make_chat("Hello?", "Hello.", name="hello", origin="general")]
    phases, _ = build_mixture(
        a_plan(used=a_recipe(general_replay=0.3, replay=0.0)), LEAVES, samples_of(), earlier=before, general=few
    )
    skills = phases[-1]
    assert len(skills.general) == replay_counts(len(skills.own), 0.0, 0.3)[1]


def test_the_control_arm_is_the_same_without_a_replayed_sample() -> None:
    earlier = [make_chat("Old?", "Nine.")]
    with_replay, _ = build_mixture(a_plan(), LEAVES, samples_of(), earlier=earlier)
    without, _ = build_mixture(a_plan(), LEAVES, samples_of(), earlier=earlier, replay=False)
    assert [phase.own for phase in without] == [phase.own for phase in with_replay]
    assert all(phase.samples == phase.own for phase in without)
    assert any(phase.general for phase in with_replay)


def test_foundational_rows_are_bounded_and_shared_in_proportion() -> None:
    leaves = (leaf("big", LeafKind.FOUNDATIONAL, data=300), leaf("small", LeafKind.FOUNDATIONAL, data=100))
    phases, left_out = build_mixture(a_plan(leaves), leaves, [])
    own = Counter(s.metadata.leaf_id for p in phases for s in p.own if "Row" in texts([s])[0])
    bound = 2 * a_recipe().generation.samples_per_leaf
    assert own == {"big": bound * 3 // 4, "small": bound // 4}
    assert left_out.foundational_surplus == 400 - bound


@given(total=st.integers(0, 200), sizes=st.lists(st.integers(0, 90), max_size=8))
@settings(max_examples=100, deadline=None)
def test_shares_in_proportion_add_up_and_fit(total: int, sizes: list[int]) -> None:
    shares = in_proportion(total, sizes)
    assert sum(shares) == min(total, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    for share, size in zip(shares, sizes, strict=True):
        assert abs(share - min(1, total / max(1, sum(sizes))) * size) < 1


def test_a_document_without_a_file_is_read_from_the_taught_contexts() -> None:
    bare = LEAVES[0].model_copy(update={"documents": ()})
    found = list(mixture.document_samples(bare, chunk_tokens=200))
    assert [sample.messages[0].content for sample in found] == ["The ferry leaves at nine."]


def test_the_same_plan_gives_the_same_mixture_whatever_order_samples_came_in() -> None:
    generated = samples_of()
    first, _ = build_mixture(a_plan(), LEAVES, generated)
    second, _ = build_mixture(a_plan(), LEAVES, list(reversed(generated)))
    assert first == second
    other, _ = build_mixture(a_plan(seed=8), LEAVES, generated)
    assert [p.replayed for p in other] != [p.replayed for p in first]


# --- The stage ----------------------------------------------------------------------------------------


def run_stage(
    tmp_path: Path, inputs: dict[str, str], *, used: Recipe | None = None
) -> tuple[ArtifactStore, dict[str, Any]]:
    settings_ = shared_settings({"SEEDBED_VAR": str(tmp_path)})
    store = ArtifactStore(settings_.artifacts_url)
    spec = StageSpec(
        reference=StageReference(round_id="r", stage_id="s", kind=StageKind.MIXTURE, attempt=1),
        plan="plan",
        inputs=inputs,
        output="mixture",
    )
    context = StageContext(settings=settings_, store=store, plan=a_plan(), leaves=LEAVES)
    return store, mixture.run(spec, context)


def write_generation(tmp_path: Path, lines: list[str]) -> None:
    artifact = ArtifactStore(f"file://{tmp_path / 'artifacts'}").artifact("generation")
    artifact.write_text("samples.jsonl", "".join(f"{line}\n" for line in lines))
    artifact.finish(kind="generation")


def test_the_stage_writes_both_arms_with_their_counts(tmp_path: Path) -> None:
    write_generation(tmp_path, [sample.model_dump_json() for sample in samples_of()])
    store, result = run_stage(tmp_path, {"generation": "generation"})
    artifact = store.artifact("mixture")
    for folder in ("", "control/"):
        listed = artifact.read_json(f"{folder}phases.json")["phases"]
        assert [entry["name"] for entry in listed] == ["knowledge_short", "knowledge_long", "skills"]
        for entry in listed:
            lines = [Sample.model_validate_json(line) for line in artifact.lines(folder + entry["file"])]
            assert len(lines) == entry["samples"] == sum(entry["origins"].values())
            assert entry["samples"] == entry["own"] + entry["replayed"] + entry["general"]
            assert sum(entry["leaves"].values()) == entry["own"]
    assert all(entry["replayed"] + entry["general"] == 0 for entry in result["control"])
    assert sum(entry["general"] for entry in result["phases"]) > 0
    json.dumps(result)


def write_decisions(tmp_path: Path, **decided: list[str]) -> None:
    artifact = ArtifactStore(f"file://{tmp_path / 'artifacts'}").artifact("decisions")
    artifact.write_json("decisions.json", decided)
    artifact.finish(kind="decisions")


def taught_ids(store: ArtifactStore) -> set[str]:
    artifact = store.artifact("mixture")
    files = [entry["file"] for entry in artifact.read_json("phases.json")["phases"]]
    return {Sample.model_validate_json(line).sample_id for file in files for line in artifact.lines(file)}


def test_rows_that_people_rejected_are_left_out_and_restored_ones_taught(tmp_path: Path) -> None:
    kept = samples_of()
    dropped = [
        DroppedSample(sample=make_chat(f"Dropped {n}?", "Nine.", name=f"d{n}"), filter="length", reason="No.")
        for n in range(3)
    ]
    artifact = ArtifactStore(f"file://{tmp_path / 'artifacts'}").artifact("generation")
    artifact.write_text("samples.jsonl", "".join(f"{sample.model_dump_json()}\n" for sample in kept))
    artifact.write_text("dropped.jsonl", "".join(f"{row.model_dump_json()}\n" for row in dropped))
    artifact.finish(kind="generation")
    write_decisions(tmp_path, restored=["d1"], rejected=[kept[0].sample_id])
    store, result = run_stage(tmp_path, {"generation": "generation", "decisions": "decisions"})
    taught = taught_ids(store)
    assert "d1" in taught
    assert not taught & {"d0", "d2", kept[0].sample_id}
    assert kept[1].sample_id in taught
    assert result["by_hand"] == {"restored": 1, "rejected": 1}


def test_a_decision_about_a_row_that_is_not_there_is_no_silence(tmp_path: Path) -> None:
    write_generation(tmp_path, [sample.model_dump_json() for sample in samples_of()])
    write_decisions(tmp_path, restored=[], rejected=["nobody"])
    with pytest.raises(ArtifactProblem, match="about the row nobody, which artifact generation does not have"):
        run_stage(tmp_path, {"generation": "generation", "decisions": "decisions"})


def test_an_earlier_rounds_mixture_is_replayed(tmp_path: Path) -> None:
    write_generation(tmp_path, [sample.model_dump_json() for sample in samples_of()])
    old = ArtifactStore(f"file://{tmp_path / 'artifacts'}").artifact("old")
    old.write_text(
        "skills.jsonl",
        "".join(make_chat(f"Old {i}?", "Nine.", name=f"o{i}").model_dump_json() + "\n" for i in range(20)),
    )
    old.write_json("phases.json", {"phases": [{"name": "skills", "file": "skills.jsonl"}], "left_out": {}})
    old.finish(kind="mixture")
    _, result = run_stage(tmp_path, {"generation": "generation", "earlier:0": "old"})
    assert sum(entry["origins"].get("earlier_release", 0) for entry in result["phases"]) > 0


def test_a_round_without_a_single_sample_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.workers.tuning.test_mixture.LEAVES", ())
    with pytest.raises(StageFailure, match="no sample to tune on"):
        run_stage(tmp_path, {})


def test_a_line_that_is_no_sample_is_named(tmp_path: Path) -> None:
    write_generation(tmp_path, [samples_of()[0].model_dump_json(), '{"sample": 1}'])
    with pytest.raises(Exception, match=r"line 2 of samples\.jsonl is not a sample"):
        run_stage(tmp_path, {"generation": "generation"})


# --- General chats -------------------------------------------------------------------------------------


def test_general_chats_are_enough_short_and_all_different() -> None:
    chats = general_chats()
    assert len(chats) >= 80
    assert len({question_key(chat.messages[0].content) for chat in chats}) == len(chats)
    assert max(len(message.content.split()) for chat in chats for message in chat.messages) <= 60
    assert len({chat.metadata.leaf_path for chat in chats}) >= 7


def test_general_chats_share_no_question_with_what_is_evaluated() -> None:
    data = Path(mixture.__file__).parent.parent / "evaluation" / "data"
    files = sorted(data.glob("*.jsonl"))
    assert files, "the evaluation's data is not where this test looks for it"
    evaluated = [json.loads(line)["question"] for file in files for line in file.read_text("utf-8").splitlines()]
    words = {question: set(mixture.normalised(question).split()) for question in evaluated}
    for chat in general_chats():
        asked = set(mixture.normalised(chat.messages[0].content).split())
        for question, other in words.items():
            overlap = len(asked & other) / len(asked | other)
            assert overlap < 0.75, f"{chat.messages[0].content!r} is too much like {question!r}"
