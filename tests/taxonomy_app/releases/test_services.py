"""Making a release from a round, publishing, promoting, rolling back."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from taxonomy_app.releases import services, tasks
from taxonomy_app.releases.models import (
    BenchmarkComparison,
    BenchmarkScore,
    LeafComparison,
    LeafScore,
    Release,
    ReleaseEvent,
    Retention,
)
from taxonomy_app.web.history import HistoryProblem
from tests.taxonomy_app.releases.making import (
    NOW,
    evaluation,
    general_loss,
    leaf_id,
    leaf_scores,
    make_release,
    make_round,
    make_submission,
)

pytestmark = pytest.mark.django_db
HAIKU, TIDES = "compositional_skills/writing/haiku", "knowledge/nature/tides"
LOW, HIGH = [-2.0, -2.2, -2.1, -1.9], [-1.0, -1.1, -0.9, -1.0]


def test_a_release_keeps_every_item_so_that_any_two_can_be_compared(administrator):
    release = make_release(administrator, {HAIKU: (LOW, HIGH)})
    after = LeafScore.objects.get(release=release, subject="after")
    assert [value for _, value, _ in after.items] == HIGH
    assert (after.leaf_id, after.path, after.n, after.taught) == (leaf_id(HAIKU), HAIKU, 4, True)


def test_the_release_of_a_round_is_made_once(administrator):
    made = make_round(administrator, {HAIKU: 6})
    scores = evaluation(*leaf_scores(HAIKU, LOW, HIGH))
    first = services.release_create(round=made, evaluation=scores, now=NOW)
    second = services.release_create(round=made, evaluation=scores, now=NOW + timedelta(hours=1))
    assert first.pk == second.pk
    assert (Release.objects.count(), LeafScore.objects.count(), ReleaseEvent.objects.count()) == (1, 2, 1)


def test_releases_are_numbered_and_take_the_artifacts_of_their_round(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    second = make_release(administrator, {TIDES: (LOW, HIGH)})
    assert (second.number, second.name, second.state) == (2, "Release 2", "candidate")
    assert (second.student_artifact, second.control_artifact) == ("tuning-2", "control-2")
    assert second.evaluation_artifact == "evaluation-2"
    assert second.student_model == "artifact:tuning-2"
    assert second.plan_hash == second.round.plan_hash


def test_an_evaluation_of_another_round_leaves_nothing_behind(administrator):
    made = make_round(administrator, {HAIKU: 6})
    with pytest.raises(ValueError, match="not in Round 1"):
        services.release_create(round=made, evaluation=evaluation(*leaf_scores(TIDES, LOW, HIGH)), now=NOW)
    assert not Release.objects.exists()


def test_comparisons_left_out_by_the_evaluation_are_computed_from_the_items(administrator):
    release = make_release(
        administrator, {HAIKU: (LOW, HIGH)}, extra=general_loss([1.4, 1.3, 1.5], [1.5, 1.4, 1.55], [2.3, 2.4, 2.2])
    )
    leaf = LeafComparison.objects.get(release=release)
    assert leaf.difference == pytest.approx(1.05)
    assert leaf.low is not None
    assert leaf.low > 0
    pairs = BenchmarkComparison.objects.filter(release=release, scope="general").values_list("first", "second")
    assert set(pairs) == {("before", "after"), ("before", "control"), ("control", "after")}
    assert BenchmarkScore.objects.get(release=release, subject="control").mean == pytest.approx(2.3)


def test_the_figures_of_the_headline_are_those_of_the_taught_leaves(administrator):
    release = make_release(
        administrator,
        {HAIKU: (LOW, HIGH), TIDES: (HIGH, LOW)},
        taught={HAIKU: 6, TIDES: 0},
        extra=general_loss([1.4, 1.3, 1.5], [1.5, 1.4, 1.6], [2.3, 2.4, 2.2]),
    )
    figures = release.summary["leaves"]
    assert (figures["taught"], figures["compared"], figures["better"], figures["certain_better"]) == (1, 1, 1, 1)
    assert figures["after"]["mean"] == pytest.approx(-1.0)
    assert release.summary["general"][0]["control_difference"] == pytest.approx(0.9)


# --- what was kept


def test_a_later_release_is_compared_with_the_one_that_taught_the_leaf(administrator):
    first = make_release(administrator, {HAIKU: (LOW, HIGH)})
    second = make_release(administrator, {HAIKU: (LOW, LOW), TIDES: (LOW, HIGH)}, taught={HAIKU: 0, TIDES: 6})
    kept = Retention.objects.get(release=second)
    assert (kept.taught_by, kept.leaf_id, kept.verdict, kept.n) == (first, leaf_id(HAIKU), "forgets", 4)
    assert kept.difference == pytest.approx(-1.05)
    assert second.summary["retention"]["forgets"] == 1
    assert second.summary["retention"]["measures"]["backward_transfer"] == pytest.approx(-1.05)
    third = make_release(administrator, {HAIKU: (LOW, HIGH)}, taught={HAIKU: 6})
    assert Retention.objects.get(release=third).taught_by == first
    assert Retention.objects.get(release=third).verdict == "kept"


def test_an_earlier_leaf_that_was_not_evaluated_has_no_verdict_and_counts_as_missing(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    second = make_release(administrator, {TIDES: (LOW, HIGH)})
    assert not Retention.objects.exists()
    assert second.summary["retention"]["measures"]["missing"] == 1
    assert second.summary["retention"]["measures"]["backward_transfer"] is None


def test_a_leaf_that_was_edited_in_between_is_marked(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH)}, blobs={HAIKU: "1" * 40})
    second = make_release(administrator, {HAIKU: (LOW, HIGH)}, blobs={HAIKU: "2" * 40})
    assert not Retention.objects.get(release=second).same_text


# --- submissions


def test_a_release_contains_the_submissions_that_its_commit_holds_and_its_round_taught(
    administrator, contributor, reviewer
):
    held = make_submission(contributor, reviewer, HAIKU, "a" * 40)
    make_submission(contributor, reviewer, HAIKU, "f" * 40)  # approved after the round was planned
    make_submission(contributor, reviewer, TIDES, "b" * 40)  # evaluated, not taught
    release = make_release(
        administrator,
        {HAIKU: (LOW, HIGH), TIDES: (LOW, HIGH)},
        taught={HAIKU: 6, TIDES: 0},
        contains=lambda commit, ancestor: (commit, ancestor[0]) in {("c" * 40, "a"), ("c" * 40, "b")},
    )
    assert [link.submission for link in release.contributions.all()] == [held]


# --- decisions


@pytest.fixture
def release(administrator):
    return make_release(administrator, {HAIKU: (LOW, HIGH)})


@pytest.fixture
def forgetful(administrator, release):
    """A second release that forgets what the first one taught."""
    second = make_release(administrator, {HAIKU: (LOW, LOW)}, taught={HAIKU: 0})
    return services.release_publish(release=second, actor=administrator, now=NOW)


def promoted(release, administrator, **more):
    services.release_publish(release=release, actor=administrator, now=NOW)
    return services.release_promote(release=release, actor=administrator, now=NOW, **more)


def test_publishing_shows_a_release_to_visitors_and_is_recorded_once(release, administrator):
    assert not Release.objects.visible_for(None).exists()
    assert Release.objects.visible_for(administrator).exists()
    services.release_publish(release=release, actor=administrator, now=NOW)
    services.release_publish(release=release, actor=administrator, now=NOW)
    assert Release.objects.visible_for(None).get() == release
    assert list(release.events.values_list("kind", "actor")) == [("created", None), ("published", administrator.pk)]


def test_publishing_asks_for_the_tag_and_the_task_makes_it_once(
    taxonomy, administrator, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []
    monkeypatch.setattr(services.broker, "task_send", sent.append)
    release = make_release(administrator, {HAIKU: (LOW, HIGH)}, commit=taxonomy.commit)
    elsewhere = make_release(administrator, {TIDES: (LOW, HIGH)}, commit="d" * 40)
    assert services.releases_tag() == []
    with django_capture_on_commit_callbacks(execute=True):
        services.release_publish(release=release, actor=administrator, now=NOW)
        services.release_publish(release=elsewhere, actor=administrator, now=NOW)
    assert sent == [tasks.tag.name] * 2
    tasks.tag()
    assert taxonomy.store.tags() == {"release-1": taxonomy.commit}
    assert services.releases_tag() == []


def test_only_a_published_release_becomes_current(release, administrator):
    with pytest.raises(ValidationError, match="not published yet"):
        services.release_promote(release=release, actor=administrator, now=NOW)
    assert promoted(release, administrator).is_current
    with pytest.raises(ValidationError, match="current release already"):
        services.release_promote(release=release, actor=administrator, now=NOW)


def test_a_release_that_forgets_is_promoted_only_with_an_acknowledgement_and_a_reason(forgetful, administrator):
    with pytest.raises(ValidationError, match=f"forgets the earlier leaf {HAIKU}"):
        services.release_promote(release=forgetful, actor=administrator, now=NOW, reason="no matter")
    with pytest.raises(ValidationError, match="Write down why"):
        services.release_promote(release=forgetful, actor=administrator, now=NOW, acknowledged=True, reason="  ")
    assert not Release.objects.filter(is_current=True).exists()
    services.release_promote(
        release=forgetful, actor=administrator, now=NOW, acknowledged=True, reason="The leaf is being rewritten."
    )
    event = forgetful.events.get(kind="promoted")
    assert (event.reason, event.details["forgotten"]) == ("The leaf is being rewritten.", [HAIKU])


def test_promoting_replaces_the_current_release_and_rolling_back_restores_it(release, forgetful, administrator):
    promoted(release, administrator)
    promoted(forgetful, administrator, acknowledged=True, reason="Tried on purpose.")
    assert Release.objects.get(is_current=True) == forgetful
    restored = services.release_rollback(release=forgetful, actor=administrator, now=NOW, reason="It forgets.")
    assert restored == release
    assert Release.objects.get(is_current=True) == release
    assert [event.kind for event in release.events.all()][-2:] == ["replaced", "restored"]
    assert forgetful.events.last().reason == "It forgets."
    assert services.release_rollback(release=release, actor=administrator, now=NOW, reason="All of it.") is None
    assert not Release.objects.filter(is_current=True).exists()


def test_rolling_back_needs_the_current_release_and_a_reason(release, forgetful, administrator):
    promoted(release, administrator)
    with pytest.raises(ValidationError, match="not the current release"):
        services.release_rollback(release=forgetful, actor=administrator, now=NOW, reason="Why not")
    with pytest.raises(ValidationError, match="Write down why"):
        services.release_rollback(release=release, actor=administrator, now=NOW, reason=" ")
    assert Release.objects.get(is_current=True) == release


@pytest.mark.parametrize(
    "decide",
    [
        services.release_publish,
        services.release_promote,
        partial(services.release_rollback, reason="It forgets."),
    ],
)
def test_nobody_but_an_administrator_decides_about_a_release(decide, release, contributor, reviewer):
    for person in (contributor, reviewer):
        with pytest.raises(PermissionDenied):
            decide(release=release, actor=person, now=NOW)
    assert ReleaseEvent.objects.count() == 1


def test_the_history_of_a_release_is_never_changed(release):
    event = release.events.get()
    event.reason = "changed"
    with pytest.raises(HistoryProblem):
        event.save()
    with pytest.raises(HistoryProblem):
        release.events.update(reason="changed")
    with pytest.raises(HistoryProblem):
        event.delete()
