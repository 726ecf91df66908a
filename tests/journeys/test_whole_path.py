"""From a seed to a release, with real processes and a real browser; the GPU worker is killed twice on the way.

The administrator looks at a preview first, rejects a row by hand, cancels the round while the student is tuned and
plans it again: the second round takes over what the first had finished.

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
    """Plan a round of two leaves with tiny budgets that waits before tuning; its address."""
    page.goto("/rounds/new/")
    page.check("[name=choose][value=some]")
    page.check(f'[name=leaves][data-path="{PATH}"]')
    page.check('[name=leaves][data-path="compositional_skills/writing/report_line"]')
    page.check("[name=recipe][value=quick]")
    for name, value in {"samples_per_leaf": "6", "benchmark_limit": "6"}.items():
        open_around(page, name)
        page.fill(f"[name={name}]", value)
    open_around(page, "holds")
    page.check("[name=holds]")
    return press_plan(page)


def open_around(page: Any, name: str) -> None:
    """Unfold the part of the form that the field is in."""
    page.evaluate("name => document.getElementsByName(name)[0].closest('details')?.setAttribute('open', '')", name)


def press_plan(page: Any) -> str:
    """Plan what the form says; the address of the planned round."""
    page.get_by_role("button", name="Plan the round").click()
    page.wait_for_url(re.compile(r"/rounds/[0-9a-f-]{36}/$"))
    return str(page.url)


def press(page: Any, address: str, button: str) -> str:
    """Press a button of the round's page; where it leads."""
    page.goto(address)
    with page.expect_navigation():
        page.get_by_role("button", name=button).first.click()
    return str(page.url)


def row_forms(page: Any) -> Any:
    """The buttons that decide about rows by hand, on the page of a round's samples."""
    return page.locator('form[action$="/samples/decide/"]')


def reject_first_row(page: Any, address: str, sample: str = "") -> str:
    """Reject the row of that id, or the first one, by hand; its id."""
    page.goto(f"{address}samples/")
    chosen = row_forms(page).filter(has=page.locator(f'[name=sample][value="{sample}"]')) if sample else row_forms(page)
    found = str(chosen.first.locator("[name=sample]").input_value())
    with page.expect_navigation():
        chosen.first.get_by_role("button", name="Reject").click()
    assert "1 rejected by hand" in page.inner_text("main")
    return found


def leaf_rows(page: Any) -> dict[str, list[int]]:
    """Path → (asked, kept) as the table of a round's leaves tells."""
    found = {}
    for row in page.locator("#leaves tbody tr").all():
        cells = [cell.inner_text() for cell in row.locator("th, td").all()]
        found[re.sub(r"\s", "", cells[0])] = [int(cells[4]), int(cells[5])]
    return found


def only_artifact(store: ArtifactStore, kind: str, besides: str = "") -> Any:
    """The artifact, other than the one called ``besides``, whose name begins with the stage's, once it is begun."""
    assert store.local is not None
    found = [folder for folder in store.local.glob(f"{kind}-*") if folder.name != besides]
    assert len(found) < 2, f"two rounds of one plan made two artifacts: {found}"
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

    # An administrator plans a round and looks at a few rows of it first.
    ines = sign_in(browser, site, accounts["administrator"])
    address = plan_round(ines)
    store = ArtifactStore((site.var / "artifacts").as_uri())
    follower = contribution.sign_in(site.address, accounts["administrator"])

    def reaches(wanted: str, seconds: float) -> None:
        """Wait for the round's state; another end fails with what its page says."""
        state = wait(
            lambda: (found := tuning_round.state_of(follower, address)) in (wanted, *tuning_round.OVER) and found,
            seconds,
            f"the round to be {wanted}",
        )
        assert state == wanted, follower.get(address).summary(2000)

    planned, address = address, press(ines, address, "Preview a few rows of every leaf")
    assert address != planned
    reaches("done", ROUND_SECONDS)
    ines.goto(address)
    assert all(0 < kept <= 5 <= asked for asked, kept in leaf_rows(ines).values()), leaf_rows(ines)
    assert len(leaf_rows(ines)) == 2
    (preview,) = Path(store.local or "").glob("generation-*")
    ines.goto(f"{address}samples/")
    assert ines.locator("ol .message").count() > 0

    # The round starts; the worker dies during generation.
    address = press(ines, planned, "Start the round")

    def still_running() -> None:
        state = tuning_round.state_of(follower, address)
        assert state in ("running", "held", "done"), follower.get(address).summary(2000)

    def first_rows() -> list[str]:
        still_running()
        made = only_artifact(store, "generation", preview.name)
        return made.names("parts/rows-") if made is not None else []

    finished_parts = wait(first_rows, 400, "the first generated rows")
    generation = only_artifact(store, "generation", preview.name)
    before_kill = rows(generation, finished_parts)
    assert not generation.complete, "generation ended before it could be killed; ask for more samples"
    kill_worker(site)

    # The next attempt goes on from the finished parts. The round waits: what became of each leaf's rows is told, and
    # one that is not wanted is rejected by hand.
    reaches("held", ROUND_SECONDS)
    assert generation.complete
    ines.goto(address)
    counted = leaf_rows(ines)
    assert len(counted) == 2
    kept_rows, dropped_rows = (list(generation.lines(f"{name}.jsonl")) for name in ("samples", "dropped"))
    assert sum(kept for _, kept in counted.values()) == len(kept_rows)
    assert sum(asked for asked, _ in counted.values()) == len(kept_rows) + len(dropped_rows)
    unwanted = reject_first_row(ines, address)
    press(ines, address, "Go on to tuning")

    # Cancelled while the student is tuned, and planned again: the second round goes on where the first one stopped.
    def work_folder() -> Path | None:
        made = only_artifact(store, "tuning")
        return Path(store.local or "") / made.id / "parts" / "work" if made is not None else None

    def first_checkpoint() -> list[Path]:
        still_running()
        work = work_folder()
        return [path for path in work.glob("checkpoints/step-*") if (path / "position.json").exists()] if work else []

    def starts() -> list[int]:
        """The step from which each run of the training program went on."""
        work = work_folder()
        metrics = work / "metrics.jsonl" if work else None
        if metrics is None or not metrics.exists():
            return []
        records = [json.loads(line) for line in metrics.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [record["from_step"] for record in records if record["event"] == "run"]

    def runs() -> int:
        return len(starts())

    def resumed_at() -> int:
        return starts()[-1] if starts() else 0

    wait(first_checkpoint, ROUND_SECONDS, "the first checkpoint")
    press(ines, address, "Cancel the round")
    reaches("cancelled", 120)
    cancelled = address
    ines.goto(address)
    ines.get_by_role("link", name="Plan again from this round").first.click()
    ines.wait_for_url(re.compile(r"/rounds/new/"))
    address = press_plan(ines)
    assert address != cancelled
    press(ines, address, "Start the round")
    reaches("held", 120)
    assert reject_first_row(ines, address, unwanted) == unwanted
    press(ines, address, "Go on to tuning")
    wait(resumed_at, 300, "the tuning of the second round to go on from the first one's checkpoint")

    # The worker dies again, during tuning, and the next attempt goes on from the newest checkpoint.
    before = runs()
    kill_worker(site)
    wait(lambda: runs() > before, 300, "the training program to start again")
    assert resumed_at()

    # The round ends all the same.
    reaches("done", ROUND_SECONDS)

    after = rows(generation, ["samples.jsonl", "dropped.jsonl"])
    assert len(after) == len(set(after)), "a row is there twice"
    assert set(before_kill) <= set(after), "a finished row was lost"
    mixture = only_artifact(store, "mixture")
    mixed = "".join(mixture.read_text(name) for name in mixture.names("") if name.endswith(".jsonl"))
    assert unwanted in after
    assert unwanted not in mixed, "a row that was rejected by hand was taught"
    assert any(name in mixed for name in after)
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
