"""People's words as HTML: readable, and harmless whatever they wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.web import markdown
from taxonomy_app.web.markdown import LONGEST_RENDERED


def rendered(text: str) -> str:
    """Without the direction that every piece of text has (test_formulas)."""
    return markdown.rendered(text).replace(' dir="auto"', "")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Plain words.", "<p>Plain words.</p>"),
        ("A line\nand the next", "<p>A line<br>\nand the next</p>"),
        ("One paragraph\n\nand another", "<p>One paragraph</p>\n<p>and another</p>"),
        ("Some *weight* and **more**", "<p>Some <em>weight</em> and <strong>more</strong></p>"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("3. three", '<ol start="3">\n<li>three</li>\n</ol>'),
        ("## Title", '<p class="heading-line"><strong>Title</strong></p>'),
        ("snake_case_name", "<p>snake_case_name</p>"),
        ("```python\nx < 1\n```", '<pre tabindex="0"><code>x &lt; 1\n</code></pre>'),
        ("![a map](https://example.org/map.png)", "<p>a map</p>"),
        ("5 > 3 & 2 < 4", "<p>5 &gt; 3 &amp; 2 &lt; 4</p>"),
        ("", ""),
    ],
)
def test_markdown_becomes_html_and_plain_text_stays_plain(text: str, html: str) -> None:
    assert rendered(text).strip() == html


def test_a_table_is_a_table() -> None:
    assert "<td>1</td>" in rendered("| a | b |\n|---|---|\n| 1 | 2 |")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](javascript:alert(1))",
        "[x](/people/sign-out/)",
        '<a href="https://example.org" onclick="alert(1)">x</a>',
        "*<svg/onload=alert(1)>*",
    ],
)
def test_nothing_that_acts_gets_through(text: str) -> None:
    html = rendered(text)
    for forbidden in ("<script", "<img", "<svg", 'href="javascript', 'href="data', 'href="/', "<a onclick"):
        assert forbidden not in html


def test_a_link_leads_out_and_says_so_to_search_engines() -> None:
    assert rendered("[a page](https://example.org/)") == (
        '<p><a href="https://example.org/" rel="nofollow noopener noreferrer">a page</a></p>\n'
    )


def test_a_text_that_is_too_long_to_parse_is_shown_as_written() -> None:
    assert rendered("*" * (LONGEST_RENDERED + 1)) == f"<p>{'*' * (LONGEST_RENDERED + 1)}</p>"


@given(st.text(st.sampled_from("ab <>&\"'*_`#[]()!|\\\n-1.:/~"), max_size=80))
def test_no_text_makes_an_element_that_is_not_allowed(text: str) -> None:
    import re

    allowed = {
        *("a", "blockquote", "br", "code", "del", "em", "hr", "li", "ol", "p", "pre", "strong", "ul", "s"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert set(re.findall(r"</?([a-zA-Z][a-zA-Z0-9]*)", rendered(text))) <= allowed
