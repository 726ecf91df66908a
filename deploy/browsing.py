"""A browser without scripts: fetches pages, fills their forms as they stand and follows what they answer.

It sends what a browser would send: every field of the form with the value that the page gave it, hidden ones and
the CSRF token included, and the caller's values over them. So it can only do what a person can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

Value = str | Sequence[str]
# Elements without an end tag (HTML, section 13.1.2), and those of SVG that pages write as empty.
HTML_VOID = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
SVG_EMPTY = ("path", "use", "circle", "rect", "line", "polyline", "ellipse")
VOID = frozenset(HTML_VOID + SVG_EMPTY)


class PageProblem(RuntimeError):
    """A page did not answer as a person would need it; the message says which and what it said."""


@dataclass
class Form:
    """A form of a page: where it goes and the values it would send if nobody touched it."""

    action: str
    method: str
    identifier: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    """Collects forms, links and visible text."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.roles: dict[str, list[str]] = {"alert": [], "status": []}
        self._form: Form | None = None
        self._textarea: tuple[Form | None, str] | None = None
        self._select: tuple[Form | None, str, bool] | None = None
        self._options: list[tuple[str, bool]] = []
        self._link: str | None = None
        self._hidden = 0
        self._role = ""
        self._role_depth = 0
        self._buffer: list[str] = []
        self._orphans: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "template"):
            self._hidden += 1
        elif tag == "form":
            self._form = Form(
                urljoin(self.url, a.get("action") or self.url), a.get("method", "get").lower(), a.get("id", "")
            )
            self.forms.append(self._form)
            if self._form.identifier:
                self.by_id[self._form.identifier] = self._form
        elif tag == "input":
            self._input(a)
        elif tag == "button" and a.get("name") and a.get("type", "submit") == "submit":
            form = self._owner(a)
            if form is not None:
                form.buttons.append((a["name"], a.get("value", "")))
        elif tag == "textarea":
            self._textarea = (self._owner(a), a.get("name", ""))
            self._buffer = []
        elif tag == "select":
            self._select = (self._owner(a), a.get("name", ""), "multiple" in a)
            self._options = []
        elif tag == "option":
            self._options.append((a.get("value", ""), "selected" in a))
        elif tag == "a" and "href" in a:
            self._link = urljoin(self.url, a["href"])
            self._buffer = []
        if not self._role_depth and a.get("role") in self.roles:
            self._role = a["role"]
        if self._role_depth or a.get("role") in self.roles:
            self._role_depth += tag not in VOID

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "template"):
            self._hidden = max(0, self._hidden - 1)
        elif tag == "form":
            self._form = None
        elif tag == "textarea" and self._textarea is not None:
            form, name = self._textarea
            if form is not None and name:
                # A browser leaves out the newline that directly follows the start tag and sends CRLF.
                text = "".join(self._buffer)
                form.fields.append((name, text.removeprefix("\n")))
                form.names.add(name)
            self._textarea = None
        elif tag == "select" and self._select is not None:
            form, name, multiple = self._select
            if form is not None and name:
                form.names.add(name)
                chosen = [value for value, selected in self._options if selected]
                if not chosen and not multiple and self._options:
                    chosen = [self._options[0][0]]
                form.fields += [(name, value) for value in chosen]
            self._select = None
        elif tag == "a" and self._link is not None:
            self.links.append((" ".join("".join(self._buffer).split()), self._link))
            self._link = None
        if self._role_depth:
            self._role_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._textarea is not None or self._link is not None:
            self._buffer.append(data)
        if not self._hidden and self._textarea is None:
            self.text.append(data)
            if self._role_depth:
                self.roles[self._role].append(data)

    def _owner(self, a: Mapping[str, str]) -> Form | None:
        return self.by_id.get(a["form"]) if "form" in a else self._form

    def _input(self, a: Mapping[str, str]) -> None:
        form, name, kind = self._owner(a), a.get("name", ""), a.get("type", "text").lower()
        if form is None or not name or "disabled" in a:
            return
        if kind in ("submit", "image", "button"):
            form.buttons.append((name, a.get("value", "")))
            return
        form.names.add(name)
        if kind in ("reset", "file") or (kind in ("checkbox", "radio") and "checked" not in a):
            return
        form.fields.append((name, a.get("value", "on" if kind in ("checkbox", "radio") else "")))


@dataclass
class Page:
    """What was answered, read."""

    url: str
    status: int
    html: str
    forms: list[Form]
    links: list[tuple[str, str]]
    text: str
    alerts: str
    status_line: str

    def form(self, *wanted: str) -> Form:
        """The first form that has all fields or buttons ``wanted``, or whose action holds the single word given."""
        for form in self.forms:
            names = form.names | {name for name, _ in form.buttons} | {name for name, _ in form.fields}
            if set(wanted) <= names:
                return form
        for form in self.forms:
            if len(wanted) == 1 and wanted[0] in form.action:
                return form
        raise PageProblem(f"{self.url} has no form with {', '.join(wanted)}: {self.summary()}")

    def link(self, part: str) -> str:
        """The address of the first link whose text or address holds ``part``."""
        for text, address in self.links:
            if part in text or part in address:
                return address
        raise PageProblem(f"{self.url} has no link {part!r}: {self.summary()}")

    def summary(self, length: int = 400) -> str:
        said = " ".join(self.alerts.split()) or " ".join(self.text.split())
        return said[:length]


class Browser:
    """One person at the site, with their cookies."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def get(self, where: str) -> Page:
        return self._read(self.session.get(urljoin(self.address, where), timeout=120))

    def submit(
        self, page: Page, form: Form, values: Mapping[str, Value], *, button: tuple[str, str] | None = None
    ) -> Page:
        """Send ``form`` with ``values`` over what stands in it; a list sends the field several times."""
        data: list[tuple[str, str]] = [(name, value) for name, value in form.fields if name not in values]
        for name, value in values.items():
            data += [(name, value)] if isinstance(value, str) else [(name, one) for one in value]
        if button is not None:
            data.append(button)
        if form.method == "get":
            return self._read(self.session.get(form.action, params=data, timeout=120))
        return self._read(self.session.post(form.action, data=data, headers={"Referer": page.url}, timeout=120))

    def _read(self, answer: requests.Response) -> Page:
        reader = _Reader(answer.url)
        reader.feed(answer.text)
        page = Page(
            url=answer.url,
            status=answer.status_code,
            html=answer.text,
            forms=reader.forms,
            links=reader.links,
            text="".join(reader.text),
            alerts="".join(reader.roles["alert"]),
            status_line=" ".join("".join(reader.roles["status"]).split()),
        )
        if answer.status_code >= 400:
            raise PageProblem(f"{answer.url} answered {answer.status_code}: {page.summary()}")
        return page
