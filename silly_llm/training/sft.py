"""Phase 4: tune a model to follow instructions. A thin layer over `trl.SFTTrainer`.

What is ours: the chat template and the special tokens it needs (never pad = eos, or the model would not learn to
stop), examples too long for the model left out instead of cut (a cut answer has no end), the loss of small models
computed the plain way, resuming by itself, and the LoRA adapter merged on request.
"""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import get_peft_config

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.container import Container
from silly_llm.core.folders.output import Output
from silly_llm.core.launch import run_main
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.sources import open_source
from silly_llm.hub.publish import check_push, push_if_asked
from silly_llm.training.callbacks.log import final_evaluation
from silly_llm.training.callbacks.throughput import check_trackers
from silly_llm.training.checkpoints import check_resume, checkpoint_of, open_training
from silly_llm.training.corpus.conversations import answers_of, read_conversations
from silly_llm.training.keys import refuse_if
from silly_llm.training.model.chat import load_model, load_tokenizer, train_new_tokens
from silly_llm.training.model.models import size_of
from silly_llm.training.optim.base import OptimizerFactory, check_optimizer
from silly_llm.training.optim.schedule import limit_steps
from silly_llm.training.sft_config import SftArguments
from silly_llm.training.summary import describe
from silly_llm.training.trainers.sft import SmallModelSFTTrainer

ARGUMENTS = SftArguments


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, check all that can be checked before anything is written, tune, publish when asked."""
    recipe = load_recipe(argv, phase="sft", arguments=SftArguments)
    args = recipe.args
    optimizer, callbacks = check_components(args)
    check_resume(args, recipe.options.force)

    # Data and tokenizer
    sources = [open_source(dataset) for dataset in (args.dataset, args.eval_dataset) if dataset is not None]
    datasets: list[Any] = [read_conversations(sources[0], "train"), None]
    splits = sources[-1].splits()
    if args.eval_dataset is not None or "validation" in splits:
        evaluated = read_conversations(sources[-1], "validation" if "validation" in splits else "train")
        most = len(evaluated) if args.max_eval_examples is None else args.max_eval_examples
        datasets[1] = evaluated.select(range(min(most, len(evaluated))))
    tokenizer, added = load_tokenizer(args)
    refuse_if(
        added and args.use_peft and not args.merge_adapter,
        f"{args.model_name_or_path} lacks {', '.join(added)}; an adapter alone cannot add tokens: set merge_adapter: true, or "
        "use_peft: false",
    )

    check_push(args)
    inputs = [args.model_name_or_path, *(path for source in sources for path in source.inputs()), args.chat_template]
    with container or Container() as services:
        extra: list[Any] = [services.build("training_callback", callback) for callback in callbacks]
        with open_training(recipe, inputs) as output:
            if output is not None:
                factory = optimizer and services.build("optimizer", optimizer, as_type=OptimizerFactory)
                tune(recipe, factory, extra, output, tokenizer, added, *datasets)
    push_if_asked(args, str(args.output_dir))


def check_components(args: SftArguments) -> tuple[Parsed | None, list[Parsed]]:
    """The optimizer, which exists and takes the options given, if the recipe names one; builds nothing."""
    check_trackers(args.report_to)
    return check_optimizer(args.optimizer, args), [
        parse_component("training_callback", spec, where="callbacks:") for spec in args.callbacks
    ]


def tune(
    recipe: Recipe[SftArguments],
    optimizer: OptimizerFactory | None,
    callbacks: list[Any],
    output: Output,
    tokenizer: Any,
    added: list[str],
    train_dataset: Dataset,
    eval_dataset: Dataset | None = None,
) -> None:
    """Train, resuming where an interrupted run was, and leave the model folder."""
    args = recipe.args

    # Model
    model = load_model(args, tokenizer)
    size = size_of(model)
    peft_config = get_peft_config(args)
    if peft_config is not None and added:
        train_new_tokens(peft_config, model, tokenizer.convert_tokens_to_ids(added))

    # Train
    trainer = SmallModelSFTTrainer(
        model=model,
        args=args,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=tokenizer,
        peft_config=peft_config,
        prompts=[[{"role": "user", "content": prompt}] for prompt in args.sample_prompts],
        optimizer_factory=optimizer,
    )
    trainer.use(callbacks)
    weights = list(trainer.model.parameters())  # with those of the adapter; tied ones count once
    size["parameters"] = sum(p.numel() for p in weights)
    size["trained_parameters"] = sum(p.numel() for p in weights if p.requires_grad)
    ends = limit_steps(args, trainer.steps_per_epoch)
    if trainer.is_world_process_zero():
        left_out = f", {trainer.left_out:,} too long for {args.max_length} tokens left out" if trainer.left_out else ""
        print(f"{size['parameters']:,} parameters; {trainer.examples:,} examples{left_out}; {ends}", flush=True)
    with args.main_process_first(local=False, desc="examining checkpoints"):
        checkpoint = checkpoint_of(args)
    trainer.train(resume_from_checkpoint=checkpoint)
    metrics = final_evaluation(trainer) if eval_dataset is not None else {}

    # Save, describe
    if args.merge_adapter:
        trainer.save_merged(tokenizer)
    else:
        trainer.save_model(str(args.output_dir))
    if trainer.is_world_process_zero():
        facts = {
            **size,
            "examples": trainer.examples,
            "examples_too_long": trainer.left_out,
            "epochs": round(trainer.state.epoch or 0.0, 3),
        }
        describe(recipe, trainer, output, facts, metrics, texts=answers_of(train_dataset))


if __name__ == "__main__":
    run_main(main)
