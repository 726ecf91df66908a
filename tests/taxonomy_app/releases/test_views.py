"""The pages of releases: who may open them, what they say, what administrators decide on them."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.urls import reverse

from taxonomy_app.releases import services
from taxonomy_app.releases.models import Release
from taxonomy_app.releases.templatetags.scores import in_unit
from tests.taxonomy_app.releases import routes
from tests.taxonomy_app.releases.making import NOW, general_loss, leaf_id, leaf_scores, make_release, make_submission

pytestmark = pytest.mark.django_db
HAIKU, TIDES = "compositional_skills/writing/haiku", "knowledge/nature/tides"
LOW, HIGH = [-2.0, -2.2, -2.1, -1.9], [-1.0, -1.1, -0.9, -1.0]


def text(response) -> str:
    """The page as its reader sees it: without tags, white space folded."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.fixture
def people(contributor, reviewer, administrator):
    return {"visitor": None, "contributor": contributor, "reviewer": reviewer, "administrator": administrator}


# --- What the pages say


@pytest.mark.parametrize(
    ("role", "advice"),
    [("administrator", "Plan a round"), ("contributor", "Teach something new"), ("visitor", "Browse the taxonomy")],
)
def test_before_the_first_release_the_dashboard_tells_each_person_what_to_do(people, client_for, role, advice):
    page = text(client_for(people[role]).get(reverse("releases:dashboard")))
    assert "No release" in page
    assert advice in page
    assert "Merlinite-7B" in page
    assert "not measured here" in page


def test_the_release_page_leads_back_to_submission_people_commit_and_artifacts(
    administrator, contributor, reviewer, client_for
):
    submission = make_submission(contributor, reviewer, HAIKU, "ab12" * 10)
    release = make_release(
        administrator, {HAIKU: (LOW, HIGH)}, extra=general_loss([1.0, 1.2, 1.1], [1.02, 1.22, 1.1], [1.6, 1.9, 1.7])
    )
    response = client_for(contributor).get(release.get_absolute_url())
    page, source = text(response), response.content.decode()
    assert "Better on 1 of 1 taught leaf, certain on 1; general loss rose by 0.01 (not certain) with replay, " in page
    assert "against 0.63 without" in page
    for link in (submission.get_absolute_url(), contributor.get_absolute_url(), reviewer.get_absolute_url()):
        assert f'href="{link}"' in source
    assert "ab12ab12ab" in page
    assert "tuning-1" in page
    assert release.plan_hash[:10] in page
    assert "−2.05 −1.00 +1.05" in page  # with true minus signs
    assert "higher is better" in page


def test_a_visitor_reaches_the_submission_that_is_public_anyway(administrator, contributor, reviewer, client_for):
    submission = make_submission(contributor, reviewer, HAIKU, "ab12" * 10)
    release = make_release(administrator, {HAIKU: (LOW, HIGH)})
    services.release_publish(release=release, actor=administrator, now=NOW)
    visitor = client_for(None)
    assert f'href="{submission.get_absolute_url()}"' in visitor.get(release.get_absolute_url()).content.decode()
    assert visitor.get(submission.get_absolute_url()).status_code == 200


def test_the_control_is_shown_with_its_difference_and_interval(administrator, client_for):
    leaf = leaf_scores(HAIKU, LOW, HIGH, [-2.5, -2.6, -2.4, -2.7])[2]
    release = make_release(
        administrator,
        {HAIKU: (LOW, HIGH)},
        extra=[leaf, *general_loss([1.0, 1.2, 1.1], [1.02, 1.22, 1.1], [1.6, 1.9, 1.7])],
    )
    stored = release.benchmark_comparisons.get(first="before", second="control")
    shown = f"+0.63 [{in_unit(stored.low, 'loss', sign=True)}, {in_unit(stored.high, 'loss', sign=True)}]"
    client = client_for(administrator)
    assert shown in text(client.get(release.get_absolute_url()))
    assert shown in text(client.get(reverse("releases:dashboard")))
    page = text(client.get(reverse("releases:leaf", args=[release.number, leaf_id(HAIKU)])))
    of_leaf = release.leaf_comparisons.get(first="before", second="control")
    assert f"Tuned without replay: −0.50 [{in_unit(of_leaf.low, of_leaf.metric, sign=True)}, " in page


def test_what_is_not_certain_is_called_so(administrator, client_for):
    release = make_release(administrator, {HAIKU: (LOW, [-1.0, -3.0, -1.5, -2.0])})
    page = text(client_for(administrator).get(release.get_absolute_url()))
    assert "better, not certain" in page
    assert "certain on 0" in page


def test_a_taught_leaf_without_held_out_seeds_is_shown_as_not_scored(administrator, client_for):
    release = make_release(administrator, {HAIKU: (LOW, HIGH)}, taught={HAIKU: 6, TIDES: 4})
    page = text(client_for(administrator).get(release.get_absolute_url()))
    assert "Not scored: this leaf has no held-out seeds in this round." in page


def test_the_matrix_says_not_evaluated_where_nothing_is_known(administrator, client_for):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    make_release(administrator, {TIDES: (LOW, HIGH)})
    response = client_for(administrator).get(reverse("releases:matrix"))
    page = text(response)
    assert response.content.decode().count('<td class="cell-absent">') == 2
    assert "Release 2 was not evaluated on 1 leaf that releases were taught" in page
    assert "taught here" in page


def test_the_comparison_shows_what_differs(administrator, client_for):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    make_release(administrator, {HAIKU: (LOW, LOW), TIDES: (LOW, HIGH)})
    page = text(client_for(administrator).get(reverse("releases:compare"), {"first": 1, "second": 2}))
    assert "−1.05" in page
    assert "worse, certain" in page
    assert "random_seed" in page
    assert "only in the second" in page
    assert "Choose two different releases." in text(
        client_for(administrator).get(reverse("releases:compare"), {"first": 1, "second": 1})
    )


def test_the_leaf_page_shows_the_pinned_seeds_with_their_scores(administrator, client_for, taxonomy):
    from taxonomy_app.rounds.models import RoundLeaf
    from taxonomy_app.tree.models import Leaf
    from taxonomy_repo.leaf import read_leaf
    from workers.planning import seed_pairs

    entry = Leaf.objects.filter(kind="freeform").first()
    pairs = seed_pairs(read_leaf(taxonomy.store.read_blob(entry.blob), entry.path).leaf)
    release = make_release(administrator, {entry.path: (LOW, HIGH)}, blobs={entry.path: entry.blob})
    RoundLeaf.objects.filter(round=release.round).update(
        held_out=[pairs[0].fingerprint], taught=[pair.fingerprint for pair in pairs[1:]]
    )
    release.leaf_scores.filter(subject="after").update(items=[[pairs[0].fingerprint, -1.25, ""]])
    response = client_for(administrator).get(reverse("releases:leaf", args=[1, leaf_id(entry.path)]))
    page = text(response)
    assert "−1.25" in page
    assert response.context["seeds"].held_out[0].pair.question == pairs[0].question
    assert [pair.question for pair in response.context["seeds"].taught] == [pair.question for pair in pairs[1:]]


# --- Decisions


def test_a_forgetful_release_is_promoted_on_its_page_only_with_a_reason(administrator, client_for):
    make_release(administrator, {HAIKU: (LOW, HIGH)})
    release = make_release(administrator, {HAIKU: (LOW, LOW)}, taught={HAIKU: 0})
    services.release_publish(release=release, actor=administrator, now=NOW)
    client, promote = client_for(administrator), reverse("releases:promote", args=[2])
    assert "It forgets what earlier releases were taught" in text(client.get(release.get_absolute_url()))
    refused = client.post(promote, {"reason": "x"})
    assert refused.status_code == 422
    assert "Say that you accept this" in text(refused)
    assert "Write down why it is promoted all the same." in text(client.post(promote, {"acknowledged": "on"}))
    assert not Release.objects.filter(is_current=True).exists()
    done = client.post(promote, {"acknowledged": "on", "reason": "The leaf is being rewritten."}, follow=True)
    assert "Release 2 is the current release." in text(done)
    assert "although it forgets: compositional_skills/writing/haiku" in text(done)
    assert "The leaf is being rewritten." in text(done)


def test_rolling_back_asks_for_a_reason_and_says_what_is_current_then(administrator, client_for):
    routes.make(administrator)
    client, rollback = client_for(administrator), reverse("releases:rollback", args=[1])
    refused = client.post(rollback, {"reason": ""})
    assert refused.status_code == 422
    assert "Write down why it is rolled back." in text(refused)
    done = client.post(rollback, {"reason": "It forgets."}, follow=True)
    assert "Release 1 is rolled back: no release is current now." in text(done)


def test_people_without_the_right_see_no_decisions(people, client_for):
    routes.make(people["administrator"])
    for role in ("visitor", "contributor", "reviewer"):
        page = text(client_for(people[role]).get(reverse("releases:release", args=[1])))
        assert "Roll back" not in page
    assert "Roll back" in text(client_for(people["administrator"]).get(reverse("releases:release", args=[1])))


# --- Downloads


def test_the_scores_are_downloaded_whole(administrator, client_for):
    release = make_release(administrator, {HAIKU: (LOW, HIGH)}, extra=general_loss([1.0, 1.2], [1.1, 1.2]))
    client = client_for(administrator)
    found = client.get(reverse("releases:scores_json", args=[1])).json()
    after = next(row for row in found["scores"] if row["scope"] == "leaf" and row["subject"] == "after")
    assert [item["value"] for item in after["items"]] == HIGH
    assert found["plan_hash"] == release.plan_hash
    answer = client.get(reverse("releases:scores_csv", args=[1]))
    assert "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {(row["scope"], row["subject"]) for row in rows} == {
        ("leaf", "before"),
        ("leaf", "after"),
        ("general", "before"),
        ("general", "after"),
    }
    row = next(row for row in rows if row["scope"] == "leaf" and row["subject"] == "after")
    assert float(row["difference_to_before"]) == pytest.approx(1.05)
    assert float(row["low"]) > 0


# --- What it costs


def test_pages_ask_the_database_as_often_for_many_leaves_and_releases_as_for_few(
    administrator, contributor, reviewer, client_for
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    paths = [f"knowledge/many/leaf_{i}" for i in range(9)]
    for i, path in enumerate(paths):
        make_submission(contributor, reviewer, path, f"{i:x}" * 40)
    client = client_for(administrator)

    def grow(leaves):
        make_release(administrator, dict.fromkeys(leaves, (LOW, HIGH)), extra=general_loss([1.0, 1.2], [1.1, 1.2]))

    def counts():
        found = {}
        for route, arguments in [
            ("releases:dashboard", []),
            ("releases:release", [2]),
            ("releases:matrix", []),
            ("releases:compare", []),
            ("releases:leaf", [2, leaf_id(paths[0])]),
        ]:
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(reverse(route, args=arguments)).status_code == 200
            found[route] = len(queries)
        return found

    grow(paths[:1])
    grow(paths)
    few = counts()
    for _ in range(4):
        grow(paths)
    assert counts() == few
