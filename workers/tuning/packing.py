"""Batches and rows: which samples make an optimiser step, and how they lie side by side without seeing one another.

A row holds several samples with restarted positions; attention is computed sample by sample (``attention.py``). Chats
mostly begin alike (the template's system turn). What all of them begin with is put into a row once and shared: in a
causal model those tokens' states do not depend on what follows, so the loss and its gradient are the same, and
a third of the work on short samples is saved.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.tuning.rendering import Encoded

# Sharing fewer tokens than this is not worth the copies that attention makes for it.
LEAST_SHARED = 4


@dataclass(frozen=True, slots=True)
class Row:
    """Samples side by side, ready to be tensors.

    ``tokens``, ``positions``: shape (n,), what the model is given: ``shared`` tokens of a common beginning, then of
    each sample its ``own`` tokens; ``shares`` says which samples have the beginning before them.
    ``predict_at``: places in the row whose output predicts ``targets``.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    shared: int
    own: tuple[int, ...]
    shares: tuple[bool, ...]
    predict_at: NDArray[np.int64]
    targets: NDArray[np.int64]
    sample_tokens: int

    @property
    def loss_tokens(self) -> int:
        return len(self.targets)


def shared_beginning(samples: Sequence[Encoded]) -> NDArray[np.int32]:
    """The tokens with which most chats begin, empty where sharing does not pay.

    The common beginning of the chats that agree with the most frequent first tokens, short of the last token
    before any loss: that one predicts the first loss token, and so must be each sample's own.
    """
    chats = [sample for sample in samples if sample.chat and len(sample.tokens) > LEAST_SHARED]
    if len(chats) < 2:
        return np.zeros(0, np.int32)
    heads: dict[bytes, list[Encoded]] = {}
    for sample in chats:
        heads.setdefault(sample.tokens[:LEAST_SHARED].tobytes(), []).append(sample)
    # A sample with another system turn may begin with the same few tokens; the majority must not lose by it, so
    # the length that saves most tokens in all is taken: length × (samples that have it).
    group = max(heads.values(), key=len)
    limits = [int(np.argmax(sample.loss)) - 1 for sample in group]
    first = group[0].tokens
    best, best_saved = 0, 0
    agreeing = np.ones(len(group), dtype=np.bool_)
    for length in range(1, limits[0] + 1):
        agreeing &= np.asarray(
            [limits[i] >= length and sample.tokens[length - 1] == first[length - 1] for i, sample in enumerate(group)]
        )
        saved = length * int(agreeing.sum() - 1)
        if saved >= best_saved:
            best, best_saved = length, saved
        if agreeing.sum() < 2:
            break
    return first[:best] if best >= LEAST_SHARED else np.zeros(0, np.int32)


def begins_with(sample: Encoded, shared: NDArray[np.int32]) -> bool:
    """Whether the sample can use the shared beginning: same tokens, and no loss predicted from within them."""
    count = len(shared)
    return (
        count > 0
        and sample.chat
        and int(np.argmax(sample.loss)) - 1 >= count
        and bool((sample.tokens[:count] == shared).all())
    )


def plan_batches(
    samples: Sequence[Encoded],
    *,
    epochs: float,
    seed: int,
    batch_tokens: int | None = None,
    batch_samples: int | None = None,
) -> list[list[int]]:
    """Which samples (by index) each optimiser step of a phase sees.

    Every epoch is a fresh permutation; epochs follow one another without a gap, a fraction of an epoch is its
    first samples. Steps are cut so that all have about the same size, counted in loss tokens or in samples: the
    number of steps is the whole divided by the wanted size, rounded, so no small last batch with as large an update
    as the others. The same arguments give the same plan in every process.
    """
    if not samples:
        return []
    random = np.random.default_rng(seed)
    whole, fraction = int(epochs), epochs - int(epochs)
    order: list[int] = []
    for _ in range(whole):
        order += random.permutation(len(samples)).tolist()
    if fraction > 0:
        order += random.permutation(len(samples))[: max(1, round(fraction * len(samples)))].tolist()
    sizes = np.asarray([samples[i].loss_tokens if batch_tokens else 1 for i in order], dtype=np.int64)
    wanted = batch_tokens or batch_samples or 1
    steps = min(len(order), max(1, round(int(sizes.sum()) / wanted)))
    # A sample belongs to the step in which its middle falls; a step that would stay empty is left out.
    middles = np.cumsum(sizes) - sizes / 2
    step_of = np.minimum((middles * steps / sizes.sum()).astype(np.int64), steps - 1)
    batches: list[list[int]] = [[] for _ in range(steps)]
    for index, step in zip(order, step_of.tolist(), strict=True):
        batches[step].append(index)
    return [batch for batch in batches if batch]


def pack(sizes: Sequence[int], capacity: int) -> list[list[int]]:
    """Indexes of ``sizes`` in as few rows of at most ``capacity`` as first-fit decreasing finds.

    An item larger than ``capacity`` gets a row of its own.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        place = next((i for i, left in enumerate(room) if left >= sizes[index]), None)
        if place is None:
            rows.append([])
            room.append(capacity)
            place = len(rows) - 1
        rows[place].append(index)
        room[place] -= sizes[index]
    return rows


def build_row(samples: Sequence[Encoded], shared: NDArray[np.int32]) -> Row:
    """Lay samples side by side; those that begin with ``shared`` use one copy of it."""
    sharing = [begins_with(sample, shared) for sample in samples]
    count = len(shared) if any(sharing) else 0
    tokens: list[NDArray[np.int32]] = [shared[:count]]
    positions: list[NDArray[np.int64]] = [np.arange(count)]
    lengths: list[int] = []
    predict_at: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.int32]] = []
    place = count
    for sample, shares in zip(samples, sharing, strict=True):
        skip = count if shares else 0
        own = len(sample.tokens) - skip
        tokens.append(sample.tokens[skip:])
        positions.append(np.arange(skip, skip + own))
        lengths.append(own)
        counted = np.flatnonzero(sample.loss)
        predict_at.append(counted - 1 - skip + place)
        targets.append(sample.tokens[counted])
        place += own
    return Row(
        tokens=np.concatenate(tokens).astype(np.int64),
        positions=np.concatenate(positions).astype(np.int64),
        shared=count,
        own=tuple(lengths),
        shares=tuple(sharing),
        predict_at=np.concatenate(predict_at).astype(np.int64),
        targets=np.concatenate(targets).astype(np.int64),
        sample_tokens=sum(len(sample.tokens) for sample in samples),
    )


def batch_rows(samples: Sequence[Encoded], shared: NDArray[np.int32], capacity: int) -> list[Row]:
    """The rows of one batch, the longest first."""
    saved = [len(shared) if begins_with(sample, shared) else 0 for sample in samples]
    sizes = [len(sample.tokens) - skip for sample, skip in zip(samples, saved, strict=True)]
    room = max(1, capacity - (len(shared) if any(saved) else 0))
    rows = [build_row([samples[i] for i in sorted(row)], shared) for row in pack(sizes, room)]
    return sorted(rows, key=lambda row: -len(row.tokens))


def share_rows(rows: Sequence[Row], processes: int) -> list[list[Row | None]]:
    """Rows for each process, about equal in tokens and exactly equal in number.

    Processes that reduce gradients together must take the same number of steps; None fills up.
    """
    loads = [(0, process) for process in range(processes)]
    heapq.heapify(loads)
    given: list[list[Row | None]] = [[] for _ in range(processes)]
    for row in rows:
        load, process = heapq.heappop(loads)
        given[process].append(row)
        heapq.heappush(loads, (load + len(row.tokens), process))
    most = max(len(own) for own in given)
    return [own + [None] * (most - len(own)) for own in given]
