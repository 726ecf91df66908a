"""Who decides where, and how many approvals a place asks for: rules, counting, two at once, the pages."""

from __future__ import annotations

import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from taxonomy_app.contributions import bulk, deciding, services
from taxonomy_app.contributions.approvals import approvals_count
from taxonomy_app.contributions.models import Approval, Decision, PendingCommit, ReviewRule, ReviewRuleChange, State
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.queue import QueueFilter
from taxonomy_app.contributions.rules import Rules
from taxonomy_app.people.models import Role, User
from tests.taxonomy_app.contributions.making import PATH, approve, make_submission

BRANCH = "compositional_skills"


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


@pytest.fixture
def second(db, now):
    return User.objects.create_user("yuki", "yuki@example.org", None, name="Yuki Mori", role=Role.REVIEWER)


@pytest.fixture
def rule(administrator, now):
    def make(path=f"{BRANCH}/writing", approvals=1, reviewers=()):
        return services.rule_make(path=path, approvals=approvals, reviewers=reviewers, by=administrator, now=now)

    return make


# --- Rules --------------------------------------------------------------------------------------


def test_the_rule_with_the_longest_place_holds_alone(rule, reviewer, second):
    rule(BRANCH, approvals=2, reviewers=[reviewer, second])
    rule(f"{BRANCH}/writing", reviewers=[second])
    rules = Rules.load()
    assert rules.approvals_needed(f"{BRANCH}/writing/haiku") == 1
    assert not rules.reviews(reviewer, f"{BRANCH}/writing/haiku")
    assert rules.reviews(second, f"{BRANCH}/writing")
    assert rules.approvals_needed(f"{BRANCH}/writings") == 2
    assert rules.reviews(reviewer, f"{BRANCH}/writings/haiku")
    assert rules.approvals_needed("knowledge/writing") == 1
    assert rules.people("knowledge/writing") is None


def test_a_rule_whose_people_all_lost_the_role_opens_to_nobody(rule, reviewer, second):
    rule(reviewers=[second])
    User.objects.filter(pk=second.pk).update(role=Role.CONTRIBUTOR)
    rules = Rules.load()
    assert not rules.reviews(reviewer, PATH)
    assert rules.people(PATH) == ()


@pytest.mark.parametrize(
    ("path", "approvals", "named", "sentence"),
    [
        ("knowledge/../x", 1, 0, "cannot be used"),
        ("poems", 1, 0, "no branch of the taxonomy"),
        ("", 1, 0, "cannot be used"),
        (f"{BRANCH}/Writing", 1, 0, "not a name for a folder"),
        (BRANCH, 0, 0, "at least one approval"),
        (BRANCH, 6, 0, "at most 5"),
        (BRANCH, 2, 1, "names 1 of the people"),
    ],
)
def test_a_rule_that_could_never_be_met_is_not_made(rule, reviewer, path, approvals, named, sentence):
    with pytest.raises(Refused, match=sentence):
        rule(path, approvals, [reviewer] * named)
    assert not ReviewRule.objects.exists()


def test_only_administrators_make_rules_and_each_change_is_written_down(rule, reviewer, administrator, now):
    with pytest.raises(PermissionDenied):
        services.rule_make(path=BRANCH, approvals=1, reviewers=[], by=reviewer, now=now)
    made = rule(BRANCH)
    with pytest.raises(Refused, match="already"):
        rule(BRANCH)
    services.rule_change(rule=made, version=1, approvals=1, reviewers=[reviewer], by=administrator, now=now)
    with pytest.raises(ChangedMeanwhile):
        services.rule_change(rule=made, version=1, approvals=3, reviewers=[], by=administrator, now=now)
    stale = ReviewRule.objects.get()
    services.rule_remove(rule=made, by=administrator, now=now)
    with pytest.raises(ChangedMeanwhile):
        services.rule_remove(rule=stale, by=administrator, now=now)
    told = ReviewRuleChange.objects.order_by("id").values_list("action", "approvals", "reviewers")
    assert list(told) == [("made", 1, []), ("changed", 1, ["emeka"]), ("removed", 1, ["emeka"])]


# --- Deciding -----------------------------------------------------------------------------------


def test_reviewers_of_other_places_comment_and_do_not_decide(taxonomy, rule, contributor, reviewer, second, now):
    rule(reviewers=[second])
    submission = make_submission(contributor, now=now)
    for act in (services.submission_approve, services.submission_request_changes, services.submission_reject):
        with pytest.raises(Refused, match="decided on by Yuki Mori"):
            act(submission=submission, reviewer=reviewer, revision_number=1, reason="No.", now=now)
    with pytest.raises(Refused, match="You may comment"):
        services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    services.comment_add(submission=submission, author=reviewer, text="I wonder.", now=now)
    approve(submission, second, now=now)
    submission.refresh_from_db()
    assert submission.state == State.APPROVED


def test_an_administrator_steps_in_only_by_saying_so_and_it_is_recorded(
    taxonomy, rule, contributor, second, administrator, now
):
    rule(reviewers=[second])
    submission = make_submission(contributor, now=now)
    with pytest.raises(Refused, match="you may step in"):
        approve(submission, administrator, now=now)
    services.submission_approve(submission=submission, reviewer=administrator, revision_number=1, step_in=True, now=now)
    assert submission.events.get(kind="approved").as_administrator
    assert Approval.objects.get().as_administrator


def test_several_approvals_are_by_different_people_and_the_last_decides(
    taxonomy, rule, contributor, reviewer, second, now
):
    rule(approvals=2)
    submission = make_submission(contributor, now=now)
    services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    assert services.submission_approve(submission=submission, reviewer=reviewer, revision_number=1, now=now) is None
    submission.refresh_from_db()
    assert (submission.state, submission.claimed_by) == (State.SUBMITTED, None)
    assert not Decision.objects.exists()
    with pytest.raises(Refused, match=r"You have approved this already\. It needs 1 more"):
        approve(submission, reviewer, now=now)
    approve(submission, second, now=now)
    submission.refresh_from_db()
    assert submission.state == State.APPROVED
    assert [e.kind for e in submission.events.all()] == ["submitted", "claimed", "endorsed", "approved"]
    assert outbox_run(now=now).committed == [submission.pk]
    entry = taxonomy.store.history(PATH)[0]
    assert entry.trailers["Reviewed-by"] == ("Emeka Obi <emeka@example.org>", "Yuki Mori <yuki@example.org>")


def test_ones_own_is_no_approval_however_many_are_needed(taxonomy, rule, reviewer, second, administrator, now):
    rule(approvals=2, reviewers=[reviewer, second])
    submission = make_submission(reviewer, now=now)
    with pytest.raises(Refused, match="your own"):
        services.submission_approve(submission=submission, reviewer=reviewer, revision_number=1, step_in=True, now=now)
    approve(submission, second, now=now)
    count = approvals_count([submission])[submission.pk]
    assert (len(count.given), count.missing, count.people, count.too_few) == (1, 1, (), True)
    services.submission_approve(submission=submission, reviewer=administrator, revision_number=1, step_in=True, now=now)
    submission.refresh_from_db()
    assert submission.state == State.APPROVED


def test_a_new_revision_needs_its_own_approvals(taxonomy, rule, contributor, reviewer, second, now):
    rule(approvals=2)
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    services.draft_submit(draft=draft, by=contributor, version=draft.version, sign_off=True, now=now)
    submission.refresh_from_db()
    assert approvals_count([submission])[submission.pk].given == ()
    approve(submission, second, now=now)
    submission.refresh_from_db()
    assert submission.state == State.SUBMITTED


def test_who_is_no_longer_named_does_not_count(taxonomy, rule, contributor, reviewer, second, administrator, now):
    made = rule(approvals=2, reviewers=[reviewer, second])
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    services.rule_change(
        rule=made, version=1, approvals=2, reviewers=[second, administrator], by=administrator, now=now
    )
    assert approvals_count([submission])[submission.pk].missing == 2


def test_a_rule_that_asks_for_fewer_lets_go_what_has_them_all(
    taxonomy, rule, contributor, reviewer, administrator, now
):
    made = rule(approvals=2)
    ready = make_submission(contributor, now=now)
    untouched = make_submission(contributor, now=now, path=f"{PATH}_other")
    approve(ready, reviewer, now=now)
    done = services.rule_change(rule=made, version=1, approvals=1, reviewers=[], by=administrator, now=now)
    assert [submission.pk for submission in done] == [ready.pk]
    ready.refresh_from_db()
    untouched.refresh_from_db()
    assert (ready.state, untouched.state) == (State.APPROVED, State.SUBMITTED)
    assert ready.decisions.get().reviewer == reviewer
    assert PendingCommit.objects.get().submission_id == ready.pk


def test_what_has_every_approval_and_no_decision_is_brought_in_by_who_approved(
    taxonomy, rule, contributor, reviewer, second, client_for, now
):
    rule(approvals=2, reviewers=[reviewer, second])
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    User.objects.filter(pk=reviewer.pk).update(role=Role.CONTRIBUTOR)
    approve(submission, second, now=now)
    User.objects.filter(pk=reviewer.pk).update(role=Role.REVIEWER)
    submission.refresh_from_db()
    count = approvals_count([submission])[submission.pk]
    assert (submission.state, count.complete, count.people) == (State.SUBMITTED, True, ())
    page = client_for(second).get(reverse("contributions:review", args=[submission.pk])).content.decode()
    button = page.partition('value="approve"')[2].partition(">")[0]
    assert "disabled" not in button
    approve(submission, second, now=now)
    submission.refresh_from_db()
    assert submission.state == State.APPROVED
    assert Approval.objects.count() == 2
    assert PendingCommit.objects.get().reviewed_by.count("<") == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("needed", [1, 2, 3])
def test_of_approvals_given_at_once_exactly_the_last_decides(
    taxonomy, rule, contributor, reviewer, second, administrator, now, needed
):
    rule(approvals=needed)
    submission = make_submission(contributor, now=now)
    ready = threading.Barrier(3)
    outcomes: list[object] = []

    def act(person):
        try:
            ready.wait(10)
            found = type(submission).objects.get(pk=submission.pk)
            decision = services.submission_approve(submission=found, reviewer=person, revision_number=1, now=now)
            outcomes.append("decided" if decision else "counted")
        except ChangedMeanwhile:
            outcomes.append("too late")
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=act, args=(person,)) for person in (reviewer, second, administrator)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == sorted(["counted"] * (needed - 1) + ["decided"] + ["too late"] * (3 - needed))
    assert Approval.objects.count() == needed
    assert Decision.objects.count() == PendingCommit.objects.count() == 1


# --- The queue ----------------------------------------------------------------------------------


def test_the_queue_knows_what_waits_for_whom(
    taxonomy, rule, contributor, reviewer, second, administrator, now, django_assert_num_queries
):
    rule(f"{BRANCH}/writing", approvals=2, reviewers=[reviewer, second])
    rule(f"{BRANCH}/writing/odes", reviewers=[second])
    both = make_submission(contributor, now=now)
    odes = make_submission(contributor, now=now, path=f"{BRANCH}/writing/odes/to_a_bean")
    elsewhere = make_submission(contributor, now=now, path=f"{BRANCH}/sums/of_beans")
    own = make_submission(reviewer, now=now, path=f"{BRANCH}/sums/of_peas")

    def waiting(person):
        return set(QueueFilter(waits="me").rows(user=person, now=now).values_list("pk", flat=True))

    assert waiting(reviewer) == {both.pk, elsewhere.pk}
    assert waiting(second) == {both.pk, odes.pk, elsewhere.pk, own.pk}
    assert waiting(administrator) == {elsewhere.pk, own.pk}
    approve(both, reviewer, now=now)
    assert waiting(reviewer) == {elsewhere.pk}
    assert QueueFilter(waits="me").query() == "waits=me"
    with django_assert_num_queries(3):  # rules, their people, the rows
        list(QueueFilter(waits="me").rows(user=second, now=now))


def test_a_decision_on_all_never_steps_in(taxonomy, rule, contributor, second, administrator, now):
    rule(reviewers=[second])
    submission = make_submission(contributor, now=now)
    for verdict in ("approve", "reject", bulk.CLAIM):
        result = bulk.submissions_decide(
            submissions=[submission], reviewer=administrator, verdict=verdict, reason="No.", now=now
        )
        assert next(sentence for _, sentence in result.refused).startswith("What is below")
    submission.refresh_from_db()
    assert submission.state == State.SUBMITTED


# --- Pages --------------------------------------------------------------------------------------


def test_the_desk_tells_what_is_still_needed_and_from_whom(
    taxonomy, rule, contributor, reviewer, second, administrator, client_for, now
):
    rule(approvals=2, reviewers=[reviewer, second])
    submission = make_submission(contributor, now=now)
    desk = reverse("contributions:review", args=[submission.pk])
    page = client_for(reviewer).get(desk).content.decode()
    assert "0 of 2 approvals" in page
    assert "Still needed: 2, from Emeka Obi, Yuki Mori." in page
    decide = reverse("contributions:decide", args=[submission.pk])
    posted = {"verdict": "approve", "revision": 1, "path": submission.path}
    answer = client_for(reviewer).post(decide, posted, follow=True)
    assert "It has 1 of 2 approvals" in answer.content.decode()
    page = client_for(second).get(desk).content.decode()
    assert "1 of 2 approvals" in page
    assert "Still needed: 1, from Yuki Mori." in page
    assert "1 of 2 approvals" in client_for(second).get(reverse("contributions:queue")).content.decode()

    refused = client_for(administrator).post(decide, posted)
    assert refused.status_code == 422
    assert "you may step in" in refused.content.decode()
    client_for(administrator).post(decide, {**posted, "step_in": "yes"})
    submission.refresh_from_db()
    assert submission.state == State.APPROVED
    history = client_for(contributor).get(submission.get_absolute_url()).content.decode()
    assert "approved it, as an administrator" in history


def test_the_desk_of_a_place_that_others_review_offers_no_decision(
    taxonomy, rule, contributor, reviewer, second, client_for, now
):
    rule(reviewers=[second])
    submission = make_submission(contributor, now=now)
    page = client_for(reviewer).get(reverse("contributions:review", args=[submission.pk])).content.decode()
    assert "is decided on by Yuki Mori. You may comment." in page
    assert 'value="approve"' not in page
    assert "Others decide here" in client_for(reviewer).get(reverse("contributions:queue")).content.decode()


def test_an_administrator_edits_rules_on_their_page(taxonomy, administrator, reviewer, second, client_for):
    client = client_for(administrator)
    add = reverse("contributions:rule_add")
    assert client.post(add, {"path": "poems", "approvals": 1}).status_code == 422
    answer = client.post(add, {"path": f"{BRANCH}/writing/", "approvals": 2, "reviewers": [reviewer.pk, second.pk]})
    assert answer.url == reverse("contributions:rules")
    made = ReviewRule.objects.get()
    assert (made.path, made.approvals) == (f"{BRANCH}/writing", 2)
    page = client_for(reviewer).get(reverse("contributions:rules")).content.decode()
    assert "Yuki Mori" in page
    assert add not in page
    edit = reverse("contributions:rule", args=[made.pk])
    assert set(client.get(edit).context["form"]["reviewers"].value()) == {reviewer.pk, second.pk}
    client.post(edit, {"approvals": 1, "reviewers": [second.pk], "version": 1})
    late = client.post(edit, {"approvals": 3, "reviewers": [], "version": 1})
    assert late.status_code == 422
    assert "Another administrator changed" in late.content.decode()
    client.post(reverse("contributions:rule_remove", args=[made.pk]))
    assert not ReviewRule.objects.exists()


def test_the_desk_asks_the_database_as_often_for_many_rules_as_for_one(
    taxonomy, rule, contributor, reviewer, second, client_for, now
):
    submission = make_submission(contributor, now=now)
    make_submission(contributor, now=now, path=f"{PATH}_next")
    client = client_for(reviewer)
    desk = reverse("contributions:review", args=[submission.pk])

    def queries(address):
        client.get(address)
        with CaptureQueriesContext(connection) as seen:
            client.get(address)
        return len(seen)

    rule(f"{BRANCH}/writing", reviewers=[reviewer])
    few = [queries(desk), queries(reverse("contributions:queue"))]
    for number in range(20):
        rule(f"{BRANCH}/writing/a{number}", approvals=2, reviewers=[reviewer, second])
        make_submission(second, now=now, path=f"{BRANCH}/writing/a{number}/leaf")
    assert [queries(desk), queries(reverse("contributions:queue"))] == few
