"""What a training shows: samples beside the bar, a summary, and a page that is self-contained and trusts no text."""

import html
import io
import json
import re
import sys
from types import SimpleNamespace

import pytest
import torch
import yaml
from locations import ROOT
from tiny_runs import arguments
from transformers import TrainerControl, TrainerState

from silly_llm.core.errors import RecipeError
from silly_llm.training.callbacks.log import Clock
from silly_llm.training.callbacks.progress import Progress
from silly_llm.training.corpus.packing import PackedCollator
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.pretrain import main
from silly_llm.training.pretrain_config import PretrainArguments, passes_of
from silly_llm.training.summary import change, samples_over_time
from silly_llm.training.trainers.pretrainer import PackedTrainer

HOSTILE = "<script>alert(1)</script>"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def trained(stories, tmp_path_factory):
    """A training without a recipe on a terminal: its folder, stdout, and stderr with the bar."""
    folder = tmp_path_factory.mktemp("lone") / "model"
    keys = {"max_steps": None, "logging_steps": 2, "eval_steps": 2, "sample_prompts": json.dumps([HOSTILE])}
    shown, bar = io.StringIO(), Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", shown)
        patch.setattr(sys, "stderr", bar)
        main(arguments(stories, folder, tokens_per_step=512, sample_tokens=8, **keys))
    return folder, shown.getvalue(), bar.getvalue()


def test_samples_are_shown_beside_a_bar(trained):
    _, shown, bar = trained
    assert "%" in bar and shown.count(f"“{HOSTILE}") >= 2


def test_it_ends_with_what_was_made_and_the_next_commands(trained):
    folder, shown, _ = trained
    last = shown.splitlines()[-4:]
    assert re.search(r"parameters, [\d,]+ tokens in [\d.]+ s \([\d,]+ tokens/s", last[0])
    assert re.search(r"\d\.\d{3} → \d\.\d{3} bits per byte on held-out text", last[1])
    assert last[2].endswith("training.html") and last[3].endswith(f"chat {folder}")
    assert "no budget is set: 4 passes over the text" in shown


def test_the_page_is_one_file_that_runs_and_fetches_nothing(trained):
    page = (trained[0] / "training.html").read_text()
    assert "default-src 'none'" in page and "<script" not in page and not re.search(r"(src|href)=\"(?!#)", page)
    assert "&lt;script&gt;alert(1)" in page
    titles = ("Loss (nats per token)", "Held-out bits per byte", "Learning rate", "Tokens a second")
    assert all(f'aria-label="{title}"' in page for title in titles)
    recipe = yaml.safe_load(html.unescape(re.search(r"<pre>(.*?)</pre>", page, re.S)[1]))
    assert recipe["optimizer"] == "muon" and recipe["learning_rate"] == 2e-3 and recipe["model"] == "silly-tiny"


def test_samples_of_a_long_training_are_those_of_a_few_moments():
    made = [{"step": step, "prompt": "Once", "completion": str(step)} for step in range(0, 1000, 10)]
    (row,) = samples_over_time(made, [{"step": 0, "eval_loss": 1.0, "eval_bits_per_byte": 2.0, "tokens": 0}])
    assert [m["step"] for m in row["moments"]] == [0, 250, 500, 740, 990]
    assert row["moments"][0]["bits"] == 2.0 and row["moments"][1]["bits"] is None
    assert change([{"eval_loss": 2.0}, {"eval_loss": 1.0}], {"loss": 1.0}) == ("2.000 → 1.000", "nats a token")
    assert change([], {}) == ("", "")


def test_a_terminal_that_does_not_know_its_width_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress, control = Progress(Clock()), TrainerControl()
    state = TrainerState(global_step=1, max_steps=4, is_world_process_zero=True)
    progress.on_train_begin(None, state, control)
    progress.bar.dynamic_ncols = lambda file: (0, 0)
    progress.on_step_end(None, state, control)
    assert "25%" in str(progress.bar)
    progress.on_train_end(None, state, control)


def test_without_a_recipe_the_defaults_are_those_of_the_base_recipe():
    recipe = yaml.safe_load((ROOT / "recipes" / "base" / "pretrain.yaml").read_text())
    by_recipe, bare = PretrainArguments(dataset="x", **recipe), PretrainArguments(dataset="x")
    by_recipe.optimizer = {"type": by_recipe.optimizer["type"], "lr_ratio": 4.0}
    bare.optimizer = {"type": bare.optimizer, "lr_ratio": 4.0}  # lr_ratio is the optimizer's own default
    assert by_recipe.to_dict() == bare.to_dict()


def test_the_default_optimizer_is_one_that_the_engine_takes(monkeypatch):
    assert PretrainArguments(dataset="x").optimizer == "muon"
    assert PretrainArguments(dataset="x", optimizer={"ns_steps": 3}).optimizer == {"type": "muon", "ns_steps": 3}
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert PretrainArguments(dataset="x").optimizer == "adamw"
    assert PretrainArguments(dataset="x", optimizer="muon").optimizer == "muon"


def test_what_a_user_sets_is_what_trains():
    args = PretrainArguments(dataset="x", optim="sgd", learning_rate=0.5, eval_strategy="no", use_cpu=True)
    model = build_model(model_config("silly-tiny", vocab_size=300, max_length=16), 0)
    trainer = PackedTrainer(model=model, args=args, data_collator=PackedCollator(16, 0, 1))
    assert args.optimizer is None
    optimizer = trainer.create_optimizer()
    assert isinstance(optimizer, torch.optim.SGD) and optimizer.param_groups[0]["lr"] == 0.5
    with pytest.raises(RecipeError, match="optim: conflicts with optimizer"):
        PretrainArguments(dataset="x", optim="sgd", optimizer="muon")


def test_without_a_budget_text_is_read_four_times_until_it_is_enough():
    model = SimpleNamespace(num_parameters=lambda: 1000)
    assert (passes_of(model, 100), passes_of(model, 40_000)) == (4.0, 0.5)
    assert PretrainArguments(dataset="x").no_budget
    for key in ("max_tokens", "max_minutes", "max_steps", "num_train_epochs"):
        assert not PretrainArguments(dataset="x", **{key: 10_000}).no_budget
