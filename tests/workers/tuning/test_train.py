"""The training program as a process: phases, stopping and going on, several processes, and what it says of faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.workers.tuning.conftest import make_chat, make_model, make_tokenizer, some_samples
from tests.workers.tuning.test_packing import own_loss
from workers.environment import PROJECT
from workers.specs import PhaseRecipe, Sample, TuningRecipe
from workers.tuning.metrics import read_records
from workers.tuning.program import DONE, PROBLEM, STOPPED, Outcome, TrainingPhase, TrainingSpec
from workers.tuning.rendering import encode_samples

# Each start of the program loads torch and transformers, which on a busy machine takes long.
pytestmark = pytest.mark.timeout(400)


def a_recipe(**changes: Any) -> TuningRecipe:
    phases = (
        PhaseRecipe(name="knowledge_short", epochs=16, learning_rate=5e-3, batch_tokens=64, warmup_steps=2),
        PhaseRecipe(name="skills", epochs=8, learning_rate=2e-3, batch_samples=3),
    )
    return TuningRecipe(**{"phases": phases, "row_tokens": 128, "save_every_seconds": 1000.0, **changes})


def write_samples(path: Path, samples: list[Sample]) -> Path:
    path.write_text("".join(sample.model_dump_json() + "\n" for sample in samples), encoding="utf-8")
    return path


def a_spec(folder: Path, student: Path, **changes: Any) -> TrainingSpec:
    folder.mkdir(parents=True, exist_ok=True)
    phases = (
        TrainingPhase(name="knowledge_short", file=write_samples(folder / "knowledge_short.jsonl", some_samples(14))),
        TrainingPhase(
            name="skills",
            file=write_samples(folder / "skills.jsonl", [make_chat(f"Line {i}?", "Rain on tin.") for i in range(9)]),
        ),
    )
    return TrainingSpec(
        **{
            "student": student,
            "recipe": a_recipe(),
            "phases": phases,
            "work": folder / "work",
            "output": folder / "student",
            "seed": 3,
            **changes,
        }
    )


def start(spec: TrainingSpec, *, processes: int = 1) -> subprocess.Popen[bytes]:
    spec.work.mkdir(parents=True, exist_ok=True)
    file = spec.work / "spec.json"
    file.write_text(spec.model_dump_json())
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    with (spec.work / "train.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "workers.tuning.train", str(file)],
            cwd=PROJECT,
            env=environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(spec: TrainingSpec, **named: Any) -> int:
    process = start(spec, **named)
    try:
        code = process.wait(300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert code in (DONE, STOPPED, PROBLEM), (spec.work / "train.log").read_text()[-3000:]
    return code


def run_here(spec: TrainingSpec) -> int:
    """The program in this process, which is quicker: for what needs no process of its own."""
    from accelerate.state import AcceleratorState

    from workers.tuning import train

    spec.work.mkdir(parents=True, exist_ok=True)
    file = spec.work / "spec.json"
    file.write_text(spec.model_dump_json())
    handler, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    torch.set_num_threads(1)
    # accelerate keeps its state for the life of a process.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        return train.main([str(file)])
    finally:
        signal.signal(signal.SIGTERM, handler)
        torch.set_num_threads(threads)
        AcceleratorState._reset_state(reset_partial_state=True)


def steps(spec: TrainingSpec) -> list[dict[str, Any]]:
    return [record for record in read_records(spec.metrics) if record["event"] == "step"]


def begun_at(spec: TrainingSpec) -> int:
    """The step at which the last start of the program went on."""
    return int([record["from_step"] for record in read_records(spec.metrics) if record["event"] == "run"][-1])


def weights(spec: TrainingSpec) -> dict[str, torch.Tensor]:
    return load_file(spec.output / "model.safetensors")


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, "the program ended before it was to be stopped"
        assert time.monotonic() < deadline, "nothing happened for too long"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, student: Path) -> TrainingSpec:
    """A training that nothing interrupted."""
    spec = a_spec(tmp_path_factory.mktemp("whole"), student)
    assert finish(spec) == DONE
    return spec


def test_phases_run_in_order_and_the_loss_falls(whole: TrainingSpec) -> None:
    done = steps(whole)
    names = [step["phase"] for step in done]
    assert names == sorted(names)
    assert set(names) == {"knowledge_short", "skills"}
    assert [step["step"] for step in done] == list(range(1, len(done) + 1))
    first = [step["loss"] for step in done if step["phase"] == "knowledge_short"]
    assert first[-1] < 0.8 * first[0]
    plan = next(record for record in read_records(whole.metrics) if record["event"] == "plan")
    assert plan["tokens"] == sum(step["tokens"] for step in done) == done[-1]["done_tokens"]
    assert plan["steps"] == len(done)
    assert Outcome.model_validate_json(whole.outcome.read_text()).outcome == "done"


def test_the_rate_warms_up_and_then_stays(whole: TrainingSpec) -> None:
    rates = [step["learning_rate"] for step in steps(whole) if step["phase"] == "knowledge_short"]
    assert rates[:2] == pytest.approx([2.5e-3, 5e-3])
    assert set(rates[1:]) == {5e-3}


def test_the_tuned_student_can_be_loaded_and_asked(whole: TrainingSpec) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(whole.output)
    tokenizer = AutoTokenizer.from_pretrained(whole.output)
    asked = [{"role": "user", "content": "Line 1?"}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**ids, max_new_tokens=4, do_sample=False)
    assert said.shape[1] > ids["input_ids"].shape[1]
    # It is the tuned one, whole: its loss on what it was tuned on last is what the last step left.
    samples = [Sample.model_validate_json(line) for line in whole.phases[1].file.read_text().splitlines()]
    encoded, _ = encode_samples(tokenizer, samples, longest=128)
    losses = [own_loss(model, sample).mean().item() for sample in encoded]
    last = [step["loss"] for step in steps(whole)][-1]
    assert sum(losses) / len(losses) == pytest.approx(last, rel=0.1)
    assert "seedbed_packed" not in (whole.output / "config.json").read_text()


def test_killed_in_the_middle_it_goes_on_at_the_same_step_to_the_same_weights(
    whole: TrainingSpec, tmp_path: Path, student: Path
) -> None:
    spec = a_spec(tmp_path, student, recipe=a_recipe(save_every_seconds=0.001))
    process = start(spec)
    wait_for(lambda: len(steps(spec)) >= 5, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(steps(spec))
    assert before < len(steps(whole))
    assert finish(spec) == DONE
    assert begun_at(spec) >= 4, "it began anew"
    assert [step["step"] for step in steps(spec)] == [step["step"] for step in steps(whole)]
    assert [step["loss"] for step in steps(spec)] == [step["loss"] for step in steps(whole)]
    for name, value in weights(whole).items():
        assert torch.equal(weights(spec)[name], value), name


def test_asked_to_stop_it_saves_says_so_and_goes_on(whole: TrainingSpec, tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student)
    process = start(spec)
    wait_for(lambda: len(steps(spec)) >= 3, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == STOPPED
    outcome = Outcome.model_validate_json(spec.outcome.read_text())
    assert outcome.outcome == "stopped"
    assert not spec.output.exists()
    assert finish(spec) == DONE
    assert begun_at(spec) == outcome.step >= 3
    for name, value in weights(whole).items():
        assert torch.equal(weights(spec)[name], value), name


def test_other_samples_do_not_go_on_from_an_old_checkpoint(tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student)
    assert run_here(spec) == DONE
    assert run_here(spec) == DONE
    assert begun_at(spec) == len(steps(spec)), "nothing was left to do"
    write_samples(spec.phases[0].file, some_samples(10))
    assert run_here(spec) == DONE
    assert begun_at(spec) == 0


def test_a_checkpoint_cut_short_is_passed_over(tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student)
    assert run_here(spec) == DONE
    done = steps(spec)
    [checkpoint] = spec.checkpoints.glob("step-*")
    with (checkpoint / "optimizer.bin").open("r+b") as file:
        file.truncate(1000)
    assert run_here(spec) == DONE
    assert begun_at(spec) == 0
    assert [step["loss"] for step in steps(spec)] == [step["loss"] for step in done]


def test_two_processes_give_the_losses_of_one(whole: TrainingSpec, tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student, recipe=a_recipe(row_tokens=64))
    alone = a_spec(tmp_path / "alone", student, recipe=a_recipe(row_tokens=64))
    assert finish(spec, processes=2) == DONE
    assert run_here(alone) == DONE
    assert [step["tokens"] for step in steps(spec)] == [step["tokens"] for step in steps(alone)]
    assert [step["loss"] for step in steps(spec)] == pytest.approx([step["loss"] for step in steps(alone)], abs=2e-5)
    for name, value in weights(alone).items():
        assert torch.allclose(weights(spec)[name], value, atol=2e-4), name


def test_recomputed_activations_give_the_same_losses(whole: TrainingSpec, tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student, recipe=a_recipe(gradient_checkpointing=True))
    assert run_here(spec) == DONE
    assert [step["loss"] for step in steps(spec)] == pytest.approx([step["loss"] for step in steps(whole)], abs=1e-5)


def test_a_student_stored_in_bfloat16_is_tuned_in_float32_and_stored_as_it_came(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    model = make_model().to(torch.bfloat16)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    tiny = PhaseRecipe(name="skills", epochs=30, learning_rate=1e-6, batch_samples=9)
    spec = a_spec(tmp_path, folder, recipe=TuningRecipe(phases=(tiny,), row_tokens=128))
    spec = spec.model_copy(update={"phases": spec.phases[1:]})
    assert run_here(spec) == DONE
    assert {value.dtype for value in weights(spec).values()} == {torch.bfloat16}
    # Updates of a millionth each would all be rounded away in bfloat16; in float32 they add up.
    losses = [step["loss"] for step in steps(spec)]
    assert losses[-1] < losses[0] - 1e-5


def test_autocast_in_bfloat16_is_close_to_float32(whole: TrainingSpec, tmp_path: Path, student: Path) -> None:
    spec = a_spec(tmp_path, student, recipe=a_recipe(compute_dtype="bfloat16"))
    assert run_here(spec) == DONE
    found, expected = [[step["loss"] for step in steps(one)] for one in (spec, whole)]
    assert found != expected
    assert found == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("breaking", "told"),
    [
        ("samples", "The samples of the phase knowledge_short cannot be read"),
        ("rate", "no longer a number"),
        ("template", "no chat template"),
        ("nothing", "No phase has a sample"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(tmp_path: Path, student: Path, breaking: str, told: str) -> None:
    spec = a_spec(tmp_path, student)
    if breaking == "samples":
        spec.phases[0].file.write_text('{"not": "a sample"}\n')
    elif breaking == "rate":
        phase = PhaseRecipe(name="knowledge_short", epochs=9, learning_rate=1e30, batch_tokens=64)
        spec = spec.model_copy(
            update={"recipe": TuningRecipe(phases=(phase,), row_tokens=128), "phases": spec.phases[:1]}
        )
    elif breaking == "template":
        folder = tmp_path / "plain"
        make_model().save_pretrained(folder)
        tokenizer = make_tokenizer()
        tokenizer.chat_template = None
        tokenizer.save_pretrained(folder)
        spec = spec.model_copy(update={"student": folder})
    else:
        for phase in spec.phases:
            phase.file.write_text("")
    assert run_here(spec) == PROBLEM
    outcome = Outcome.model_validate_json(spec.outcome.read_text())
    assert outcome.problem is not None
    assert told in outcome.problem.message
    assert outcome.problem.advice


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(
    tmp_path: Path, student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, because a disk cannot be filled on demand: saving the second checkpoint fails half way."""
    import errno

    from workers.tuning import train

    spec = a_spec(tmp_path, student, recipe=a_recipe(save_every_seconds=0.001))
    saved: list[Path] = []
    real = train.Accelerator.save_state

    def save_state(self: Any, folder: str) -> str:
        saved.append(Path(folder))
        if len(saved) == 2:
            (Path(folder) / "model.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return str(real(self, folder))

    monkeypatch.setattr(train.Accelerator, "save_state", save_state)
    assert run_here(spec) == PROBLEM
    outcome = json.loads(spec.outcome.read_text())
    assert outcome["problem"]["message"] == "The worker's disk is full."
    assert [path.name for path in spec.checkpoints.iterdir()] == ["step-000000001"]
