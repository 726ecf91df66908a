"""From a seed to a release, with real processes and a real browser; the GPU worker is killed twice on the way.

Redis, web, workers and beat run as `make run` starts them, on folders of their own; the teacher is a real vLLM (or
transformers' server where there is none) with the bundled model; budgets are tiny.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.browsing import Browser
from deploy.demonstration import contribution, tuning_round
from deploy.demonstration.contribution import PATH, Account
from tests.settings import _MODELS as MODELS
from workers.artifacts import ArtifactStore
from workers.environment import PROJECT

pytestmark = [
    pytest.mark.journey,
    pytest.mark.model,
    pytest.mark.vllm,
    pytest.mark.browser,
    pytest.mark.timeout(2400),
]
STARTUP_SECONDS = 90
ROUND_SECONDS = 1200


class Site:
    """A whole installation in a folder of its own, as `make run` runs it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.var = folder
        self.address = f"http://127.0.0.1:{port}/"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEEDBED_", "DJANGO_"))}
        self.environ = kept | {
            "SEEDBED_VAR": str(folder),
            "SEEDBED_MODELS": MODELS,
            "SEEDBED_DEMO": "true",
            "SEEDBED_PORT": str(port),
            "SEEDBED_HEARTBEAT_SECONDS": "1",
            "SEEDBED_LOST_AFTER_SECONDS": "6",
        }
        for name in ("DATABASE", "REDIS"):
            if given := os.environ.get(f"SEEDBED_TEST_{name}_URL"):
                self.environ[f"SEEDBED_{name}_URL"] = given
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, str(PROJECT / "manage.py"), *arguments],
            env=self.environ,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        with (self.var / "supervisor.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.supervisor"],
                env=self.environ,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        log_file = self.var / "supervisor.log"
        wait(lambda: "Seedbed runs at" in log_file.read_text(), STARTUP_SECONDS, "the site", self.process)

    def gpu_worker(self) -> psutil.Process:
        """The main process of the GPU worker."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            # Celery names its process by one string of all arguments where setproctitle is installed.
            if "workers.celery" in " ".join(child.cmdline()):
                return child
        raise AssertionError("There is no GPU worker.")

    def stop(self) -> list[str]:
        """Ctrl-C, as a person would; the names of processes that it left behind."""
        assert self.process is not None
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        _, alive = psutil.wait_procs(started, timeout=20)
        return [" ".join(process.cmdline()) for process in alive]


def wait(ready: Callable[[], Any], seconds: float, what: str, process: subprocess.Popen[bytes] | None = None) -> Any:
    """The first true value of ``ready``; fails with ``what`` when it does not come in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = ready()
        if found:
            return found
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.2)
    pytest.fail(f"Waited {seconds} seconds for {what}.")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path / "v")
    running.var.mkdir()
    for command in (["migrate", "--no-input"], ["collectstatic", "--no-input"], ["install_starter"]):
        running.manage(*command)
    running.start()
    yield running
    assert running.stop() == [], "Ctrl-C left processes behind"


def sign_in(browser: Any, site: Site, account: Account) -> Any:
    context = browser.new_context(base_url=site.address)
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.goto("/people/sign-in/")
    page.fill("[name=identifier]", account.username)
    page.fill("[name=password]", account.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    return page


def kill_worker(site: Site) -> None:
    """SIGKILL, and proof that it took its programs with it: two writers of one artifact would spoil it."""
    worker = site.gpu_worker()
    family = [worker, *worker.children(recursive=True)]
    worker.kill()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == [], f"SIGKILL of the worker left {[process.cmdline() for process in alive]} behind"


def write_leaf(page: Any) -> int:
    """Write the demonstration's leaf in the editor and submit it; the submission's number."""
    page.goto("/contributions/new/")
    page.check("[name=kind][value=knowledge]")
    page.fill("[name=folder]", contribution.FOLDER)
    page.fill("[name=name]", contribution.NAME)
    page.get_by_role("button", name="Start writing").click()
    page.wait_for_url(re.compile(r"/contributions/drafts/\d+/"))
    fields = contribution.leaf_fields()
    while page.locator('[name="seed_examples[0].questions_and_answers[3].question"]').count() == 0:
        pairs = {name for name in fields if name.endswith("[3].question")}
        for index in range(len(pairs)):
            page.locator(f'button[value="pair-add:{index}"]').click()
            page.wait_for_selector(f'[name="seed_examples[{index}].questions_and_answers[3].question"]')
    for name, value in fields.items():
        field = page.locator(f'[name="{name}"]')
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.wait_for_selector("[data-save-state][data-state=saved]")
    page.get_by_role("button", name="Go on to submit").click()
    page.wait_for_url("**/submit/")
    page.get_by_label("I sign this off").check()
    page.get_by_role("button", name="Submit for review").click()
    page.wait_for_url(re.compile(r"/contributions/\d+/$"))
    return int(page.url.rstrip("/").rsplit("/", 1)[-1])


def plan_round(page: Any) -> str:
    """Plan and start a round of two leaves with tiny budgets; its address."""
    page.goto("/rounds/new/")
    page.check("[name=choose][value=some]")
    page.check(f'[name=leaves][data-path="{PATH}"]')
    page.check('[name=leaves][data-path="compositional_skills/writing/report_line"]')
    page.check("[name=recipe][value=quick]")
    for name, value in {"samples_per_leaf": "6", "benchmark_limit": "6"}.items():
        page.evaluate("name => document.getElementsByName(name)[0].closest('details')?.setAttribute('open', '')", name)
        page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Plan the round").click()
    page.wait_for_url(re.compile(r"/rounds/[0-9a-f-]{36}/$"))
    page.get_by_role("button", name="Start the round").click()
    page.wait_for_url(re.compile(r"/rounds/[0-9a-f-]{36}/$"))
    return str(page.url)


def only_artifact(store: ArtifactStore, kind: str) -> Any:
    """The artifact whose name begins with the stage's, once its folder is there."""
    assert store.local is not None
    found = sorted(store.local.glob(f"{kind}-*"))
    return store.artifact(found[0].name) if found else None


def rows(artifact: Any, names: list[str]) -> list[str]:
    """Ids of samples in JSON-lines files, kept and dropped alike."""
    return [match for name in names for match in re.findall(r'"sample_id":\s*"([^"]+)"', artifact.read_text(name))]


def test_a_seed_becomes_a_release_though_the_worker_is_killed_twice(site: Site, browser: Any) -> None:
    accounts = {
        row["role"]: Account(row["username"], row["password"])
        for row in json.loads(site.manage("open_demo_accounts").strip().splitlines()[-1])
    }

    # A contributor writes and submits, a reviewer approves by keyboard, the outbox commits.
    rosa = sign_in(browser, site, accounts["contributor"])
    number = write_leaf(rosa)
    emeka = sign_in(browser, site, accounts["reviewer"])
    emeka.goto("/contributions/queue/")
    emeka.locator(f'a[href*="/contributions/review/{number}/"]').first.click()
    emeka.wait_for_selector("h1")
    emeka.keyboard.press("a")
    emeka.wait_for_selector("dialog[open]")
    emeka.keyboard.press("Enter")
    emeka.wait_for_url("**/contributions/queue/**")
    plain = Browser(site.address)
    leaf_page = wait(lambda: contribution.leaf_present(plain), 60, "the approved leaf in the taxonomy")
    log = subprocess.run(
        ["git", "--git-dir", str(site.var / "taxonomy.git"), "log", "-1", "--format=%an%n%B"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert log.startswith("Rosa Lind\n")
    for trailer in ("Signed-off-by: Rosa Lind", "Reviewed-by: Emeka Obi", "Submission:"):
        assert trailer in log

    # An administrator starts a round; the worker dies during generation.
    ines = sign_in(browser, site, accounts["administrator"])
    address = plan_round(ines)
    store = ArtifactStore((site.var / "artifacts").as_uri())
    follower = contribution.sign_in(site.address, accounts["administrator"])

    def still_running() -> None:
        assert tuning_round.state_of(follower, address) in ("running", "done"), follower.get(address).summary(2000)

    def first_rows() -> list[str]:
        still_running()
        made = only_artifact(store, "generation")
        return made.names("parts/rows-") if made is not None else []

    finished_parts = wait(first_rows, 400, "the first generated rows")
    generation = only_artifact(store, "generation")
    before_kill = rows(generation, finished_parts)
    assert not generation.complete, "generation ended before it could be killed; ask for more samples"
    kill_worker(site)

    # The next attempt goes on from the finished parts; the worker dies again during tuning.
    def work_folder() -> Path | None:
        made = only_artifact(store, "tuning")
        return Path(store.local or "") / made.id / "parts" / "work" if made is not None else None

    def first_checkpoint() -> list[Path]:
        still_running()
        work = work_folder()
        return [path for path in work.glob("checkpoints/step-*") if (path / "position.json").exists()] if work else []

    def resumed_at() -> int:
        work = work_folder()
        metrics = work / "metrics.jsonl" if work else None
        if metrics is None or not metrics.exists():
            return 0
        records = [json.loads(line) for line in metrics.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return max((record["from_step"] for record in records if record["event"] == "run"), default=0)

    wait(first_checkpoint, ROUND_SECONDS, "the first checkpoint")
    assert generation.complete
    kill_worker(site)
    wait(resumed_at, 300, "the training program to go on from its checkpoint")

    # The round ends all the same.
    state = wait(
        lambda: (found := tuning_round.state_of(follower, address)) in tuning_round.OVER and found,
        ROUND_SECONDS,
        "the end of the round",
    )
    assert state == "done", follower.get(address).summary(2000)

    after = rows(generation, ["samples.jsonl", "dropped.jsonl"])
    assert len(after) == len(set(after)), "a row is there twice"
    assert set(before_kill) <= set(after), "a finished row was lost"
    tuning = only_artifact(store, "tuning")
    for made in (generation, tuning):
        made.verify()

    # The release leads back to the submission, its people and the commit; and the submission to the release.
    release = tuning_round.release_of(follower, address)
    assert release is not None
    ines.goto(release)
    text = ines.inner_text("main")
    commit = subprocess.run(
        ["git", "--git-dir", str(site.var / "taxonomy.git"), "rev-parse", "main"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert "Rosa Lind" in text
    assert "Emeka Obi" in text
    assert commit[:7] in ines.content()
    assert ines.locator(f'a[href*="/contributions/{number}/"]').count() > 0
    rosa.goto(f"/contributions/{number}/")
    assert rosa.locator(f'a[href*="{release.removeprefix(site.address.rstrip("/"))}"]').count() > 0
    found = tuning_round.scores(follower, release)
    leaves = {row["name"] for row in found["scores"] if row["scope"] == "leaf" and row["subject"] == "after"}
    assert PATH in leaves
    assert {row["subject"] for row in found["scores"] if row["scope"] == "general"} == {"before", "after", "control"}
    assert leaf_page
