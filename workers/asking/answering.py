"""The process that answers: one model, loaded once, asked as long as somebody goes on asking.

``python -m workers.asking.answering MODEL FOLDER`` is started by ``workers.asking.answerer``. Orders lie in FOLDER as
``order-<n>.json``; to each it writes ``answers-<n>.jsonl``, one GivenAnswer a line as soon as it is there, and at the
end ``end-<n>.json`` (empty, or a StageProblem). It ends by itself when nobody has asked for ``KEEP_SECONDS``. Loads
torch.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from workers.asking.judging import known_by
from workers.asking.specs import MOST_ANSWER_TOKENS, AnswerReading, AnswersOrder, AskedQuestion, GivenAnswer
from workers.evaluation.likelihood import Continuation, LoadedModel, chat_continuation, load_model
from workers.evaluation.scoring import write_whole
from workers.problems import problem_of
from workers.specs import Message

KEEP_SECONDS = 300.0
LOOK_SECONDS = 0.05
# The student may use this many times the contributor's tokens, and at least so many, before it is cut.
TIMES_LONGER = 2
LEAST_ANSWER_TOKENS = 48


def answer(loaded: LoadedModel, asked: AskedQuestion) -> GivenAnswer:
    """The student's own answer (its likeliest words, nothing drawn by chance), and how it reads the contributor's."""
    import torch

    text = "\n\n".join(part for part in (asked.shown, asked.question) if part)
    item = chat_continuation(loaded.tokenizer, [Message(role="user", content=text)], asked.answer)
    longest = getattr(loaded.model.config, "max_position_embeddings", None) or math.inf
    most = min(MOST_ANSWER_TOKENS, max(LEAST_ANSWER_TOKENS, TIMES_LONGER * len(item.answer)))
    if not asked.answer.strip():
        most = MOST_ANSWER_TOKENS
    if len(item.prompt) + max(most, len(item.answer)) > longest:
        return GivenAnswer(key=asked.key, left_out=f"it is longer than the {longest} tokens that the model reads")
    prompt = torch.tensor([item.prompt], device=loaded.device)
    with torch.inference_mode():
        whole = loaded.model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=most,
            do_sample=False,
            pad_token_id=loaded.tokenizer.pad_token_id or 0,
        )[0, len(item.prompt) :].tolist()
    marks = set(loaded.tokenizer.all_special_ids)
    own = [token for token in whole if token not in marks]
    given = loaded.tokenizer.decode(own, skip_special_tokens=True).strip()
    reading = _reading(loaded, item, own) if asked.answer.strip() and item.answer else None
    return GivenAnswer(
        key=asked.key,
        text=given,
        ended=len(own) < len(whole) or len(whole) < most,
        reading=reading,
        known=known_by(reading, wanted=asked.answer, given=given),
    )


def _reading(loaded: LoadedModel, item: Continuation, own: list[int]) -> AnswerReading:
    mine, likeliest = _logprobs(loaded, item)
    theirs = _logprobs(loaded, Continuation(item.prompt, tuple(own)))[0] if own else []
    worst = min(range(len(mine)), key=mine.__getitem__)
    return AnswerReading(
        tokens=len(mine),
        agreed=sum(likeliest),
        likelihood=round(math.exp(math.fsum(mine) / len(mine)), 6),
        own_likelihood=round(math.exp(math.fsum(theirs) / len(theirs)), 6) if theirs else None,
        surprise=_word_at(loaded.tokenizer, item.answer, worst),
        surprise_probability=round(math.exp(mine[worst]), 6),
    )


def _logprobs(loaded: LoadedModel, item: Continuation) -> tuple[list[float], list[bool]]:
    """Natural-log probability of each answer token, and whether it is the likeliest there."""
    import torch

    tokens = torch.tensor([item.prompt + item.answer], device=loaded.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=tokens, use_cache=False).logits[0, len(item.prompt) - 1 : -1].float()
    target = torch.tensor(item.answer, device=loaded.device)
    picked = logits.gather(1, target[:, None]).squeeze(1) - logits.logsumexp(1)
    return picked.tolist(), (logits.argmax(1) == target).tolist()


def _word_at(tokenizer: Any, tokens: tuple[int, ...], at: int) -> str:
    """The word of the text that the token at ``at`` is part of."""
    before, upto = tokenizer.decode(list(tokens[:at])), tokenizer.decode(list(tokens[: at + 1]))
    whole = tokenizer.decode(list(tokens))
    # The token itself may begin with the space before its word.
    inside = upto[len(before) :]
    start = len(before) + len(inside) - len(inside.lstrip())
    left = max(whole.rfind(sign, 0, start) for sign in " \n\t") + 1
    return whole[left:].split()[0] if whole[left:].split() else ""


def serve(model: Path, folder: Path, *, keep_seconds: float = KEEP_SECONDS) -> None:
    """Answer the orders in ``folder`` one after another until nobody asks any more."""
    loaded = load_model(model)
    number, since = 1, time.monotonic()
    while time.monotonic() - since < keep_seconds:
        file = folder / f"order-{number}.json"
        if not file.exists():
            time.sleep(LOOK_SECONDS)
            continue
        order = AnswersOrder.model_validate_json(file.read_text(encoding="utf-8"))
        problem = ""
        try:
            with (folder / f"answers-{number}.jsonl").open("a", encoding="utf-8") as out:
                for asked in order.questions:
                    out.write(answer(loaded, asked).model_dump_json() + "\n")
                    out.flush()
        except Exception as error:  # noqa: BLE001  # whatever it is, the worker that waits has to be told
            traceback.print_exc()
            problem = problem_of(error).model_dump_json()
        write_whole(folder / f"end-{number}.json", problem or json.dumps(None))
        number, since = number + 1, time.monotonic()


def main(arguments: list[str]) -> None:
    """Serve until nobody asks or the worker ends it; the folder goes with it unless something went wrong."""
    folder = Path(arguments[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serve(Path(arguments[0]), folder)
    except SystemExit:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
