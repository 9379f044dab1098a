"""Phase 2: pretrain a small model, from scratch or from the weights of another. A thin layer over `transformers.Trainer`.

What is ours: a tokenizer trained on the corpus, packing with documents apart, a batch counted in tokens, a time limit that
the schedule is fitted to, bits per byte, sample stories, and resuming by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import set_seed
from transformers.trainer_callback import PrinterCallback

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.console.streams import is_main_process
from silly_llm.core.container import Container
from silly_llm.core.devices import keep_freed_memory
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.output import Output, open_output
from silly_llm.core.launch import run_main
from silly_llm.core.lookup import find
from silly_llm.data.sources import DataProvider, open_source
from silly_llm.hub.publish import check_push, model_card, push_if_asked, write_card
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
from silly_llm.training.callbacks.throughput import check_trackers, throughput_of
from silly_llm.training.checkpoints import check_checkpoint, stopped_in
from silly_llm.training.corpus.packing import PackedCollator
from silly_llm.training.corpus.prepare import Prepared, prepare
from silly_llm.training.corpus.streaming import SaveStreamState, StreamedRows
from silly_llm.training.corpus.tokenizer import check_tokenizer
from silly_llm.training.kernels.compiling import compile_layers, is_long, missing_compiler
from silly_llm.training.kernels.fused import cast_positions, fuse_norms
from silly_llm.training.model.isolation import require_isolation
from silly_llm.training.model.models import attention_of, build_model, model_config, size_of
from silly_llm.training.model.mup import scale_initialization
from silly_llm.training.model.pretrained import (
    commit_of,
    load_pretrained,
    pretrained_config,
    pretrained_of,
    pretrained_tokenizer,
)
from silly_llm.training.optim.base import OptimizerFactory, check_optimizer
from silly_llm.training.optim.schedule import UNLIMITED, limit_steps
from silly_llm.training.pretrain_config import PretrainArguments, passes_of
from silly_llm.training.resuming import check_resume, checkpoint_of
from silly_llm.training.summary import tell_end
from silly_llm.training.trainers.engines import require_engine, whole_weights
from silly_llm.training.trainers.pretrainer import PackedTrainer

ARGUMENTS = PretrainArguments


def main(argv: list[str] | Options | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, prepare tokenizer, data and model, train, save, publish when asked."""
    recipe = load_recipe(argv, phase="pretrain", arguments=PretrainArguments)
    args = recipe.args

    # Check all that can be checked before anything is written
    check_components(args)
    check_resume(args, recipe.options.force)
    source = open_source(args.dataset)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset is not None else None
    if base := pretrained_of(args.model):
        pretrained_tokenizer(base, pretrained_config(base, args.max_length))
    check_push(args)

    with container or Container() as services, open_output(recipe, inputs=inputs_of(args)) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
        else:
            with stopped_in(str(args.output_dir)):
                train(recipe, source, eval_source, services, output)
    push_if_asked(args, str(args.output_dir))


def train(
    recipe: Recipe[PretrainArguments],
    source: DataProvider,
    eval_source: DataProvider | None,
    services: Container,
    output: Output,
) -> None:
    """The training itself, into the open output folder."""
    args = recipe.args
    set_seed(args.seed)

    # Data and tokenizer: the first process prepares them, the others read its cache
    with args.main_process_first(local=False, desc="preparing data"):
        checkpoint = checkpoint_of(args)
        data = prepare(args, source, eval_source, checkpoint)
    tokenizer = data.tokenizer

    # Model
    base = pretrained_of(args.model)
    if base is not None:
        config = pretrained_config(base, args.max_length)
    else:
        config = model_config(args.model, vocab_size=len(tokenizer), max_length=args.max_length, tokenizer=tokenizer)
    attention = args.attn_implementation or attention_of(config, args.use_cpu, args.max_length)
    with whole_weights():
        if base is not None:
            model = load_pretrained(base, config, tokenizer, attn_implementation=attention)
        else:
            model = build_model(config, args.seed, attn_implementation=attention)
    if args.base_width is not None:
        scale_initialization(model, args.base_width)
    if args.no_budget:
        args.num_train_epochs = passes_of(model, len(data.rows) * args.max_length)  # type: ignore[arg-type]
    per_epoch = None if args.streaming else max(1, len(data.rows) // args.train_rows_per_step)  # type: ignore[arg-type]
    ends = limit_steps(args, per_epoch)
    args.eval_on_start = bool(args.eval_on_start) and checkpoint is None
    if args.isolate_documents:
        prove_isolation(model, args)
    if args.use_cpu:
        keep_freed_memory()
        fuse_norms(model)
        cast_positions(model)
    size = size_of(model)
    if is_main_process():
        documents = "documents as they come"
        if data.documents is not None:
            split = f" ({data.split:,} longer than a row: split)" if data.split else ""
            split += "".join(f" ({count:,} left out: {reason})" for reason, count in data.left_out.items())
            documents = f"{data.documents:,} documents{split} in {len(data.rows):,} rows"  # type: ignore[arg-type]
        print(
            f"{size['parameters']:,} parameters, {len(tokenizer):,} tokens of vocabulary; {documents} of "
            f"{args.max_length} tokens; {args.tokens_per_step:,} tokens a step; {ends}",
            flush=True,
        )
        if base is not None:
            print(f"  continues from {base.name}, at a learning rate of {args.learning_rate:g}", flush=True)
        if args.no_budget:
            print(
                f"  no budget is set: {args.num_train_epochs:.3g} passes over the text; max_tokens, max_minutes, num_train_epochs or "
                "max_steps says otherwise",
                flush=True,
            )

    # Trainer
    optimizer = None
    if args.optimizer is not None:
        optimizer = services.build("optimizer", args.optimizer, as_type=OptimizerFactory)
    clock = Clock(args.max_minutes)

    def tokens(state: Any) -> int:
        return state.global_step * args.tokens_per_step

    throughput = throughput_of(model, args, tokens, length=args.max_length, tokens_per_byte=data.tokens_per_byte)
    trainer = PackedTrainer(
        model=model,
        args=args,
        data_collator=PackedCollator(args.max_length, tokenizer.pad_token_id, tokenizer.eos_token_id),
        train_dataset=data.rows,
        eval_dataset=data.eval_rows,
        processing_class=tokenizer,
        clock=clock,
        optimizer_factory=optimizer,
        eval_bytes=data.eval_bytes,
        decay_fraction=args.decay_fraction,
        callbacks=[
            clock,
            SaveStreamState(),
            throughput,
            EvaluateAtEnd(clock),
            SaveAverages(),
            StopAtNaN(tokens),
            TrainingLog(str(args.output_dir), clock, tokens),
            Progress(clock),
            Samples(str(args.output_dir), tokenizer, list(args.sample_prompts), args.sample_tokens),
        ],
    )
    trainer.throughput = throughput
    require_engine(trainer)
    refuse_sharded(trainer, args, optimizer)
    compiled = compile_layers(model) if compiles(trainer, data) else 0
    if compiled and is_main_process():
        print(f"  the first step compiles {compiled} layers", flush=True)
    trainer.remove_callback(PrinterCallback)  # Progress prints
    if checkpoint is not None:
        check_checkpoint(checkpoint, model)
    trainer.train(resume_from_checkpoint=checkpoint)

    # Evaluate, save, describe
    metrics = final_evaluation(trainer)
    trainer.save_model(str(args.output_dir))
    if not trainer.is_world_process_zero():
        return
    facts = {
        **({} if base is None else {"base_model": base.name, "base_commit": commit_of(base)}),
        **size,
        "vocabulary": len(tokenizer),
        "tokens_per_byte": round(data.tokens_per_byte, 4),
        "context": args.max_length,
        "documents": "streamed" if data.documents is None else data.documents,
        **({} if data.split is None else {"documents_split": data.split}),
        **{f"documents_left_out_{reason.replace(' ', '_')}": count for reason, count in left_out(data).items()},
        "steps": trainer.state.global_step,
        "tokens": tokens(trainer.state),
        "training_seconds": round(clock.now(), 1),
        "devices": args.world_size,
        **({"compiled_layers": compiled} if compiled else {}),
        **throughput.overall(),
    }
    shown = {"loss": metrics["eval_loss"], "bits_per_byte": metrics["eval_bits_per_byte"]}
    output.record(**facts, metrics=shown)
    samples = [s for s in read_lines(Path(str(args.output_dir)) / SAMPLES) if s["step"] == trainer.state.global_step]
    card = model_card(
        recipe,
        statistics=facts,
        metrics=shown,
        samples=samples[:3],
        texts=first_texts(data),
        base_model=None if base is None else base.name,
    )
    write_card(str(args.output_dir), card)
    held_out = args.eval_dataset or (args.dataset if "validation" in source.splits() else None)
    evaluate = ["evaluate", "--model", str(args.output_dir), "--dataset", held_out]
    tell_end(recipe, facts, shown, evaluate if isinstance(held_out, str) else ())  # type: ignore[arg-type]


def left_out(data: Prepared) -> dict[str, int]:
    """Documents that were not trained on, by the reason; of a stream those that were met."""
    return {"blank": data.rows.blank} if isinstance(data.rows, StreamedRows) else data.left_out


def first_texts(data: Prepared) -> list[str]:
    """Some of the texts that the model is evaluated on; a card tells their language."""
    rows = (data.eval_rows[i] for i in range(min(20, len(data.eval_rows))))
    return [data.tokenizer.decode(piece, skip_special_tokens=True) for row in rows for piece in row]


def compiles(trainer: PackedTrainer, data: Prepared) -> bool:
    """Whether the layers are compiled: as the recipe says, else on CPUs where it can be done and is earned back."""
    args: Any = trainer.args
    if args.compile_layers is not None:
        return args.compile_layers
    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    if not args.use_cpu or args.torch_compile or sharded or missing_compiler():
        return False
    tokens: float | None = None
    if args.max_steps <= 0:
        tokens = args.num_train_epochs * len(data.rows) * args.max_length  # type: ignore[arg-type]
    elif args.max_steps != UNLIMITED:
        tokens = args.max_steps * args.tokens_per_step
    if not is_long(trainer.model, args.max_length, tokens, args.max_minutes):
        return False
    torch._dynamo.config.suppress_errors = True  # unasked for, it must not stop a training
    return True


def prove_isolation(model: Any, args: PretrainArguments) -> None:
    """Stop where documents of a row would see each other (`silly_llm.training.model.isolation`)."""
    home = model.device
    model.to(args.device)
    require_isolation(model, args.max_length)
    model.to(home)  # where the engine expects it


def inputs_of(args: PretrainArguments) -> list[str]:
    """Local paths and Hub ids that the model depends on.

    Raises:
        RecipeError: a dataset or the tokenizer is not there.
    """
    base = pretrained_of(args.model)
    made: Any = args.tokenizer or {}
    named = [base.name if base else None, made if isinstance(made, str) else made.get("pretrained")]
    datasets = [d for d in (args.dataset, args.eval_dataset) if d is not None]
    inputs = [path for d in datasets for path in open_source(d).inputs()]
    return [*inputs, *(find(name, "tokenizer: ") for name in named if name)]


def check_components(args: PretrainArguments) -> None:
    """Everything the recipe names exists and takes the options given; builds nothing."""
    if args.optimizer is not None:
        check_optimizer(args.optimizer, args)
    check_trackers(args.report_to)
    if pretrained_of(args.model):
        return  # `main` looks at it, which may need the Hub
    config = check_tokenizer(args.tokenizer)  # type: ignore[arg-type]
    model_config(args.model, vocab_size=config.vocab_size if config else 1000, max_length=args.max_length)


def refuse_sharded(trainer: PackedTrainer, args: PretrainArguments, optimizer: OptimizerFactory | None) -> None:
    """An optimizer that needs whole parameters cannot run where they (or their states) are in shards."""
    if optimizer is None:
        return
    if optimizer.replicated_only and (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        engine = "DeepSpeed" if trainer.is_deepspeed_enabled else "FSDP"
        raise RecipeError(f"optimizer: {args.optimizer!r} needs whole matrices, which {engine} takes apart; use adamw")


if __name__ == "__main__":
    run_main(main)
