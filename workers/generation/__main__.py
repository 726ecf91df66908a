"""``python -m workers.generation``: samples from a taxonomy folder, without the web.

The taxonomy is a folder of leaves (``knowledge/…/qna.yaml`` and so on). Documents of knowledge leaves are looked for
in ``--documents`` by the file names that the leaf gives. A call that was interrupted goes on when it is repeated with
the same ``--out``. The last line on standard output is one line of JSON.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from taxonomy_repo.leaf import DATA_FILE, Leaf, leaf_kind, read_leaf
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import EnvironmentProblem, shared_settings
from workers.generation.run import Order, generate
from workers.pipelines import DEFAULT, pipeline
from workers.planning import choose_held_out, data_pairs, seed_pairs
from workers.specs import (
    BUNDLED_MODEL,
    Document,
    FurtherEndpoint,
    GenerationRecipe,
    LeafKind,
    ModelReference,
    PlannedLeaf,
    Progress,
    TeacherReference,
    content_hash,
)
from workers.stages import StageCancelled, StageFailure


class InputProblem(ValueError):
    """What was given on the command line cannot be worked with; one sentence."""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m workers.generation", description=__doc__)
    found.add_argument("--taxonomy", type=Path, required=True, help="folder of the taxonomy")
    found.add_argument("--leaf", action="append", default=[], help="path of a leaf in it; again for more; all if none")
    found.add_argument("--documents", type=Path, help="folder with the documents of knowledge leaves")
    found.add_argument("--teacher-url", help="OpenAI-compatible address; without it a server is started here")
    found.add_argument(
        "--further-url",
        action="append",
        default=[],
        metavar="URL",
        help="another address that serves the same model; again for more",
    )
    found.add_argument("--teacher-model", default=BUNDLED_MODEL, help="name at that address, else a model to start")
    found.add_argument("--teacher-key-variable", help="environment variable (or its _FILE form) with the key")
    found.add_argument("--profile", default="auto", help="how the teacher is prompted")
    found.add_argument("--in-flight", type=int, default=16, help="requests at once, at each address")
    found.add_argument("--samples", type=int, default=16, help="samples wanted of each leaf")
    found.add_argument("--attempts-factor", type=float, default=3.0, help="rows asked for a wanted sample, at most")
    found.add_argument("--max-answer-tokens", type=int, default=64)
    found.add_argument("--temperature", type=float, default=0.8)
    found.add_argument("--chunk-tokens", type=int, default=256)
    found.add_argument("--held-out", type=float, default=0.0, help="share of seeds kept from the teacher")
    found.add_argument("--no-judge", action="store_true")
    found.add_argument(
        "--judge-form", choices=("token", "written"), default="token", help="how a teacher that grades does so"
    )
    found.add_argument("--pipeline", default=DEFAULT, help="how samples come to be: a name, see docs/generation.md")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--out", type=Path, required=True, help="folder to write; made if it is not there")
    return found


def planned_leaves(
    taxonomy: Path,
    wanted: Sequence[str],
    documents: Path | None,
    held_out: float,
    left_out: dict[str, str] | None = None,
) -> list[PlannedLeaf]:
    """The leaves of a folder as a round would plan them.

    Args:
        left_out: takes the path of a leaf that cannot be used and why, where all leaves are wanted; the others are
            planned then, as a round plans them.

    Raises:
        InputProblem: a leaf is not there or cannot be used.
    """
    if not taxonomy.is_dir():
        raise InputProblem(f"There is no folder {taxonomy}: give the folder of the taxonomy.")
    paths = [path.strip("/") for path in wanted] or sorted(
        file.parent.relative_to(taxonomy).as_posix() for file in taxonomy.rglob("qna.yaml")
    )
    if not paths:
        raise InputProblem(f"{taxonomy} has no leaves: a leaf is a folder with a qna.yaml.")
    found = []
    for path in paths:
        try:
            found.append(_planned(taxonomy, path, documents, held_out))
        except InputProblem as problem:
            if wanted or left_out is None:
                raise
            left_out[path] = str(problem)
    if not found:
        raise InputProblem(next(iter((left_out or {}).values())))
    return found


def _planned(taxonomy: Path, path: str, documents: Path | None, held_out: float) -> PlannedLeaf:
    file = taxonomy / path / "qna.yaml"
    if ".." in Path(path).parts or not file.is_file():
        raise InputProblem(f"There is no leaf {path} in {taxonomy}.")
    data = file.read_bytes()
    reading = read_leaf(data, path)
    if reading.leaf is None or not reading.valid:
        problem = next(problem for problem in reading.problems if problem.severity == "error")
        where = f" (line {problem.line})" if problem.line else ""
        raise InputProblem(f"{file}{where}: {problem.message}")
    leaf, kind = reading.leaf, LeafKind(leaf_kind(path, reading.leaf))
    seeds = seed_pairs(leaf)
    held = set(choose_held_out(seeds, share=held_out, least=0)) if held_out else set()
    return PlannedLeaf(
        leaf_id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
        path=path,
        kind=kind,
        blob=content_hash(data.decode("utf-8", "replace")),
        task_description=leaf.task_description,
        domain=leaf.domain,
        document_outline=leaf.document_outline,
        seeds=tuple(seed for seed in seeds if seed.fingerprint not in held),
        held_out=tuple(seed for seed in seeds if seed.fingerprint in held),
        documents=_documents(leaf, documents, path) if kind is LeafKind.KNOWLEDGE else (),
        data=data_pairs(own.read_bytes(), str(own)) if (own := file.with_name(DATA_FILE)).is_file() else (),
    )


def _documents(leaf: Leaf, folder: Path | None, path: str) -> tuple[Document, ...]:
    if leaf.document is None or folder is None:
        return ()
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    chosen = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in leaf.document.patterns)]
    if not chosen:
        raise InputProblem(f"The documents of {path} ({', '.join(leaf.document.patterns)}) are not in {folder}.")
    return tuple(
        Document(name=name, text=_document_text(folder / name), source=leaf.document.repo, commit=leaf.document.commit)
        for name in chosen
    )


def _document_text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputProblem(f"{file} is not a text in UTF-8: convert it to Markdown or plain text first.") from None
    if not text.strip():
        raise InputProblem(f"{file} is empty: a document needs text to ask about.")
    return text


def one_sentence(problem: Exception) -> str:
    """What is wrong with the numbers and names of a command line, of several things the first."""
    if not isinstance(problem, ValidationError):
        return str(problem)
    first = problem.errors()[0]
    return f"{'.'.join(map(str, first['loc'])).replace('_', ' ')}: {first['msg']}."


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    begun = time.monotonic()
    shown = [""]

    def report(progress: Progress) -> None:
        line = f"{progress.done}/{progress.total} {progress.unit}  {progress.message}"
        # Seconds that pass are no news.
        if (news := line.split(" (", maxsplit=1)[0]) != shown[0]:
            shown[0] = news
            print(f"{time.monotonic() - begun:6.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        settings, chosen = shared_settings(), pipeline(given.pipeline)
        left_out: dict[str, str] = {}
        leaves = planned_leaves(given.taxonomy, given.leaf, given.documents, given.held_out, left_out)
        for why in left_out.values():
            print(f"Left out: {why}", file=sys.stderr)
        teacher = TeacherReference(
            source="endpoint" if given.teacher_url else "auto",
            url=given.teacher_url,
            further=tuple(FurtherEndpoint(url=url, max_in_flight=given.in_flight) for url in given.further_url),
            model=ModelReference(name=given.teacher_model),
            key_variable=given.teacher_key_variable,
            profile=given.profile,
            max_in_flight=given.in_flight,
        )
        recipe = GenerationRecipe(
            samples_per_leaf=given.samples,
            attempts_factor=given.attempts_factor,
            temperature=given.temperature,
            max_answer_tokens=given.max_answer_tokens,
            chunk_tokens=given.chunk_tokens,
            judge=not given.no_judge,
            judge_form=given.judge_form,
        )
        out = given.out.resolve()
        artifact = ArtifactStore(f"file://{out.parent}").artifact(out.name)
        if artifact.complete:
            raise InputProblem(f"{given.out} is finished already: give another folder.")
        summary = generate(
            Order(tuple(leaves), recipe, teacher, given.seed, pipeline=chosen),
            artifact,
            settings=settings,
            store=ArtifactStore(settings.artifacts_url),
            log_file=settings.var / "log" / "teacher" / f"shell-{os.getpid()}.log",
            report=report,
            cancelled=lambda: bool(stopping),
        )
        artifact.finish(kind="generation", spec={"pipeline": chosen.facts})
    except StageCancelled:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    except StageFailure as failure:
        print(f"{failure.problem.message} {failure.problem.advice}".strip(), file=sys.stderr)
        return 1
    except (InputProblem, EnvironmentProblem, ArtifactProblem, ValueError, OSError) as problem:
        print(one_sentence(problem), file=sys.stderr)
        return 2
    names = ("samples", "requests", "prompt_tokens", "completion_tokens", "seconds", "dropped", "mean_in_flight")
    facts = {name: summary[name] for name in names}
    facts |= {"empty_leaves": summary["empty_leaves"], "left_out": sorted(left_out)}
    print(json.dumps({**facts, "judge": summary["judge"], "out": str(out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
