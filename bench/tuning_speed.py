"""Tuning speed: this project's loop against transformers' padded Trainer and TRL's packing, on the bundled small model.

``python bench/tuning_speed.py [--steps 4] [--rounds 3]`` prints one JSON line. All sides tune the same chats (the
starter taxonomy's seeds with the project's general chats) in float32 with the same number of samples a step, each in a
process of its own under the same environment, one after another in turn; a warm-up step is not counted; medians of the
rounds. ``tokens_per_second`` counts tokens of samples, never padding. TRL is put into a folder of its own and left out,
with the reason, where it cannot be had.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

SIDES = ("ours", "trainer", "trl")
BATCH_SAMPLES = 24
# What the padded sides put through the model at once; the larger 16 was slower for them.
MICRO_BATCH = 8
TRL = "trl==1.16.0"
LEARNING_RATE = 1e-5


def chats(count: int) -> list[Any]:
    """``count`` samples as a round of this project has them: the starter taxonomy's seeds and general chats, mixed."""
    from taxonomy_repo.leaf import KnowledgeSeed, read_leaf
    from workers.specs import Message, Sample, SampleMetadata
    from workers.tuning.general_chats import general_chats

    found = list(general_chats())
    starter = PROJECT / "taxonomy_repo" / "starter" / "taxonomy"
    for file in sorted(starter.rglob("qna.yaml")):
        path = file.parent.relative_to(starter).as_posix()
        leaf = read_leaf(file.read_bytes(), path).leaf
        for seed in leaf.seed_examples if leaf else ():
            if isinstance(seed, KnowledgeSeed):
                pairs = [(pair.question, pair.answer) for pair in seed.questions_and_answers]
            else:
                pairs = [("\n\n".join(filter(None, [seed.context, seed.question])), seed.answer)]
            for question, answer in pairs:
                messages = (Message(role="user", content=question), Message(role="assistant", content=answer))
                metadata = SampleMetadata(leaf_id=path, leaf_path=path, origin="seed")
                found.append(Sample(sample_id=f"{path} {len(found)}", messages=messages, metadata=metadata))
    random.Random(1).shuffle(found)
    return [found[i % len(found)] for i in range(count)]


# --- One side, in its own process ------------------------------------------------------------------


def run_ours(student: Path, steps: int) -> dict[str, Any]:
    """The training program itself, on a spec made for it; its own metrics are read back."""
    from workers.specs import PhaseRecipe, TuningRecipe
    from workers.tuning import train
    from workers.tuning.metrics import read_records
    from workers.tuning.program import TrainingPhase, TrainingSpec

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "skills.jsonl"
        samples = chats((steps + 1) * BATCH_SAMPLES)
        # Distinct ids: the same chat may come twice.
        lines = [s.model_copy(update={"sample_id": str(i)}).model_dump_json() for i, s in enumerate(samples)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        phase = PhaseRecipe(name="skills", epochs=1, learning_rate=LEARNING_RATE, batch_samples=BATCH_SAMPLES)
        spec = TrainingSpec(
            student=student,
            recipe=TuningRecipe(phases=(phase,), row_tokens=1024, save_every_seconds=1e9),
            phases=(TrainingPhase(name="skills", file=file),),
            work=folder,
            output=folder / "student",
            seed=1,
        )
        training = train.Training(spec, stop_asked={"now": False})
        # Saving is the same work for all sides and switched off for all.
        training._save = lambda: None  # type: ignore[method-assign]
        training._write_student = lambda: None  # type: ignore[method-assign]
        training.run()
        done = [record for record in read_records(spec.metrics) if record["event"] == "step"][1:]
        sizes = model_sizes(training.accelerator.unwrap_model(training.model))
    seconds = sum(record["seconds"] for record in done)
    computed = sum(record["computed_tokens"] for record in done)
    loss_tokens = sum(record["loss_tokens"] for record in done)
    operations = 6 * (sizes["body"] * computed + sizes["output"] * loss_tokens)
    return {
        "tokens": sum(record["tokens"] for record in done),
        "seconds": seconds,
        "loss": statistics.mean(record["loss"] for record in done),
        "gigaflops": operations / seconds / 1e9,
        "matrix_product_gigaflops": matrix_product_rate(sizes["width"], sizes["inner"]),
    }


def model_sizes(model: Any) -> dict[str, int]:
    """Weights that every token passes, weights of the output layer, and the widths of the largest products."""
    output = model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for n, p in model.named_parameters() if "embed" not in n and "lm_head" not in n)
    return {"body": body, "output": output, "width": model.config.hidden_size, "inner": model.config.intermediate_size}


def matrix_product_rate(width: int, inner: int, rows: int = 1024) -> float:
    """Gigaflops of the machine's own float32 product of the model's largest shape; the best of several."""
    import torch

    left, right = torch.randn(rows, width), torch.randn(width, inner)
    best = 0.0
    for _ in range(8):
        begun = time.perf_counter()
        for _ in range(20):
            left @ right
        best = max(best, 20 * 2 * rows * width * inner / (time.perf_counter() - begun) / 1e9)
    return best


def encoded_chats(student: Path, count: int) -> tuple[Any, list[dict[str, list[int]]]]:
    """The same tokens and labels for the other sides, made by this project's own tokenising."""
    from transformers import AutoTokenizer

    from workers.tuning.rendering import encode_samples

    tokenizer = AutoTokenizer.from_pretrained(student)
    encoded, _ = encode_samples(tokenizer, chats(count), longest=1024)
    return tokenizer, [
        {
            "input_ids": sample.tokens.tolist(),
            "labels": [t if kept else -100 for t, kept in zip(sample.tokens.tolist(), sample.loss, strict=True)],
        }
        for sample in encoded
    ]


class Clock:
    """Times optimiser steps after the first."""

    def __new__(cls) -> Any:
        from transformers import TrainerCallback

        class Callback(TrainerCallback):  # type: ignore[misc]  # transformers has no types
            begun = ended = 0.0

            def on_step_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
                if state.global_step == 1:
                    self.begun = time.monotonic()
                self.ended = time.monotonic()

        return Callback()


COMMON = {
    "max_grad_norm": 1.0,
    "learning_rate": LEARNING_RATE,
    "lr_scheduler_type": "constant",
    "optim": "adamw_torch_fused",
    "report_to": [],
    "save_strategy": "no",
    "logging_steps": 1,
    "use_cpu": True,
    "bf16": False,
    "disable_tqdm": True,
    "seed": 1,
    "num_train_epochs": 1,
}


def run_trainer(student: Path, steps: int) -> dict[str, Any]:
    """transformers' Trainer, padded to the longest of each batch."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq, Trainer, TrainingArguments

    tokenizer, rows = encoded_chats(student, (steps + 1) * BATCH_SAMPLES)
    import torch

    model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32)
    model.config.use_cache = False
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=MICRO_BATCH,
                gradient_accumulation_steps=BATCH_SAMPLES // MICRO_BATCH,
                gradient_checkpointing=False,
                **COMMON,
            ),
            train_dataset=Dataset.from_list(rows),
            data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True, label_pad_token_id=-100),
            callbacks=[clock],
        )
        trainer.train()
    return other_result(trainer, clock, rows, steps)


def run_trl(student: Path, steps: int) -> dict[str, Any]:
    """TRL's SFTTrainer with best-fit packing; samples are kept apart by their positions."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    tokenizer, rows = encoded_chats(student, (steps + 1) * BATCH_SAMPLES)
    model = AutoModelForCausalLM.from_pretrained(student, dtype=torch.float32, attn_implementation="sdpa")
    model.config.use_cache = False
    clock = Clock()
    length = 512
    tokens = sum(len(row["input_ids"]) for row in rows)
    # As many optimiser steps on as many tokens: packed rows of `length`, so many a step.
    rows_a_step = max(1, round(tokens / length / (steps + 1)))
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=folder,
                packing=True,
                packing_strategy="bfd",
                max_length=length,
                per_device_train_batch_size=1,
                gradient_accumulation_steps=rows_a_step,
                gradient_checkpointing=False,
                dataset_num_proc=None,
                **COMMON,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[clock],
        )
        trainer.train()
    return other_result(trainer, clock, rows, steps)


def other_result(trainer: Any, clock: Any, rows: list[dict[str, list[int]]], steps: int) -> dict[str, Any]:
    done = trainer.state.global_step - 1
    tokens = sum(len(row["input_ids"]) for row in rows)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry][1:]
    # The first step is the warm-up; steps are alike in size on average.
    return {
        "tokens": tokens * done / trainer.state.global_step,
        "seconds": clock.ended - clock.begun,
        "loss": statistics.mean(losses) if losses else None,
        "steps": done,
    }


# --- All sides in turn -------------------------------------------------------------------------------


def put_trl(folder: Path) -> str:
    """TRL into a folder of its own, without what it needs (which is here); why not, where it cannot be had."""
    if (folder / "trl").is_dir():
        return ""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), TRL]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if answer.returncode == 0 else (answer.stderr.strip().splitlines() or ["pip failed"])[-1]


def side_result(side: str, student: Path, steps: int, environ: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--student", str(student)]
    answer = subprocess.run(
        [*command, "--steps", str(steps)], env=environ, capture_output=True, text=True, check=False, cwd=PROJECT
    )
    if answer.returncode != 0:
        return {"problem": (answer.stderr.strip().splitlines() or ["it said nothing"])[-1]}
    return json.loads(answer.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="measured optimiser steps of each side and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--student", type=Path, help="folder of the student (default: the bundled small model)")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    from workers.environment import shared_settings
    from workers.models import ModelProblem, resolve
    from workers.specs import BUNDLED_MODEL, ModelReference
    from workers.tuning.launcher import training_environment

    if options.side:
        run = {"ours": run_ours, "trainer": run_trainer, "trl": run_trl}[options.side]
        print(json.dumps(run(options.student, options.steps)))
        return 0
    settings = shared_settings()
    try:
        student = options.student or resolve(ModelReference(name=BUNDLED_MODEL), settings=settings)
    except ModelProblem as problem:
        print(json.dumps({"bench": "tuning_speed", "skipped": str(problem)}))
        return 0
    environ = training_environment(os.environ, threads=len(os.sched_getaffinity(0)))
    left_out: dict[str, str] = {}
    sides = [side for side in options.sides.split(",") if side in SIDES]
    if "trl" in sides:
        folder = settings.var / "bench" / "trl"
        if reason := put_trl(folder):
            sides.remove("trl")
            left_out["trl"] = reason
        environ["PYTHONPATH"] = os.pathsep.join([environ["PYTHONPATH"], str(folder)])
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(options.rounds):
        # The order turns, so that none is always the one after the machine has warmed up.
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            found = side_result(side, student, options.steps, environ)
            if "problem" in found:
                left_out[side] = found["problem"]
            else:
                results[side].append(found)
                print(side, found, file=sys.stderr)
    speeds = {
        side: round(statistics.median(r["tokens"] / r["seconds"] for r in found), 1)
        for side, found in results.items()
        if found
    }
    losses = {side: round(statistics.median(r["loss"] for r in found), 3) for side, found in results.items() if found}
    line: dict[str, Any] = {
        "bench": "tuning_speed",
        "tokens_per_second": speeds,
        "loss": losses,
        "left_out": left_out,
        "steps": options.steps,
        "rounds": options.rounds,
    }
    for side, least in (("trainer", 2.0), ("trl", 1.6)):
        if "ours" in speeds and side in speeds:
            line[f"times_{side}"] = round(speeds["ours"] / speeds[side], 2)
            line[f"times_{side}_promised"] = least
    if results.get("ours"):
        line["share_of_matrix_product_rate"] = round(
            statistics.median(r["gigaflops"] / r["matrix_product_gigaflops"] for r in results["ours"]), 2
        )
        line["share_promised"] = 0.6
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
