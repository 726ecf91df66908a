"""Whatever people do in whatever order, a submission's state, history, decisions and outbox agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from taxonomy_app.contributions import deciding, services
from taxonomy_app.contributions.models import CLOSED, Draft, PendingCommit, State, Submission
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import NotYours, Refused
from tests.taxonomy_app.contributions.making import PATH, make_submission

START = datetime(2025, 3, 14, 9, 0, tzinfo=UTC)
people = st.sampled_from(("author", "other", "judge", "second"))
COUNTED = {
    "approved": State.APPROVED,
    "changes_requested": State.CHANGES_REQUESTED,
    "rejected": State.REJECTED,
    "withdrawn": State.WITHDRAWN,
    "committed": State.COMMITTED,
    "submitted": State.SUBMITTED,
    "revised": State.SUBMITTED,
    "conflict": State.CONFLICT,
}


class Review(RuleBasedStateMachine):
    """People try everything; the services refuse what may not be. ``cast`` is set by the test below."""

    cast: dict = {}
    made = 0

    def __init__(self) -> None:
        super().__init__()
        Review.made += 1
        self.now = START
        self.submission = make_submission(self.cast["author"], now=self.now, path=f"{PATH}_{Review.made}")
        self.closed_as: str | None = None

    def attempt(self, work, **fields) -> bool:
        self.now += timedelta(minutes=1)
        try:
            work(now=self.now, **fields)
        except (Refused, NotYours):
            return False
        finally:
            self.submission.refresh_from_db()
        return True

    @rule(who=people, verdict=st.sampled_from(("approve", "request_changes", "reject")), behind=st.booleans())
    def decide(self, who, verdict, behind):
        before = self.submission.state
        done = self.attempt(
            getattr(services, f"submission_{verdict}"),
            submission=Submission.objects.get(pk=self.submission.pk),
            reviewer=self.cast[who],
            revision_number=self.submission.revision_number - behind,
            reason="Because.",
        )
        assert not done or (before == State.SUBMITTED and who in ("judge", "second") and not behind)

    @rule(who=people, take_over=st.booleans())
    def claim(self, who, take_over):
        done = self.attempt(
            services.submission_claim, submission=self.submission, reviewer=self.cast[who], take_over=take_over
        )
        assert not done or self.submission.claimed_by_id == self.cast[who].pk

    @rule(who=people)
    def withdraw(self, who):
        assert not self.attempt(services.submission_withdraw, submission=self.submission, by=self.cast[who]) or (
            who == "author"
        )

    @rule(who=people)
    def revise(self, who):
        assert not self.attempt(services.submission_revise, submission=self.submission, by=self.cast[who]) or (
            who == "author"
        )

    @rule()
    def send_revision(self):
        draft = Draft.objects.filter(submission=self.submission).first()
        if draft is not None:
            self.attempt(services.draft_submit, draft=draft, by=draft.author, version=draft.version, sign_off=True)

    @rule()
    def run_outbox(self):
        self.now += timedelta(minutes=1)
        outbox_run(now=self.now)
        self.submission.refresh_from_db()

    @invariant()
    def history_tells_the_state(self):
        moves = [COUNTED[e.kind] for e in self.submission.events.all() if e.kind in COUNTED]
        assert moves[-1] == self.submission.state

    @invariant()
    def what_is_closed_stays_closed(self):
        if self.closed_as is not None:
            assert self.submission.state == self.closed_as
        if self.submission.state in CLOSED:
            self.closed_as = self.submission.state

    @invariant()
    def at_most_one_decision_a_revision_and_one_commit_an_approval(self):
        decided = list(self.submission.decisions.values_list("revision__number", flat=True))
        assert len(decided) == len(set(decided))
        pending = PendingCommit.objects.filter(submission=self.submission)
        assert pending.count() == self.submission.decisions.filter(verdict="approve").count()
        assert (self.submission.state == State.APPROVED) == pending.filter(state="waiting").exists()
        assert bool(self.submission.commit) == (self.submission.state == State.COMMITTED)

    @invariant()
    def revisions_are_numbered_without_gaps(self):
        numbers = list(self.submission.revisions.values_list("number", flat=True))
        assert numbers == list(range(1, self.submission.revision_number + 1))


@pytest.mark.django_db
def test_state_history_decisions_and_outbox_agree(
    taxonomy, contributor, other_contributor, reviewer, administrator, monkeypatch
):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)
    cast = {"author": contributor, "other": other_contributor, "judge": reviewer, "second": administrator}
    monkeypatch.setattr(Review, "cast", cast)
    run_state_machine_as_test(
        Review,
        settings=settings(
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
