"""``python -m workers.interchange``: training data in the layout that InstructLab's training reads, out and in.

The layout: JSON lines with ``messages`` (role and content), ``metadata`` (a text that holds JSON, so that Hugging Face
datasets reads a column of one type), ``id``, and ``unmask`` (true where every token but the system's carries loss).
One file teaches knowledge, one skills; InstructLab tunes on them one after the other. What it calls ``pretraining`` and
its older triples of ``system``, ``user`` and ``assistant`` are read as well. Light: the web offers the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from workers.specs import SHORT_ANSWER_WORDS, Message, Sample, SampleMetadata

KNOWLEDGE, SKILLS = "knowledge_train_msgs", "skills_train_msgs"
# In which file a phase's samples go; all at once ("stacked") is InstructLab's single phase.
FILE_OF_PHASE: dict[str, str] = {
    "knowledge_short": KNOWLEDGE,
    "knowledge_long": KNOWLEDGE,
    "skills": SKILLS,
    "stacked": SKILLS,
}
Branch = Literal["knowledge", "compositional_skills"]
_TURN = re.compile(r"<\|(system|user|assistant)\|>\s*")


class InterchangeProblem(ValueError):
    """A line is not what InstructLab writes, or a folder is no mixture; one sentence that names the place."""


# --- Out --------------------------------------------------------------------------------------------------------


def exported(sample: Sample, *, unmask: bool) -> dict[str, Any]:
    """A sample as one row of the layout. A text to read (a single assistant message) always carries loss as a whole."""
    alone = len(sample.messages) == 1
    return {
        "id": sample.sample_id,
        "messages": [message.model_dump(mode="json") for message in sample.messages],
        "metadata": json.dumps(sample.metadata.model_dump(mode="json"), ensure_ascii=False, sort_keys=True),
        "unmask": unmask or alone,
    }


def exported_lines(samples: Iterable[Sample], *, unmask: bool = False) -> Iterator[str]:
    """Rows as lines, the newline included."""
    for sample in samples:
        yield json.dumps(exported(sample, unmask=unmask), ensure_ascii=False) + "\n"


# --- In ---------------------------------------------------------------------------------------------------------


def imported(row: Any, *, branch: Branch, place: str) -> Sample:
    """A row of the layout as a sample. What was exported from here comes back as it was.

    Args:
        branch: of the taxonomy, for a row that does not say which leaf it belongs to: it decides the tuning phase.
        place: how a problem names the row.

    Raises:
        InterchangeProblem: it has no conversation that ends with an answer.
    """
    if not isinstance(row, dict):
        raise InterchangeProblem(f"{place} is not an object with messages.")
    messages = _messages(row, place)
    metadata = _own_metadata(row.get("metadata"))
    if metadata is None:
        words = len(messages[-1].content.split())
        metadata = SampleMetadata(
            leaf_id="imported",
            leaf_path=f"{branch}/imported",
            origin="imported",
            length="short" if words <= SHORT_ANSWER_WORDS else "long",
        )
    text = json.dumps([message.model_dump() for message in messages], ensure_ascii=False)
    name = row.get("id")
    known = isinstance(name, str) and 0 < len(name) <= 200
    return Sample(
        sample_id=str(name) if known else f"imported-{hashlib.sha256(text.encode()).hexdigest()[:20]}",
        messages=tuple(messages),
        metadata=metadata,
    )


def imported_samples(lines: Iterable[str], *, branch: Branch, name: str) -> Iterator[Sample]:
    """The rows of a file called ``name``.

    Raises:
        InterchangeProblem: a line is no such row.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"Line {number} of {name}"
        try:
            row = json.loads(line)
        except ValueError:
            raise InterchangeProblem(f"{place} is not JSON.") from None
        yield imported(row, branch=branch, place=place)


def _messages(row: dict[str, Any], place: str) -> list[Message]:
    given = row.get("messages")
    if given is None and isinstance(row.get("user"), str):
        given = [{"role": role, "content": row[role]} for role in ("system", "user", "assistant") if row.get(role)]
    if not isinstance(given, list) or not given:
        raise InterchangeProblem(f"{place} has no messages.")
    found: list[Message] = []
    for turn in given:
        if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
            raise InterchangeProblem(f"{place} has a message without a text.")
        if turn.get("role") == "pretraining":
            # The same conversation once more as one text, where it is not alone; else the conversation itself.
            if len(given) == 1:
                found += _turns(turn["content"])
            continue
        try:
            found.append(Message.model_validate({"role": turn.get("role"), "content": turn["content"]}))
        except ValidationError:
            raise InterchangeProblem(f"{place} has a message of the unknown role {turn.get('role')!r}.") from None
    if not found or found[-1].role != "assistant" or not found[-1].content.strip():
        raise InterchangeProblem(f"{place} does not end with an answer.")
    return found


def _turns(text: str) -> list[Message]:
    """``<|user|> … <|assistant|> …`` as messages; a text without such marks is one to read."""
    parts = _TURN.split(text)
    if len(parts) == 1:
        return [Message(role="assistant", content=text.strip())]
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [Message.model_validate({"role": role, "content": said.strip()}) for role, said in pairs]


def _own_metadata(value: Any) -> SampleMetadata | None:
    """The metadata of a row that was exported from here; None for any other."""
    try:
        return SampleMetadata.model_validate(json.loads(value) if isinstance(value, str) else value)
    except (ValueError, ValidationError):
        return None


# --- The command -------------------------------------------------------------------------------------------------


def read_mixture(folder: Path) -> Iterator[tuple[str, Path]]:
    """The phases of a mixture's folder in order, each with its file.

    Raises:
        InterchangeProblem: it is no mixture.
    """
    try:
        phases = json.loads((folder / "phases.json").read_text(encoding="utf-8"))["phases"]
        found = [(str(phase["name"]), folder / str(phase["file"])) for phase in phases]
    except (OSError, ValueError, KeyError, TypeError):
        raise InterchangeProblem(f"{folder} is no mixture: it has no phases.json that lists its phases.") from None
    for name, file in found:
        if name not in FILE_OF_PHASE or not file.is_file():
            raise InterchangeProblem(f"{folder} is no mixture: its phase {name} has no file.")
    yield from found


def _export(mixture: Path, out: Path, unmask: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    phases = list(read_mixture(mixture))
    out.mkdir(parents=True, exist_ok=True)
    for target in dict.fromkeys(FILE_OF_PHASE[name] for name, _ in phases):
        with (out / f"{target}.jsonl").open("w", encoding="utf-8") as file:
            for name, source in phases:
                if FILE_OF_PHASE[name] != target:
                    continue
                with source.open(encoding="utf-8") as lines:
                    samples = (Sample.model_validate_json(line) for line in lines if line.strip())
                    for line in exported_lines(samples, unmask=name in unmask):
                        file.write(line)
                        counts[target] = counts.get(target, 0) + 1
    return counts


def _import(files: Sequence[Path], out: Path, branch: Branch) -> dict[str, int]:
    part = out.with_name(f".{out.name}.part")
    count = 0
    try:
        with part.open("w", encoding="utf-8") as target:
            for source in files:
                with source.open(encoding="utf-8") as lines:
                    for sample in imported_samples(lines, branch=branch, name=str(source)):
                        target.write(sample.model_dump_json() + "\n")
                        count += 1
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return {"samples": count}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m workers.interchange", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    out = commands.add_parser("export", help="write a mixture as InstructLab's files")
    out.add_argument("--mixture", type=Path, required=True, help="the folder of a mixture (with phases.json)")
    out.add_argument("--out", type=Path, required=True, help="folder for the files")
    out.add_argument(
        "--unmask", action="append", default=[], metavar="PHASE", help="a phase whose questions carry loss too"
    )
    into = commands.add_parser("import", help="read InstructLab's files as samples, for `python -m workers.tuning`")
    into.add_argument("files", nargs="+", type=Path, metavar="FILE")
    into.add_argument("--out", type=Path, required=True, help="file of samples to write (JSON lines)")
    into.add_argument(
        "--branch",
        choices=("knowledge", "compositional_skills"),
        default="compositional_skills",
        help="for rows that name no leaf: decides the phase they are tuned in",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        if given.command == "export":
            told = _export(given.mixture, given.out, given.unmask)
        else:
            told = _import(given.files, given.out, given.branch)
    except UnicodeDecodeError:
        sys.stderr.write("A file is no text in UTF-8: give JSON lines.\n")
        return 2
    except ValidationError:
        sys.stderr.write(f"{given.mixture} is no mixture: a line of it is no sample.\n")
        return 2
    except (InterchangeProblem, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    sys.stdout.write(json.dumps({**told, "out": str(given.out)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
