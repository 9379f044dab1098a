"""Phase 2: pretrain a small model, from scratch or from the weights of another. A thin layer over `transformers.Trainer`.

What is ours: a tokenizer trained on the corpus, packing with documents apart, a batch counted in tokens, a time limit that
the schedule is fitted to, bits per byte, sample stories, and resuming by itself.
"""

from __future__ import annotations

from typing import Any

from transformers import set_seed

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.container import Container
from silly_llm.core.devices import keep_freed_memory
from silly_llm.core.folders.output import Output
from silly_llm.core.launch import run_main
from silly_llm.core.lookup import find
from silly_llm.core.registry import Parsed, parse_component
from silly_llm.data.sources import open_source
from silly_llm.hub.publish import check_push, push_if_asked
from silly_llm.training.callbacks.log import final_evaluation
from silly_llm.training.callbacks.throughput import check_trackers
from silly_llm.training.checkpoints import check_checkpoint, check_resume, checkpoint_of, open_training
from silly_llm.training.corpus.packing import PackedCollator
from silly_llm.training.corpus.prepare import prepare
from silly_llm.training.corpus.streaming import SaveStreamState
from silly_llm.training.corpus.tokenizer import check_tokenizer
from silly_llm.training.kernels.compiling import compile_layers, is_worth_compiling
from silly_llm.training.kernels.fused import cast_positions, fuse_norms
from silly_llm.training.model.isolation import require_isolation
from silly_llm.training.model.models import model_config, model_of, size_of
from silly_llm.training.model.pretrained import commit_of, pretrained_config, pretrained_of, pretrained_tokenizer
from silly_llm.training.optim.base import OptimizerFactory, check_optimizer
from silly_llm.training.optim.schedule import limit_steps
from silly_llm.training.pretrain_config import PretrainArguments, passes_of
from silly_llm.training.summary import describe
from silly_llm.training.trainers.pretrainer import PackedTrainer

ARGUMENTS = PretrainArguments


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, check all that can be checked before anything is written, train, publish when asked."""
    recipe = load_recipe(argv, phase="pretrain", arguments=PretrainArguments)
    args = recipe.args
    optimizer, callbacks = check_components(args)
    check_resume(args, recipe.options.force)
    sources = [open_source(dataset) for dataset in (args.dataset, args.eval_dataset) if dataset is not None]
    base, made = pretrained_of(args.model), args.tokenizer or {}
    if base is not None:
        pretrained_tokenizer(base, pretrained_config(base, args.max_length))
    check_push(args)
    named = [base.name if base else None, made if isinstance(made, str) else made.get("pretrained")]
    inputs = [*(path for source in sources for path in source.inputs())]
    inputs += [find(name, "tokenizer: ") for name in named if name]
    with container or Container() as services:
        extra: list[Any] = [services.build("training_callback", callback) for callback in callbacks]
        with open_training(recipe, inputs) as output:
            if output is not None:
                factory = optimizer and services.build("optimizer", optimizer, as_type=OptimizerFactory)
                train(recipe, sources, factory, extra, output)
    push_if_asked(args, str(args.output_dir))


def check_components(args: PretrainArguments) -> tuple[Parsed | None, list[Parsed]]:
    """The optimizer, and everything else that the recipe names, exists and takes the options given; builds nothing."""
    optimizer = check_optimizer(args.optimizer, args)
    check_trackers(args.report_to)
    if pretrained_of(args.model) is None:  # else `main` looks at it, which may need the Hub
        config = check_tokenizer(args.tokenizer)  # type: ignore[arg-type]
        model_config(args.model, vocab_size=config.vocab_size if config else 1000, max_length=args.max_length)
    return optimizer, [parse_component("training_callback", spec, where="callbacks:") for spec in args.callbacks]


def train(
    recipe: Recipe[PretrainArguments],
    sources: list[Any],
    optimizer: OptimizerFactory | None,
    callbacks: list[Any],
    output: Output,
) -> None:
    """The training itself, into the open output folder."""
    args: Any = recipe.args
    set_seed(args.seed)

    # Tokenizer and data: the first process prepares them, the others read its cache
    with args.main_process_first(local=False, desc="preparing data"):
        checkpoint = checkpoint_of(args)
        data = prepare(args, *sources, checkpoint=checkpoint)
    tokenizer = data.tokenizer

    # Model
    base = pretrained_of(args.model)
    model = model_of(args, tokenizer)
    if args.isolate_documents:
        require_isolation(model, args.max_length, args.device)
    if args.use_cpu:
        keep_freed_memory()
        fuse_norms(model)
        cast_positions(model)

    # Budget
    if args.no_budget:
        args.num_train_epochs = passes_of(model, len(data.rows) * args.max_length)
    per_epoch = None if args.streaming else max(1, len(data.rows) // args.train_rows_per_step)
    ends = limit_steps(args, per_epoch)
    args.eval_on_start = bool(args.eval_on_start) and checkpoint is None
    size = size_of(model)
    lines = [
        f"{size['parameters']:,} parameters, {len(tokenizer):,} tokens of vocabulary; {data.counted()} of {args.max_length} tokens; "
        f"{args.tokens_per_step:,} tokens a step; {ends}"
    ]
    if base is not None:
        lines.append(f"  continues from {base.name}, at a learning rate of {args.learning_rate:g}")
    if args.no_budget:
        lines.append(
            f"  no budget is set: {args.num_train_epochs:.3g} passes over the text (to change that, set max_tokens, "
            "max_minutes, num_train_epochs or max_steps)"
        )
    if is_main_process():
        print("\n".join(lines), flush=True)

    # Train
    trainer = PackedTrainer(
        model=model,
        args=args,
        data_collator=PackedCollator(args.max_length, tokenizer.pad_token_id, tokenizer.eos_token_id),
        train_dataset=data.rows,
        eval_dataset=data.eval_rows,
        processing_class=tokenizer,
        prompts=args.sample_prompts,
        optimizer_factory=optimizer,
        eval_bytes=data.eval_bytes,
        tokens_per_byte=data.tokens_per_byte,
        callbacks=[SaveStreamState()],
    )
    trainer.use(callbacks)
    compiled = compile_layers(model) if is_worth_compiling(trainer) else 0
    if compiled and is_main_process():
        print(f"  the first step compiles {compiled} layers", flush=True)
    if checkpoint is not None:
        check_checkpoint(checkpoint, model)
    trainer.train(resume_from_checkpoint=checkpoint)

    # Evaluate, save, describe
    metrics = final_evaluation(trainer)
    trainer.save_model(str(args.output_dir))
    if trainer.is_world_process_zero():
        facts = {
            **({} if base is None else {"base_model": base.name, "base_commit": commit_of(base)}),
            **size,
            "vocabulary": len(tokenizer),
            "tokens_per_byte": round(data.tokens_per_byte, 4),
            "context": args.max_length,
            **data.facts(),
            **({"compiled_layers": compiled} if compiled else {}),
        }
        held_out = args.eval_dataset or (args.dataset if "validation" in sources[0].splits() else None)
        evaluate: list[Any] = ["evaluate", "--model", str(args.output_dir), "--dataset", held_out]
        describe(
            recipe,
            trainer,
            output,
            facts,
            metrics,
            texts=data.first_texts(),
            base_model=None if base is None else base.name,
            next_words=evaluate if isinstance(held_out, str) else (),
        )


if __name__ == "__main__":
    run_main(main)
