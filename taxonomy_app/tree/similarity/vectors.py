"""Keeping a vector of each leaf: computed in a worker after the index has changed, in small transactions."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef

from taxonomy_app.tree.models import Leaf, LeafVector, Seed
from taxonomy_app.tree.similarity import embeddings, ngrams

_LOG = logging.getLogger(__name__)
_BATCH = 64
# The worker that makes vectors has other things to do: what is not answered by then waits for the next run.
SECONDS_A_RUN = 20.0
# A leaf is known by its name, its task and its first questions; its answers repeat them.
_MOST_SEEDS = 20
_LONGEST_TEXT = 3_000


@dataclass(frozen=True)
class VectorsResult:
    """How many vectors were written for each source, and why the endpoint gave none, empty where it did."""

    written: dict[str, int]
    problem: str = ""


def endpoint() -> embeddings.Endpoint | None:
    """The configured endpoint, or None."""
    return embeddings.Endpoint(settings.EMBEDDINGS) if settings.EMBEDDINGS else None


def vectors_update(*, now: datetime) -> VectorsResult:
    """Give every present leaf its vectors and take those of others away. Does nothing where nothing has changed.

    The n-grams of all leaves are kept in any case: they are what remains when the endpoint does not answer.
    """
    LeafVector.objects.exclude(leaf__removed_at__isnull=True).delete()
    written = {ngrams.SOURCE: _bring_up_to_date(ngrams.SOURCE, _profiles, now)}
    problem = ""
    configured = endpoint()
    if configured is not None:
        try:
            written[configured.source] = _bring_up_to_date(
                configured.source, lambda texts: _embedded(configured, texts), now, seconds=SECONDS_A_RUN
            )
        except embeddings.EmbeddingsProblem as error:
            problem = str(error)
            _LOG.warning("%s Leaves are compared by n-grams meanwhile.", problem)
    sources = {ngrams.SOURCE, configured.source if configured else ngrams.SOURCE}
    LeafVector.objects.exclude(source__in=sources).delete()
    return VectorsResult(written, problem)


def _profiles(texts: Sequence[str]) -> list[bytes]:
    return [ngrams.to_bytes(ngrams.profile_of(text)) for text in texts]


def _embedded(endpoint: embeddings.Endpoint, texts: Sequence[str]) -> list[bytes]:
    return [embeddings.to_bytes(vector) for vector in endpoint.vectors_of(texts, timeout=embeddings.PATIENT)]


def _bring_up_to_date(
    source: str, make: Callable[[Sequence[str]], list[bytes]], now: datetime, *, seconds: float = math.inf
) -> int:
    """Write the vectors of this source that are missing or old, for about so long, and say how many were written."""
    until = time.monotonic() + seconds
    current = LeafVector.objects.filter(
        leaf=OuterRef("pk"), source=source, blob=OuterRef("blob"), path=OuterRef("path")
    )
    waiting = list(Leaf.objects.present().filter(~Exists(current)).order_by("pk").values_list("pk", flat=True))
    written = 0
    for start in range(0, len(waiting), _BATCH):
        leaves = list(Leaf.objects.present().filter(pk__in=waiting[start : start + _BATCH]))
        data = make(texts_of(leaves))
        LeafVector.objects.bulk_create(
            [
                LeafVector(leaf=leaf, source=source, blob=leaf.blob, path=leaf.path, data=bits, made_at=now)
                for leaf, bits in zip(leaves, data, strict=True)
            ],
            update_conflicts=True,
            unique_fields=["leaf", "source"],
            update_fields=["blob", "path", "data", "made_at"],
        )
        written += len(leaves)
        if time.monotonic() > until:
            break
    return written


def texts_of(leaves: Sequence[Leaf]) -> list[str]:
    """What each leaf is about, as one text. One query."""
    questions: dict[int, list[str]] = defaultdict(list)
    rows = Seed.objects.filter(leaf__in=[leaf.pk for leaf in leaves], position__lt=_MOST_SEEDS)
    for leaf, question in rows.order_by("leaf_id", "position").values_list("leaf_id", "question"):
        questions[leaf].append(question)
    return [
        "\n".join(
            part
            for part in (
                leaf.title,
                leaf.path.replace("_", " ").replace("/", " "),
                leaf.task_description,
                leaf.document_outline,
                leaf.domain,
                *questions[leaf.pk],
            )
            if part
        )[:_LONGEST_TEXT]
        for leaf in leaves
    ]
