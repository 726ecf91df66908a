"""Who may do what on the routes of askings: the author's own while it is written, the author's and reviewers' after."""

from __future__ import annotations

from taxonomy_app.asking import services
from tests.taxonomy_app.routing import OWNER, OWNER_AND_REVIEWERS, SIGNED_IN, Route, World


def prepare(world: World) -> None:
    world.asking = services.question_ask(question="What is a bean?", by=world.contributor, now=world.now)


ROUTES = {
    "asking:question_new": Route(post=SIGNED_IN, data=lambda world: {"question": "What is a pea?"}),
    "asking:question": Route(args=lambda world: [world.asking.pk], get=OWNER),
    "asking:draft": Route(args=lambda world: [world.draft.pk], get=OWNER),
    "asking:submission": Route(
        args=lambda world: [world.submission.pk],
        get=OWNER_AND_REVIEWERS,
        post=OWNER_AND_REVIEWERS,
        data=lambda world: {"whom": "model"},
    ),
    "asking:stop": Route(args=lambda world: [world.asking.pk], post=OWNER),
}
