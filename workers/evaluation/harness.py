"""Benchmarks run by lm-eval on the model that is already loaded.

lm-eval makes the prompts and judges the answers; the probabilities come from here, because the choices of a question
share its text: the text is read once and the choices side by side, each blind to the others. Loads torch and lm-eval.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from workers.evaluation.benchmarks import Benchmark
from workers.evaluation.likelihood import (
    BATCH_TOKENS,
    Continuation,
    LoadedModel,
    answer_logprobs,
    batches,
)
from workers.evaluation.statistics import Subject, make_score
from workers.specs import ItemScore, Score

log = logging.getLogger(__name__)

GENERATION_BATCH = {"cpu": 8, "cuda": 32}
# Two ways of computing one probability may differ by rounding (bfloat16 has eight bits), not by more.
TOLERANCE = {"cpu": 1e-3, "cuda": 0.1}

# lm-eval's request: (texts, prompt tokens, answer tokens).
Request = tuple[tuple[str, str], list[int], list[int]]


class SharedPromptModel(HFLM):  # type: ignore[misc]  # lm-eval has no types
    """lm-eval's view of the model. ``progress`` is called with the share (0…1) of requests that are answered."""

    def __init__(self, loaded: LoadedModel, progress: Callable[[float], None] = lambda _share: None) -> None:
        super().__init__(
            pretrained=loaded.model,
            tokenizer=loaded.tokenizer,
            backend="causal",
            batch_size=GENERATION_BATCH[loaded.device],
        )
        self.loaded = loaded
        self.progress = progress
        self._trusted: bool | None = None

    def _loglikelihood_tokens(
        self, requests: Sequence[Request], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        """Log-probability of each answer and whether it is the likeliest, as lm-eval wants them."""
        longest = max((len(prompt) + len(answer) for _, prompt, answer in requests), default=0)
        if longest > self.max_length or not self._side_by_side_is_exact(requests):
            return list(super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs))
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, (_, prompt, _answer) in enumerate(requests):
            groups.setdefault(tuple(prompt), []).append(index)
        prompts = list(groups)
        lengths = [len(p) + sum(len(requests[i][2]) - 1 for i in groups[p]) for p in prompts]
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        finished = 0
        for batch in batches(lengths, BATCH_TOKENS[self.loaded.device]):
            asked = [(prompts[b], [requests[i][2] for i in groups[prompts[b]]]) for b in batch]
            for b, answers in zip(batch, side_by_side(self.loaded, asked), strict=True):
                for index, answer in zip(groups[prompts[b]], answers, strict=True):
                    found[index] = answer
                    finished += 1
            self.progress(finished / len(requests))
        return found

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Written answers, a few batches at a time so that progress shows."""
        step = 2 * GENERATION_BATCH[self.loaded.device]
        answers: list[str] = []
        for start in range(0, len(requests), step):
            answers += super().generate_until(requests[start : start + step], disable_tqdm=True)
            self.progress(len(answers) / len(requests))
        return answers

    def _side_by_side_is_exact(self, requests: Sequence[Request]) -> bool:
        """Try one question both ways, once a model: not every architecture honours a mask of our own."""
        if self._trusted is None and requests:
            prompt = requests[0][1]
            same = [answer for _, other, answer in requests if other == prompt][:8]
            plain = answer_logprobs(self.loaded, [Continuation(tuple(prompt), tuple(answer)) for answer in same])
            try:
                tried = side_by_side(self.loaded, [(tuple(prompt), same)])[0]
                worst = max(abs(sum(values) - found) for values, (found, _) in zip(plain, tried, strict=True))
                self._trusted = worst <= TOLERANCE[self.loaded.device] * max(len(answer) for answer in same)
            except (RuntimeError, ValueError, TypeError) as error:
                log.warning("This model does not take a mask of our own (%s).", error)
                self._trusted = False
            if not self._trusted:
                log.warning("Answers are asked one by one for this model.")
        return bool(self._trusted)


def side_by_side(
    loaded: LoadedModel, asked: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]
) -> list[list[tuple[float, bool]]]:
    """For each prompt the log-probability of each of its answers, and whether an answer is the greedy one.

    A row holds the prompt once, then every answer without its last token (which predicts nothing that is asked). An
    answer's positions go on from the prompt's end; a mask lets it see the prompt and itself. So the numbers are those
    of asking one by one, to rounding.

    Args:
        asked: (prompt tokens, answers as tokens), each with at least one token.
    """
    sizes = [len(prompt) + sum(len(answer) - 1 for answer in answers) for prompt, answers in asked]
    longest = max(sizes)
    tokens = torch.zeros((len(asked), longest), dtype=torch.long)
    positions = torch.zeros_like(tokens)
    # Every place sees at least itself: a row of the mask without any true would give NaN.
    mask = torch.eye(longest, dtype=torch.bool).repeat(len(asked), 1, 1)
    wanted: list[list[list[int]]] = []
    for row, (prompt, answers) in enumerate(asked):
        n = len(prompt)
        tokens[row, :n] = torch.tensor(prompt)
        positions[row, :n] = torch.arange(n)
        mask[row, :n, :n] = torch.ones(n, n, dtype=torch.bool).tril()
        start = n
        places: list[list[int]] = []
        for answer in answers:
            m = len(answer) - 1
            tokens[row, start : start + m] = torch.tensor(answer[:-1], dtype=torch.long)
            positions[row, start : start + m] = torch.arange(n, n + m)
            mask[row, start : start + m, :n] = True
            mask[row, start : start + m, start : start + m] = torch.ones(m, m, dtype=torch.bool).tril()
            places.append([n - 1, *range(start, start + m)])
            start += m
        wanted.append(places)
    first = min(len(prompt) for prompt, _ in asked) - 1
    keep = torch.arange(first, longest, device=loaded.device)
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=tokens.to(loaded.device),
            attention_mask=mask[:, None].to(loaded.device),
            position_ids=positions.to(loaded.device),
            use_cache=False,
            logits_to_keep=keep,
        ).logits
        found = []
        for row, (_, answers) in enumerate(asked):
            of_row = []
            for answer, at in zip(answers, wanted[row], strict=True):
                part = logits[row, torch.tensor(at, device=loaded.device) - first].float()
                target = torch.tensor(list(answer), device=loaded.device)
                picked = part.gather(1, target[:, None]).squeeze(1) - part.logsumexp(1)
                of_row.append((float(picked.sum()), bool((part.argmax(1) == target).all())))
            found.append(of_row)
    return found


def score_benchmark(
    loaded: LoadedModel,
    benchmark: Benchmark,
    subject: Subject,
    *,
    folder: Path | None,
    limit: int | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[list[Score], list[dict[str, Any]]]:
    """The benchmark's score, and one row for each question.

    An item is known by its task, its number and the hashes of the question and of the whole prompt: two models are
    compared only where they were asked the very same (``statistics.compare`` refuses otherwise).

    Args:
        folder: where the data of benchmarks lie that are not this project's own.

    Raises:
        BenchmarkProblem: the data are not there.
    """
    measure, _, wanted_filter = benchmark.measure.partition(",")
    with tempfile.TemporaryDirectory(prefix="seedbed-benchmark-") as target:
        names = benchmark.write_tasks(Path(target), folder, limit)
        results = simple_evaluate(
            model=SharedPromptModel(loaded, progress),
            tasks=names,
            task_manager=TaskManager(include_path=target, include_defaults=False),
            num_fewshot=benchmark.shots,
            limit=None if benchmark.by_subject else limit,
            log_samples=True,
            bootstrap_iters=0,
        )
    if results is None:
        raise RuntimeError("lm-eval gave no results.")
    items, rows = [], []
    for name in names:
        for sample in results["samples"][name]:
            if wanted_filter and sample["filter"] != wanted_filter:
                continue
            item_id = f"{name}:{sample['doc_id']}:{sample['doc_hash'][:12]}:{sample['prompt_hash'][:12]}"
            items.append(ItemScore(item_id=item_id, value=float(sample[measure])))
            rows.append(
                {
                    "item_id": item_id,
                    "prompt": sample["arguments"][0][0] if sample["arguments"] else "",
                    "target": str(sample["target"]),
                    "answer": sample["filtered_resps"],
                    **{key: float(sample[key]) for key in sample["metrics"]},
                }
            )
    score = make_score(subject=subject, scope="benchmark", name=benchmark.name, metric=benchmark.metric, items=items)
    return [score], rows
