"""Every key of TrainingArguments, SFTConfig and ModelConfig acts or is refused; of several budgets the first to come ends training."""

import dataclasses
import functools
import json

import pytest
from tiny_runs import arguments, facts, log_of
from transformers import TrainingArguments
from trl import ModelConfig, SFTConfig

from silly_llm.core.config import load_recipe
from silly_llm.core.errors import RecipeError
from silly_llm.training.keys import PRETRAIN, SFT, UNLIMITED
from silly_llm.training.optim.schedule import limit_steps
from silly_llm.training.pretrain import main
from silly_llm.training.pretrain_config import PretrainArguments
from silly_llm.training.sft_config import SftArguments

THEIRS_ACT = """
output_dir per_device_train_batch_size num_train_epochs max_steps learning_rate lr_scheduler_type lr_scheduler_kwargs
warmup_steps weight_decay adam_beta1 adam_beta2 adam_epsilon gradient_accumulation_steps max_grad_norm bf16 fp16 tf32
activation_checkpointing activation_checkpointing_kwargs gradient_checkpointing gradient_checkpointing_kwargs
torch_compile torch_compile_backend torch_compile_mode neftune_noise_alpha torch_empty_cache_steps logging_strategy
logging_steps logging_first_step log_on_each_node include_num_input_tokens_seen log_level log_level_replica report_to
run_name project trackio_space_id trackio_bucket_id trackio_static_space_id eval_strategy eval_steps eval_delay
per_device_eval_batch_size eval_on_start eval_accumulation_steps save_strategy save_steps save_on_each_node
save_total_limit enable_jit_checkpoint push_to_hub hub_private_repo hub_model_id hub_revision load_best_model_at_end
metric_for_best_model greater_is_better ignore_data_skip full_determinism seed data_seed use_cpu accelerator_config
dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers dataloader_prefetch_factor
dataloader_multiprocessing_context dataloader_in_order ddp_find_unused_parameters ddp_bucket_cap_mb
ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout fsdp fsdp_config deepspeed debug skip_memory_metrics
resume_from_checkpoint
"""
ACT = set(THEIRS_ACT.split())
"""Keys of both phases that act as transformers 5.23 documents them; whoever adds one has looked at what it does here."""
TUNING_ACT = """
optim optim_args optim_target_modules label_smoothing_factor average_tokens_across_devices use_cache use_liger_kernel
liger_kernel_config auto_find_batch_size parallelism_config dataloader_drop_last remove_unused_columns
train_sampling_strategy trust_remote_code router_aux_loss_coef dataset_num_proc eos_token max_length shuffle_dataset
packing packing_strategy padding_free pad_to_multiple_of eval_packing completion_only_loss assistant_only_loss
loss_type activation_offloading model_name_or_path model_revision dtype attn_implementation use_peft lora_r lora_alpha
lora_dropout lora_target_modules lora_target_parameters lora_modules_to_save use_rslora use_dora load_in_8bit
load_in_4bit bnb_4bit_quant_type use_bnb_nested_quant bnb_4bit_quant_storage
"""
ACT_IN_SFT = ACT | set(TUNING_ACT.split())


def names(*classes: type) -> set[str]:
    return {f.name for cls in classes for f in dataclasses.fields(cls)}


@pytest.mark.parametrize(
    ("theirs", "act", "refused"),
    [
        (names(TrainingArguments), ACT | {"optim", "optim_args", "optim_target_modules"}, PRETRAIN),
        (names(SFTConfig, ModelConfig), ACT_IN_SFT, SFT),
    ],
)
def test_every_key_is_known_to_act_or_to_be_refused(theirs, act, refused):
    assert theirs - act - set(refused) == set(), "new keys: see what they do here"
    assert (act | set(refused)) - theirs == set(), "keys that are no more"
    assert act & set(refused) == set()


def parsed(cls: type, **values: object):
    argv = [f"--{key}:={json.dumps(value)}" for key, value in values.items()]
    phase = "sft" if cls is SftArguments else "pretrain"
    return load_recipe(argv, phase=phase, arguments=cls).args


def pretrain(**keys: object) -> PretrainArguments:
    values = {"dataset": "x", "max_length": 64, "tokens_per_step": 256, "use_cpu": True}
    return parsed(PretrainArguments, **values | keys)


def sft(**keys: object) -> SftArguments:
    return parsed(SftArguments, **{"dataset": "x", "model_name_or_path": "y", "use_cpu": True} | keys)


def other(value: object, key: str) -> object:
    """Something that a key is not."""
    special = {"parallelism_config": {"dp_replicate_size": 1}, "hub_strategy": "checkpoint", "optim": "sgd"}
    special |= {"include_for_metrics": ["loss"], "label_names": ["x"], "liger_kernel_config": {"rope": True}}
    special |= {"model_init_kwargs": {}, "dataset_kwargs": {}}
    if key in special:
        return special[key]
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"


@pytest.mark.parametrize(
    ("make", "key", "refused"),
    [(make, key, keys[key]) for make, keys in ((pretrain, PRETRAIN), (sft, SFT)) for key in keys],
)
def test_a_key_that_does_nothing_is_refused_by_name(make, key, refused):
    with pytest.raises(RecipeError, match=f"{key}: .*has no effect here"):
        make(**{key: other(refused[0], key)})


@pytest.mark.parametrize("make", [pretrain, sft])
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fp16": True}, "fp16: a CPU"),
        ({"seed": -1}, "seed: expected a number of at least 0, got -1"),
        ({"seed": 2**32}, "seed: expected a number below"),
        ({"learning_rate": -1e-4}, "learning_rate: expected"),
        ({"weight_decay": -0.1}, "weight_decay: expected"),
        ({"warmup_steps": -1}, "warmup_steps: expected"),
        ({"max_steps": 0}, "max_steps: expected a number above 0"),
        ({"num_train_epochs": 0}, "num_train_epochs: expected"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size: expected"),
        ({"max_length": 0}, "max_length: expected"),
        ({"adam_beta2": 1.0}, "adam_beta2: expected"),
        ({"logging_steps": 0}, "logging_steps: expected"),
        ({"do_train": False, "do_eval": True}, "do_train: .*silly-llm evaluate"),
        ({"resume_from_checkpoint": "user/model"}, "resume_from_checkpoint: no such folder 'user/model'.*hf download"),
        ({"project": "x"}, "project: has no effect without report_to: trackio"),
        ({"run_name": "x"}, "run_name: has no effect without a tracker"),
        ({"dataloader_persistent_workers": True}, "has no effect without dataloader_num_workers"),
        ({"lr_scheduler_type": "linear", "decay_fraction": 0.2}, "decay_fraction: linear has no decay"),
        ({"lr_scheduler_type": "linear", "lr_scheduler_kwargs": {"cycles": 3}}, "lr_scheduler_kwargs: linear"),
        ({"max_minutes": 1, "logging_steps": 0.1}, "logging_steps: only time ends"),
        ({"accelerator_config": {"split_batches": True}}, "accelerator_config: split_batches"),
        ({"train_sampling_strategy": "foo"}, "train_sampling_strategy: "),
    ],
)
def test_a_number_or_choice_that_cannot_be_is_one_line(make, keys, message):
    with pytest.raises(RecipeError, match=message) as error:
        make(**keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lora_r": 8}, "lora_r: has no effect without use_peft"),
        ({"lr_scheduler_type": "warmup_stable_decay"}, "it needs decay_fraction"),
        ({"optim": "sgd", "optimizer": "adamw"}, "optim: conflicts with optimizer"),
        ({"dtype": "float99"}, "dtype: expected auto or a type of torch"),
    ],
)
def test_keys_that_need_another_are_refused_without_it(keys, message):
    with pytest.raises(RecipeError, match=message):
        sft(**keys)
    assert sft(lora_r=8, use_peft=False).use_peft is False  # switched off, that is said


@pytest.mark.parametrize(
    ("keys", "steps", "said"),
    [
        ({"max_steps": 2, "max_tokens": 1024}, 2, "2 steps (max_steps: 2)"),
        ({"max_steps": 20, "max_tokens": 1024}, 4, "4 steps (max_tokens: 1,024)"),
        ({"max_tokens": 1024, "num_train_epochs": 0.1}, 1, "1 steps (num_train_epochs: 0.1)"),
        ({"max_steps": 100}, 100, "100 steps (max_steps: 100)"),  # not the default's 30
        ({}, 30, "30 steps (num_train_epochs: 3.0)"),
        ({"num_train_epochs": 0.5, "max_minutes": 2}, 5, "5 steps (num_train_epochs: 0.5) or after 2 minutes"),
        ({"max_minutes": 2}, UNLIMITED, "ends after 2 minutes (max_minutes)"),
    ],
)
def test_the_first_budget_ends_training_and_is_named(keys, steps, said):
    args = pretrain(**keys)
    assert said in limit_steps(args, 10) and args.max_steps == steps
    if "max_tokens" not in keys:
        args = sft(**keys)
        assert said in limit_steps(args, 10) and args.max_steps == steps


def test_accumulation_that_fits_the_tokens_of_a_step_acts():
    alone = {"gradient_accumulation_steps": 2}
    both = {"gradient_accumulation_steps": 4, "per_device_train_batch_size": 1}
    for keys, batch, accumulation in (({}, 4, 1), (alone, 2, 2), (both, 1, 4)):
        args = pretrain(**keys)
        assert (args.per_device_train_batch_size, args.gradient_accumulation_steps) == (batch, accumulation)


@pytest.mark.parametrize("keys", [{}, {"per_device_train_batch_size": 2}])
def test_accumulation_that_contradicts_is_refused_with_the_numbers(keys):
    with pytest.raises(RecipeError, match="gradient_accumulation_steps: tokens_per_step: 256 are 4 rows"):
        pretrain(gradient_accumulation_steps=8, **keys)


@pytest.fixture(scope="module")
def train(stories, tmp_path_factory):
    """Trains for four steps with some keys; gives the folder and the log."""
    root = tmp_path_factory.mktemp("keys")

    @functools.cache
    def run(keys: str):
        folder = root / f"run{len(list(root.iterdir()))}"
        values = {"max_steps": 4, "logging_steps": 1, "learning_rate": 1e-3, "save_strategy": "no", "bf16": False}
        given = {"output_dir": str(folder), **json.loads(keys)}
        argv = [a for a in arguments(stories, folder, **values) if a.split("=")[0].strip("-") not in given]
        main([*argv, *(f"--{key}:={json.dumps(value)}" for key, value in given.items())])
        return folder, log_of(folder, "step")

    return lambda **keys: run(json.dumps(keys))


def losses(log: list[dict]) -> list[float]:
    return [line["loss"] for line in log if "loss" in line]


OTHER = {"data_seed": 5, "seed": 5, "max_grad_norm": 0.01, "weight_decay": 20.0, "adam_beta1": 0.5, "warmup_steps": 3}
OTHER |= {"neftune_noise_alpha": 15.0, "adam_epsilon": 1.0, "lr_scheduler_kwargs": {"power": 4.0}}


@pytest.mark.parametrize("key", OTHER)
def test_a_key_of_the_training_changes_it(train, key):
    same = {"lr_scheduler_type": "polynomial"} if key == "lr_scheduler_kwargs" else {}
    assert losses(train(**same, **{key: OTHER[key]})[1]) != losses(train(**same)[1])


def test_keys_of_logging_and_evaluating_act(train):
    log = train(logging_strategy="no")[1]
    assert not losses(log)
    log = train(logging_steps=3, logging_first_step=True)[1]
    assert [line["step"] for line in log if "loss" in line] == [1, 3]
    log = train(eval_strategy="steps", eval_steps=1, eval_delay=3, eval_on_start=True)[1]
    assert [line["step"] for line in log if "eval_loss" in line] == [0, 3, 4]
    assert "num_input_tokens_seen" in train(include_num_input_tokens_seen="all")[1][-1]


def test_the_best_model_is_what_is_left_and_what_is_measured(train):
    keys = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    keys |= {"learning_rate": 3.0, "warmup_steps": 2}  # the first step has rate 0, those after it ruin the model
    folder, log = train(load_best_model_at_end=True, metric_for_best_model="bits_per_byte", **keys)
    evaluations = [line["eval_bits_per_byte"] for line in log if "eval_loss" in line]
    left = facts(folder)["metrics"]["bits_per_byte"]
    assert left == pytest.approx(min(evaluations)) and min(evaluations) < evaluations[3]


def test_warmup_of_steps_is_one_of_steps_also_under_the_clock(train):
    log = train(max_minutes=60, warmup_steps=10, lr_scheduler_type="constant_with_warmup")[1]
    rates = [line["learning_rate"] for line in log if "loss" in line]
    assert rates == pytest.approx([0.0, 1e-4, 2e-4, 3e-4])


def test_resuming_from_a_folder_acts_and_true_and_false_are_kept_honest(train, tmp_path):
    folder, _ = train(save_strategy="steps", save_steps=2, save_total_limit=None, max_steps=5)
    named = str(folder / "checkpoint-2")
    _, log = train(resume_from_checkpoint=named, max_steps=5)
    assert [line["step"] for line in log if "loss" in line] == [3, 4, 5]
    with pytest.raises(RecipeError, match="there is no checkpoint in"):
        train(resume_from_checkpoint=True)
    (tmp_path / "out" / "checkpoint-2").mkdir(parents=True)
    with pytest.raises(RecipeError, match="checkpoint-2 would be lost; give --force or another output_dir"):
        train(resume_from_checkpoint=False, output_dir=str(tmp_path / "out"))
