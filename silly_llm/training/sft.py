"""Phase 4: tune a model to follow instructions. A thin layer over `trl.SFTTrainer`.

What is ours: the chat template and the special tokens it needs (never pad = eos, or the model would not learn to
stop), examples too long for the model left out instead of cut (a cut answer has no end), the loss of small models
computed the plain way, resuming by itself, and the LoRA adapter merged on request.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import get_peft_config, get_quantization_config

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.devices import attention_for
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.output import PRIVATE, Output, open_output
from silly_llm.core.launch import run_main
from silly_llm.data.sources import open_source
from silly_llm.hub.cards import model_card, write_card
from silly_llm.hub.publish import check_push, push_if_asked
from silly_llm.training.callbacks.guards import SaveAverages, StopAtNaN
from silly_llm.training.callbacks.log import (
    SAMPLES,
    Clock,
    EvaluateAtEnd,
    Samples,
    TrainingLog,
    final_evaluation,
    read_lines,
)
from silly_llm.training.callbacks.progress import Progress
from silly_llm.training.callbacks.throughput import Throughput, check_trackers
from silly_llm.training.checkpoints import stopped_in
from silly_llm.training.model.chat import fit_model, load_tokenizer, train_new_tokens
from silly_llm.training.model.models import size_of
from silly_llm.training.optim.base import OptimizerFactory, check_optimizer
from silly_llm.training.optim.schedule import limit_steps
from silly_llm.training.resuming import check_resume, checkpoint_of
from silly_llm.training.sft_config import SftArguments
from silly_llm.training.summary import tell_end
from silly_llm.training.trainers.sft import SmallModelSFTTrainer

ARGUMENTS = SftArguments


def check_components(args: SftArguments) -> None:
    """The optimizer exists and takes the options given; builds nothing."""
    if args.optimizer is not None:
        check_optimizer(args.optimizer, args)
    check_trackers(args.report_to)


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, tune the model unless that is done, publish when asked."""
    recipe = load_recipe(argv, phase="sft", arguments=SftArguments)
    args = recipe.args

    check_components(args)
    check_resume(args, recipe.options.force)

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

    check_push(args)
    with container or Container() as services, open_output(recipe, inputs=inputs_of(args)) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
        else:
            optimizer = None
            if args.optimizer is not None:
                optimizer = services.build("optimizer", args.optimizer, as_type=OptimizerFactory)
            with stopped_in(str(args.output_dir)):
                tune(recipe, tokenizer, added, train_dataset, eval_dataset, optimizer, output)
    push_if_asked(args, str(args.output_dir))


def inputs_of(args: SftArguments) -> list[str | None]:
    """Local paths and Hub ids that the model depends on.

    Raises:
        RecipeError: a dataset is not there.
    """
    datasets = [args.dataset, args.dataset if args.eval_dataset is None else args.eval_dataset]
    return [args.model_name_or_path, *(path for d in datasets for path in open_source(d).inputs()), args.chat_template]


def tune(
    recipe: Recipe[SftArguments],
    tokenizer: PreTrainedTokenizerBase,
    added: list[str],
    train_dataset: Dataset,
    eval_dataset: Dataset | None,
    optimizer: OptimizerFactory | None,
    output: Output,
) -> None:
    """Train, resuming where an interrupted run was, and leave the model folder."""
    args = recipe.args
    folder = Path(str(args.output_dir))

    # Model
    model = prepare_model(args, tokenizer)
    size = size_of(model)
    peft_config = get_peft_config(args)
    if peft_config is not None and added:
        train_new_tokens(peft_config, model, tokenizer.convert_tokens_to_ids(added))

    # Trainer
    clock, throughput = Clock(args.max_minutes), Throughput(tokens_seen)
    prompts: list[Any] = [[{"role": "user", "content": prompt}] for prompt in args.sample_prompts]
    trainer = SmallModelSFTTrainer(
        model=model,
        args=args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=tokenizer,
        peft_config=peft_config,
        clock=clock,
        optimizer_factory=optimizer,
        callbacks=[
            clock,
            throughput,
            *([EvaluateAtEnd(clock)] if eval_dataset is not None else []),
            SaveAverages(),
            StopAtNaN(tokens_seen),
            TrainingLog(folder, clock, tokens_seen),
            Progress(clock),
            Samples(folder, tokenizer, prompts, args.sample_tokens),
        ],
    )
    trainer.throughput = throughput
    trainer.remove_callback(PrinterCallback)
    parameters = count_parameters(trainer.model)
    ends = limit_steps(args, trainer.steps_per_epoch)
    if trainer.is_world_process_zero():
        left_out = f", {trainer.left_out:,} too long for {args.max_length} tokens left out" if trainer.left_out else ""
        print(f"{parameters['parameters']:,} parameters; {trainer.examples:,} examples{left_out}; {ends}", flush=True)
    with args.main_process_first(local=False, desc="examining checkpoints"):
        checkpoint = checkpoint_of(args)
    trainer.train(resume_from_checkpoint=checkpoint)
    metrics = final_evaluation(trainer) if eval_dataset is not None else {}

    # Save
    if args.merge_adapter:
        save_merged(trainer, tokenizer, args)
    else:
        trainer.save_model(str(folder))

    # Describe
    facts = {
        **size,
        **parameters,
        "examples": trainer.examples,
        "examples_too_long": trainer.left_out,
        "steps": trainer.state.global_step,
        "epochs": round(trainer.state.epoch or 0.0, 3),
        "tokens": tokens_seen(trainer.state),
        "training_seconds": round(clock.now(), 1),
        "devices": args.world_size,
        **throughput.overall(),
    }
    shown = {"loss": metrics["eval_loss"]} if metrics else {}
    output.record(**facts, metrics=shown)
    if trainer.is_world_process_zero():
        told = [s for s in read_lines(folder / SAMPLES) if s["step"] == trainer.state.global_step]
        samples = [{"prompt": s["prompt"][0]["content"], "completion": s["completion"]} for s in told]
        texts = answers_of(train_dataset)
        card = model_card(recipe, statistics=facts, metrics=shown, samples=samples[:3], texts=texts)
        write_card(folder, card)
        tell_end(recipe, facts, shown)


def answers_of(conversations: Dataset, count: int = 50) -> list[str]:
    """The answers of the first conversations; a card tells their language."""
    rows = conversations.select(range(min(count, len(conversations))))
    answers = [row.get("completion") or row.get("messages") or () for row in rows]
    turns = [turn for answer in answers if not isinstance(answer, str) for turn in answer]
    told = [turn["content"] for turn in turns if turn.get("role") == "assistant"]
    return told + [answer for answer in answers if isinstance(answer, str)]


def tokens_seen(state: Any) -> int:
    """Tokens trained on, prompts included, padding not."""
    return int(state.num_input_tokens_seen)


def count_parameters(model: Any) -> dict[str, int]:
    """How many numbers a model has (tied ones count once), and how many of them are trained."""
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def prepare_model(args: SftArguments, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model to tune, fit to its tokenizer, quantized when the recipe says so. New rows derive from the seed."""
    transformers.set_seed(args.seed)
    quantization = get_quantization_config(args)
    model = AutoModelForCausalLM.from_pretrained(
        str(args.model_name_or_path),
        revision=args.model_revision,
        trust_remote_code=args.trust_remote_code,
        attn_implementation=args.attn_implementation or attention_for(args.use_cpu, args.max_length),
        dtype=args.dtype if args.dtype in ("auto", None) else getattr(torch, args.dtype),
        device_map={"": args.local_process_index} if quantization is not None else None,
        quantization_config=quantization,
    )
    fit_model(model, tokenizer)
    return model


def save_merged(trainer: SmallModelSFTTrainer, tokenizer: PreTrainedTokenizerBase, args: SftArguments) -> None:
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
