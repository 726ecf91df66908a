"""Whatever reports, silences, wishes and losses come in whatever order, a round stays consistent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.test import TestCase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_app.people.models import User
from taxonomy_app.rounds import broker, services
from taxonomy_app.rounds.models import ACTIVE, Attempt, Round, RoundEvent, RoundState, Stage, StageState
from tests.taxonomy_app.rounds.making import NOW, FakeBroker, FakeWorker, make_running
from workers.specs import Progress, StageProblem

pytestmark = pytest.mark.django_db
EVENTS = ("started", "heartbeat", "progress", "done", "failed", "cancelled")
FINAL_ROUND = (RoundState.DONE, RoundState.CANCELLED)
FINAL_STAGE = (StageState.DONE, StageState.CANCELLED)

# A step: an operation with the numbers that it needs, chosen small so that they collide.
REPORT = st.tuples(
    st.just("report"),
    st.integers(0, 3),  # which message, counted from the last that was sent
    st.sampled_from(EVENTS),
    st.integers(0, 6),  # sequence
    st.booleans(),  # whether a failure is worth a retry
)
STEP = st.one_of(
    REPORT,
    REPORT,
    st.tuples(st.just("finish"), st.integers(0, 1)),
    st.tuples(st.just("reap"), st.integers(0, 400)),
    st.tuples(st.just("lose_message")),
    st.tuples(st.just("cancel"), st.integers(0, 1)),
    st.tuples(st.just("retry"), st.integers(0, 1)),
    st.tuples(st.just("prepare"), st.integers(0, 1)),
)


class Play:
    """Two rounds on the same plan (so that they contend for artifacts), and the steps that happen to them."""

    def __init__(self, fake: FakeBroker, actor: User) -> None:
        self.fake, self.actor, self.now = fake, actor, NOW
        with TestCase.captureOnCommitCallbacks(execute=True):
            self.rounds = [make_running(actor), make_running(actor)]
        self.attempts: dict[Any, int] = {}
        self.final: dict[Any, str] = {}

    def step(self, step: tuple[Any, ...]) -> None:
        self.now += timedelta(seconds=1)
        with TestCase.captureOnCommitCallbacks(execute=True):
            getattr(self, step[0])(*step[1:])
        self.check()

    def report(self, back: int, event: str, sequence: int, retry: bool) -> None:
        if back >= len(self.fake.specs):
            return
        spec = self.fake.specs[-1 - back]
        more: dict[str, Any] = {}
        if event == "done":
            more = {"artifact": spec.output, "result": FakeWorker().finish(spec, [])}
        elif event == "failed":
            more = {"problem": StageProblem(code="x", message="No.", retry=retry)}
        elif event == "progress":
            more = {"progress": Progress(done=sequence, total=6, curve=((float(sequence), 1.0),))}
        self.fake.queue.discard(broker.task_id(spec.reference))
        services.report_apply(report=FakeWorker().report(spec, event, sequence, **more), now=self.now)

    def finish(self, back: int) -> None:
        """A worker finishes an artifact and dies before it can say so."""
        if back < len(self.fake.specs):
            FakeWorker().finish(self.fake.specs[-1 - back], [])

    def reap(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        services.attempts_reap(now=self.now)

    def lose_message(self) -> None:
        self.fake.queue.clear()

    def cancel(self, which: int) -> None:
        try:
            services.round_cancel(round=self.rounds[which], actor=self.actor, now=self.now)
        except ValidationError:
            assert Round.objects.get(pk=self.rounds[which].pk).is_over

    def retry(self, which: int) -> None:
        try:
            services.stage_retry(round=self.rounds[which], actor=self.actor, now=self.now)
        except ValidationError:
            assert Round.objects.get(pk=self.rounds[which].pk).state != RoundState.FAILED

    def prepare(self, which: int) -> None:
        assert not services.round_prepare(round_id=self.rounds[which].pk, now=self.now)

    def check(self) -> None:
        for round_ in Round.objects.all():
            stages = list(round_.stages.order_by("position"))
            states = [stage.state for stage in stages]
            assert sum(state in ACTIVE for state in states) <= 1, states
            # Stages are done from the first on, without a gap.
            done = [state == StageState.DONE for state in states]
            assert done == sorted(done, reverse=True), states
            assert (round_.state == RoundState.DONE) == all(done)
            assert (round_.ended_at is not None) == round_.is_over
            if round_.state == RoundState.RUNNING:
                waits = [s for s in stages if s.state == StageState.PENDING and s.problem]
                assert any(state in ACTIVE for state in states) or waits, "nothing will ever move this round again"
            if round_.is_over:
                assert not any(state in ACTIVE for state in states)
            if round_.state == RoundState.CANCELLED:
                assert set(states) <= {StageState.DONE, StageState.CANCELLED}
            self.check_final(round_, FINAL_ROUND)
            for stage in stages:
                self.check_final(stage, FINAL_STAGE)
                assert stage.attempt >= self.attempts.get(stage.pk, 0)
                self.attempts[stage.pk] = stage.attempt
                numbers = list(Attempt.objects.filter(stage=stage).order_by("pk").values_list("number", flat=True))
                assert numbers == sorted(set(numbers))
                assert (numbers[-1] if numbers else 0) == stage.attempt
        outputs = Stage.objects.active().values_list("output_artifact", flat=True)
        assert len(set(outputs)) == len(outputs)
        sent = [(spec.output, spec.reference.attempt) for spec in self.fake.specs]
        assert len(set(sent)) == len(sent), "two messages could not be told apart by a worker"
        for round_ in self.rounds:
            assert RoundEvent.objects.filter(round=round_, what="done").count() <= 1

    def check_final(self, row: Round | Stage, final: tuple[str, ...]) -> None:
        if row.pk in self.final:
            assert row.state == self.final[row.pk]
        elif row.state in final:
            self.final[row.pk] = row.state


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    monkeypatch.setattr(
        "taxonomy_app.releases.services.release_create", lambda **arguments: made.append(arguments["round"].pk)
    )
    return made


@given(steps=st.lists(STEP, max_size=30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sequence_of_events_breaks_a_round(
    steps: list[tuple[Any, ...]],
    administrator: User,
    released: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    settings: Any,
) -> None:
    from dataclasses import replace

    released.clear()
    settings.SHARED = replace(settings.SHARED, artifacts_url=f"file://{tmp_path_factory.mktemp('artifacts')}")
    with monkeypatch.context() as patched, transaction.atomic():
        play = Play(FakeBroker().install(patched), administrator)
        play.check()
        for step in steps:
            play.step(step)
        assert len(released) == len(set(released))
        # The next example starts without these rows.
        transaction.set_rollback(True)


def test_a_round_left_alone_with_working_workers_ends(
    administrator: User, released: list[Any], fake_broker: FakeBroker
) -> None:
    """The play itself can reach the end: otherwise the property above would hold for nothing."""
    play = Play(fake_broker, administrator)
    for _ in range(12):
        play.step(("report", 0, "done", 1, False))
    assert [Round.objects.get(pk=r.pk).state for r in play.rounds] == [RoundState.DONE] * 2
    assert released == [r.pk for r in play.rounds]
