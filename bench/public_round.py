"""A round over a whole taxonomy folder, through the pages, on an installation of its own.

``--taxonomy`` names a folder of leaves (the public taxonomy of 147 leaves is what it was written for). An installation
is set up in ``--folder`` as ``make run`` does it, with the folder's leaves brought in; an administrator plans a round
over every leaf that can be taught, ``--samples`` asked of each, with the small model as teacher (a vLLM, where it is
installed) and student, and starts it. It is followed to its end, or, with ``--generation-only``, until its samples are
there. A call that was interrupted goes on where it was when it is repeated with the same ``--folder``.

What must hold: every planned leaf that a teacher is asked about has its line in the funnel on the round's page; a leaf
of which nothing was kept says so there; every row that was asked for was kept or dropped for a reason that is counted.
Told besides: what was left out of the plan, samples, requests, tokens, seconds.

Prints one line of JSON; its exit status is 1 where something of this does not hold. Without ``--generation-only`` the
round tunes and evaluates as well: hours on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from deploy.browsing import Browser, PageProblem
from deploy.demonstration import contribution, tuning_round
from deploy.demonstration.contribution import Account
from workers.artifacts import Artifact, ArtifactStore
from workers.environment import PROJECT

STARTUP_SECONDS = 180
LOOK_SECONDS = 5.0
# The page counts no more of them than this.
MOST_EMPTY_TOLD = 500
LEAF = re.compile(r"/leaf/([0-9a-f-]{36})/")


class Installation:
    """Seedbed in a folder of its own, run as ``make run`` runs it."""

    def __init__(self, folder: Path, models: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}/"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDBED_", "DJANGO_"))}
        self.environ = kept | {
            "SEEDBED_VAR": str(folder),
            "SEEDBED_MODELS": str(models),
            "SEEDBED_DEMO": "true",
            "SEEDBED_PORT": str(port),
        }

    def manage(self, *arguments: str) -> str:
        """The last line that a management command says.

        Raises:
            RuntimeError: it fails.
        """
        command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.environ, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]} fails: {done.stderr.strip()[-600:]}")
        return (done.stdout.strip().splitlines() or [""])[-1]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The site with its workers, for the length of the block.

        Raises:
            RuntimeError: it does not come up.
        """
        log = self.folder / "supervisor.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.supervisor"],
                env=self.environ,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            until = time.monotonic() + STARTUP_SECONDS
            while "Seedbed runs at" not in log.read_text(encoding="utf-8", errors="replace"):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the site does not start; {log} says why")
                time.sleep(0.5)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def set_up(installation: Installation, taxonomy: Path) -> dict[str, Any]:
    """Bring the taxonomy in, once; what the command said of it."""
    told = installation.folder / "imported.json"
    if told.exists():
        known: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        return known
    installation.manage("migrate", "--no-input")
    installation.manage("collectstatic", "--no-input")
    found: dict[str, Any] = json.loads(installation.manage("import_taxonomy", str(taxonomy.resolve())))
    told.write_text(json.dumps(found), encoding="utf-8")
    return found


def planned(ines: Browser, options: argparse.Namespace) -> str:
    """The address of the round: the newest that there is, or a new one over all leaves."""
    if earlier := tuning_round.rounds(ines):
        return earlier[0]
    page = ines.get("rounds/new/")
    values = {
        "choose": "all",
        "recipe": tuning_round.RECIPE,
        "samples_per_leaf": str(options.samples),
        "random_seed": "1",
        "title": f"All leaves of {options.taxonomy.name}",
    }
    if options.teacher_url:
        values |= {"teacher_source": "endpoint", "teacher_url": options.teacher_url, "seen_by_workers": "on"}
        values |= {"teacher_model": options.teacher_model, "teacher_in_flight": str(options.in_flight)}
    answered = ines.submit(page, page.form("recipe", "choose"), values)
    if not re.search(r"/rounds/[0-9a-f-]{36}/$", answered.url):
        raise PageProblem(f"The round was not planned: {answered.summary()}")
    return answered.url


def generation_of(installation: Installation) -> Artifact | None:
    """The generation's artifact, once it is there."""
    store = ArtifactStore((installation.folder / "artifacts").as_uri())
    found = sorted(Path(store.local or "").glob("generation-*"))
    return store.artifact(found[-1].name) if found else None


def followed(ines: Browser, url: str, installation: Installation, *, generation_only: bool) -> str:
    """Wait for the end that is wanted; the round's last state."""
    said = ""
    while True:
        page = ines.get(url + "progress/")
        state = tuning_round.state_of(ines, url)
        happening = tuning_round.with_numbers(page.status_line.strip(), page.html)
        if happening != said:
            said = happening
            say(happening)
        if state in tuning_round.OVER:
            return state
        made = generation_of(installation)
        if generation_only and made is not None and made.complete:
            return state
        time.sleep(LOOK_SECONDS)


def shown_funnels(ines: Browser, url: str) -> tuple[set[str], str]:
    """Ids of the leaves that have numbers in the table of the round's page, and the text of its first page."""
    shown: set[str] = set()
    first, number = "", 1
    while True:
        page = ines.get(f"{url}?page={number}")
        first = first or html.unescape(page.html)
        rows = [row for row in page.html.split("<tr>") if '<th scope="row"' in row and LEAF.search(row)]
        for row in rows:
            # Seeds taught, held out, asked, kept; only the last two are there once rows were made.
            cells = re.findall(r'<td class="text-right">(.*?)</td>', row, re.DOTALL)
            if len(cells) == 4 and cells[2].strip().isdigit():
                shown.update(LEAF.findall(row)[:1])
        if f"page={number + 1}" not in page.html:
            return shown, first
        number += 1


def funnel_facts(ines: Browser, url: str, made: Artifact) -> dict[str, Any]:
    """What the artifact and the round's page say of each leaf, and whether they agree."""
    summary, steps = made.read_json("summary.json"), made.read_json("funnel.json")
    leaves: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        leaves.setdefault(step["leaf_id"], []).append(step)
    uncounted = [
        leaf_id
        for leaf_id, of_leaf in leaves.items()
        if any(step["given"] != step["kept"] + sum(step["dropped"].values()) for step in of_leaf)
    ]
    shown, text = shown_funnels(ines, url)
    empty = [leaf_id for leaf_id, count in summary["leaves"].items() if not count]
    told = re.search(r"(\d+) lea(?:f|ves) ended without a single sample", text)
    return {
        "funnels": len(leaves),
        "funnels_on_the_page": len(shown),
        "missing_on_the_page": sorted(set(leaves) - shown)[:5],
        "rows_not_counted": uncounted,
        "empty_leaves": len(empty),
        "empty_leaves_told": int(told[1]) if told else 0,
        **{name: summary[name] for name in ("samples", "wanted", "dropped", "requests")},
        **{name: summary[name] for name in ("prompt_tokens", "completion_tokens", "seconds", "judge")},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxonomy", type=Path, required=True, help="folder with the leaves")
    parser.add_argument("--folder", type=Path, required=True, help="where the installation lives; made if not there")
    parser.add_argument("--samples", type=int, default=20, help="samples asked of each leaf")
    parser.add_argument("--generation-only", action="store_true", help="end when the samples are there")
    parser.add_argument("--teacher-url", help="a running server instead of the small model")
    parser.add_argument("--teacher-model", default="mixtral-8x7b-instruct", help="its name there")
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--models", type=Path, default=PROJECT / "var" / "models", help="where the small model lies")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    installation = Installation(folder, options.models.resolve())
    imported = set_up(installation, options.taxonomy)
    accounts = {row["role"]: row for row in json.loads(installation.manage("open_demo_accounts"))}
    begun = time.monotonic()
    with installation.running():
        row = accounts["administrator"]
        ines = contribution.sign_in(installation.address, Account(row["username"], row["password"]))
        url = planned(ines, options)
        tuning_round.go_on(ines, url)
        state = followed(ines, url, installation, generation_only=options.generation_only)
        made = generation_of(installation)
        if made is None or not made.complete:
            raise SystemExit(f"the round is {state} and has no samples: {ines.get(url).summary(1000)}")
        facts = funnel_facts(ines, url, made)
    ok = (
        state != "failed"
        and facts["funnels"] > 0
        and facts["funnels"] == facts["funnels_on_the_page"]
        and not facts["rows_not_counted"]
        and facts["empty_leaves_told"] == min(facts["empty_leaves"], MOST_EMPTY_TOLD)
    )
    told = {"benchmark": "public_round", "leaves_brought_in": imported["added"], "samples_asked": options.samples}
    whole = round(time.monotonic() - begun, 1)
    print(json.dumps({**told, "round": state, "whole_seconds": whole, **facts, "ok": ok}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
