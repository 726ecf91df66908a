"""People's words as HTML: Markdown where they wrote some, sanitised, never trusted.

HTML in the text is shown as text; formulas are drawn (``web.formulas``). Each paragraph runs in the direction of its
own script. Pictures are not fetched (their description is shown), headings become strong lines,
because a page has headings of its own, and links carry ``nofollow``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from taxonomy_app.web import formulas

_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "ul", "s"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
_CLEANER = nh3.Cleaner(
    tags=_TAGS | formulas.TAGS,
    attributes=_ATTRIBUTES | formulas.ATTRIBUTES,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="nofollow noopener noreferrer",
    allowed_classes={"p": {"heading-line"}},
    # What may be wider than its place scrolls, and has to be reachable by keyboard for that.
    set_tag_attribute_values={
        "pre": {"tabindex": "0"},
        "table": {"tabindex": "0"},
        **{tag: {"dir": "auto"} for tag in ("p", "li", "blockquote", "th", "td")},
    },
)
# Text without any of these is plain: most questions and answers are, and need no parser.
_PERHAPS_MARKDOWN = re.compile(r"[*_`#>\[\]|~\\<&$]|^\s*(?:[-+=]|\d{1,9}[.)])|^(?: {4}|\t)|https?:", re.MULTILINE)
# Of these, those that change more than a sign or two: weight, code, lists, tables, links, formulas.
_MARKUP = re.compile(r"\*\*|__|`|\$\S|\\[(\[]|^\s*(?:[-+*]|\d{1,9}[.)]|#{1,6}|>|\|) ?\S|\]\(|~~|\*\S", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")
# The parser's cost grows faster than the text; a document beyond this is shown as it was written.
LONGEST_RENDERED = 200_000


class _Renderer(RendererHTML):
    """Without headings and pictures of its own."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<p class="heading-line"><strong>'

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</strong></p>\n"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return escape(tokens[idx].content)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # Line breaks stay where people made them: verses, addresses and lists of steps live from them.
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    return parser.enable(["table", "strikethrough"]).use(formulas.formulas_plugin)


def rendered(text: str) -> SafeString:
    """The text as HTML that a page may hold."""
    text = text.strip("\n")
    if len(text) > LONGEST_RENDERED or not _PERHAPS_MARKDOWN.search(text):
        return _paragraphs(text)
    return mark_safe(_CLEANER.clean(_parser().render(text)))  # noqa: S308  # sanitised on this line


def has_markup(text: str) -> bool:
    """Whether the text looks different as HTML: it may hold Markdown or a formula."""
    return bool(_MARKUP.search(text))


def _paragraphs(text: str) -> SafeString:
    """Plain text with its paragraphs and line breaks."""
    parts = (escape(part).replace("\n", "<br>\n") for part in _BLANK_LINE.split(text.strip()) if part)
    return mark_safe("\n".join(f'<p dir="auto">{part}</p>' for part in parts))  # noqa: S308  # escaped piece by piece
