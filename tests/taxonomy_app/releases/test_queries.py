"""What other rooms and the pages read of releases, and that it costs the same however much there is."""

from __future__ import annotations

import uuid

import pytest

from taxonomy_app.releases import services
from taxonomy_app.releases.comparing import flatten, plan_differences, releases_compare
from taxonomy_app.releases.dashboard import dashboard
from taxonomy_app.releases.matrix import forgetting_matrix
from taxonomy_app.releases.models import Baseline
from taxonomy_app.releases.queries import (
    current_release,
    leaf_scores,
    lineage,
    releases_containing,
    round_leaves,
    taught_leaves,
)
from tests.taxonomy_app.releases.making import NOW, general_loss, leaf_id, make_release, make_submission

pytestmark = pytest.mark.django_db
HAIKU, TIDES, PEAT = "compositional_skills/writing/haiku", "knowledge/nature/tides", "knowledge/islands/peat"
LOW, HIGH = [-2.0, -2.2, -2.1, -1.9], [-1.0, -1.1, -0.9, -1.0]


def test_a_leaf_shows_every_release_that_was_scored_on_it_newest_first(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    make_release(administrator, {TIDES: (LOW, HIGH)})
    make_release(administrator, {HAIKU: (LOW, LOW)}, taught={HAIKU: 0})
    rows = leaf_scores(leaf_id(HAIKU), user=administrator)
    assert [row.release.number for row in rows] == [3, 1]
    assert (rows[1].before.mean, rows[1].after.mean) == (pytest.approx(-2.05), pytest.approx(-1.0))
    assert (rows[1].outcome, rows[1].taught) == ("certain better", True)
    assert (rows[0].outcome, rows[0].taught, rows[0].retention.verdict) == ("same", False, "forgets")


def test_visitors_see_scores_of_published_releases_only(administrator):
    release = make_release(administrator, {HAIKU: (LOW, HIGH)})
    assert leaf_scores(leaf_id(HAIKU)) == []
    assert forgetting_matrix().rows == []
    assert dashboard(None).releases == []
    services.release_publish(release=release, actor=administrator, now=NOW)
    assert len(leaf_scores(leaf_id(HAIKU))) == 1
    assert len(forgetting_matrix().rows) == 1
    assert dashboard(None).releases == [release]


def test_the_way_from_a_submission_to_its_releases_and_back(administrator, contributor, reviewer):
    submission = make_submission(contributor, reviewer, HAIKU, "a" * 40)
    release = make_release(administrator, {HAIKU: (LOW, HIGH), TIDES: (LOW, HIGH)})
    (row,) = releases_containing(submission, user=contributor)
    assert (row.release, row.after.mean, row.outcome) == (release, pytest.approx(-1.0), "certain better")
    found = {leaf.leaf.path: leaf for leaf in lineage(release).leaves}
    (made,) = found[HAIKU].submissions
    assert (made.submission.author, made.reviewers, made.commit) == (contributor, [reviewer], "a" * 40)
    assert found[TIDES].submissions == []
    assert [stage.output_artifact for stage in lineage(release).stages][:2] == ["generation-1", "mixture-1"]


def test_a_submission_that_is_not_committed_is_in_no_release(contributor, reviewer):
    submission = make_submission(contributor, reviewer, HAIKU, "a" * 40)
    submission.leaf_id = None
    assert releases_containing(submission, user=contributor) == []


def test_the_current_release_is_the_promoted_one(administrator):
    assert current_release() is None
    release = make_release(administrator, {HAIKU: (LOW, HIGH)})
    services.release_publish(release=release, actor=administrator, now=NOW)
    assert current_release() is None
    services.release_promote(release=release, actor=administrator, now=NOW)
    assert current_release() == release


def test_leaves_taught_by_releases_are_known_to_planning(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH), TIDES: (LOW, HIGH)}, taught={HAIKU: 6, TIDES: 0}, held_out=2)
    assert taught_leaves() == {leaf_id(HAIKU): {f"{leaf_id(HAIKU)}#0", f"{leaf_id(HAIKU)}#1"}}


def test_the_leaves_of_a_release_are_found_by_outcome(administrator):
    mixed = [-1.0, -3.0, -1.5, -2.5]
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    release = make_release(
        administrator,
        {HAIKU: (LOW, LOW), TIDES: (HIGH, LOW), PEAT: (LOW, mixed)},
        taught={HAIKU: 6, TIDES: 6, PEAT: 6, "knowledge/unscored": 3},
    )

    def paths(show):
        return [leaf.path for leaf in round_leaves(release, show)]

    assert paths("worse") == [TIDES]
    assert paths("better") == []
    assert paths("uncertain") == [HAIKU, PEAT]
    assert paths("forgets") == [HAIKU]
    assert paths("unscored") == ["knowledge/unscored"]
    assert len(paths("")) == 4


# --- The matrix


def test_a_cell_says_taught_kept_forgotten_not_certain_or_not_evaluated(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH), TIDES: (LOW, HIGH)})
    make_release(administrator, {HAIKU: (LOW, HIGH), PEAT: (LOW, HIGH)}, taught={HAIKU: 0, PEAT: 6})
    make_release(
        administrator, {HAIKU: (LOW, LOW), TIDES: (LOW, [-1.0, -3.0, -1.5, -0.1])}, taught={HAIKU: 0, TIDES: 0}
    )
    matrix = forgetting_matrix(user=administrator)
    assert [release.number for release in matrix.releases] == [1, 2, 3]
    states = {row.leaf.path: [cell.state for cell in row.cells] for row in matrix.rows}
    assert states == {
        HAIKU: ["taught", "kept", "forgets"],
        TIDES: ["taught", "absent", "uncertain"],
        PEAT: ["absent", "taught", "absent"],
    }
    haiku = matrix.rows[0].cells
    assert haiku[2].shade == "down-3"
    assert haiku[1].shade == "up-1"
    absent = matrix.rows[2].cells[1]
    assert (absent.mean, absent.shade) == (None, "")


def test_scores_from_before_a_leaf_was_taught_and_on_other_seeds_are_not_taken_for_forgetting(administrator):
    make_release(administrator, {HAIKU: (LOW, LOW)}, taught={HAIKU: 0})
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    third = make_release(administrator, {HAIKU: (LOW, LOW)}, taught={HAIKU: 0})
    third.leaf_scores.update(items=[["another seed", -3.0, ""]])
    third.retentions.all().delete()
    (row,) = forgetting_matrix(user=administrator).rows
    assert [cell.state for cell in row.cells] == ["before", "taught", "apart"]


def test_the_matrix_narrows_to_forgotten_leaves_and_to_a_place(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH), TIDES: (LOW, HIGH)})
    make_release(administrator, {HAIKU: (LOW, LOW), TIDES: (LOW, HIGH)}, taught={HAIKU: 0, TIDES: 0})
    assert [row.leaf.path for row in forgetting_matrix(user=administrator, flagged=True).rows] == [HAIKU]
    assert [row.leaf.path for row in forgetting_matrix(user=administrator, under="nature").rows] == [TIDES]


# --- The comparison of two releases


def test_any_two_releases_are_compared_on_the_items_that_both_were_asked(administrator):
    first = make_release(administrator, {HAIKU: (LOW, HIGH)}, extra=general_loss([1.0, 1.2, 1.1], [1.1, 1.2, 1.3]))
    second = make_release(
        administrator, {HAIKU: (LOW, [*LOW, -9.0]), TIDES: (LOW, HIGH)}, extra=general_loss([1.0, 1.2, 1.1], [1, 1, 1])
    )
    found = releases_compare(first, second)
    by_name = {row.name: row for row in found.leaf_scores}
    assert (by_name[HAIKU].paired.n, by_name[HAIKU].paired.only_second) == (4, 1)
    assert by_name[HAIKU].difference == pytest.approx(-1.05)
    assert by_name[HAIKU].outcome == "certain worse"
    assert (by_name[TIDES].first, by_name[TIDES].paired, by_name[TIDES].outcome) == (None, None, "")
    assert found.benchmarks[0].outcome == "better"
    assert {setting.name for setting in found.settings} == {"random_seed"}
    assert [(leaf.path, leaf.how) for leaf in found.leaves] == [(TIDES, "only in the second")]
    assert found.same_leaves == 1


def test_plans_differ_by_dotted_names_and_lists_of_phases_by_position():
    plan = {"recipe": {"tuning": {"phases": [{"name": "skills", "epochs": 2}]}}, "leaves": [{"leaf_id": "x"}]}
    other = {"recipe": {"tuning": {"phases": [{"name": "skills", "epochs": 3}]}}, "leaves": [], "code": "2"}
    assert flatten(plan["recipe"]) == {"tuning.phases.1.name": "skills", "tuning.phases.1.epochs": 2}
    assert [(s.name, s.first, s.second) for s in plan_differences(plan, other)] == [
        ("code", None, "2"),
        ("recipe.tuning.phases.1.epochs", 2, 3),
    ]


# --- The dashboard


def test_the_published_baselines_are_there_and_say_that_they_were_not_measured_here():
    assert Baseline.objects.count() == 42
    assert Baseline.objects.get(model="Merlinite-7B", benchmark="mmlu").value == 64.88
    assert all("not measured here" in source for source in Baseline.objects.values_list("source", flat=True))


def test_the_chart_has_releases_leaves_and_baselines_and_marks_what_nobody_measured(administrator):
    make_release(administrator, {HAIKU: (LOW, HIGH)}, extra=general_loss([1.0, 1.2], [1.1, 1.2], [2.0, 2.2]))
    found = {measure["key"]: measure for measure in dashboard(administrator).chart}
    assert next(iter(found)) == "newest-leaves"  # with one release its leaves say most
    assert found["newest-leaves"]["rows"][0]["label"] == "haiku"
    assert found["leaves"]["rows"][0]["after"]["value"] == pytest.approx(-1.0)
    general = found["general-general-loss"]
    assert general["lower"] is True
    assert set(general["rows"][0]) == {"label", "before", "after", "control"}
    assert "no release was measured" in found["baseline-mmlu"]["note"]
    assert len(found["baseline-mmlu"]["rows"]) == 7


# --- What it costs


def test_reads_cost_the_same_for_one_leaf_and_release_as_for_many(
    administrator, contributor, reviewer, django_assert_num_queries
):
    paths = [f"knowledge/many/leaf_{i}" for i in range(12)]
    submissions = [make_submission(contributor, reviewer, path, f"{i:x}" * 40) for i, path in enumerate(paths)]

    def grow(leaves):
        extra = general_loss([1.0, 1.2], [1.1, 1.2], [2.0, 2.2])
        return make_release(administrator, dict.fromkeys(leaves, (LOW, HIGH)), extra=extra)

    def costs(release):
        return {
            "leaf": (3, lambda: leaf_scores(leaf_id(paths[0]), user=administrator)),
            "submission": (4, lambda: releases_containing(submissions[0], user=administrator)),
            "lineage": (4, lambda: lineage(release)),
            "matrix": (5, lambda: forgetting_matrix(user=administrator)),
            "dashboard": (8, lambda: dashboard(administrator)),
            "comparison": (5, lambda: releases_compare(first, release)),
        }

    first = grow(paths[:1])
    second = grow(paths[:1])
    for release in (second, *[grow(paths) for _ in range(3)]):
        for queries, read in costs(release).values():
            with django_assert_num_queries(queries):
                read()


def test_an_unknown_leaf_has_no_scores_rather_than_zero(db):
    assert leaf_scores(uuid.uuid4()) == []
