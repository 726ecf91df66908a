#!/usr/bin/env python3
"""Pictures of the site's pages: every page given, at desktop and phone width, in both themes.

A page is a name, an address and who looks at it: from a JSON file (``[{"name": "home", "url": "/", "as": "rosa"},
…]``) or from the command line (``--page home:/:rosa``; no person for a visitor). Where an address is not known
beforehand, ``"links"`` says which links to follow from ``url``, each by a CSS selector. People sign in through
the sign-in page with ``--password rosa:…``; in a demonstration its own accounts are known.

    python -m tests.browser.screens --site http://127.0.0.1:8000 --to pictures \\
        --page home:/ --page queue:/contributions/queue/:emeka

The pictures of docs/pages.md are taken of a demonstration that has ended (``make demo``), in which somebody then
writes and hands in something, so that the pages of authors and reviewers are not empty:

    python -m tests.browser.screens --work-in-progress --pages docs/pictures/pages.json --to docs/pictures \\
        --form webp --tour docs/pages.md

Prints one JSON line of what it wrote. The suite's own tests use :func:`take`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import CHROMIUM_FLAGS

WIDTHS = {"desktop": (1280, 860), "phone": (390, 844)}
THEMES = ("light", "dark")
# Pixels of a WebP picture's height: what comes after this on a long page is more of the same.
MOST_HEIGHT = 2000


@dataclass(frozen=True)
class Screen:
    """A page to be looked at. ``person``: the username of who looks, empty for a visitor."""

    name: str
    url: str
    person: str = ""
    links: tuple[str, ...] = ()
    title: str = ""

    @classmethod
    def parse(cls, text: str) -> Screen:
        """``name:url`` or ``name:url:person``; the url may hold colons (``http://…``) when it ends with a person."""
        name, _, rest = text.partition(":")
        url, colon, person = rest.rpartition(":")
        if not colon or person.startswith("//") or "/" in person:
            url, person = rest, ""
        if not name or not url:
            raise ValueError(f"{text!r} is not name:url or name:url:person.")
        return cls(name, url, person)


class ScreenProblem(RuntimeError):
    """A page could not be pictured; the message says which and why."""


def sign_in(page: Any, person: str, password: str) -> None:
    """Through the page that people use. Raises ScreenProblem when the site does not let the person in."""
    page.goto("/people/sign-in/")
    page.fill("input[name=identifier]", person)
    page.fill("input[name=password]", password)
    page.click("main button.btn-primary")
    if "/people/sign-in/" in page.url:
        raise ScreenProblem(f"{person} cannot sign in with the password given.")


def take(
    browser: Any,
    site: str,
    screens: Sequence[Screen],
    folder: Path,
    *,
    passwords: Mapping[str, str],
    widths: Mapping[str, tuple[int, int]] = WIDTHS,
    themes: Sequence[str] = THEMES,
    whole: bool = True,
    scale: float = 1.0,
) -> list[Path]:
    """Write ``<folder>/<name>-<width>-<theme>.png`` for each screen, width and theme, and return the paths.

    ``whole``: the page to its end, not only its first screenful.

    Raises:
        ScreenProblem: a page answers with an error, or is wider than its window.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for person in dict.fromkeys(screen.person for screen in screens):
        # Everybody signs in once; further sign-ins would only be slow.
        context = browser.new_context(base_url=site)
        if person:
            sign_in(context.new_page(), person, passwords[person])
        state = context.storage_state()
        context.close()
        for width_name, (width, height) in widths.items():
            for theme in themes:
                context = browser.new_context(
                    base_url=site,
                    viewport={"width": width, "height": height},
                    color_scheme=theme,
                    reduced_motion="reduce",
                    device_scale_factor=scale,
                    storage_state=state,
                )
                page = context.new_page()
                for screen in (one for one in screens if one.person == person):
                    written.append(folder / f"{screen.name}-{width_name}-{theme}.png")
                    _picture(page, screen, written[-1], width=width, whole=whole)
                context.close()
    return written


def _picture(page: Any, screen: Screen, path: Path, *, width: int, whole: bool) -> None:
    answer = page.goto(screen.url, wait_until="load")
    for part in screen.links:
        link = page.locator(f"main {part}").first
        if link.count() == 0:
            raise ScreenProblem(f"{screen.name}: {page.url} has no link {part}.")
        answer = page.goto(link.get_attribute("href"), wait_until="load")
    if answer is not None and answer.status >= 500:
        raise ScreenProblem(f"{screen.name} ({screen.url}) answered {answer.status}.")
    page.wait_for_timeout(250)  # charts paint after load
    needed = page.evaluate("document.documentElement.scrollWidth")
    if needed > width:
        raise ScreenProblem(f"{screen.name} ({screen.url}) is {needed} px wide in a window of {width} px.")
    page.screenshot(path=str(path), full_page=whole)


def as_webp(picture: Path) -> Path:
    """The picture as WebP, a fifth of the size, in place of the PNG; of a very long page the beginning."""
    from PIL import Image

    target = picture.with_suffix(".webp")
    with Image.open(picture) as image:
        image.crop((0, 0, image.width, min(image.height, MOST_HEIGHT))).save(target, quality=75, method=6)
    picture.unlink()
    return target


def write_tour(screens: Sequence[Screen], pictures: Path, page: Path, form: str) -> None:
    """``page`` in Markdown: every screen with its four pictures, in the order of ``screens``."""
    base = os.path.relpath(pictures, page.parent)
    lines = [
        "# Every page in pictures",
        "",
        "Of a demonstration (`make demo`), on a desktop and on a phone, in both themes. Taken by",
        "`python -m tests.browser.screens`; its first lines say how. Of very long pages the beginning is shown.",
    ]
    for screen in screens:
        lines += ["", f"## {screen.title or screen.name}", ""]
        lines += ["| | light | dark |", "|---|---|---|"]
        for width in WIDTHS:
            size = 420 if width == "desktop" else 180
            cells = [
                f'<img src="{base}/{screen.name}-{width}-{theme}.{form}" width="{size}" '
                f'alt="{screen.title or screen.name}, {width}, {theme}">'
                for theme in THEMES
            ]
            lines.append(f"| {width} | {' | '.join(cells)} |")
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", default="http://127.0.0.1:8000", help="where the site answers")
    parser.add_argument("--to", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--page", action="append", type=Screen.parse, default=[], help="name:url or name:url:person")
    parser.add_argument("--pages", type=Path, help="a JSON file with a list of {name, url, as}")
    parser.add_argument("--password", action="append", default=[], help="person:password")
    parser.add_argument("--width", action="append", choices=WIDTHS, help="only this one (default: both)")
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this one (default: both)")
    parser.add_argument("--first-screenful", action="store_true", help="not the whole page")
    parser.add_argument("--form", choices=("png", "webp"), default="png", help="of the pictures (default: png)")
    parser.add_argument("--tour", type=Path, help="write a Markdown page with all pictures")
    parser.add_argument(
        "--work-in-progress", action="store_true", help="first write and hand in something in the demonstration"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="pixels of the picture a CSS pixel")
    options = parser.parse_args(arguments)
    screens = list(options.page)
    if options.pages:
        entries = json.loads(options.pages.read_text(encoding="utf-8"))
        screens += [
            Screen(
                entry["name"],
                entry["url"],
                entry.get("as", ""),
                tuple(entry.get("links", ())),
                entry.get("title", ""),
            )
            for entry in entries
        ]
    passwords = {**demo_passwords(), **dict(text.split(":", 1) for text in options.password)}
    missing = sorted({screen.person for screen in screens if screen.person} - passwords.keys())
    if missing or not screens:
        parser.error(f"No password for {', '.join(missing)}." if missing else "Name at least one page.")
    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no chromium on this machine: apt install chromium.", file=sys.stderr)
        return 1
    from playwright.sync_api import Error as BrowserError
    from playwright.sync_api import sync_playwright

    if options.work_in_progress:
        from tests.browser.work_in_progress import begin_work

        begin_work(options.site.rstrip("/") + "/", passwords)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        try:
            written = take(
                browser,
                options.site.rstrip("/"),
                screens,
                options.to,
                passwords=passwords,
                widths={name: WIDTHS[name] for name in options.width or WIDTHS},
                themes=options.theme or THEMES,
                whole=not options.first_screenful,
                scale=options.scale,
            )
        except (ScreenProblem, BrowserError) as problem:
            print(str(problem).partition("\n")[0], file=sys.stderr)
            return 1
        finally:
            browser.close()
    if options.form == "webp":
        written = [as_webp(picture) for picture in written]
    if options.tour:
        write_tour(screens, options.to, options.tour, options.form)
    print(json.dumps({"pictures": len(written), "folder": str(options.to)}))
    return 0


def demo_passwords() -> dict[str, str]:
    """The published passwords of the demonstration's accounts."""
    from taxonomy_app.people.demo import DEMO_ACCOUNTS

    return {account.username: account.password for account in DEMO_ACCOUNTS}


if __name__ == "__main__":
    sys.exit(main())
