"""Phase 4: tune a model to follow instructions. A thin layer over `trl.SFTTrainer`.

What is ours: the chat template and the special tokens it needs (never pad = eos, or the model would not learn to
stop), examples too long for the model left out instead of cut (a cut answer has no end), the loss of small models
computed the plain way, resuming by itself, and the LoRA adapter merged on request.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config, get_quantization_config

from silly_llm.cards import model_card, write_card
from silly_llm.cli import run_main
from silly_llm.config import Recipe, load_recipe
from silly_llm.container import Container
from silly_llm.data.sources import open_source
from silly_llm.errors import RecipeError
from silly_llm.hub import check_push, push_if_asked
from silly_llm.output import PRIVATE, Output, open_output
from silly_llm.training.chat_tokenizer import fit_model, load_tokenizer, train_new_tokens
from silly_llm.training.sft_arguments import SftKeys

LOGITS_AT_ONCE = 2**27
"""Float32 numbers (512 MiB). Below it the plain loss is faster than TRL's fused one, and gives the same gradients."""


@dataclass
class SftArguments(SftKeys, SFTConfig, ModelConfig):
    """All keys of `trl.SFTConfig` and `trl.ModelConfig`, flat, and ours. Defaults differ from TRL's where listed."""

    gradient_checkpointing: bool = field(
        default=cast(bool, None), metadata={"help": "Old name of activation_checkpointing; off."}
    )
    train_sampling_strategy: str = field(
        default="group_by_length",
        metadata={"help": "Batches of answers of similar length waste no time on padding."},
    )

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("the key 'dataset' is missing")
        if not self.model_name_or_path:
            raise RecipeError("the key 'model_name_or_path' is missing")
        if self.merge_adapter and not self.use_peft:
            raise RecipeError("merge_adapter: there is no adapter to merge without use_peft: true")
        if self.chat_template and not Path(self.chat_template).is_file():
            raise RecipeError(f"chat_template: no such file {self.chat_template!r}")
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        ModelConfig.__post_init__(self)
        SFTConfig.__post_init__(self)


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, tune the model unless that is done, publish when asked."""
    recipe = load_recipe(argv, phase="sft", arguments=SftArguments)
    args = recipe.args

    # Data and tokenizer: what can be wrong with them shows before anything is written
    train_source = open_source(args.dataset)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset is not None else train_source
    train_dataset = read_conversations(train_source, "train")
    eval_dataset = None
    if args.eval_dataset is not None or "validation" in eval_source.splits():
        eval_dataset = read_conversations(
            eval_source, "validation" if "validation" in eval_source.splits() else "train"
        )
        if args.max_eval_examples is not None:
            eval_dataset = eval_dataset.select(range(min(args.max_eval_examples, len(eval_dataset))))
    tokenizer, added = load_tokenizer(args)
    if added and args.use_peft and not args.merge_adapter:
        raise RecipeError(
            f"{args.model_name_or_path} lacks {', '.join(added)}; an adapter alone cannot add tokens: set "
            "merge_adapter: true, or use_peft: false"
        )

    inputs = [args.model_name_or_path, *train_source.inputs(), *eval_source.inputs(), args.chat_template]
    check_push(args)
    with container or Container(), open_output(recipe, inputs=inputs) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
        else:
            tune(recipe, tokenizer, added, train_dataset, eval_dataset, output)
    push_if_asked(args, str(args.output_dir))


def tune(
    recipe: Recipe[SftArguments],
    tokenizer: PreTrainedTokenizerBase,
    added: list[str],
    train_dataset: Dataset,
    eval_dataset: Dataset | None,
    output: Output,
) -> None:
    """Train, resuming where an interrupted run was, and leave the model folder."""
    args = recipe.args
    folder = Path(str(args.output_dir))

    # Model
    model = prepare_model(args, tokenizer)
    peft_config = get_peft_config(args)
    if peft_config is not None and added:
        train_new_tokens(peft_config, model, tokenizer.convert_tokens_to_ids(added))

    # Trainer
    trainer = StoryTrainer(
        model=model,
        args=args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=tokenizer,
        peft_config=peft_config,
    )
    parameters = count_parameters(trainer.model)
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))

    # Save
    if args.merge_adapter:
        save_merged(trainer, tokenizer, args)
    else:
        trainer.save_model(str(folder))

    # Card
    evaluated = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    statistics = {
        **parameters,
        "examples": trainer.examples,
        "examples_too_long": trainer.left_out,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
    }
    output.record(**statistics)
    if trainer.is_world_process_zero():
        metrics = {"loss": evaluated[-1]} if evaluated else {}
        write_card(folder, model_card(recipe, statistics=statistics, metrics=metrics))
        print(f"the tuned model is in {folder}\nnext: silly-llm chat {folder}")


def count_parameters(model: Any) -> dict[str, int]:
    """How many numbers a model has (tied ones count once), and how many of them are trained."""
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


class StoryTrainer(SFTTrainer):
    """`SFTTrainer` that leaves out examples that do not fit, and computes the loss of small models the plain way.

    TRL's fused head never holds the logits, which pays for vocabularies of 100,000 tokens; with one of a few thousand
    the plain loss takes three quarters of its time (2 million parameters, one core).
    """

    def __init__(self, *, args: SftArguments, **kwargs: Any) -> None:
        config = kwargs["model"].config.get_text_config()
        positions = getattr(config, "max_position_embeddings", None) or args.max_length
        longest = args.max_length = min(args.max_length or positions, positions) if positions else None
        self.left_out = 0
        self._vocabulary: int = config.vocab_size
        self._plain_loss = args.loss_type == "nll"
        if not args.packing:
            args.max_length = None  # TRL would cut, and a cut answer teaches the model not to end
        super().__init__(args=args, **kwargs)
        args.max_length = longest
        if not args.packing and longest is not None:
            self.train_dataset = self._fitting(self.train_dataset, longest)
            if self.eval_dataset is not None:
                self.eval_dataset = self._fitting(self.eval_dataset, longest)
        self.examples: int = len(self.train_dataset)  # type: ignore[arg-type]

    def _fitting(self, dataset: Any, longest: int) -> Any:
        """The examples of at most `longest` tokens, with their `length` for sampling."""
        lengths = [len(ids) for ids in dataset["input_ids"]]
        fitting = [i for i, length in enumerate(lengths) if length <= longest]
        if not fitting:
            raise RecipeError(f"dataset: no example fits into max_length: {longest} tokens")
        self.left_out += len(lengths) - len(fitting)
        return dataset.add_column("length", lengths).select(fitting)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if not self._plain_loss or inputs["input_ids"].numel() * self._vocabulary > LOGITS_AT_ONCE:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs["use_cache"] = False
        return transformers.Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)


def prepare_model(args: SftArguments, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model to tune, fit to its tokenizer, quantized when the recipe says so. New rows derive from the seed."""
    transformers.set_seed(args.seed)
    quantization = get_quantization_config(args)
    model = AutoModelForCausalLM.from_pretrained(
        str(args.model_name_or_path),
        revision=args.model_revision,
        trust_remote_code=args.trust_remote_code,
        attn_implementation=args.attn_implementation,
        dtype=args.dtype if args.dtype in ("auto", None) else getattr(torch, args.dtype),
        device_map={"": args.local_process_index} if quantization is not None else None,
        quantization_config=quantization,
    )
    fit_model(model, tokenizer)
    return model


def save_merged(trainer: StoryTrainer, tokenizer: PreTrainedTokenizerBase, args: SftArguments) -> None:
    """Save full weights: the model as it was loaded, unquantized, plus the adapter.

    The adapter goes through a file, so that this works alike for one process, sharded ones and quantized models.
    """
    from peft import PeftModel

    folder = str(args.output_dir)
    adapter = Path(folder) / PRIVATE / "adapter"
    trainer.save_model(str(adapter))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        args.load_in_4bit = args.load_in_8bit = False
        model = prepare_model(args, tokenizer)
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        shutil.rmtree(adapter)


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest whole checkpoint of an interrupted training; one that was being written when it died is removed."""
    found = sorted(Path(folder).glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            return str(path)
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
    return None


def read_conversations(source: Any, split: str) -> Any:
    """The rows of a split with the columns that TRL reads: `prompt` and `completion`, else `messages`.

    Raises:
        RecipeError: the dataset has neither.
    """
    dataset = source.load(split)
    for columns in (["prompt", "completion"], ["messages"], ["conversations"]):
        if set(columns) <= set(dataset.column_names):
            return dataset.select_columns(columns)
    found = ", ".join(dataset.column_names)
    raise RecipeError(f"dataset: needs the columns 'prompt' and 'completion', or 'messages'; it has {found}")


if __name__ == "__main__":
    run_main(main)
