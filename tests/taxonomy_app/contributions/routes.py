"""Who may do what on the routes of contributions: drafts are their author's alone, deciding is the reviewers'."""

from __future__ import annotations

from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import State, Submission
from taxonomy_app.contributions.services import DraftChanges
from tests.leaves import FREEFORM
from tests.taxonomy_app.contributions.making import PATH, make_draft, make_submission, skill_form
from tests.taxonomy_app.routing import (
    ADMINISTRATORS,
    OWNER,
    OWNER_AND_REVIEWERS,
    REVIEWERS,
    SIGNED_IN,
    Access,
    Route,
    World,
)


def prepare(world: World) -> None:
    world.draft = make_draft(world.contributor, now=world.now, path=f"{PATH}_draft")
    world.draft = services.draft_save(
        draft=world.draft,
        by=world.contributor,
        version=world.draft.version,
        changes=DraftChanges(form=skill_form("Make a verse about a plant.")),
        because="upload",
        now=world.now,
    )
    world.saved_filter = services.filter_save(person=world.reviewer, name="Waiting for me", query="claim=mine")
    world.submission = make_submission(world.contributor, now=world.now, path=f"{PATH}_waiting")
    world.comment = services.comment_add(
        submission=world.submission, author=world.reviewer, text="Is it so?", now=world.now
    )
    world.suggestion = services.suggestions_add(
        submission=world.submission,
        author=world.reviewer,
        revision_number=1,
        texts={"task_description": "Make a short riddle about a plant."},
        now=world.now,
    )[0]
    world.rule = services.rule_make(
        path="knowledge/health", approvals=1, reviewers=[], by=world.administrator, now=world.now
    )
    world.in_taxonomy = make_submission(world.contributor, now=world.now, path=f"{PATH}_done")
    Submission.objects.filter(pk=world.in_taxonomy.pk).update(state=State.COMMITTED)


def _draft(world: World) -> list[object]:
    return [world.draft.pk]


def _earlier(world: World) -> list[object]:
    return [world.draft.pk, world.draft.version - 1]


def _submission(world: World) -> list[object]:
    return [world.submission.pk]


def _in_taxonomy(world: World) -> list[object]:
    return [world.in_taxonomy.pk]


def _leaf(world: World) -> list[object]:
    return [world.taxonomy.leaf(FREEFORM).leaf_id]


def _suggestion(world: World) -> list[object]:
    return [world.submission.pk, world.suggestion.pk]


def _rule(world: World) -> list[object]:
    return [world.rule.pk]


# Others see that a submission is there, and may not act as its author.
AUTHOR_ONLY = Access("sign-in", "ok", "missing", "forbidden", "forbidden")

ROUTES = {
    "contributions:mine": Route(get=SIGNED_IN),
    "contributions:notices": Route(get=SIGNED_IN),
    "contributions:notices_read": Route(post=SIGNED_IN, data=lambda world: {"until": 1}),
    "contributions:new": Route(get=SIGNED_IN, post=SIGNED_IN),
    "contributions:places": Route(get=SIGNED_IN),
    "contributions:improve": Route(args=_leaf, get=SIGNED_IN, post=SIGNED_IN),
    "contributions:draft": Route(args=_draft, get=OWNER, post=OWNER),
    "contributions:draft_check": Route(args=_draft, post=OWNER),
    "contributions:draft_yaml": Route(args=_draft, get=OWNER, post=OWNER),
    "contributions:draft_download": Route(args=_draft, get=OWNER),
    "contributions:draft_submit": Route(args=_draft, get=OWNER, post=OWNER),
    "contributions:draft_settle": Route(args=_draft, post=OWNER, data=lambda world: {"version": world.draft.version}),
    "contributions:draft_saves": Route(args=_draft, get=OWNER),
    "contributions:draft_earlier": Route(args=_earlier, get=OWNER),
    "contributions:draft_restore": Route(args=_earlier, post=OWNER),
    "contributions:draft_detach": Route(args=_draft, post=OWNER),
    "contributions:draft_discard": Route(args=_draft, get=OWNER, post=OWNER),
    "contributions:queue": Route(get=REVIEWERS),
    "contributions:decide_all": Route(get=REVIEWERS, post=REVIEWERS, data=lambda world: {"verdict": "claim"}),
    "contributions:filter_save": Route(post=REVIEWERS, data=lambda world: {"name": "Mine", "filter": "claim=mine"}),
    "contributions:filter_forget": Route(
        args=lambda world: [world.saved_filter.pk], post=Access("sign-in", "forbidden", "forbidden", "ok", "missing")
    ),
    "contributions:review": Route(args=_submission, get=REVIEWERS),
    "contributions:claim": Route(args=_submission, post=REVIEWERS),
    "contributions:release": Route(args=_submission, post=REVIEWERS),
    "contributions:decide": Route(
        args=_submission, post=REVIEWERS, data=lambda world: {"verdict": "reject", "revision": 1, "reason": "No."}
    ),
    "contributions:move": Route(
        args=_submission,
        get=REVIEWERS,
        post=REVIEWERS,
        data=lambda world: {"path": f"{PATH}_moved", "reason": "Better there."},
    ),
    "contributions:suggest": Route(
        args=_submission,
        get=REVIEWERS,
        post=REVIEWERS,
        query=lambda world: {"seed": 0},
        data=lambda world: {"seed": 0, "revision": 1, "seed_examples[0].answer": "Another."},
    ),
    "contributions:suggestion": Route(args=_suggestion, get=AUTHOR_ONLY, post=AUTHOR_ONLY),
    "contributions:suggestion_decline": Route(args=_suggestion, post=AUTHOR_ONLY),
    "contributions:rules": Route(get=REVIEWERS),
    "contributions:rule_add": Route(
        get=ADMINISTRATORS, post=ADMINISTRATORS, data=lambda world: {"path": "knowledge/law", "approvals": 1}
    ),
    "contributions:rule": Route(
        args=_rule, get=ADMINISTRATORS, post=ADMINISTRATORS, data=lambda world: {"approvals": 2, "version": 1}
    ),
    "contributions:rule_remove": Route(args=_rule, post=ADMINISTRATORS),
    "contributions:alike": Route(args=_submission, get=REVIEWERS),
    "contributions:submission": [
        Route(args=_submission, get=OWNER_AND_REVIEWERS),
        Route(args=_in_taxonomy, get=Access("ok", "ok", "ok", "ok", "ok")),
    ],
    "contributions:queue_trail": Route(get=REVIEWERS),
    "contributions:trail": [
        Route(args=_submission, get=OWNER_AND_REVIEWERS),
        Route(args=_in_taxonomy, get=Access("sign-in", "ok", "forbidden", "ok", "ok")),
    ],
    "contributions:revise": Route(args=_submission, post=AUTHOR_ONLY),
    "contributions:withdraw": Route(args=_submission, get=AUTHOR_ONLY, post=AUTHOR_ONLY),
    "contributions:comment": [
        Route(args=_submission, post=OWNER_AND_REVIEWERS, data=lambda world: {"text": "Hello."}),
        Route(
            args=_in_taxonomy,
            post=Access("sign-in", "ok", "forbidden", "ok", "ok"),
            data=lambda world: {"text": "Hello."},
        ),
    ],
    "contributions:comment_resolve": Route(
        args=lambda world: [world.submission.pk, world.comment.pk], post=OWNER_AND_REVIEWERS
    ),
    "contributions:revision": Route(args=lambda world: [world.submission.pk, 1], get=OWNER_AND_REVIEWERS),
}
