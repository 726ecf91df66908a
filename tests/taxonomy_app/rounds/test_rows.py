"""Rows of a generation: found by their index, and decided about by hand while the round waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from taxonomy_app.people.models import User
from taxonomy_app.rounds import rows, services
from taxonomy_app.rounds.models import Round, RoundState, RowDecision
from taxonomy_app.rounds.rows import Row, read_funnel, read_page, read_row
from taxonomy_app.rounds.services.record import artifact_store, cache_folder
from taxonomy_app.rounds.services.rows import verdicts_of
from taxonomy_app.web.history import HistoryProblem
from tests.taxonomy_app.rounds.making import NOW, FakeBroker, make_running, run_all, run_stage, sample
from workers.artifacts import Artifact, ArtifactStore
from workers.specs import DroppedSample, FunnelStep, Message, StageKind

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits", "fake_broker")]
ClientFor = Callable[..., Client]


# --- The index ------------------------------------------------------------------------------------------------


def many_rows(folder: Path, count: int) -> Artifact:
    """Kept and dropped rows of three leaves by turns; every fifth dropped row by another filter."""
    artifact = ArtifactStore(f"file://{folder}").artifact("generation-many")
    made = [sample(f"leaf-{n % 3}", f"knowledge/ä/{n % 3}", n) for n in range(count)]
    dropped = [
        DroppedSample(sample=row, filter="length" if n % 5 else "form", reason="No.", score=None)
        for n, row in enumerate(made)
    ]
    artifact.write_text("samples.jsonl", "".join(row.model_dump_json() + "\n" for row in made))
    artifact.write_text("dropped.jsonl", "".join(row.model_dump_json() + "\n" for row in dropped))
    artifact.finish(kind="generation")
    return artifact


def test_a_leafs_funnel_counts_tasks_about_passages_beside_its_questions(tmp_path: Path) -> None:
    artifact = ArtifactStore(f"file://{tmp_path}").artifact("made")
    steps = [
        FunnelStep(leaf_id="l", step="question", given=10, kept=8, dropped={"form": 2}),
        FunnelStep(leaf_id="l", step="answer", given=8, kept=5, dropped={"grounding": 3}),
        FunnelStep(leaf_id="l", step="summary", task="summary", given=3, kept=2, dropped={"condensed": 1}),
        FunnelStep(leaf_id="l", step="extract", task="extract", given=2, kept=0, dropped={"verbatim": 2}),
    ]
    artifact.write_json("funnel.json", [step.model_dump(mode="json") for step in steps])
    leaf = read_funnel(artifact)["l"]
    assert (leaf.asked, leaf.kept, leaf.dropped_total) == (15, 7, 8)


def test_every_page_has_the_rows_that_match_in_their_order(tmp_path: Path) -> None:
    artifact, cache = many_rows(tmp_path / "store", 100), tmp_path / "cache"
    wanted = [n for n in range(100) if n % 3 == 1 and n % 5]
    found = []
    for number in range(1, 6):
        page = read_page(
            artifact, cache=cache, dropped=True, number=number, size=6, leaf_id="leaf-1", filter_name="length"
        )
        found += [row.position for row in page.rows]
        assert page.has_next == (number * 6 < len(wanted))
        assert {(row.filter, row.sample.metadata.leaf_id) for row in page.rows} <= {("length", "leaf-1")}
    assert found == wanted
    assert read_page(artifact, cache=cache, dropped=False, number=1, size=6, leaf_id="nobody").rows == []
    row = read_row(artifact, 99, cache=cache, dropped=False)
    assert row is not None
    assert row.sample.sample_id == "0-99"
    assert read_row(artifact, 100, cache=cache, dropped=False) is None


def test_a_page_reads_its_own_rows_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, cache = many_rows(tmp_path / "store", 300), tmp_path / "cache"
    read_page(artifact, cache=cache, dropped=False, number=1, size=5)
    rows._read_index.cache_clear()
    read: list[bytes] = []
    spans = Artifact.spans
    monkeypatch.setattr(Artifact, "spans", lambda *a: (read.append(line) or line for line in spans(*a)))  # type: ignore[func-returns-value]
    monkeypatch.setattr(Artifact, "byte_lines", lambda *_: pytest.fail("the file was read from its beginning"))
    page = read_page(artifact, cache=cache, dropped=False, number=40, size=5)
    assert [json.loads(line)["sample_id"] for line in read] == [row.sample.sample_id for row in page.rows]
    assert len(read) == 5


def test_a_search_for_words_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, cache = many_rows(tmp_path / "store", 60), tmp_path / "cache"
    monkeypatch.setattr(rows, "MOST_SEARCHED", 30)
    page = read_page(artifact, cache=cache, dropped=False, number=1, size=5, text="QUESTION 1")
    assert [row.position for row in page.rows] == [1, 10, 11, 12, 13]
    assert page.has_next
    assert read_page(artifact, cache=cache, dropped=False, number=1, size=5, text="question 55 ").searched == 30
    narrowed = read_page(artifact, cache=cache, dropped=False, number=1, size=5, leaf_id="leaf-1", text="question 55 ")
    assert [row.position for row in narrowed.rows] == [55]
    assert narrowed.searched is None


# --- Decisions by hand ------------------------------------------------------------------------------------------


@pytest.fixture
def held(administrator: User, fake_broker: FakeBroker) -> Round:
    """A round whose samples wait to be looked at."""
    running = make_running(administrator, holds=True)
    run_stage(fake_broker, running)
    running.refresh_from_db()
    return running


def row_of(round_: Round, position: int, *, dropped: bool) -> Row:
    generation = round_.stages.get(kind=StageKind.GENERATION.value)
    artifact = artifact_store().artifact(generation.output_artifact)
    found = read_row(artifact, position, cache=cache_folder(), dropped=dropped)
    assert found is not None
    return found


def decide(round_: Round, row: Row, verdict: str, actor: User) -> None:
    services.row_decide(round=round_, row=row, verdict=verdict, actor=actor, now=NOW)


def test_a_round_that_holds_waits_after_generation_and_goes_on_only_when_told(
    held: Round, administrator: User, fake_broker: FakeBroker
) -> None:
    assert held.state == RoundState.HELD
    assert [spec.reference.kind for spec in fake_broker.specs] == [StageKind.GENERATION]
    services.attempts_reap(now=NOW)
    assert len(fake_broker.specs) == 1
    outputs = list(held.stages.values_list("output_artifact", flat=True))
    services.round_go_on(round=held, actor=administrator, now=NOW)
    assert fake_broker.specs[-1].reference.kind == StageKind.MIXTURE
    assert list(held.stages.values_list("output_artifact", flat=True)) == outputs, "nothing was decided"
    run_all(fake_broker, held)
    held.refresh_from_db()
    assert held.state == RoundState.DONE
    with pytest.raises(ValidationError, match="does not wait to go on"):
        services.round_go_on(round=held, actor=administrator, now=NOW)


def test_decisions_become_an_input_of_the_mixture_and_part_of_every_later_name(
    held: Round, administrator: User, fake_broker: FakeBroker
) -> None:
    before = dict(held.stages.values_list("kind", "output_artifact"))
    kept, dropped = row_of(held, 0, dropped=False), row_of(held, 1, dropped=True)
    decide(held, kept, "reject", administrator)
    decide(held, dropped, "restore", administrator)
    services.round_go_on(round=held, actor=administrator, now=NOW)
    after = dict(held.stages.values_list("kind", "output_artifact"))
    assert {kind for kind in before if before[kind] != after[kind]} == set(before) - {"generation"}
    mixture = fake_broker.specs[-1]
    assert mixture.inputs["generation"] == before["generation"]
    told = artifact_store().artifact(mixture.inputs["decisions"]).read_json("decisions.json")
    assert told == {"restored": [dropped.sample.sample_id], "rejected": [kept.sample.sample_id]}
    run_all(fake_broker, held)
    specs = {spec.reference.kind: spec for spec in fake_broker.specs}
    assert specs[StageKind.TUNING].inputs == {"mixture": after["mixture"]}
    assert specs[StageKind.EVALUATION].inputs == {"tuning": after["tuning"], "control": after["control"]}
    reason = held.events.get(what="went_on").reason
    assert reason == "Went on with 1 restored and 1 rejected by hand."


def test_a_decision_can_be_taken_back_and_the_history_keeps_both(held: Round, administrator: User) -> None:
    row = row_of(held, 0, dropped=False)
    decide(held, row, "reject", administrator)
    with pytest.raises(ValidationError, match="decided about already"):
        decide(held, row, "reject", administrator)
    decide(held, row, "back", administrator)
    assert verdicts_of(held).rejected == ()
    with pytest.raises(ValidationError, match="decided about already"):
        decide(held, row, "back", administrator)
    assert list(RowDecision.objects.values_list("verdict", flat=True)) == ["reject", "back"]
    with pytest.raises(HistoryProblem):
        RowDecision.objects.all().delete()


def test_what_is_scored_or_half_a_row_cannot_be_restored(held: Round, administrator: User) -> None:
    row = row_of(held, 0, dropped=True)
    scored = Row(row.sample, 0, "held_out", "It is too like a held-out seed.")
    half = Row(row.sample.model_copy(update={"messages": (Message(role="user", content="Why?"),)}), 0, "form", "No.")
    empty = Row(row.sample.model_copy(update={"messages": ()}), 0, "form", "It is empty.")
    for wrong, why in ((scored, "teach what is scored"), (half, "before it had an answer"), (empty, "had an answer")):
        with pytest.raises(ValidationError, match=why):
            decide(held, wrong, "restore", administrator)
    for wrong, verdict in ((row, "reject"), (row_of(held, 0, dropped=False), "restore"), (row, "delete")):
        with pytest.raises(ValidationError, match="dropped row can be restored, a kept one rejected"):
            decide(held, wrong, verdict, administrator)
    assert not RowDecision.objects.exists()


def test_rows_are_decided_about_only_while_the_round_waits(
    held: Round, administrator: User, fake_broker: FakeBroker
) -> None:
    row = row_of(held, 0, dropped=False)
    services.round_go_on(round=held, actor=administrator, now=NOW)
    with pytest.raises(ValidationError, match="only before the student is tuned"):
        decide(held, row, "reject", administrator)


def test_a_held_round_can_be_cancelled(held: Round, administrator: User) -> None:
    assert services.round_cancel(round=held, actor=administrator, now=NOW) == RoundState.CANCELLED
    assert set(held.stages.values_list("state", flat=True)) == {"done", "cancelled"}


# --- The pages ----------------------------------------------------------------------------------------------------


def test_rows_are_rejected_restored_and_taken_back_on_the_page(
    held: Round, client_for: ClientFor, administrator: User, contributor: User
) -> None:
    page, act = reverse("rounds:samples", args=[held.pk]), reverse("rounds:decide", args=[held.pk])
    client = client_for(administrator)
    assert "Reject</button>" in client.get(page).text
    assert "Restore</button>" in client.get(page, {"show": "dropped"}).text
    for other in (client_for(contributor), client_for(None)):
        assert "</button>Reject" not in other.get(page).text
        assert 'name="verdict"' not in other.get(page).text
    row = row_of(held, 2, dropped=True)
    fields = {"show": "dropped", "position": "2", "sample": row.sample.sample_id, "query": "show=dropped&q=x&page=1"}
    answer = client.post(act, {**fields, "verdict": "restore"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{page}?show=dropped&q=x&page=1#row-2"
    shown = client.get(page, {"show": "dropped"}).text
    assert "Take it back</button>" in shown
    assert "1 restored and 0 rejected by hand" in shown
    client.post(act, {**fields, "verdict": "back"})
    assert "Take it back</button>" not in client.get(page, {"show": "dropped"}).text
    assert client.get(held.get_absolute_url()).text.count(reverse("rounds:go_on", args=[held.pk])) == 1


@pytest.mark.parametrize(
    "changes",
    [{"position": "1"}, {"position": "999"}, {"position": "-1"}, {"position": "x"}, {"sample": "other"}],
    ids=str,
)
def test_a_row_is_named_by_its_place_and_its_id(
    changes: dict[str, str], held: Round, client_for: ClientFor, administrator: User
) -> None:
    row = row_of(held, 0, dropped=False)
    fields = {"show": "kept", "position": "0", "sample": row.sample.sample_id, "verdict": "reject"}
    client, act = client_for(administrator), reverse("rounds:decide", args=[held.pk])
    assert client.post(act, {**fields, **changes}).status_code == 404
    assert (
        client.post(act, {**fields, "query": "//evil.example/?next=http://evil.example"})
        .headers["Location"]
        .startswith(reverse("rounds:samples", args=[held.pk]))
    )


def test_a_round_is_planned_to_wait_by_the_form(client_for: ClientFor, administrator: User) -> None:
    from tests.taxonomy_app.rounds.making import make_leaf

    make_leaf("compositional_skills/writing/haiku")
    client_for(administrator).post(reverse("rounds:new"), {"recipe": "quick", "holds": "on"})
    assert Round.objects.get().holds


# --- Training data ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_the_data_of_a_round_is_downloaded_as_instructlab_reads_it(
    administrator: User, fake_broker: FakeBroker, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taxonomy_app.rounds.views.LINES_IN_A_PIECE", 2)
    running = make_running(administrator)
    run_stage(fake_broker, running)
    artifact = artifact_store().artifact(fake_broker.specs[-1].output)
    made = [sample("leaf-1", "knowledge/a", n) for n in range(3)]
    artifact.write_text("stacked.jsonl", "".join(row.model_dump_json() + "\n" for row in made))
    artifact.write_json("phases.json", {"phases": [{"name": "stacked", "file": "stacked.jsonl"}]})
    artifact.write_json("result.json", {"phases": [{"name": "stacked", "samples": 3}]})
    artifact.finish(kind="mixture")
    run_all(fake_broker, running)
    client = client_for(administrator)
    address = reverse("rounds:data", args=[running.pk, "skills_train_msgs"])
    assert address in client.get(running.get_absolute_url()).text
    answer = client.get(address)
    rows_ = [json.loads(line) for line in b"".join(answer).decode().splitlines()]
    assert [row["id"] for row in rows_] == [row.sample_id for row in made]
    assert rows_[0]["messages"][-1] == {"role": "assistant", "content": "Answer 0."}
    for name in ("knowledge_train_msgs", "secrets"):
        assert client.get(reverse("rounds:data", args=[running.pk, name])).status_code == 404
