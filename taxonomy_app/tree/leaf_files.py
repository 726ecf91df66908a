"""What the index keeps of a leaf's file, made from git alone: no database here.

Reading is half of what an index from nothing takes, so that many leaves are read by several processes ahead of the
one that writes them. Where none can be started, or they end before their time, this process reads by itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from taxonomy_app.tree.search_words import distinct_words
from taxonomy_repo.leaf import DocumentReference, KnowledgeSeed, Leaf, leaf_kind, read_leaf
from taxonomy_repo.store import TaxonomyStore
from workers.planning import seed_fingerprint

_LOG = logging.getLogger(__name__)
# Starting processes takes as long as reading some hundreds of leaves.
LEAST_LEAVES = 2_000
_MOST_PROCESSES = 4


class LeafFile(NamedTuple):
    """A leaf's blob, and the folder that it lies in."""

    blob: str
    path: str


class SeedRow(NamedTuple):
    """A question of a leaf; ``group`` is the number of its seed in the file."""

    position: int
    group: int
    fingerprint: str
    context: str
    question: str
    answer: str


class LeafContent(NamedTuple):
    """What the index keeps of one file. ``problem`` is the sentence of its first error; ``words`` those of its seeds.

    ``seeds`` is None where nothing of the file could be read.
    """

    kind: str
    problem: str
    task_description: str
    domain: str
    document_outline: str
    created_by: str
    seed_count: int
    document: DocumentReference | None
    seeds: list[SeedRow] | None
    words: str


def leaf_content(data: bytes, path: str) -> LeafContent:
    """Read the bytes of a leaf's file for the index."""
    reading = read_leaf(data, path)
    leaf = reading.leaf
    wrong = next((problem for problem in reading.problems if problem.severity == "error"), None)
    problem = wrong.message[:500] if wrong is not None else ""
    kind = leaf_kind(path, leaf)
    if leaf is None:
        return LeafContent(kind, problem, "", "", "", "", 0, None, None, "")
    seeds = list(_seeds_of(leaf))
    return LeafContent(
        kind,
        problem,
        leaf.task_description,
        leaf.domain[:200],
        leaf.document_outline,
        leaf.created_by[:120],
        len(leaf.seed_examples),
        leaf.document,
        seeds,
        distinct_words([text for seed in seeds for text in (seed.context, seed.question, seed.answer)]),
    )


def _seeds_of(leaf: Leaf) -> Iterator[SeedRow]:
    position = 0
    for group, example in enumerate(leaf.seed_examples):
        pairs = example.questions_and_answers if isinstance(example, KnowledgeSeed) else (example,)
        for pair in pairs:
            fingerprint = seed_fingerprint(pair.question, example.context)
            yield SeedRow(position, group, fingerprint, example.context or "", pair.question, pair.answer)
            position += 1


def read_contents(store: TaxonomyStore, batches: Sequence[Sequence[LeafFile]]) -> Iterator[list[LeafContent]]:
    """The contents of each batch of files, in order. Raises StoreProblem for a blob that is not there."""
    done = 0
    processes = _processes(sum(map(len, batches)))
    if processes > 1:
        try:
            fork = multiprocessing.get_context("fork")
            with ProcessPoolExecutor(processes, fork, initializer=_end_with_parent) as pool:
                for contents in _read_ahead(pool, store.repository.path, batches, most=2 * processes):
                    yield contents
                    done += 1
        except BrokenProcessPool:
            _LOG.warning("A process that read leaves ended before its time: this one reads the rest.", exc_info=True)
    for batch in batches[done:]:
        yield _read(store, batch)


def _processes(leaves: int) -> int:
    """How many processes are to read so many leaves; 1: none but this one.

    Only a process of one thread is copied (another thread might hold a lock that nobody gives back in the copy), and
    a daemonic one, such as a worker's, may not have any.
    """
    if leaves < LEAST_LEAVES or threading.active_count() > 1 or multiprocessing.current_process().daemon:
        return 1
    return min(_MOST_PROCESSES, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)


def _end_with_parent() -> None:
    """From now on this process ends when the one that it was copied from does, also by SIGKILL.

    It has a copy of the other's connection to the database: as long as that is open, PostgreSQL takes the dead one's
    transaction for a slow one, and its lock on the index stays.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def _read_ahead(
    pool: ProcessPoolExecutor, repository: Path, batches: Iterable[Sequence[LeafFile]], *, most: int
) -> Iterator[list[LeafContent]]:
    """The contents of each batch, of which at most ``most`` are read before they are asked for."""
    ahead: deque[Future[list[LeafContent]]] = deque()
    for batch in batches:
        ahead.append(pool.submit(_read_at, repository, batch))
        if len(ahead) > most:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _read_at(repository: Path, batch: Sequence[LeafFile]) -> list[LeafContent]:
    """What one of the processes does for a batch."""
    return _read(TaxonomyStore(repository), batch)


def _read(store: TaxonomyStore, batch: Sequence[LeafFile]) -> list[LeafContent]:
    return [leaf_content(store.read_blob(file.blob), file.path) for file in batch]
