"""Every text of the pages that is there to be translated, found in the templates and the code as they run.

Templates are parsed by Django itself, so that a message is what ``{% translate %}`` and ``{% blocktranslate %}`` will
look up, white space and all; code is parsed as Python. Nothing is run, and no GNU gettext is needed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template import Engine, Template
from django.template.base import Lexer, Node, TokenType
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

# What each name of the code that marks a text takes: the places of context, singular and plural among its arguments.
_MARKERS: dict[str, tuple[int | None, int, int | None]] = {
    "_": (None, 0, None),
    "lazy": (None, 0, None),
    "mark": (None, 0, None),
    "gettext": (None, 0, None),
    "gettext_lazy": (None, 0, None),
    "ngettext": (None, 0, 1),
    "ngettext_lazy": (None, 0, 1),
    "pgettext": (0, 1, None),
    "pgettext_lazy": (0, 1, None),
    "npgettext": (0, 1, 2),
    "npgettext_lazy": (0, 1, 2),
}
# A constant of a template that is translated where it stands: {% card title=_("Seeds") %}.
_CONSTANT = re.compile(r"""_\((?:"([^"]*)"|'([^']*)')\)""")


class MessageProblem(ValueError):
    """A text is marked for translation in a way that nobody could translate; says where."""


@dataclass(frozen=True)
class Message:
    """A text to translate. ``plural`` is empty where the text counts nothing, ``context`` where none is needed."""

    singular: str
    plural: str = ""
    context: str = ""


def messages_of_site() -> dict[Message, list[str]]:
    """Each message with the files it stands in (relative to the project), in their order."""
    project = Path(settings.PROJECT)
    found: dict[Message, list[str]] = {}
    # Pages, and e-mails as text.
    for path in sorted(path for path in (project / "templates").rglob("*") if path.suffix in (".html", ".txt")):
        for message in messages_of_template(path.read_text(encoding="utf-8"), str(path)):
            found.setdefault(message, []).append(str(path.relative_to(project)))
    for path in sorted((project / "taxonomy_app").rglob("*.py")):
        if "migrations" not in path.parts:
            for message in messages_of_code(path.read_text(encoding="utf-8"), str(path)):
                found.setdefault(message, []).append(str(path.relative_to(project)))
    return found


def messages_of_template(source: str, name: str) -> Iterator[Message]:
    """The messages of a template's text.

    Raises:
        MessageProblem: a text to translate is held in a variable, where only the running page knows it.
    """
    for node in _nodes(Template(source, engine=Engine.get_default()).nodelist):
        if isinstance(node, TranslateNode):
            literal = getattr(node.filter_expression.var, "literal", None)
            if not isinstance(literal, str):
                raise MessageProblem(f"{name}: {{% translate %}} takes a text, not a variable.")
            # What Variable.resolve looks up: a percent sign is doubled.
            yield Message(literal.replace("%", "%%"), context=_literal(node.message_context))
        elif isinstance(node, BlockTranslateNode):
            singular = node.render_token_list(node.singular)[0]
            plural = node.render_token_list(node.plural)[0] if node.plural else ""
            yield Message(singular, plural, _literal(node.message_context))
    for token in Lexer(source).tokenize():
        if token.token_type in (TokenType.BLOCK, TokenType.VAR):
            for double, single in _CONSTANT.findall(token.contents):
                if "%" in (text := double or single):
                    raise MessageProblem(f"{name}: {text!r}: _() in a template cannot hold a percent sign.")
                yield Message(text)


def _nodes(nodes: Iterable[Node]) -> Iterator[Node]:
    """All nodes of a template. Django's own walk leaves out what stands inside simple block tags (our frames)."""
    for node in nodes:
        yield node
        for name in dict.fromkeys((*node.child_nodelists, "nodelist")):
            yield from _nodes(getattr(node, name, None) or ())


def _literal(expression: object) -> str:
    """The text of a context given to a tag, which is always written out."""
    variable = getattr(expression, "var", "")
    return str(getattr(variable, "literal", variable) or "")


def messages_of_code(source: str, name: str) -> Iterator[Message]:
    """The messages of a Python file's text.

    Raises:
        MessageProblem: a marked text is not written out as one constant.
    """
    for call in ast.walk(ast.parse(source)):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _MARKERS):
            continue
        context, singular, plural = (
            None if place is None else _constant(call, place, name) for place in _MARKERS[call.func.id]
        )
        if singular is not None:
            yield Message(singular, plural or "", context or "")


def _constant(call: ast.Call, place: int, name: str) -> str:
    argument = call.args[place] if place < len(call.args) else None
    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
        raise MessageProblem(f"{name}:{call.lineno}: a text to translate must be written out as one constant.")
    return argument.value
