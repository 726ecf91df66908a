"""A few rows of every leaf before a round runs, and what they say about its cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from taxonomy_app.people.models import User
from taxonomy_app.rounds import services
from taxonomy_app.rounds.models import Round, RoundState, Stage
from taxonomy_app.rounds.presentation import StageView
from taxonomy_app.rounds.services.plan import seed_history
from taxonomy_app.rounds.services.preview import ROWS_PER_LEAF, preview_pace
from tests.taxonomy_app.rounds.making import NOW, FakeBroker, make_round, run_stage, tiny_recipe
from workers.specs import StageKind

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits")]


@pytest.fixture
def planned(administrator: User) -> Round:
    return make_round(administrator, recipe=tiny_recipe(samples=40))


@pytest.fixture
def preview(planned: Round, administrator: User, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> Round:
    monkeypatch.setattr("taxonomy_app.rounds.services.plan.plan_write", lambda *_: None)
    made = services.round_preview(round=planned, actor=administrator, now=NOW)
    services.round_prepare(round_id=made.pk, now=NOW)
    return made


def test_a_preview_asks_for_a_few_samples_with_the_seeds_and_the_seed_of_its_round(
    planned: Round, preview: Round
) -> None:
    theirs, ours = planned.read_plan(), preview.read_plan()
    assert ours.recipe.generation.samples_per_leaf == ROWS_PER_LEAF
    assert (ours.leaves, ours.random_seed, ours.teacher) == (theirs.leaves, theirs.random_seed, theirs.teacher)
    pinned = ("leaf_id", "blob", "taught", "held_out")
    assert list(preview.leaves.values_list(*pinned)) == list(planned.leaves.values_list(*pinned))
    assert [stage.kind for stage in preview.stages.all()] == [StageKind.GENERATION.value]
    assert planned.leaves.count() == 2, "the round keeps its own leaves"


def test_a_preview_ends_after_generation_and_leaves_its_round_as_it_was(
    planned: Round, preview: Round, administrator: User, fake_broker: FakeBroker, client_for: Callable[..., Client]
) -> None:
    run_stage(fake_broker, preview)
    preview.refresh_from_db()
    planned.refresh_from_db()
    assert (preview.state, planned.state) == (RoundState.DONE, RoundState.PLANNED)
    assert not hasattr(preview, "release")
    client = client_for(administrator)
    assert [each.pk for each, _, _ in client.get(reverse("rounds:list")).context["rows"]] == [planned.pk]
    page = client.get(planned.get_absolute_url()).text
    assert "At the pace of the preview (8 samples)" in page
    assert "Preview again" in page
    shown = client.get(preview.get_absolute_url()).text
    assert "Nothing is tuned" in shown
    assert "Plan again from this round" not in shown
    assert len(client.get(reverse("rounds:samples", args=[preview.pk])).context["rows"]) == 8
    services.round_start(round=planned, actor=administrator, now=NOW)


def test_the_pace_is_that_of_the_kept_samples(planned: Round, preview: Round, fake_broker: FakeBroker) -> None:
    assert preview_pace(preview, 80) is None
    run_stage(fake_broker, preview)
    Stage.objects.filter(round=preview).update(
        result={"samples": 10, "requests": 45, "prompt_tokens": 900, "completion_tokens": 100, "seconds": 12.0}
    )
    pace = preview_pace(preview, 80)
    assert pace is not None
    assert (pace.requests, pace.tokens, pace.seconds) == (360, 8000, 96.0)
    Stage.objects.filter(round=preview).update(result={"samples": 0, "requests": 45})
    assert preview_pace(preview, 80) is None


def test_seeds_that_a_preview_showed_to_the_teacher_are_never_held_out_later(preview: Round) -> None:
    leaf = preview.leaves.first()
    assert leaf is not None
    assert seed_history([leaf.leaf_id])[leaf.leaf_id].taught == frozenset(leaf.taught)


def test_only_a_round_that_has_not_started_has_a_preview_and_one_at_a_time(
    planned: Round, preview: Round, administrator: User, fake_broker: FakeBroker
) -> None:
    with pytest.raises(ValidationError, match="being made already"):
        services.round_preview(round=planned, actor=administrator, now=NOW)
    with pytest.raises(ValidationError, match="planned and not yet started"):
        services.round_preview(round=preview, actor=administrator, now=NOW)
    services.round_cancel(round=preview, actor=administrator, now=NOW)
    services.round_cancel(round=planned, actor=administrator, now=NOW)
    with pytest.raises(ValidationError, match="planned and not yet started"):
        services.round_preview(round=planned, actor=administrator, now=NOW)


@pytest.mark.parametrize(
    ("done", "expected"),
    [(0, ""), (1, ""), (25, "about 400 requests and 20,000 tokens in all at this pace"), (100, "")],
)
def test_what_a_running_generation_will_take_is_told_at_the_pace_so_far(done: int, expected: str) -> None:
    stage = Stage(
        kind="generation",
        state="running",
        progress={"done": done, "total": 100, "figures": {"requests": 100.0, "tokens": 5000.0}},
    )
    assert StageView(stage, "", 1, 10.0, None).expected == expected
