"""How much of a server's capacity generation uses, against a bare load generator on the same server; and its memory.

Generation does all that it does in a round: plan, prompts, three steps a row (question, answer, a judge that was tried
first), filters, near-duplicates, parts. The requests that it sends are written down, and the bare side sends the same
again, from a list, with nothing but aiohttp: so both ask for the same tokens. Both run in turn in this process, at each
number of requests in flight (the server has as many slots), on a server of fixed latency in a process of its own.
Compared are completion tokens a second as the server counts them, without the first and the last tenth of each run;
and, for the record, over the whole run, at whose end the last rows take their steps and nothing follows them.

``--memory``: instead of that, how much memory generation holds at so many samples, in one run: nothing is sent over
a network then, the same answers are given at once in this process.

Prints one line of JSON; its exit status is 1 where generation gets less than 95 % of the bare rate, or where memory
grows by more than a tenth from the first of the given numbers of samples to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import psutil

from bench.fixed_latency_server import MODEL, Server, answered, running
from bench.plausible_answers import PlausibleAnswers
from workers.artifacts import ArtifactStore
from workers.environment import shared_settings
from workers.generation.run import Order, generate
from workers.planning import seed_fingerprint
from workers.specs import (
    GenerationRecipe,
    LeafKind,
    ModelReference,
    PlannedLeaf,
    Progress,
    SeedPair,
    TeacherReference,
)
from workers.teacher.client import TeacherClient

LEAST_SHARE = 0.95
MOST_GROWTH = 1.1
# Requests that the bare side sends again and again.
MOST_RECORDED = 20_000
SAMPLES_OF_A_LEAF = 500
# Question, answer, judge.
REQUESTS_OF_A_ROW = 3
SUBJECTS = ("harbour", "orchard", "library", "workshop", "railway", "kitchen", "archive", "meadow")

Recorded = list[tuple[str, bytes]]


def leaves_of(count: int) -> tuple[PlannedLeaf, ...]:
    """Leaves of a freeform skill with eight seeds each."""
    found = []
    for number in range(count):
        pairs = [
            (
                f"Write a note about the {subject} of place {number}, as a neighbour would, in one line.",
                f"Dear all, in place {number} the {subject} is open again for the people of the village.",
            )
            for subject in SUBJECTS
        ]
        found.append(
            PlannedLeaf(
                leaf_id=f"leaf-{number}",
                path=f"compositional_skills/notes_{number}",
                kind=LeafKind.FREEFORM,
                blob="b",
                task_description="Write a short note about a subject.",
                seeds=tuple(SeedPair(fingerprint=seed_fingerprint(q), question=q, answer=a) for q, a in pairs),
            )
        )
    return tuple(found)


def order_of(url: str, samples: int, in_flight: int) -> Order:
    each = min(samples, SAMPLES_OF_A_LEAF)
    return Order(
        leaves_of(-(-samples // each)),
        GenerationRecipe(samples_per_leaf=each, attempts_factor=3.0, max_answer_tokens=256),
        TeacherReference(
            source="endpoint",
            url=url,
            model=ModelReference(name=MODEL),
            max_in_flight=in_flight,
            profile="generic-instruct",
        ),
        1,
    )


def generation(order: Order, folder: Path, report: Callable[[Progress], None]) -> dict[str, Any]:
    settings = shared_settings({"SEEDBED_VAR": str(folder)})
    artifact = ArtifactStore(settings.artifacts_url).artifact(f"made-{time.monotonic_ns()}")
    return generate(order, artifact, settings=settings, store=None, log_file=folder / "log", report=report)


# -- the rate


async def bare(url: str, recorded: Recorded, count: int, in_flight: int) -> None:
    """``count`` requests with nothing but aiohttp."""
    left = iter(range(count))
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def ask() -> None:
            for number in left:
                route, body = recorded[number % len(recorded)]
                async with session.post(url + route, data=body) as answer:
                    await answer.json()

        await asyncio.gather(*(ask() for _ in range(in_flight)))


def steady(stats: dict[str, Any], latency: float) -> float:
    """Completion tokens a second without the beginning and the end of a run.

    Left out at either end are a tenth of the run, and at least the time that a row's requests take one after another.
    """
    counts = stats["completion_tokens_each_second"]
    edge = max(len(counts) // 10, math.ceil(REQUESTS_OF_A_ROW * latency) + 1)
    middle = counts[edge : len(counts) - edge]
    if len(middle) < edge:
        raise SystemExit("the run is too short to tell anything: give more --seconds or less --latency")
    return sum(middle) / len(middle)


def rates(stats: dict[str, Any], latency: float, spent: float) -> dict[str, float]:
    """``spent``: processor seconds of the side that asked."""
    return {
        "completion_tokens_per_second": steady(stats, latency),
        "over_the_whole_run": stats["completion_tokens"] / stats["seconds"],
        "replies_per_second": stats["replies"] / stats["seconds"],
        "busy_slots": stats["mean_busy_slots"],
        "processor_milliseconds_per_reply": 1000 * spent / stats["replies"],
        "seconds": stats["seconds"],
    }


def compared(server: Server, in_flight: int, options: argparse.Namespace) -> dict[str, Any]:
    """Both sides at one number of requests in flight."""
    # One row in seven is dropped: samples for about so many seconds.
    samples = max(int(in_flight / options.latency * options.seconds * 6 / 7 / REQUESTS_OF_A_ROW), 24)
    recorded: Recorded = []
    found: dict[str, list[dict[str, float]]] = {"bare": [], "generation": []}
    tried = TeacherClient._tried

    async def noted(client: TeacherClient, route: str, body: dict[str, Any]) -> dict[str, Any]:
        if len(recorded) < MOST_RECORDED:
            recorded.append((route, json.dumps(body).encode()))
        return await tried(client, route, body)

    with tempfile.TemporaryDirectory() as folder:
        order = order_of(server.url, samples, in_flight)
        for number in range(options.rounds):
            TeacherClient._tried = noted if number == 0 else tried  # type: ignore[method-assign]
            server.reset()
            spent = time.process_time()
            try:
                summary = generation(order, Path(folder), lambda _progress: None)
            finally:
                TeacherClient._tried = tried  # type: ignore[method-assign]
            if summary["empty_leaves"]:
                raise SystemExit(f"leaves were left empty: {summary['dropped']}")
            found["generation"].append(rates(server.stats(), options.latency, time.process_time() - spent))
            server.reset()
            spent = time.process_time()
            asyncio.run(bare(server.url, recorded, summary["requests"], in_flight))
            found["bare"].append(rates(server.stats(), options.latency, time.process_time() - spent))
            print(in_flight, {side: each[-1] for side, each in found.items()}, file=sys.stderr)
    medians = {
        side: {name: round(statistics.median(each[name] for each in runs), 2) for name in runs[0]}
        for side, runs in found.items()
    }
    ours, theirs = medians["generation"], medians["bare"]
    return {
        "in_flight": in_flight,
        "samples": samples,
        **medians,
        "share": round(ours["completion_tokens_per_second"] / theirs["completion_tokens_per_second"], 4),
        "share_of_the_whole_run": round(ours["over_the_whole_run"] / theirs["over_the_whole_run"], 4),
    }


# -- memory


def memory(marks: list[int], in_flight: int) -> dict[str, Any]:
    """Resident megabytes at each of the given numbers of samples, and when all files are written."""
    order = order_of("http://127.0.0.1:9/v1", marks[-1], in_flight)
    answers = PlausibleAnswers([(pair.question, pair.answer) for leaf in order.leaves for pair in leaf.seeds])
    process, seen = psutil.Process(), {}

    class AtOnce(TeacherClient):
        async def check(self) -> None:
            """There is nobody to ask."""

        async def _tried(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(0)
            # What is counted of identical prompts is the answers' memory, not generation's.
            answers._asked.clear()
            found: dict[str, Any] = json.loads(answered(route.startswith("/chat"), body, answers, {})[0])
            return found

    def report(progress: Progress) -> None:
        for mark in marks:
            if mark not in seen and progress.done >= mark * 0.98:
                gc.collect()
                seen[mark] = round(process.memory_info().rss / 1e6, 1)
                print(mark, seen[mark], round(time.monotonic() - begun), file=sys.stderr, flush=True)

    from workers.teacher import connection

    kept, connection.TeacherClient = connection.TeacherClient, AtOnce  # type: ignore[misc]
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            summary = generation(order, Path(folder), report)
    finally:
        connection.TeacherClient = kept  # type: ignore[misc]
    growth = seen[marks[-1]] / seen[marks[0]]
    return {
        "samples": summary["samples"],
        "seconds": round(time.monotonic() - begun, 1),
        "megabytes_at": {str(mark): size for mark, size in seen.items()},
        "megabytes_at_the_end": round(process.memory_info().rss / 1e6, 1),
        "growth": round(growth, 3),
        "most_growth": MOST_GROWTH,
        "ok": growth <= MOST_GROWTH,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--latency", type=float, default=0.5, help="seconds that a reply takes")
    parser.add_argument("--seconds", type=float, default=25.0, help="about how long one side runs at each number")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", type=int, nargs="+", metavar="SAMPLES", help="measure memory at these, rising")
    options = parser.parse_args()
    if options.memory:
        told = memory(sorted(options.memory), options.in_flight[-1])
        print(json.dumps({"benchmark": "generation_memory", **told}))
        return 0 if told["ok"] else 1
    levels = []
    for in_flight in options.in_flight:
        with running(slots=in_flight, latency=options.latency) as server:
            levels.append(compared(server, in_flight, options))
    ok = all(level["share"] >= LEAST_SHARE for level in levels)
    facts = {"latency_seconds": options.latency, "rounds": options.rounds, "least_share": LEAST_SHARE}
    print(json.dumps({"benchmark": "generation_client", **facts, "levels": levels, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
