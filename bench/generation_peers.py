"""Generation end to end against other generators, each with its own pipeline, on the same server with the same seeds.

Two kinds of work from the leaves of one taxonomy: freeform skills (against ``instructlab-sdg`` and ``distilabel``) and
knowledge, each context of a leaf taken as a document (against ``instructlab-sdg`` and ``sdg-hub``). Each side runs in
turn and alone, in a process of its own, for ``--rounds`` rounds; medians count. Told of each: samples that its own
judges accepted, samples a second from its first import to its last file and while it generates, teacher tokens an
accepted sample, and how many of the server's slots it kept busy.

The peers are installed into environments of their own under ``--envs`` (or ``SEEDBED_BENCH_ENVS``; ``--install`` does
this alone), with torch left out: none of what runs here needs it. Without ``--teacher-url`` the server is the one of
fixed latency (``fixed_latency_server``), whose judges accept the same share of everybody's rows.

Prints one line of JSON; its exit status is 1 where a limit is missed or a peer could not be run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fixed_latency_server import MODEL, Server, running
from workers.environment import PROJECT
from workers.generation.__main__ import planned_leaves
from workers.specs import LeafKind, PlannedLeaf

STARTER = PROJECT / "taxonomy_repo" / "starter" / "taxonomy"
PEERS = Path(__file__).parent / "peers"
# What must hold: samples a second of ours over InstructLab's and over the fastest, tokens a sample over InstructLab's.
LEAST_OF_INSTRUCTLAB, LEAST_OF_FASTEST, MOST_TOKENS = 5.0, 1.1, 1 / 3
OURS, INSTRUCTLAB = "seedbed", "instructlab-sdg"
# InstructLab asks for 30 questions of each seed of a skill; distilabel is asked for as many, five at a time.
REPEATS = 6
LONGEST_SECONDS = 900.0

# What each peer needs to run what is run here: its own list less what loads torch (documents are not converted here).
_INSTRUCTLAB_NEEDS = (
    "click>=8.1.7,<9",
    "datasets",
    "docling-core>=2.25,<3",
    "filetype",
    "GitPython>=3.1.42,<4",
    "httpx>=0.25,<1",
    "instructlab-schema>=0.4.0",
    "jinja2",
    "openai>=1.13.3,<2",
    "pydantic-settings",
    "sentencepiece",
    "tabulate",
    "tenacity>=8.3.0,!=8.4.0",
    "transformers",
    "xdg-base-dirs>=6",
    "gguf",
)
INSTALLS: dict[str, tuple[tuple[str, ...], ...]] = {
    INSTRUCTLAB: (_INSTRUCTLAB_NEEDS, ("--no-deps", "instructlab-sdg==0.8.3", "docling==2.28.4")),
    "sdg-hub": (("sdg-hub==0.9.4",),),
    "distilabel": (("distilabel[openai]==1.5.3", "requests"),),
}
WORK: dict[str, tuple[LeafKind, tuple[str, ...]]] = {
    "skills": (LeafKind.FREEFORM, (OURS, INSTRUCTLAB, "distilabel")),
    "knowledge": (LeafKind.KNOWLEDGE, (OURS, INSTRUCTLAB, "sdg-hub")),
}


class PeerProblem(Exception):
    """A peer could not be installed or run; one sentence and the end of what it said."""


def python_of(name: str, envs: Path) -> Path:
    """The interpreter of a peer's environment, which is made where it is not there.

    Raises:
        PeerProblem: it cannot be installed.
    """
    folder = envs / name
    python, whole = folder / "bin" / "python", folder / "installed"
    wanted = json.dumps(INSTALLS[name])
    if python.exists() and whole.exists() and whole.read_text(encoding="utf-8") == wanted:
        return python
    print(f"installing {name} into {folder}", file=sys.stderr)
    if not python.exists():
        venv.create(folder, with_pip=True)
    for needs in INSTALLS[name]:
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *needs], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PeerProblem(f"{name} cannot be installed: {done.stderr.strip()[-600:]}")
    whole.write_text(wanted, encoding="utf-8")
    return python


def rows_of(leaf: PlannedLeaf) -> list[dict[str, str]]:
    """A leaf's seeds as InstructLab's preprocessing gives them on; sdg-hub's flow takes the same columns."""
    if leaf.kind is not LeafKind.KNOWLEDGE:
        description = leaf.task_description
        return [
            {"task_description": description, "seed_question": seed.question, "seed_response": seed.answer}
            for seed in leaf.seeds
        ]
    contexts: dict[str, list[tuple[str, str]]] = {}
    for seed in leaf.seeds:
        contexts.setdefault(seed.context or "", []).append((seed.question, seed.answer))
    rows = []
    for document in contexts:
        for context, pairs in contexts.items():
            row = {"document": document, "icl_document": context, "domain": leaf.domain}
            row["document_outline"] = leaf.document_outline
            for number, (question, answer) in enumerate(pairs[:3], 1):
                row |= {f"icl_query_{number}": question, f"icl_response_{number}": answer}
            rows.append(row)
    return rows


Counters = Callable[[], dict[str, float]]


def run_peer(name: str, given: dict[str, Any], envs: Path, folder: Path) -> dict[str, float]:
    """One run of a peer; what it says of itself, and the seconds of its process from start to end."""
    python = python_of(name, envs)
    order = folder / "order.json"
    order.write_text(json.dumps({**given, "folder": str(folder / "made")}), encoding="utf-8")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SEEDBED_", "HF_"))},
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "XDG_DATA_HOME": str(folder / "data"),
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [str(python), str(PEERS / f"run_{name.replace('-', '_')}.py"), str(order)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environ,
            timeout=LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PeerProblem(f"{name} did not come to an end in {LONGEST_SECONDS:.0f} seconds.") from None
    seconds = time.monotonic() - begun
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode or not last.startswith("{"):
        raise PeerProblem(f"{name} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")
    return {**json.loads(last), "whole_seconds": seconds}


def run_ours(given: dict[str, Any], options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One run of this project's command."""
    command = [sys.executable, "-m", "workers.generation", "--taxonomy", str(options.taxonomy)]
    for leaf in given["leaves"]:
        command += ["--leaf", leaf["path"]]
    command += ["--teacher-url", given["url"], "--teacher-model", given["model"], "--profile", options.profile]
    command += ["--in-flight", str(given["in_flight"]), "--samples", str(options.samples), "--seed", "1"]
    command += ["--max-answer-tokens", str(options.answer_tokens), "--out", str(folder / "made")]
    environ = {**os.environ, "SEEDBED_VAR": str(folder / "var")}
    if given.get("key"):
        environ["SEEDBED_TEACHER_KEY"] = given["key"]
        command += ["--teacher-key-variable", "SEEDBED_TEACHER_KEY"]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT, env=environ)
    seconds = time.monotonic() - begun
    if done.returncode:
        raise PeerProblem(f"{OURS} ended with status {done.returncode}: {done.stderr.strip()[-600:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {"accepted": told["samples"], "generating_seconds": told["seconds"], "whole_seconds": seconds}


def metrics_of(url: str) -> dict[str, float]:
    """Token counters of a vLLM server, from its ``/metrics``."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = {}
    for name, metric in (
        ("prompt_tokens", "vllm:prompt_tokens_total"),
        ("completion_tokens", "vllm:generation_tokens_total"),
    ):
        values = re.findall(rf"^{metric}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", text, re.MULTILINE)
        found[name] = sum(float(value) for value in values)
    return found


@contextlib.contextmanager
def teacher(options: argparse.Namespace) -> Iterator[tuple[str, Server | None]]:
    """The address to use, and the server of fixed latency where it is that."""
    if options.teacher_url:
        yield options.teacher_url, None
        return
    with running(slots=options.slots, latency=options.latency, token_seconds=options.token_seconds,
                 taxonomy=options.taxonomy) as server:  # fmt: skip
        yield server.url, server


def measured(name: str, given: dict[str, Any], server: Server | None, options: argparse.Namespace) -> dict[str, float]:
    """One run of one side, with what the server saw of it."""
    with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as place:
        folder = Path(place)
        before = {} if server is not None else metrics_of(given["url"])
        if server is not None:
            server.reset()
        found = run_ours(given, options, folder) if name == OURS else run_peer(name, given, options.envs, folder)
        if server is not None:
            seen: dict[str, float] = server.stats()
        else:
            seen = {key: value - before[key] for key, value in metrics_of(given["url"]).items()}
    accepted = found["accepted"]
    tokens = seen["prompt_tokens"] + seen["completion_tokens"]
    return {
        "accepted": accepted,
        "seconds": found["whole_seconds"],
        "samples_per_second": accepted / found["whole_seconds"],
        "generating_samples_per_second": accepted / found["generating_seconds"] if accepted else 0.0,
        "replies_per_sample": seen.get("replies", 0) / max(accepted, 1),
        "completion_tokens_per_sample": seen["completion_tokens"] / max(accepted, 1),
        "tokens_per_sample": tokens / max(accepted, 1),
        "busy_slots": seen.get("mean_busy_slots", 0.0),
    }


def verdict(sides: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The ratios that must hold; where a side has no accepted sample there is nothing to compare."""
    ours, lab = sides.get(OURS), sides.get(INSTRUCTLAB)
    others = [side["samples_per_second"] for name, side in sides.items() if name != OURS]
    found: dict[str, Any] = {"ok": False}
    if ours and lab and lab["accepted"]:
        found["times_instructlab"] = round(ours["samples_per_second"] / lab["samples_per_second"], 2)
        found["tokens_of_instructlab"] = round(ours["tokens_per_sample"] / lab["tokens_per_sample"], 3)
    if ours and others and max(others):
        found["times_fastest"] = round(ours["samples_per_second"] / max(others), 2)
    if len(found) == 4:
        found["ok"] = (
            found["times_instructlab"] >= LEAST_OF_INSTRUCTLAB
            and found["times_fastest"] >= LEAST_OF_FASTEST
            and found["tokens_of_instructlab"] <= MOST_TOKENS
        )
    return found


def compare(options: argparse.Namespace) -> dict[str, Any]:
    leaves = planned_leaves(options.taxonomy, (), None, 0.0)
    told: dict[str, Any] = {"work": {}, "problems": {}}
    with teacher(options) as (url, server):
        for work in options.work:
            kind, names = WORK[work]
            own = [leaf for leaf in leaves if leaf.kind is kind][: options.leaves]
            type_of = "knowledge" if kind is LeafKind.KNOWLEDGE else "freeform_skill"
            given = {
                "url": url,
                "key": os.environ.get("SEEDBED_TEACHER_KEY"),
                "model": options.teacher_model,
                "in_flight": options.slots,
                "repeats": REPEATS,
                "leaves": [{"path": leaf.path, "kind": type_of, "rows": rows_of(leaf)} for leaf in own],
            }
            runs: dict[str, list[dict[str, float]]] = {}
            for _ in range(options.rounds):
                for name in [name for name in names if name not in told["problems"]]:
                    try:
                        runs.setdefault(name, []).append(measured(name, given, server, options))
                        print(work, name, runs[name][-1], file=sys.stderr)
                    except PeerProblem as problem:
                        told["problems"][name] = str(problem)
                        print(problem, file=sys.stderr)
            sides = {
                name: {key: round(statistics.median(run[key] for run in each), 3) for key in each[0]}
                for name, each in runs.items()
                if each
            }
            told["work"][work] = {
                "leaves": len(own),
                "seeds": sum(len(leaf.seeds) for leaf in own),
                **verdict(sides),
                "sides": sides,
            }
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("SEEDBED_BENCH_ENVS") or PROJECT / "var" / "bench-envs")
    parser.add_argument("--envs", type=Path, default=default, help="folder of the peers' environments")
    parser.add_argument("--install", action="store_true", help="make the environments and end")
    parser.add_argument("--taxonomy", type=Path, default=STARTER)
    parser.add_argument("--leaves", type=int, default=1000, help="leaves of each kind, at most")
    parser.add_argument("--work", nargs="+", choices=sorted(WORK), default=list(WORK))
    parser.add_argument("--slots", type=int, default=32, help="replies that the server writes at once")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that a reply takes")
    parser.add_argument("--token-seconds", type=float, default=0.0, help="seconds more for each token of a reply")
    parser.add_argument("--samples", type=int, default=100, help="samples asked of each leaf, of this project")
    parser.add_argument("--answer-tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--teacher-url", help="a real server instead; its key is in SEEDBED_TEACHER_KEY")
    parser.add_argument("--teacher-model", default=MODEL)
    parser.add_argument("--profile", default="auto", help="how this project prompts that teacher")
    options = parser.parse_args()
    options.envs = options.envs.resolve()
    if options.install:
        for name in INSTALLS:
            print(python_of(name, options.envs))
        return 0
    told = compare(options)
    ok = not told["problems"] and all(work["ok"] for work in told["work"].values())
    facts = {"slots": options.slots, "latency_seconds": options.latency, "token_seconds": options.token_seconds}
    print(json.dumps({"benchmark": "generation_peers", **facts, "rounds": options.rounds, **told, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
