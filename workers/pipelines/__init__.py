"""Pipelines by name: how a sample comes to be, read from TOML files that can be copied and changed.

Shipped ones lie beside this file, an installation's own in the folder that SEEDBED_PIPELINES names. Light on purpose:
the web lists, checks and shows them. A new pipeline is a new TOML file; its name is the file's. What a file may say is
in ``workers.pipelines.shape``; docs/generation.md explains it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from pydantic import ValidationError

from workers.environment import read_text
from workers.pipelines.shape import (
    BLOCK_NAMES,
    FILTER_PARTS,
    FORMS,
    NEEDED,
    NEEDED_FILTERS,
    OFFERED,
    ORDER,
    REPLY_FIELDS,
    REQUIRED,
    PipelineFile,
)
from workers.specs import LeafKind, PipelinePin, RoundPlan, content_hash

SHIPPED = Path(__file__).resolve().parent
DEFAULT = "lab"
# A file is kept whole in every plan and shown on pages.
MOST_CHARACTERS = 200_000
_NAME = re.compile(r"\A[a-z0-9][a-z0-9_-]{0,49}\Z")
KINDS = (LeafKind.KNOWLEDGE, LeafKind.GROUNDED, LeafKind.FREEFORM)


class PipelineProblem(ValueError):
    """A pipeline is unknown or its file is wrong; one sentence with file, place and what to do."""


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline. ``hash`` (16 hex digits) is of what it says; comments and spacing do not count."""

    name: str
    text: str
    content: PipelineFile

    @property
    def hash(self) -> str:
        return content_hash(self.content)[:16]

    @property
    def pin(self) -> PipelinePin:
        """What a plan holds of it: everything, so that a worker needs no file."""
        return PipelinePin(name=self.name, version=self.content.version, hash=self.hash, text=self.text)

    @property
    def facts(self) -> dict[str, str]:
        """Name, version and hash, as manifests and summaries give them."""
        return {"name": self.name, "version": self.content.version, "hash": self.hash}


def own_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of this installation's own pipelines.

    Raises:
        PipelineProblem: the setting names no folder.
    """
    text = read_text("SEEDBED_PIPELINES", environ=environ)
    if not text:
        return None
    folder = Path(text)
    if not folder.is_dir():
        raise PipelineProblem(f"SEEDBED_PIPELINES names {folder}, which is no folder: make it, or correct the setting.")
    return folder


def pipeline_files(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """The file of every pipeline by name, the shipped ones first.

    Raises:
        PipelineProblem: an own file's name cannot be used.
    """
    found = {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}
    folder = own_folder(environ)
    for file in sorted(folder.glob("*.toml")) if folder is not None else ():
        if not _NAME.match(file.stem):
            raise PipelineProblem(
                f"The pipeline file {file.name} cannot be named so: use small letters, digits, - and _ (at most 50)."
            )
        if file.stem in found:
            raise PipelineProblem(f"The pipeline file {file.name} has the name of a shipped one: give it another.")
        found[file.stem] = file
    return found


def pipeline(name: str = DEFAULT, environ: Mapping[str, str] = os.environ) -> Pipeline:
    """The pipeline of that name.

    Raises:
        PipelineProblem: there is none, or its file is wrong.
    """
    # The name comes from forms and command lines: it is looked up among the names, never joined to a path.
    files = pipeline_files(environ)
    if name not in files:
        raise PipelineProblem(f"There is no pipeline {name!r}. Choose one of: {', '.join(files)}.")
    try:
        text = files[name].read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineProblem(f"The pipeline file {files[name].name} cannot be read: {error}.") from error
    return read_pipeline(text, name)


def pipeline_of(plan: RoundPlan) -> Pipeline:
    """The pipeline that a plan pins; the shipped one where it was planned before there was a choice.

    Raises:
        PipelineProblem: this worker's version does not understand it, or reads something else from it.
    """
    if plan.pipeline is None:
        return pipeline(DEFAULT, {})
    found = read_pipeline(plan.pipeline.text, plan.pipeline.name)
    if found.hash != plan.pipeline.hash:
        raise PipelineProblem(
            f"The plan's pipeline {found.name} reads otherwise here than where it was planned: web and worker must run "
            "the same version."
        )
    return found


@cache
def read_pipeline(text: str, name: str) -> Pipeline:
    """A pipeline from its file's text, checked.

    Raises:
        PipelineProblem: it is wrong somewhere.
    """
    if len(text) > MOST_CHARACTERS:
        raise PipelineProblem(
            f"The pipeline file {name}.toml is too long: {MOST_CHARACTERS:,} characters are the most."
        )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PipelineProblem(f"The pipeline file {name}.toml is no TOML: {error}.") from error
    try:
        content = PipelineFile.model_validate(data)
    except ValidationError as error:
        raise PipelineProblem(_sentence(name, data, error.errors()[0])) from error
    for kind in KINDS:
        _check_blocks(name, content, kind)
    return Pipeline(name, text, content)


# --- Checks, each one sentence -----------------------------------------------------------------------


def _wrong(name: str, place: str, what: str) -> PipelineProblem:
    return PipelineProblem(f"The pipeline file {name}.toml is wrong at {place}: {what}")


def _place(kind: LeafKind | str, number: int, block: str) -> str:
    return f"{kind}, block {number + 1} ({block})"


def _check_blocks(name: str, content: PipelineFile, kind: LeafKind) -> None:
    blocks = content.blocks(kind)
    names: list[str] = [block.block for block in blocks]
    for number, this in enumerate(names):
        here = _place(kind, number, this)
        if this not in ORDER[kind]:
            raise _wrong(name, here, f"leaves of this kind have no such block; they have {_list(ORDER[kind])}.")
        if this in names[:number]:
            raise _wrong(name, here, "the block is there already.")
        after = [other for other in names[:number] if ORDER[kind].index(other) > ORDER[kind].index(this)]
        if after:
            raise _wrong(name, here, f"it must come before the block {after[0]}, which needs what it makes.")
    for needed in NEEDED[kind]:
        if needed not in names:
            raise _wrong(name, str(kind), f"the block {needed} is missing; no sample comes to be without it.")
    for number, block_name, key, text in content.prompts(kind):
        _check_prompt(name, f"{_place(kind, number, block_name)}, {key}", (kind, block_name, key), text)
    for number, block in enumerate(blocks):
        here = _place(kind, number, block.block)
        if block.block in REPLY_FIELDS:
            _check_filters(name, here, REPLY_FIELDS[block.block], getattr(block, "filters", ()))
        if block.block == "answer":
            _check_forms(name, f"{here}, forms", kind, getattr(block, "forms", {}))


def _check_prompt(name: str, here: str, key: tuple[LeafKind, str, str], text: str) -> None:
    template, offered = Template(text), OFFERED[key]
    if not template.is_valid():
        raise _wrong(name, here, "a $ stands without a name after it; write $$ for the sign itself.")
    used = set(template.get_identifiers())
    unknown = sorted(used - offered)
    if unknown:
        raise _wrong(name, here, f"${unknown[0]} is nothing that can be put in; {_list(sorted(offered), '$')} are.")
    missing = sorted(REQUIRED[key] - used)
    if missing:
        raise _wrong(name, here, f"${missing[0]} is missing, without which the teacher does not see what it is about.")
    # Replies are read from JSON with this field; a prompt that does not ask for it gets rows that cannot be read.
    field = REPLY_FIELDS.get(key[1])
    if field is not None and f'"{field}"' not in text:
        raise _wrong(name, here, f'it must ask for the reply as JSON, such as {{"{field}": "..."}}.')


def _check_filters(name: str, here: str, part: str, filters: tuple[str, ...]) -> None:
    for one in filters:
        if one not in FILTER_PARTS:
            raise _wrong(name, f"{here}, filters", f"there is no filter {one!r}; there are {_list(FILTER_PARTS)}.")
        if part not in FILTER_PARTS[one]:
            raise _wrong(name, f"{here}, filters", f"the filter {one} does not look at the {part}.")
    if len(set(filters)) < len(filters):
        raise _wrong(name, f"{here}, filters", "a filter is named twice.")
    for needed in NEEDED_FILTERS.get(part, ()):
        if needed not in filters:
            raise _wrong(
                name, f"{here}, filters", f"{needed} is missing; without it the scores of a release would say nothing."
            )


def _check_forms(name: str, here: str, kind: LeafKind, forms: dict[str, str]) -> None:
    if set(forms) != set(FORMS[kind]):
        raise _wrong(name, here, f"give {_list(FORMS[kind])}, one text each.")


def _list(names: Any, sign: str = "") -> str:
    *first, last = [f"{sign}{name}" for name in names]
    return f"{', '.join(first)} and {last}" if first else last


def _sentence(name: str, data: dict[str, Any], error: Any) -> str:
    """A problem that the shape found, in words."""
    location = list(error["loc"])
    kind, key = error["type"], str(location[-1]) if location else ""
    if kind in ("extra_forbidden", "missing"):
        location = location[:-1]
    place = _place_of(data, location)
    if kind == "extra_forbidden":
        return str(_wrong(name, place, f"the key {key!r} is not known here."))
    if kind == "missing":
        return str(_wrong(name, place, f"{key} is missing."))
    if kind == "union_tag_invalid":
        return str(_wrong(name, place, f"there is no block {error['ctx']['tag']}; there are {_list(BLOCK_NAMES)}."))
    if kind == "union_tag_not_found":
        return str(_wrong(name, place, f"the key block is missing; it is one of {_list(BLOCK_NAMES)}."))
    told = error["msg"].removeprefix("Input should be ")
    given = error.get("input")
    shown = f"{given!r} cannot stand here: it should be {told}." if isinstance(given, int | float) else error["msg"]
    return str(_wrong(name, place, f"{shown.rstrip('.')}."))


def _place_of(data: dict[str, Any], location: list[Any]) -> str:
    """Where a problem is: ``knowledge, block 2 (answer), prompt``."""
    if len(location) >= 2 and location[0] in {str(kind) for kind in KINDS} and isinstance(location[1], int):
        block = data[location[0]][location[1]]
        named = block.get("block", "?") if isinstance(block, dict) else "?"
        # Pydantic names the variant of a union once more.
        rest = [part for part in location[2:] if part not in BLOCK_NAMES]
        return ", ".join([_place(location[0], location[1], named), *map(str, rest)])
    return ", ".join(map(str, location)) or "its beginning"
