"""How much of a server's capacity generation uses, against a bare load generator on the same server.

A server of fixed latency answers at once what is asked at once; 32 requests are kept in flight by each side in turn,
interleaved, medians of the rounds. Generation does all that it does in a round: plan, prompts, two steps a row,
filters, near-duplicates, parts. Also told: how much memory it held at a fifth of the samples and at the end.

Prints one line of JSON; its exit status is 1 where generation gets less than 95 % of the bare rate.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import psutil
from aiohttp import web

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

LEAST_SHARE = 0.95


def serve(port: int, latency: float) -> None:
    """Answer every request after ``latency`` seconds with words that no other answer has."""
    count = 0
    names = ("alder", "birch", "cedar", "elder", "fir", "gorse", "hazel", "ivy", "juniper", "kelp", "larch", "maple")

    async def answer(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        number = count
        body = await request.json()
        await asyncio.sleep(latency)
        words = " ".join(names[(number * 2654435761 >> shift) % len(names)] for shift in range(0, 48, 4))
        field = "question" if '{"question": "..."}' in body["messages"][-1]["content"] else "answer"
        # With some of the leaf's common words, as any row in its language has them.
        content = json.dumps({field: f"Write a note about the {words} {number}"})
        choice = {"message": {"content": content}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 300, "completion_tokens": 20}})

    async def models(_request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "teacher"}]})

    logging.disable()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/v1/models", models)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


async def bare(url: str, requests: int, in_flight: int, body: dict[str, object]) -> float:
    """Requests a second of nothing but aiohttp."""
    left = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            for _ in left:
                async with session.post(f"{url}/chat/completions", json=body) as answer:
                    await answer.json()

        begun = time.monotonic()
        await asyncio.gather(*(ask() for _ in range(in_flight)))
        return requests / (time.monotonic() - begun)


def leaf() -> PlannedLeaf:
    texts = [f"Write a note about subject {n} of the list, as a neighbour would, in one line." for n in range(8)]
    return PlannedLeaf(
        leaf_id="leaf",
        path="compositional_skills/notes",
        kind=LeafKind.FREEFORM,
        blob="b",
        task_description="Write a short note about a subject.",
        seeds=tuple(
            SeedPair(fingerprint=seed_fingerprint(t), question=t, answer=f"Dear all, about that: {t}") for t in texts
        ),
    )


def generation(url: str, samples: int, in_flight: int, folder: Path) -> tuple[float, float, float]:
    """Requests a second of a whole generation, and its memory in MB at a fifth of the samples and at the end."""
    settings = shared_settings({"SEEDBED_VAR": str(folder)})
    artifact = ArtifactStore(settings.artifacts_url).artifact(f"made-{time.monotonic_ns()}")
    teacher = TeacherReference(
        source="endpoint",
        url=url,
        model=ModelReference(name="teacher"),
        max_in_flight=in_flight,
        profile="generic-instruct",
    )
    recipe = GenerationRecipe(samples_per_leaf=samples // 10, attempts_factor=3.0, judge=False)
    leaves = tuple(
        leaf().model_copy(update={"leaf_id": f"leaf-{n}", "path": f"compositional_skills/notes_{n}"}) for n in range(10)
    )
    process, memory = psutil.Process(), []

    def report(progress: Progress) -> None:
        if progress.done >= progress.total / 5:
            memory.append(process.memory_info().rss / 1e6)

    gc.collect()
    summary = generate(
        Order(leaves, recipe, teacher, 1),
        artifact,
        settings=settings,
        store=None,
        log_file=folder / "log",
        report=report,
    )
    print(summary["mean_in_flight"], summary["seconds"], file=sys.stderr)
    if summary["samples"] != samples // 10 * 10:
        raise SystemExit(f"only {summary['samples']} samples were made: {summary['dropped']}")
    return summary["requests"] / summary["seconds"], memory[0], memory[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the server (used by the benchmark itself)")
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.latency)
        return 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(port), "--latency", str(given.latency)])
    body = {"model": "teacher", "messages": [{"role": "user", "content": "x " * 600 + 'JSON: {"question": "..."}'}]}
    rates: dict[str, list[float]] = {"bare": [], "generation": []}
    memory: list[tuple[float, float]] = []
    try:
        for _ in range(100):
            try:
                asyncio.run(bare(url, given.in_flight, given.in_flight, body))  # the warm-up, too
                break
            except aiohttp.ClientConnectorError:
                time.sleep(0.1)
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(given.rounds):
                rates["bare"].append(asyncio.run(bare(url, 2 * given.samples, given.in_flight, body)))
                rate, early, late = generation(url, given.samples, given.in_flight, Path(folder))
                rates["generation"].append(rate)
                memory.append((early, late))
    finally:
        server.terminate()
        server.wait()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    share = medians["generation"] / medians["bare"]
    print(
        json.dumps(
            {
                "benchmark": "generation_client",
                "in_flight": given.in_flight,
                "latency_seconds": given.latency,
                "samples": given.samples,
                "ideal_requests_per_second": round(given.in_flight / given.latency, 1),
                "bare_requests_per_second": round(medians["bare"], 1),
                "generation_requests_per_second": round(medians["generation"], 1),
                "share": round(share, 4),
                "least_share": LEAST_SHARE,
                "memory_megabytes_at_a_fifth": round(statistics.median(first for first, _ in memory), 1),
                "memory_megabytes_at_the_end": round(statistics.median(last for _, last in memory), 1),
                "ok": share >= LEAST_SHARE,
            }
        )
    )
    return 0 if share >= LEAST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
