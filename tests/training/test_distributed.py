"""Engines that spread a training over two processes on the CPU: killed and resumed, each has the loss curve of one process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from locations import ROOT
from tiny_runs import arguments as tiny
from tiny_runs import facts, losses, write_texts
from transformers import AutoModelForCausalLM

from silly_llm.training.callbacks.log import read_lines
from silly_llm.training.checkpoints import last_checkpoint
from silly_llm.training.pretrain import main

STEPS, SAVED = 12, 4
CONFIGS = {"cpu", "multi_cpu", "single_gpu", "ddp", "fsdp", "zero2", "zero3", "multi_node"}
CONFIGS |= {path.stem for path in (ROOT / "accelerate_configs").glob("*.yaml")}
NEO = {"model": json.dumps({"preset": "tinystories-1m", "hidden_size": 32, "num_layers": 2})}
UNTIED = {"model": json.dumps({"preset": "silly-tiny", "tie_word_embeddings": False}), "optimizer": "muon"}


def arguments(stories: Path, folder: Path, **more: object) -> list[str]:
    values = {
        "tokenizer.vocab_size": 300, "max_length": 64, "tokens_per_step": 512, "max_steps": STEPS, "save_steps": SAVED,
        "save_total_limit": 3, "logging_steps": 1, "optimizer": "adamw", "learning_rate": 0.005, "sample_prompts": '["Tom had"]',
        "sample_tokens": 8, "bf16": False, "eval_dataset": stories,
    }  # fmt: skip
    return tiny(stories, folder, **values | more)


def launched(config: str, stories: Path, folder: Path, **more: object) -> list[str]:
    script = Path(__file__).with_name("fsdp_on_cpus.py") if config == "fsdp" else ROOT / "scripts" / "pretrain.py"
    options = ["--num_processes", "2", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    file = ROOT / "accelerate_configs" / f"{config}.yaml"
    start = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file), *options]
    return [*start, str(script), *arguments(stories, folder, **more)]


def run(command: list[str], **more: Any) -> str:
    """To its end; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, **more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


def killed_and_resumed(command: list[str], folder: Path, **more: Any) -> None:
    """SIGKILL to the launcher and all it started, as soon as a checkpoint is whole; then the same command again."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    deadline = time.monotonic() + 240
    try:
        while not (folder / f"checkpoint-{SAVED}" / "trainer_state.json").is_file():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=20)
    assert not (folder / "provenance.json").exists()
    assert "step 1 ·" not in run(command, **more)  # it did resume


def same_training(folder: Path, one: Path, within: float = 1e-3) -> None:
    """The curve, the evaluation, and whole weights that `from_pretrained` takes."""
    assert losses(folder) == pytest.approx(losses(one), abs=within) and len(losses(folder)) == STEPS
    ours, theirs = facts(folder), facts(one)
    assert ours["devices"] == 2
    assert ours["metrics"]["bits_per_byte"] == pytest.approx(theirs["metrics"]["bits_per_byte"], abs=2 * within)
    states = [AutoModelForCausalLM.from_pretrained(f).state_dict() for f in (folder, one)]
    assert {k: v.shape for k, v in states[0].items()} == {k: v.shape for k, v in states[1].items()}
    assert max(float((v - states[1][k]).abs().max()) for k, v in states[0].items()) < 10 * within
    told = [read_lines(f / "samples.jsonl") for f in (folder, one)]
    assert [line["step"] for line in told[0]] == [line["step"] for line in told[1]] == [STEPS]
    assert told[0][0]["completion"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """A fraction of what STEPS steps read, and not whole steps."""
    made = [
        f"{n} had a {p}. The {p} ran to {n} {k} times." for n in ("Tom", "Mia") for p in ("dog", "hen") for k in range(20)
    ]  # fmt: skip
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.jsonl", made)


@pytest.fixture(scope="module")
def one(texts, tmp_path_factory) -> Path:
    """The undisturbed training of one process."""
    folder = tmp_path_factory.mktemp("one") / "model"
    main(arguments(texts, folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "shape", "within"),
    [
        ("multi_cpu", UNTIED | {"streaming": True}, 1e-3),
        ("fsdp", NEO, 1e-3),
        ("zero2", {"bf16": True}, 1e-2),
        ("zero3", {}, 1e-3),
    ],
)
def test_two_processes_killed_and_resumed_train_as_one_does(texts, one, tmp_path, config, shape, within):
    """Also with Muon's shared work, a stream, which the first process reads for both, a head whose weight is used outside of what DDP wraps and nowhere
    else, an architecture whose layers FSDP has to find, and logits in bf16, of which a sum over 512 tokens is off by 0.05 a token.
    """
    if config.startswith("zero"):
        pytest.importorskip("deepspeed", reason="the extra [deepspeed] is not installed")
    if shape:
        one = tmp_path / "one"
        main(arguments(texts, one, **shape))
    folder = tmp_path / "two"
    killed_and_resumed(launched(config, texts, folder, **shape), folder)
    same_training(folder, one, within)


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes_stops_both_at_the_same_step(texts, one, tmp_path):
    """Slurm's SIGUSR1, here to the second alone: the checkpoint is whole, and the training ends as one process's does."""
    command, folder = launched("multi_cpu", texts, tmp_path / "model"), tmp_path / "model"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    launcher = psutil.Popen(command, **pipes)
    while not (folder / f"checkpoint-{SAVED}" / "trainer_state.json").is_file():
        assert launcher.poll() is None
        time.sleep(0.005)
    ranks = [child for child in launcher.children() if "pretrain.py" in " ".join(child.cmdline())]
    (second,) = [rank for rank in ranks if rank.environ()["RANK"] == "1"]
    second.send_signal(signal.SIGUSR1)
    said, _ = launcher.communicate(timeout=240)
    (line,) = [text for text in said.splitlines() if "silly-llm:" in text]
    kept = last_checkpoint(folder)
    assert kept is not None and line.endswith(f"the same command continues from {kept}"), said[-3000:]
    assert "silly-llm: stopped by SIGUSR1 after step " in line and f"exitcode: {128 + signal.SIGUSR1}" in said
    assert SAVED < int(kept.rpartition("-")[2]) < STEPS
    assert "step 4 ·" not in run(command)
    same_training(folder, one)


@pytest.mark.slow
def test_the_slurm_script_joins_machines_and_continues_after_preemption(texts, one, tmp_path):
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
    command = ["bash", "scripts/slurm/pretrain.sbatch", str(recipe), str(folder), *arguments(texts, folder)]
    killed_and_resumed(command, folder, cwd=ROOT, env={**os.environ, **slurm})
    same_training(folder, one)


@pytest.mark.parametrize("config", sorted(CONFIGS))
def test_accelerate_takes_each_configuration(config):
    file = ROOT / "accelerate_configs" / f"{config}.yaml"
    loaded, written = load_config_from_file(str(file)), yaml.safe_load(file.read_text())
    assert loaded.num_processes == written["num_processes"] >= loaded.num_machines >= 1
    assert loaded.distributed_type.value == written["distributed_type"]
    if config == "fsdp":
        assert loaded.fsdp_config["fsdp_version"] == 2
    if config.startswith("zero"):
        assert loaded.deepspeed_config["zero_stage"] == int(config[-1])
