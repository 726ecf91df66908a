"""How the training program is started, by machine and settings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workers.environment import EnvironmentProblem
from workers.tuning.launcher import accelerate_config, gpu_count, seconds_left, training_command, training_environment

SPEC = Path("/var/tuning/spec.json")


def test_one_process_is_run_plainly() -> None:
    assert training_command(SPEC, gpus=0, config=None, threads=2) == [
        sys.executable,
        "-m",
        "workers.tuning.train",
        str(SPEC),
    ]
    assert training_command(SPEC, gpus=1, config=None, threads=2)[2] == "workers.tuning.train"


def test_several_gpus_are_run_by_accelerate_with_one_process_each() -> None:
    command = training_command(SPEC, gpus=4, config=None, threads=8)
    assert command[1:3] == ["-m", "accelerate.commands.launch"]
    assert command[command.index("--num_processes") + 1] == "4"
    assert command[command.index("--num_cpu_threads_per_process") + 1] == "8"
    assert command[-3:] == ["-m", "workers.tuning.train", str(SPEC)]


def test_the_command_for_several_gpus_is_one_that_accelerate_understands() -> None:
    from accelerate.commands.launch import launch_command_parser

    command = training_command(SPEC, gpus=4, config=None, threads=8)
    options = launch_command_parser().parse_args(command[3:])
    assert (options.num_processes, options.multi_gpu, options.training_script) == (4, True, "workers.tuning.train")


def test_the_operators_accelerate_configuration_is_used(tmp_path: Path) -> None:
    config = tmp_path / "fsdp.yaml"
    config.write_text("distributed_type: FSDP\n")
    assert accelerate_config({"SEEDBED_ACCELERATE_CONFIG": str(config)}) == config
    command = training_command(SPEC, gpus=1, config=config, threads=2)
    assert command[command.index("--config_file") + 1] == str(config)
    assert accelerate_config({}) is None
    with pytest.raises(EnvironmentProblem, match="SEEDBED_ACCELERATE_CONFIG"):
        accelerate_config({"SEEDBED_ACCELERATE_CONFIG": str(tmp_path / "absent.yaml")})


def test_gpus_are_counted_as_the_program_will_see_them(tmp_path: Path) -> None:
    assert gpu_count({"CUDA_VISIBLE_DEVICES": ""}) == 0
    assert gpu_count({"CUDA_VISIBLE_DEVICES": "-1"}) == 0
    assert gpu_count({"CUDA_VISIBLE_DEVICES": "0,3"}) == 2


def test_the_environment_keeps_freed_memory_and_asks_no_hub() -> None:
    environ = training_environment({"PATH": "/bin"}, threads=3)
    assert int(environ["MALLOC_MMAP_THRESHOLD_"]) > 2**30
    assert int(environ["MALLOC_TRIM_THRESHOLD_"]) > 2**30
    assert environ["OMP_NUM_THREADS"] == "3"
    assert environ["GOMP_SPINCOUNT"] == "2000"
    assert environ["HF_HUB_OFFLINE"] == "1"
    assert environ["PATH"] == "/bin"
    kept = training_environment({"OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "5"}, threads=3)
    assert (kept["OMP_NUM_THREADS"], kept["MALLOC_TRIM_THRESHOLD_"]) == ("1", "5")


def test_the_time_left_is_that_of_the_last_steps() -> None:
    assert seconds_left(400, 1000, [(2.0, 100), (4.0, 200)]) == pytest.approx(12.0)
    assert seconds_left(0, 1000, []) is None
