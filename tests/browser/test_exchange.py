"""The page of import and export in a real browser: asked for, waited for without a reload, downloaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from taxonomy_app.exchange import execution, services
from taxonomy_app.exchange.models import Remote
from tests.leaves import FREEFORM

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_archive_is_asked_for_waited_for_and_downloaded(
    page_for: Any,
    axe: Any,
    taxonomy: Any,
    administrator: Any,
    now: Any,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EXCHANGE_FOLDER = tmp_path / "exchange"
    monkeypatch.setattr(services, "transfers_send", lambda: None)
    field = {"field": "seed_examples[0].answer", "base": "x", "ours": "here", "theirs": "there"}
    Remote.objects.create(
        name="origin",
        url="https://github.com/example/taxonomy.git",
        pushes=False,
        created_at=now,
        conflicts=[{"path": FREEFORM, "reason": "Both changed it.", "fields": [field]}],
    )
    page = page_for(administrator)
    page.goto("/taxonomy/")
    page.click("main >> text=Import and export")
    assert axe(page) == []
    page.click("text=Make the file")
    page.wait_for_selector("text=The worker begins as soon as it is free")
    execution.transfers_run(now=now)
    # The page asks by itself.
    with page.expect_download() as waiting:
        page.click("text=Download (")
    with zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())) as archive:
        assert f"{FREEFORM}/qna.yaml" in archive.namelist()
    assert axe(page) == []
    page.goto("/exchange/remotes/origin/")
    assert axe(page) == []
    page.click("text=Decide and synchronise")
    assert page.url.endswith("/exchange/remotes/origin/"), "the browser asks for a choice first"
    page.check("text=Take the version there")
    page.click("text=Decide and synchronise")
    page.wait_for_url("**/exchange/transfers/**")
    assert Remote.objects.get().decided == {FREEFORM: "theirs"}
