"""Texts compared by what they mean: vectors from an OpenAI-compatible endpoint, likeness by their cosine.

The model runs behind the endpoint, never in this process. Format: ``POST <url>/embeddings`` with ``{"model",
"input": [texts]}``, answered by ``{"data": [{"index", "embedding"}]}``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxonomy_app.environment import EmbeddingsSettings
from taxonomy_app.tree.similarity.ranking import best_of

# Texts a request; servers commonly take a few dozen at once.
BATCH = 32
# Small models read a few hundred words; what is beyond is cut here and not refused there.
LONGEST_TEXT = 2_000
# (connect, read) seconds for a worker and for somebody at a page.
PATIENT = (5.0, 30.0)
IMPATIENT = (1.0, 3.0)

Vector = NDArray[np.float32]


class EmbeddingsProblem(RuntimeError):
    """The endpoint gave no usable vectors; the message says why in one sentence."""


@dataclass(frozen=True)
class Endpoint:
    """Where vectors come from. ``source`` names it in the database: vectors of two models cannot be compared."""

    settings: EmbeddingsSettings

    @property
    def source(self) -> str:
        return f"model:{self.settings.model}"[:120]

    def vectors_of(self, texts: Sequence[str], *, timeout: tuple[float, float]) -> list[Vector]:
        """A vector of length 1 for each text, in their order.

        Raises:
            EmbeddingsProblem: the endpoint does not answer, or answers something else.
        """
        found: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            found += self._ask([text[:LONGEST_TEXT] or " " for text in texts[start : start + BATCH]], timeout)
        return found

    def _ask(self, texts: list[str], timeout: tuple[float, float]) -> list[Vector]:
        # Imported late: an installation without an endpoint does not need it in the web process.
        import requests

        headers = {"Authorization": f"Bearer {self.settings.key}"} if self.settings.key else {}
        try:
            answer = requests.post(
                f"{self.settings.url}/embeddings",
                json={"model": self.settings.model, "input": texts, "encoding_format": "float"},
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise EmbeddingsProblem(f"The embeddings endpoint does not answer ({type(error).__name__}).") from error
        if answer.status_code != 200:
            raise EmbeddingsProblem(f"The embeddings endpoint answered with status {answer.status_code}.")
        try:
            return _read(answer.json(), len(texts))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EmbeddingsProblem(f"The embeddings endpoint answered something unexpected: {error}.") from error


def _read(answer: Any, count: int) -> list[Vector]:
    rows = sorted(answer["data"], key=lambda row: int(row["index"]))
    if [int(row["index"]) for row in rows] != list(range(count)):
        raise ValueError(f"{len(rows)} vectors for {count} texts")
    vectors = [np.asarray(row["embedding"], np.float32) for row in rows]
    if any(vector.ndim != 1 or vector.size == 0 or vector.size != vectors[0].size for vector in vectors):
        raise ValueError("vectors of different lengths")
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise ValueError("a vector without a direction")
    return [vector / length for vector, length in zip(vectors, lengths, strict=True)]


def to_bytes(vector: Vector) -> bytes:
    """Half precision: a likeness changes in its fourth digit."""
    return vector.astype("<f2").tobytes()


def from_bytes(data: bytes) -> Vector:
    return np.frombuffer(data, "<f2").astype(np.float32)


class VectorIndex:
    """Finds the vectors nearest to one among all."""

    def __init__(self, keys: Sequence[int], vectors: Sequence[Vector]) -> None:
        # A model that was exchanged under its name gives vectors of another length: those that are most are kept.
        sizes = [vector.size for vector in vectors]
        size = max(set(sizes), key=sizes.count) if sizes else 0
        kept = [at for at, own in enumerate(sizes) if own == size]
        self.keys = np.asarray([keys[at] for at in kept], np.int64)
        self._matrix = np.stack([vectors[at] for at in kept]) if kept else np.empty((0, 0), np.float32)

    def nearest(self, vector: Vector, most: int) -> list[tuple[int, float]]:
        """(key, likeness) of at most ``most`` others, the most alike first."""
        if self._matrix.shape[1] != vector.size or not self.keys.size:
            return []
        return best_of(self.keys, self._matrix @ vector, most)
