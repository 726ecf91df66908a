"""Held-out seeds: how probable the tuned model finds reference answers that neither it nor its teacher was shown.

The score of an item is the mean natural-log probability of a token of the reference answer. It moves long before a
small model's own answers become right, and needs no judge.

What is shown with the question: a grounded leaf's context, because its task is to read it. A knowledge leaf's context
is *not* shown: there the question is what the student has learnt; with the text before it, any model could read off
the answer. Items that share a context of a knowledge leaf are one cluster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workers.evaluation.statistics import Subject, make_score
from workers.specs import ItemScore, LeafKind, Message, PlannedLeaf, Score, SeedPair

if TYPE_CHECKING:
    from workers.evaluation.likelihood import LoadedModel


def question_text(leaf: PlannedLeaf, seed: SeedPair) -> str:
    """What the student is asked: the context first where it is shown, as in the samples that it is tuned on."""
    shown = seed.context if leaf.kind is LeafKind.GROUNDED else None
    return "\n\n".join(part for part in (shown, seed.question) if part)


def item_cluster(leaf: PlannedLeaf, seed: SeedPair) -> str:
    """Questions on one context of a knowledge leaf hang together; all others stand alone."""
    return f"context-{seed.context_index}" if leaf.kind is LeafKind.KNOWLEDGE and seed.context_index is not None else ""


def score_held_out(
    loaded: LoadedModel,
    leaves: Sequence[PlannedLeaf],
    subject: Subject,
    *,
    progress: Callable[[int], None] = lambda _count: None,
) -> tuple[list[Score], list[dict[str, Any]]]:
    """One score for each leaf that has held-out seeds, and one row for each item (question, answer, token count).

    A seed that cannot be scored (an answer without a token, or more tokens than the model has positions) must not
    cost a tuned student its scores: it counts nowhere, and its row says why under ``left_out``.
    """
    from workers.evaluation.likelihood import answer_logprobs, chat_continuation

    asked, items = [], []
    rows: list[dict[str, Any]] = []
    longest = getattr(loaded.model.config, "max_position_embeddings", None) or math.inf
    for leaf, seed in [(each, seed) for each in leaves for seed in each.held_out]:
        question = question_text(leaf, seed)
        item = chat_continuation(loaded.tokenizer, [Message(role="user", content=question)], seed.answer)
        why = ""
        if not item.answer:
            why = "its answer has no text"
        elif len(item.prompt) + len(item.answer) > longest:
            why = f"it is longer than the {longest} tokens that the model reads"
        if why:
            row = {"leaf": leaf.path, "item_id": seed.fingerprint, "question": question, "answer": seed.answer}
            rows.append({**row, "left_out": why})
            continue
        asked.append((leaf, seed))
        items.append(item)
    by_leaf: dict[str, list[ItemScore]] = {}
    for (leaf, seed), values in zip(asked, answer_logprobs(loaded, items, progress=progress), strict=True):
        value = math.fsum(values) / len(values)
        cluster = item_cluster(leaf, seed)
        by_leaf.setdefault(leaf.path, []).append(
            ItemScore(item_id=seed.fingerprint, value=round(value, 6), cluster=cluster)
        )
        rows.append(
            {
                "leaf": leaf.path,
                "item_id": seed.fingerprint,
                "question": question_text(leaf, seed),
                "answer": seed.answer,
                "answer_logprob": round(value, 6),
                "tokens": len(values),
            }
        )
    scores = [
        make_score(subject=subject, scope="leaf", name=path, metric="answer_logprob", items=found)
        for path, found in by_leaf.items()
    ]
    return scores, rows
