"""Formulas are drawn as MathML and can do nothing else; each text runs in its own direction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.web.formulas import LONGEST_FORMULA
from taxonomy_app.web.markdown import rendered

FRACTION = "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"


@pytest.mark.parametrize(
    ("text", "display"),
    [
        (r"Half is $\frac{a}{b}$.", "inline"),
        (r"Half is \(\frac{a}{b}\).", "inline"),
        ("$$\n\\frac{a}{b}\n$$", "block"),
        (r"\[\frac{a}{b}\]", "block"),
        (r"*Half* is **$\frac{a}{b}$**", "inline"),
    ],
)
def test_latex_between_its_signs_becomes_mathml(text: str, display: str) -> None:
    html = rendered(text)
    assert f'<math display="{display}">' in html
    assert FRACTION in html
    assert "frac{" not in html


@pytest.mark.parametrize(
    "text",
    [
        "from $5 to $10",
        "It costs $5, which in US$ is the same",
        "from $5 to $10 and 5$",
        "$ x $",
        r"`$\frac{a}{b}$`",
        r"$\frac{$",
        f"${'x^' * LONGEST_FORMULA}$",
        "a lone $",
    ],
)
def test_what_is_no_formula_stands_as_it_was_written(text: str) -> None:
    html = rendered(text)
    assert "<math" not in html
    assert html.count("$") == text.count("$")


@pytest.mark.parametrize(
    "text",
    [
        r"$\href{javascript:alert(1)}{x}$",
        r"$\style{position:fixed}{x}$",
        r"$\class{btn}{x}$",
        r"$\text{<img src=x onerror=alert(1)>}$",
        r"$\text{</mtext></math><script>alert(1)</script>}$",
        r"$x</math><script>alert(1)</script>$",
        r"$\text{&lt;script&gt;}$",
    ],
)
def test_a_formula_can_bring_no_link_style_or_tag(text: str) -> None:
    html = rendered(text)
    for sign in ("href", "style=", "class=", "<img", "<script", "onerror="):
        assert sign not in html.replace("onerror=alert(1)&gt;", "").replace("onerror=alert(1)&amp;gt;", "")


@given(
    st.lists(st.sampled_from(["$", r"\frac", "{", "}", "<script>", r"\text", "x", "^", r"\(", r"\)", "&", "\n", '"']))
)
def test_nothing_but_known_tags_comes_out_whatever_is_written(parts: list[str]) -> None:
    html = rendered("".join(parts))
    assert "<script" not in html
    assert "javascript:" not in html


@pytest.mark.parametrize("text", ["שלום עולם", "- פריט\n- item", "> مرحبا", "| א | b |\n|---|---|\n| ג | d |"])
def test_each_piece_of_text_runs_in_the_direction_of_its_script(text: str) -> None:
    html = rendered(text)
    for tag in ("p", "li", "blockquote", "th", "td"):
        assert html.count(f"<{tag}>") == 0
    assert 'dir="auto"' in html
