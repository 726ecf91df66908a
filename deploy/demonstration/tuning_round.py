"""The second half: an administrator plans and starts a round, it is followed to its end, and its scores are shown."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from deploy.browsing import Browser, Page, PageProblem

Say = Callable[[str], None]

# What the round teaches besides the leaf that was just contributed: one of each kind, so that every phase has work.
LEAVES = (
    "knowledge/places/",
    "compositional_skills/grounded/notices/",
    "compositional_skills/writing/report_line",
    "foundational_skills/",
)
RECIPE = "quick"
SAY_AGAIN_SECONDS = 15.0
OVER = ("done", "failed", "cancelled")


def leaf_choices(form_html: str) -> dict[str, str]:
    """Path → leaf id, for every leaf that the plan's page offers."""
    found = {}
    for match in re.finditer(r"<input[^>]*name=\"leaves\"[^>]*>", form_html):
        value = re.search(r'value="([0-9a-f-]{36})"', match[0])
        path = re.search(r'data-path="([^"]+)"', match[0])
        if value and path:
            found[path[1]] = value[1]
    return found


def plan(ines: Browser, contributed: str, say: Say) -> Page:
    """Plan and start the round. Returns the round's page."""
    page = ines.get("rounds/new/")
    offered = leaf_choices(page.html)
    wanted = [offered[path] for path in sorted(offered) if path == contributed or path.startswith(LEAVES)]
    if contributed not in offered:
        raise PageProblem(f"The page that plans a round does not offer {contributed}.")
    values = {"choose": "some", "leaves": wanted, "recipe": RECIPE, "title": "The demonstration's round"}
    planned = ines.submit(page, page.form("recipe", "leaves"), values)
    if not re.search(r"/rounds/[0-9a-f-]{36}/$", planned.url):
        raise PageProblem(f"The round was not planned: {planned.summary()}")
    say(f"An administrator plans a round of {len(wanted)} leaves with the recipe “{RECIPE}”: {planned.url}")
    return planned


def go_on(ines: Browser, url: str) -> None:
    """Press what the round's page offers: start a planned one, try a failed one again; nothing for a running one."""
    page = ines.get(url)
    form = next((form for form in page.forms if form.action.endswith(("/start/", "/retry/"))), None)
    if form is not None:
        ines.submit(page, form, {})


def _progress(ines: Browser, url: str) -> tuple[str, str]:
    """How the round stands (a state's name) and what is happening, in one sentence that tells how far it is."""
    page = ines.get(url + "progress/")
    state = re.search(r'data-state="(\w+)"', page.html)
    if state is None:
        raise PageProblem(f"{url} does not say how the round stands.")
    return state[1], with_numbers(page.status_line, page.html)


def with_numbers(happening: str, page_html: str) -> str:
    """The sentence with how far the running stage is, once it has begun and where it does not say so itself.

    The page keeps the numbers out of the sentence, so that screen readers do not read it out every second.
    """
    meter = re.search(r'data-progress="([^"]+)"', page_html)
    if meter is None or meter[1].startswith("0 of ") or re.search(r"\d of \d", happening):
        return happening
    return f"{happening.rstrip('.')}: {html.unescape(meter[1])}."


def state_of(ines: Browser, url: str) -> str:
    return _progress(ines, url)[0]


def follow(ines: Browser, url: str, say: Say, look: Callable[[], None]) -> str:
    """Show where the round is until it is over; ``look`` is called between two looks. Returns its last state.

    A sentence that differs from the last one only in its numbers is said again after SAY_AGAIN_SECONDS.
    """
    said, said_at = "", 0.0
    while True:
        state, happening = _progress(ines, url)
        same_words = re.sub(r"\d+", "", happening) == re.sub(r"\d+", "", said)
        if happening != said and (not same_words or time.monotonic() - said_at > SAY_AGAIN_SECONDS):
            said, said_at = happening, time.monotonic()
            say(happening)
        if state in OVER:
            return state
        look()
        time.sleep(2.0)


def rounds(ines: Browser) -> list[str]:
    """Addresses of all rounds, the newest first."""
    page = ines.get("rounds/")
    found = [to for _, to in page.links if re.search(r"/rounds/[0-9a-f-]{36}/$", to)]
    return list(dict.fromkeys(found))


def release_of(ines: Browser, round_url: str) -> str | None:
    page = ines.get(round_url)
    return next((to for _, to in page.links if re.search(r"/releases/\d+/$", to)), None)


def announce(ines: Browser, release_url: str) -> None:
    """Publish the release, so that visitors see it, and make it the current one; what is done already is left.

    Raises:
        PageProblem: the site refuses, as it does when the release forgets what an earlier one had learnt.
    """
    for step in ("/publish", "/promote"):
        page = ines.get(release_url)
        form = next((form for form in page.forms if form.action.endswith(step)), None)
        if form is not None:
            ines.submit(page, form, {})


def scores(ines: Browser, release_url: str) -> dict[str, Any]:
    answer = ines.session.get(release_url + "scores.json", timeout=60)
    answer.raise_for_status()
    return answer.json()  # type: ignore[no-any-return]


def table(found: dict[str, Any]) -> Iterator[str]:
    """The score table as lines: before, after, the difference with its interval, and the arm without replay."""
    rows = found["scores"]
    yield f"{found['release']}: scores before and after (difference with its 95 % interval), and without replay"
    head = f"{'':46}{'before':>9}{'after':>9}{'difference':>26}{'no replay':>11}"
    yield head
    for scope, title in (
        ("leaf", "Held-out seeds: log-probability a token of the reference answer, higher is better"),
        ("benchmark", "Public form, own small data: share answered right, higher is better"),
        ("general", "General chats: loss in nats a token, lower is better"),
    ):
        of_scope = [row for row in rows if row["scope"] == scope]
        if not of_scope:
            continue
        yield title
        keys = list(dict.fromkeys((row["name"], row["metric"]) for row in of_scope))
        for name, metric in keys:
            by_subject = {row["subject"]: row for row in of_scope if (row["name"], row["metric"]) == (name, metric)}
            yield _line(name, metric if scope == "benchmark" else "", by_subject)


def _line(name: str, metric: str, by_subject: dict[str, dict[str, Any]]) -> str:
    def mean(subject: str) -> str:
        return f"{by_subject[subject]['mean']:.3f}" if subject in by_subject else "–"

    after = by_subject.get("after", {})
    difference = after.get("difference_to_before")
    shown = "–"
    if difference is not None:
        shown = f"{difference:+.3f}"
        if after.get("low") is not None:
            certain = "" if after["low"] > 0 or after["high"] < 0 else " ?"
            shown += f" [{after['low']:+.3f}, {after['high']:+.3f}]{certain}"
    label = f"  {name}{' (' + metric + ')' if metric else ''}"
    return f"{label[-46:]:46}{mean('before'):>9}{mean('after'):>9}{shown:>26}{mean('control'):>11}"
