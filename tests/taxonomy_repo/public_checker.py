"""The public checker (instructlab-schema with yamllint) as an oracle: what it says of a leaf, told to lint strictly.

It starts yamllint as a program for every file; here the same linter runs in this process, with the same settings. And
it starts yq for the line of a problem, which no verdict needs.
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from instructlab.schema.taxonomy import TaxonomyParser, TaxonomyReadingException
from yamllint import linter
from yamllint.config import YamlLintConfig


@functools.cache
def _settings(text: str) -> YamlLintConfig:
    return YamlLintConfig(text)


def _lint(command: list[str], *, input: str, **options: Any) -> SimpleNamespace:  # noqa: A002 - as subprocess has it
    problems = linter.run(input, _settings(command[command.index("-d") + 1]))
    said = "".join(f"stdin:{p.line}:{p.column}: [{p.level}] {p.message}\n" for p in problems)
    return SimpleNamespace(stdout=said)


_PROGRAMS = SimpleNamespace(
    run=_lint,
    check_output=lambda *arguments, **options: "1",
    PIPE=subprocess.PIPE,
    STDOUT=subprocess.STDOUT,
    CalledProcessError=subprocess.CalledProcessError,
)


def public_verdict(data: bytes, place: str, schema_version: int | None = None) -> tuple[bool, str]:
    """Whether the public checker finds no error in ``data`` as the ``qna.yaml`` of ``place``, and what it says."""
    parser = TaxonomyParser(schema_version=schema_version or 0, message_format="standard", yamllint_strict=True)
    said = io.StringIO()
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch("instructlab.schema.taxonomy.subprocess", _PROGRAMS),
            contextlib.redirect_stdout(said),
        ):
            file = Path(folder) / place / "qna.yaml"
            file.parent.mkdir(parents=True)
            file.write_bytes(data)
            return parser.parse(file).errors == 0, said.getvalue()
    except TaxonomyReadingException as error:
        return False, str(error.__cause__)
    finally:
        logging.disable(level)
