"""Formulas in people's texts: LaTeX between ``$…$``, ``$$…$$``, ``\\(…\\)`` or ``\\[…\\]`` as MathML.

Browsers draw MathML by themselves: no script, no font and nothing of another host. What comes out of the converter
holds what its author wrote, links and styles included, so it goes through the same cleaner as all other HTML
(``web.markdown``). What is no formula, or none that can be converted, stands as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

TAGS = frozenset(
    {
        *("math", "mrow", "mi", "mn", "mo", "ms", "mspace", "mtext", "mfrac", "msqrt", "mroot", "mstyle", "mpadded"),
        *("mphantom", "merror", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts"),
        *("mprescripts", "mtable", "mtr", "mtd", "menclose"),
    }
)
# Nothing that names an address or a style: sizes and how signs stand.
ATTRIBUTES = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "movablelimits", "separator", "lspace", "rspace", "minsize", "maxsize"},
    "mspace": {"width", "height", "depth"},
    "mfrac": {"linethickness"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mtable": {"columnalign", "rowspacing", "columnspacing"},
    "mtd": {"columnalign"},
    "munder": {"accentunder"},
    "mover": {"accent"},
    "munderover": {"accent", "accentunder"},
    "menclose": {"notation"},
}
# Formulas are short; the converter recurses.
LONGEST_FORMULA = 1_000

# Dollars as in "from $5 to $10" are money: a formula touches both its dollars, no digit follows the second, and it has
# a sign of a formula or is a single word such as x.
_FORMULA = re.compile(
    r"\$\$(?P<block>[^$]{1,1000}?)\$\$"
    r"|\$(?P<inline>[^\s$](?:[^$\n]{0,998}[^\s$\\])?)\$(?![0-9])"
    r"|\\\[(?P<square>.{1,1000}?)\\\]"
    r"|\\\((?P<round>.{1,1000}?)\\\)",
    re.DOTALL,
)


_SIGN = re.compile(r"[\\^_={}<>+*/]|\A\S{1,8}\Z")
_WORDS = re.compile(r"<mtext>(.*?)</mtext>", re.DOTALL)


def formula(state: StateInline, silent: bool) -> bool:
    """A rule of the Markdown parser: a formula starts here."""
    if state.src[state.pos] not in "$\\":
        return False
    found = _FORMULA.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    name = found.lastgroup or ""
    if name == "inline" and not _SIGN.search(found[name]):
        return False
    if silent:
        state.pos = found.end()
        return True
    made = mathml(found[name], block=name in ("block", "square"))
    if made is None:
        return False
    token = state.push("formula", "", 0)
    token.content = made
    state.pos = found.end()
    return True


def _render(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    return tokens[index].content


def formulas_plugin(parser: MarkdownIt) -> None:
    """Teach a parser formulas. They come before escapes: ``\\(`` would be a mere bracket."""
    parser.inline.ruler.before("escape", "formula", formula)
    parser.add_render_rule("formula", _render)


@lru_cache(maxsize=512)
def mathml(latex: str, *, block: bool) -> str | None:
    """LaTeX as MathML that still has to be cleaned, or None where it is none that can be converted."""
    text = latex.strip()
    if not text or len(text) > LONGEST_FORMULA:
        return None
    try:
        made = str(convert(text, display="block" if block else "inline"))
    except Exception:  # noqa: BLE001  # whatever the converter stumbles over, the text is shown as it was written
        return None
    # Signs of HTML inside \\text come out of the converter as they went in.
    return _WORDS.sub(lambda found: f"<mtext>{found[1].replace('<', '&lt;').replace('>', '&gt;')}</mtext>", made)
