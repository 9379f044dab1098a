"""Engines that spread a training over two processes on the CPU: killed and resumed, each has the loss curve of one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from locations import ROOT

from silly_llm.training.callbacks.log import read_lines
from silly_llm.training.checkpoints import last_checkpoint

STEPS, SAVED = 16, 4
SCRIPT = ROOT / "scripts" / "pretrain.py"
FSDP_ON_CPUS = Path(__file__).with_name("fsdp_on_cpus.py")
CONFIGS = sorted(path.stem for path in (ROOT / "accelerate_configs").glob("*.yaml"))


def arguments(stories: Path, folder: Path) -> list[str]:
    values = {
        "dataset": stories,
        "model": "silly-tiny",
        "tokenizer.vocab_size": 300,
        "max_length": 64,
        "tokens_per_step": 512,
        "max_steps": STEPS,
        "save_steps": SAVED,
        "save_total_limit": 3,
        "logging_steps": 1,
        "optimizer": "adamw",
        "learning_rate": 0.005,
        "sample_prompts": '["Tom had"]',
        "sample_tokens": 8,
        "bf16": False,
        "use_cpu": True,
        "output_dir": folder,
    }
    return [f"--{key}={value}" for key, value in values.items()]


def alone(stories: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "silly_llm.training.pretrain", *arguments(stories, folder)]


def launched(config: str, stories: Path, folder: Path, script: Path | None = None) -> list[str]:
    script = script or (FSDP_ON_CPUS if config == "fsdp" else SCRIPT)
    options = ["--num_processes", "2", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    file = ROOT / "accelerate_configs" / f"{config}.yaml"
    start = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file), *options]
    return [*start, str(script), *arguments(stories, folder)]


def run(command: list[str], **more: Any) -> str:
    """To its end; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def kill_after_a_checkpoint(command: list[str], folder: Path, **more: object) -> None:
    """SIGKILL to the launcher and all it started, as soon as a checkpoint is whole."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    deadline = time.monotonic() + 120
    while not (folder / f"checkpoint-{SAVED}" / "trainer_state.json").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=20)
    assert not (folder / "provenance.json").exists()


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in read_lines(folder / "training_log.jsonl") if "loss" in line]


def same_training(folder: Path, one: Path, devices: int = 2) -> None:
    """The curve, the evaluation, and whole weights that `from_pretrained` takes."""
    from transformers import AutoModelForCausalLM

    assert losses(folder) == pytest.approx(losses(one), abs=1e-3) and len(losses(folder)) == STEPS
    ours, theirs = (json.loads((f / "provenance.json").read_text()) for f in (folder, one))
    assert ours["devices"] == devices
    assert ours["metrics"]["bits_per_byte"] == pytest.approx(theirs["metrics"]["bits_per_byte"], abs=2e-3)
    states = [AutoModelForCausalLM.from_pretrained(f).state_dict() for f in (folder, one)]
    assert {k: v.shape for k, v in states[0].items()} == {k: v.shape for k, v in states[1].items()}
    assert max(float((v - states[1][k]).abs().max()) for k, v in states[0].items()) < 1e-2
    told = [read_lines(f / "samples.jsonl") for f in (folder, one)]
    assert [line["step"] for line in told[0]] == [line["step"] for line in told[1]] == [STEPS]
    assert told[0][0]["completion"]


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> Path:
    """A fraction of what STEPS steps read, and not whole steps."""
    path = tmp_path_factory.mktemp("stories") / "stories.jsonl"
    told = [
        f"{n} had a {p}. The {p} ran to {n} {k} times."
        for n in ("Tom", "Mia")
        for p in ("dog", "hen")
        for k in range(25)
    ]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in told))
    return path


@pytest.fixture(scope="module")
def one(stories, tmp_path_factory) -> Path:
    """The undisturbed training of one process."""
    folder = tmp_path_factory.mktemp("one") / "model"
    run(alone(stories, folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("config", ["multi_cpu", "fsdp", "zero2", "zero3"])
def test_two_processes_killed_and_resumed_train_as_one_does(stories, one, tmp_path, config):
    if config.startswith("zero"):
        pytest.importorskip("deepspeed", reason="the extra [deepspeed] is not installed")
    command = launched(config, stories, tmp_path / "model")
    kill_after_a_checkpoint(command, tmp_path / "model")
    assert "step 1 ·" not in run(command)  # it did resume
    same_training(tmp_path / "model", one)


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes_stops_both_at_the_same_step(stories, one, tmp_path):
    """Slurm's SIGUSR1, here to the second alone: the checkpoint is whole, and the training ends as one process's does."""
    command, folder = launched("multi_cpu", stories, tmp_path / "model"), tmp_path / "model"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    launcher = psutil.Popen(command, **pipes)
    while not (folder / f"checkpoint-{SAVED}" / "trainer_state.json").is_file():
        assert launcher.poll() is None
        time.sleep(0.005)
    ranks = [child for child in launcher.children() if "pretrain.py" in " ".join(child.cmdline())]
    (second,) = [rank for rank in ranks if rank.environ()["RANK"] == "1"]
    second.send_signal(signal.SIGUSR1)
    said, _ = launcher.communicate(timeout=120)
    (line,) = [text for text in said.splitlines() if "silly-llm:" in text]
    kept = last_checkpoint(folder)
    assert kept is not None and line.endswith(f"the same command continues from {kept}"), said[-3000:]
    assert "silly-llm: stopped by SIGUSR1 after step " in line and f"exitcode: {128 + signal.SIGUSR1}" in said
    assert SAVED < int(kept.rpartition("-")[2]) < STEPS
    assert "step 4 ·" not in run(command)
    same_training(folder, one)


@pytest.mark.slow
def test_a_stream_killed_and_resumed_on_two_processes_trains_as_on_one(stories, tmp_path):
    """The first process reads for both, and a pass ends within the training."""
    stream = ["--streaming=true", f"--eval_dataset={stories}"]
    command = [*launched("multi_cpu", stories, tmp_path / "two"), *stream]
    kill_after_a_checkpoint(command, tmp_path / "two")
    run([*alone(stories, tmp_path / "one"), *stream])
    run(command)
    same_training(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_an_untied_head_trains_on_two_processes_as_on_one(stories, tmp_path):
    """Its weight is used outside of what DDP wraps, and nowhere else."""
    untied = json.dumps({"preset": "silly-tiny", "tie_word_embeddings": False})
    shape = [f"--model={untied}", "--optimizer=muon"]
    folders = tmp_path / "one", tmp_path / "two"
    for command in (alone(stories, folders[0]), launched("multi_cpu", stories, folders[1])):
        run([*command, *shape])
    same_training(folders[1], folders[0])


@pytest.mark.slow
def test_fsdp_finds_the_layers_of_any_architecture(stories, tmp_path):
    neo = json.dumps({"preset": "tinystories-1m", "hidden_size": 32, "num_layers": 2})
    folders = tmp_path / "one", tmp_path / "two"
    for command in (alone(stories, folders[0]), launched("fsdp", stories, folders[1])):
        run([*command, f"--model={neo}"])
    same_training(folders[1], folders[0])


@pytest.mark.slow
def test_the_loss_of_a_model_in_bf16_is_summed_in_fp32(stories, tmp_path):
    """FSDP and DeepSpeed keep weights and logits in bf16 where DDP has autocast; a sum over 512 tokens in bf16 is off by 0.05 a token."""
    engines = ["fsdp", *(["zero2"] if find_spec("deepspeed") else [])]
    run([*alone(stories, tmp_path / "one"), "--bf16=true"])
    for engine in engines:
        run([*launched(engine, stories, tmp_path / engine), "--bf16=true"])
        assert losses(tmp_path / engine) == pytest.approx(losses(tmp_path / "one"), abs=1e-2)


@pytest.mark.slow
def test_fsdp_is_refused_on_cpus_where_accelerate_would_replicate(stories, tmp_path):
    done = subprocess.run(
        launched("fsdp", stories, tmp_path / "x", SCRIPT), capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0 and "use_cpu: FSDP was asked for, but" in done.stderr


@pytest.mark.slow
def test_the_slurm_script_joins_machines_and_continues_after_preemption(stories, one, tmp_path):
    """Two real launchers, one process each, as two machines; srun and scontrol are stand-ins."""
    programs = {
        "scontrol": 'echo "$@" >> "$CALLS"; [ "$1" != show ] || echo 127.0.0.1',
        "srun": 'shift; SLURM_PROCID=1 "$@" & other=$!; SLURM_PROCID=0 "$@"; code=$?; wait $other && exit $code',
        "accelerate": f'exec {sys.executable} -m accelerate.commands.launch "${{@:2}}"',
    }
    (tmp_path / "bin").mkdir()
    for name, line in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "n[1-2]", "GPUS": "1"}
    slurm |= {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    slurm |= {"CONFIG": "accelerate_configs/multi_cpu.yaml", "OMP_NUM_THREADS": "1"}
    recipe, folder = tmp_path / "recipe.yaml", tmp_path / "model"
    recipe.write_text("model: silly-tiny\n")
    command = ["bash", "scripts/slurm/pretrain.sbatch", str(recipe), str(folder), *arguments(stories, folder)]
    kill_after_a_checkpoint(command, folder, cwd=ROOT, env={**os.environ, **slurm})
    assert "step 1 ·" not in run(command, cwd=ROOT, env={**os.environ, **slurm})
    same_training(folder, one)


@pytest.mark.parametrize("config", CONFIGS)
def test_accelerate_takes_each_configuration(config):
    from accelerate.commands.config.config_args import load_config_from_file

    loaded = load_config_from_file(str(ROOT / "accelerate_configs" / f"{config}.yaml"))
    assert loaded.num_processes >= loaded.num_machines >= 1
    if config == "fsdp":
        assert loaded.fsdp_config["fsdp_version"] == 2
    if config.startswith("zero"):
        assert loaded.deepspeed_config["zero_stage"] == int(config[-1])
