"""The training program: phases in order, one loop on torch, transformers and accelerate.

Run as ``python -m workers.tuning.train spec.json`` or ``accelerate launch -m workers.tuning.train spec.json``. The spec
is :class:`workers.tuning.program.TrainingSpec`. Weights and optimiser are float32 whatever the student was stored in;
``compute_dtype`` bfloat16 means autocast. The loss of a step is the sum of its token losses divided by the number of
its loss tokens over all rows and processes, never a mean of means. Saves and exits with STOPPED on SIGTERM; started
again with the same spec it goes on at the same step.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from accelerate import Accelerator
from numpy.typing import NDArray
from pydantic import ValidationError
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from workers.problems import problem_of
from workers.specs import PhaseRecipe, Sample, StageProblem
from workers.tuning import attention
from workers.tuning.checkpoints import Checkpoints, Position
from workers.tuning.metrics import MetricsWriter
from workers.tuning.packing import Row, batch_rows, plan_batches, share_rows, shared_beginning
from workers.tuning.program import DONE, PROBLEM, STOPPED, Outcome, TrainingSpec
from workers.tuning.rendering import Encoded, RenderingProblem, RenderingReport, encode_samples

log = logging.getLogger("workers.tuning.train")

# Adam's second moment forgets faster than torch's default, as is usual for language models: runs are short.
BETAS = (0.9, 0.95)


class Stopped(Exception):
    """SIGTERM came; the state up to the last whole step is what counts."""


class TrainingProblem(Exception):
    """Training cannot go on; ``problem`` says why in one sentence."""

    def __init__(self, problem: StageProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class PhasePlan:
    """A phase, tokenised and cut into steps."""

    name: str
    recipe: PhaseRecipe
    samples: list[Encoded]
    shared: NDArray[np.int32]
    batches: list[list[int]]
    report: RenderingReport

    @property
    def tokens(self) -> int:
        """Tokens of all samples over all steps."""
        return sum(len(self.samples[i].tokens) for batch in self.batches for i in batch)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "steps": len(self.batches),
            "tokens": self.tokens,
            "loss_tokens": sum(self.samples[i].loss_tokens for batch in self.batches for i in batch),
            "shared_tokens": len(self.shared),
            **self.report.as_json(),
        }


def plan_phases(spec: TrainingSpec, tokenizer: Any, longest: int) -> list[PhasePlan]:
    """Read, tokenise and plan all phases; a phase without samples has no steps. The same in every process.

    Raises:
        TrainingProblem: a file is missing or not of samples, or nothing at all is left to tune on.
        RenderingProblem: see ``rendering``.
    """
    recipes: dict[str, PhaseRecipe] = {phase.name: phase for phase in spec.recipe.phases}
    plans = []
    for index, phase in enumerate(spec.phases):
        recipe = recipes[phase.name]
        try:
            with phase.file.open(encoding="utf-8") as lines:
                samples = [Sample.model_validate_json(line) for line in lines if line.strip()]
        except (OSError, ValidationError) as error:
            raise TrainingProblem(
                StageProblem(
                    code="mixture",
                    message=f"The samples of the phase {phase.name} cannot be read from {phase.file.name}.",
                    advice="Make the mixture again.",
                )
            ) from error
        encoded, report = encode_samples(tokenizer, samples, longest=longest, loss_on=recipe.loss_on)
        batches = plan_batches(
            encoded,
            epochs=recipe.epochs,
            seed=spec.seed + index,
            batch_tokens=recipe.batch_tokens,
            batch_samples=recipe.batch_samples,
        )
        if batches and recipe.warmup_steps >= len(batches):
            log.warning(
                "%s ends within its warm-up (%d steps of %d): too few samples for this recipe's batch.",
                phase.name,
                len(batches),
                recipe.warmup_steps,
            )
        plans.append(PhasePlan(phase.name, recipe, encoded, shared_beginning(encoded), batches, report))
    if not any(plan.batches for plan in plans):
        raise TrainingProblem(
            StageProblem(
                code="nothing_to_tune_on",
                message="No phase has a sample to tune on.",
                advice="Plan the round with more leaves or more samples.",
            )
        )
    return plans


class Training:
    """One run of the program in one process: set up, go on from the newest checkpoint, step to the end."""

    def __init__(self, spec: TrainingSpec, *, stop_asked: dict[str, bool]) -> None:
        self.spec = spec
        self.stop_asked = stop_asked
        on_cpu = not torch.cuda.is_available()
        self.accelerator = Accelerator(
            cpu=on_cpu, mixed_precision="bf16" if spec.recipe.compute_dtype == "bfloat16" else "no"
        )
        self.processes = self.accelerator.num_processes
        self.main = self.accelerator.is_main_process
        torch.manual_seed(spec.seed)
        self.tokenizer = AutoTokenizer.from_pretrained(spec.student, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            spec.student, dtype=torch.float32, attn_implementation=attention.register(), local_files_only=True
        )
        attention.check_model(model)
        self.stored_dtype = _stored_dtype(spec.student)
        longest = min(spec.recipe.row_tokens, getattr(model.config, "max_position_embeddings", spec.recipe.row_tokens))
        self.phases = plan_phases(spec, self.tokenizer, longest)
        self.row_tokens = longest
        if spec.recipe.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        decayed = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
        others = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
        optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": spec.recipe.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=BETAS,
            fused=True,
        )
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.checkpoints = Checkpoints(spec.checkpoints, spec.state)
        self.position = Position(state=self.checkpoints.state, step=0)
        # Before the first step there is nothing that a new start would not have as well.
        self.saved_step = 0
        self.metrics: MetricsWriter | None = None

    # -- the whole

    def run(self) -> None:
        """All steps that are left, then the tuned student.

        Raises:
            Stopped: after saving, when it was asked to stop.
            TrainingProblem: the loss is no number any more.
        """
        self._go_on_from_checkpoint()
        if self.main:
            total = {"tokens": sum(phase.tokens for phase in self.phases), "processes": self.processes}
            phases = [phase.as_json() for phase in self.phases]
            self.metrics = MetricsWriter(
                self.spec.metrics,
                run_id=self.spec.run_id,
                step=self.position.step,
                plan={"phases": phases, **total, "steps": sum(len(phase.batches) for phase in self.phases)},
            )
        try:
            self._all_phases()
        except Stopped:
            self._save()
            raise
        self._write_student()
        self._record("end", step=self.position.step, tokens=self.position.tokens, seconds=self.position.seconds)

    def _all_phases(self) -> None:
        start = 0
        saved_at = time.monotonic()
        for phase in self.phases:
            begun = max(0, self.position.step - start)
            for number in range(begun, len(phase.batches)):
                self._step(phase, number)
                stop, save = self._agreed(
                    self.stop_asked["now"], time.monotonic() - saved_at >= self.spec.recipe.save_every_seconds
                )
                if stop:
                    raise Stopped
                if save:
                    self._save()
                    saved_at = time.monotonic()
            start += len(phase.batches)
            if begun < len(phase.batches):
                self._save()
                saved_at = time.monotonic()
                self._record("phase", step=start, name=phase.name)

    # -- one step

    def _step(self, phase: PhasePlan, number: int) -> None:
        """One optimiser step over all processes, written to the metrics.

        Raises:
            Stopped: asked to stop before the step was whole; it counts as not begun.
            TrainingProblem: the loss is no number any more.
        """
        begun = time.monotonic()
        samples = [phase.samples[i] for i in phase.batches[number]]
        rows = batch_rows(samples, phase.shared, self.row_tokens)
        mine = share_rows(rows, self.processes)[self.accelerator.process_index]
        loss_tokens = sum(row.loss_tokens for row in rows)
        rate = phase.recipe.learning_rate * min(1.0, (number + 1) / max(1, phase.recipe.warmup_steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=False)
        loss_sum = torch.zeros((), device=self.accelerator.device)
        for index, row in enumerate(mine):
            with self._without_reduction(last=index == len(mine) - 1):
                loss_sum += self._row(row, scale=self.processes / loss_tokens)
            if self.stop_asked["now"] and self.processes == 1:
                # With several processes all must leave at the same point, so there it waits for the step's end.
                raise Stopped
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.spec.recipe.max_grad_norm)
        self.optimizer.step()
        loss = float(self.accelerator.reduce(loss_sum, "sum")) / loss_tokens
        if not math.isfinite(loss):
            raise TrainingProblem(
                StageProblem(
                    code="diverged",
                    message=f"The loss was no longer a number at step {self.position.step + 1} ({phase.name}).",
                    advice="Choose a recipe with a lower learning rate or a longer warm-up.",
                )
            )
        seconds = time.monotonic() - begun
        tokens = sum(row.sample_tokens for row in rows)
        before = self.position
        self.position = before.model_copy(
            update={
                "step": before.step + 1,
                "tokens": before.tokens + tokens,
                "loss_tokens": before.loss_tokens + loss_tokens,
                "seconds": before.seconds + seconds,
            }
        )
        self._record(
            "step",
            step=self.position.step,
            phase=phase.name,
            phase_step=number + 1,
            phase_steps=len(phase.batches),
            loss=loss,
            learning_rate=rate,
            gradient_norm=float(norm),
            tokens=tokens,
            loss_tokens=loss_tokens,
            # The shared beginning is computed once a row: fewer than `tokens`, with the same gradient.
            computed_tokens=sum(len(row.tokens) for row in rows),
            seconds=seconds,
            tokens_per_second=tokens / seconds,
            done_tokens=self.position.tokens,
        )

    def _row(self, row: Row | None, *, scale: float) -> torch.Tensor:
        """Forward and backward of one row; the sum of its token losses, detached."""
        device = self.accelerator.device
        real = row is not None
        if row is None:
            row = _EMPTY_ROW
        logits = self.model(
            input_ids=torch.from_numpy(row.tokens)[None].to(device),
            position_ids=torch.from_numpy(row.positions)[None].to(device),
            use_cache=False,
            # The output layer runs on the tokens that carry loss alone.
            logits_to_keep=torch.from_numpy(row.predict_at).to(device),
            packed_layout=attention.PackedLayout.of(row, device),
        ).logits
        loss = cross_entropy(logits[0].float(), torch.from_numpy(row.targets).to(device), reduction="sum")
        self.accelerator.backward(loss * (scale if real else 0.0))
        return loss.detach() if real else torch.zeros((), device=device)

    def _without_reduction(self, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients are reduced between processes once a step, with its last row."""
        if last or self.processes == 1:
            return nullcontext()
        context: AbstractContextManager[Any] = self.accelerator.no_sync(self.model)
        return context

    def _agreed(self, stop: bool, save: bool) -> tuple[bool, bool]:
        """Stop if any process was asked to, save when the main one says so: all do the same after the same step."""
        if self.processes == 1:
            return stop, save
        wishes = torch.tensor([int(stop), int(save and self.main)], device=self.accelerator.device)
        torch.distributed.all_reduce(wishes, op=torch.distributed.ReduceOp.MAX)
        return bool(wishes[0]), bool(wishes[1])

    # -- what is kept

    def _go_on_from_checkpoint(self) -> None:
        found = self.checkpoints.newest()
        if found is None:
            return
        path, position = found
        self.accelerator.load_state(str(path))
        self.position = position
        self.saved_step = position.step
        log.info("Going on from step %d.", position.step)

    def _save(self) -> None:
        if self.position.step == self.saved_step:
            return
        begun = time.monotonic()
        # All processes write into the one part folder (each its random state, and with FSDP its shard).
        part = self.checkpoints.folder / f".part-{self.position.step:09d}"
        if self.main:
            self.checkpoints.begin(self.position.step)
        self.accelerator.wait_for_everyone()
        try:
            self.accelerator.save_state(str(part))
            self.accelerator.wait_for_everyone()
            if self.main:
                self.checkpoints.land(part, self.position)
        except BaseException:
            if self.main:
                shutil.rmtree(part, ignore_errors=True)
            raise
        self.accelerator.wait_for_everyone()
        self.saved_step = self.position.step
        self._record("saved", step=self.position.step, seconds=time.monotonic() - begun)

    def _write_student(self) -> None:
        """The tuned student in the number format that it came in, with its tokenizer; all or nothing."""
        state = self.accelerator.get_state_dict(self.model)
        if not self.main:
            return
        output = self.spec.output
        part = output.with_name(f".part-{output.name}")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        state = {
            name: value.to(self.stored_dtype) if value.is_floating_point() else value for name, value in state.items()
        }
        model.config.dtype = self.stored_dtype
        model.save_pretrained(part, state_dict=state, max_shard_size="5GB")
        self.tokenizer.save_pretrained(part)
        shutil.rmtree(output, ignore_errors=True)
        os.rename(part, output)

    def _record(self, event: str, **values: Any) -> None:
        if self.metrics is not None:
            self.metrics.write(event, **values)


# What a process computes while the others have one row more; its loss counts nothing.
_EMPTY_ROW = Row(
    tokens=np.zeros(2, np.int64),
    positions=np.arange(2),
    shared=0,
    own=(2,),
    shares=(False,),
    predict_at=np.zeros(1, np.int64),
    targets=np.zeros(1, np.int64),
    sample_tokens=0,
)


def _stored_dtype(student: Path) -> torch.dtype:
    """The number format of the student's weights, as its configuration names it; float32 where it does not."""
    config = json.loads((student / "config.json").read_text(encoding="utf-8"))
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    found = getattr(torch, str(name).removeprefix("torch."), torch.float32)
    return found if isinstance(found, torch.dtype) else torch.float32


def problem_for(error: BaseException) -> StageProblem:
    """What went wrong, in a sentence for the administrator."""
    if isinstance(error, TrainingProblem):
        return error.problem
    if isinstance(error, RenderingProblem | attention.AttentionProblem):
        return StageProblem(code="student", message=str(error), advice="Choose another student.")
    return problem_of(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the spec named on the command line; the exit code is one of ``workers.tuning.program``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print("Usage: python -m workers.tuning.train spec.json", file=sys.stderr)  # noqa: T201  # the program's usage
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # It tells of every file it saves.
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    stop_asked = {"now": False}
    signal.signal(signal.SIGTERM, lambda *_: stop_asked.update(now=True))
    spec = TrainingSpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    spec.work.mkdir(parents=True, exist_ok=True)
    training: Training | None = None
    try:
        training = Training(spec, stop_asked=stop_asked)
        training.run()
        outcome = Outcome(run_id=spec.run_id, outcome="done", step=training.position.step)
    except Stopped:
        outcome = Outcome(run_id=spec.run_id, outcome="stopped", step=training.position.step if training else 0)
    except Exception as error:
        log.exception("Training stopped.")
        outcome = Outcome(
            run_id=spec.run_id,
            outcome="problem",
            step=training.position.step if training else 0,
            problem=problem_for(error),
        )
    if int(os.environ.get("RANK", "0")) == 0:
        _write_outcome(spec, outcome)
    if torch.distributed.is_initialized() and outcome.outcome != "problem":
        torch.distributed.destroy_process_group()
    return {"done": DONE, "stopped": STOPPED, "problem": PROBLEM}[outcome.outcome]


def _write_outcome(spec: TrainingSpec, outcome: Outcome) -> None:
    text = outcome.model_dump_json()
    # The log gets it too: on a full disk the file may not be written.
    log.info("Outcome: %s", text)
    try:
        fresh = spec.outcome.with_name(".outcome.new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, spec.outcome)
    except OSError:
        log.exception("The outcome could not be written.")


if __name__ == "__main__":
    sys.exit(main())
