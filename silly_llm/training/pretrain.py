"""Phase 2: pretrain a small model from scratch. A thin layer over `transformers.Trainer`.

What is ours: a tokenizer trained on the corpus, packing with documents apart, a batch counted in tokens, a time limit that
the schedule is fitted to, bits per byte, sample stories, and resuming by itself.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from logging import LogRecord, getLogger
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback

from silly_llm.cli import run_main
from silly_llm.config import Recipe, load_recipe
from silly_llm.container import Container
from silly_llm.data.sources import DataProvider, open_source
from silly_llm.devices import computes_in_bf16, keep_freed_memory
from silly_llm.errors import RecipeError
from silly_llm.hub import check_push, model_card, push_if_asked, write_card
from silly_llm.output import Output, open_output
from silly_llm.phases import executable
from silly_llm.training.arguments import PretrainKeys
from silly_llm.training.callbacks import (
    SAMPLES,
    Clock,
    EvaluateAtEnd,
    Samples,
    TrainingLog,
    check_checkpoint,
    final_evaluation,
    last_checkpoint,
    read_lines,
)
from silly_llm.training.compiling import compile_layers, is_long, missing_compiler, require_compiler
from silly_llm.training.engines import require_engine, whole_weights
from silly_llm.training.fused import cast_positions, fuse_norms
from silly_llm.training.guards import SaveAverages, StopAtNaN
from silly_llm.training.isolation import require_isolation
from silly_llm.training.models import attention_of, build_model, model_config, size_of
from silly_llm.training.optimizers import OptimizerFactory, check_optimizer
from silly_llm.training.packing import PackedCollator
from silly_llm.training.preparing import Prepared, prepare
from silly_llm.training.progress import Progress
from silly_llm.training.streaming import KeepsPlace
from silly_llm.training.throughput import check_trackers, throughput_of
from silly_llm.training.tokenizer import check_tokenizer
from silly_llm.training.trainer import PackedTrainer
from silly_llm.training.width import scale_initialization

ROWS_AT_ONCE = {"cpu": 16, "cuda": 64}
"""Rows of a device batch when the recipe does not say."""
POSITIVE = (
    *("max_length", "tokens_per_step", "max_tokens", "max_bytes", "max_minutes"),
    *("decontaminate", "sample_tokens", "base_width"),
)
"""Keys that must be above 0."""
UNLIMITED = 1_000_000_000
"""Steps of a training that only its time limit ends."""


@dataclass
class PretrainArguments(PretrainKeys, TrainingArguments):
    """All keys of `transformers.TrainingArguments`, flat, and ours. Defaults differ from its where listed."""

    output_dir: str | None = field(default="pretrain", metadata={"help": "Where the model folder goes."})
    per_device_train_batch_size: int | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Rows a device sees at once; default: as tokens_per_step allows."}
    )
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Rows a device evaluates at once."})
    bf16: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "bf16 autocast; default: where the device computes in bf16."}
    )
    report_to: str | list[str] | None = field(
        default="none", metadata={"help": "Trackers, such as tensorboard."}
    )

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("the key 'dataset' is missing")
        self.check_card()
        for name in POSITIVE:
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise RecipeError(f"{name}: expected a number above 0, got {value}")
        if self.decay_fraction is not None and not 0 <= self.decay_fraction <= 1:
            raise RecipeError(f"decay_fraction: expected a number from 0 to 1, got {self.decay_fraction}")
        if not self.isolate_documents and self.packing != "concatenate":
            raise RecipeError("isolate_documents: documents see each other only with packing: concatenate")
        if self.streaming:
            self.check_streaming()
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        if self.use_cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns of finding no GPU
        if self.bf16 is None:
            self.bf16 = not self.fp16 and computes_in_bf16(self.use_cpu)
        if self.torch_compile and self.compile_layers:
            raise RecipeError("compile_layers: torch_compile compiles the whole model; give one of them")
        for key in ("torch_compile", "compile_layers"):
            if getattr(self, key) and self.use_cpu:
                require_compiler(key)
        if self.max_tokens is not None:
            self.max_steps = math.ceil(self.max_tokens / self.tokens_per_step)
        elif self.max_minutes is not None and self.max_steps <= 0:
            self.max_steps = UNLIMITED
        self.split_batch()
        self.remove_unused_columns = False  # rows are no columns
        self.disable_tqdm = True  # ours knows of time limits
        self.logging_nan_inf_filter = False  # it would hide a NaN, and wait for the device at each step
        self.use_cache = True  # of the saved model; training passes use_cache=False itself
        self.average_tokens_across_devices = True
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # a search through the graph at every step; all are used
        self.restore_callback_states_from_checkpoint = True
        if self.use_cpu:
            getLogger("transformers.training_args").addFilter(not_of_compiling)
        super().__post_init__()

    def check_streaming(self) -> None:
        """A stream has no length, cannot be cut beforehand, and is read by one process."""
        if self.max_tokens is None and self.max_minutes is None and self.max_steps <= 0:
            raise RecipeError("streaming: a stream has no end; set max_tokens, max_minutes or max_steps")
        if self.max_bytes is not None:
            raise RecipeError("streaming: max_bytes cuts what is read beforehand; set max_tokens")
        if self.dataloader_num_workers:
            raise RecipeError("streaming: one process reads the stream; leave out dataloader_num_workers")
        self.ignore_data_skip = True  # the stream itself begins at its place

    @property
    def train_rows_per_step(self) -> int:
        """Rows of an optimizer step, over all devices."""
        return self.tokens_per_step // self.max_length

    def split_batch(self) -> None:
        """Derive device batch and accumulation from tokens_per_step and the number of processes."""
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        rows, rest = divmod(self.tokens_per_step, self.max_length * processes)
        if rest or not rows:
            raise RecipeError(
                f"tokens_per_step: must be a multiple of max_length x processes = {self.max_length * processes}, "
                f"got {self.tokens_per_step}"
            )
        most = ROWS_AT_ONCE["cpu" if self.use_cpu else "cuda"]
        at_once = self.per_device_train_batch_size
        if at_once is None:
            at_once = max(n for n in range(1, min(rows, most) + 1) if rows % n == 0)
        elif rows % at_once:
            raise RecipeError(
                f"per_device_train_batch_size: must divide the {rows} rows a device sees in a step"
            )
        self.per_device_train_batch_size = at_once
        self.gradient_accumulation_steps = rows // at_once


ARGUMENTS = PretrainArguments


def not_of_compiling(record: LogRecord) -> bool:
    """Leaves out that compiling is for GPUs, which transformers says wherever one compiles on a CPU."""
    return "torchdynamo" not in str(record.msg)


def main(argv: list[str] | None = None, *, container: Container | None = None) -> None:
    """Read the recipe, prepare tokenizer, data and model, train, save, publish when asked."""
    recipe = load_recipe(argv, phase="pretrain", arguments=PretrainArguments)
    args = recipe.args

    # Check all that can be checked before anything is written
    check_components(args)
    source = open_source(args.dataset)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset is not None else None
    check_push(args)

    with container or Container() as services, open_output(recipe, inputs=inputs_of(args)) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
        else:
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
        checkpoint = last_checkpoint(str(args.output_dir))
        data = prepare(args, source, eval_source, checkpoint)
    tokenizer = data.tokenizer

    # Model
    config = model_config(
        args.model, vocab_size=len(tokenizer), max_length=args.max_length, tokenizer=tokenizer
    )
    attention = args.attn_implementation or attention_of(config, args.use_cpu)
    with whole_weights():
        model = build_model(config, args.seed, attn_implementation=attention)
    if args.base_width is not None:
        scale_initialization(model, args.base_width)
    if args.isolate_documents:
        prove_isolation(model, args)
    if args.use_cpu:
        keep_freed_memory()
        fuse_norms(model)
        cast_positions(model)
    size = size_of(model)
    if output_speaks():
        epochs = "" if args.max_steps <= 0 or args.max_steps == UNLIMITED else f" in {args.max_steps:,} steps"
        documents = "documents as they come"
        if data.documents is not None:
            split = f" ({data.split:,} longer than a row: split)" if data.split else ""
            documents = f"{data.documents:,} documents{split} in {len(data.rows):,} rows"  # type: ignore[arg-type]
        print(
            f"{size['parameters']:,} parameters, {len(tokenizer):,} tokens of vocabulary; {documents} of "
            f"{args.max_length} tokens; {args.tokens_per_step:,} tokens a step{epochs}",
            flush=True,
        )

    # Trainer
    optimizer = services.build("optimizer", args.optimizer, as_type=OptimizerFactory)
    clock = Clock(args.max_minutes)

    def tokens(state: Any) -> int:
        return state.global_step * args.tokens_per_step

    throughput = throughput_of(
        model, args, tokens, length=args.max_length, tokens_per_byte=data.tokens_per_byte
    )
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
            KeepsPlace(),
            throughput,
            EvaluateAtEnd(),
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
    if compiled and output_speaks():
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
        **size,
        "vocabulary": len(tokenizer),
        "tokens_per_byte": round(data.tokens_per_byte, 4),
        "context": args.max_length,
        "documents": "streamed" if data.documents is None else data.documents,
        **({} if data.split is None else {"documents_split": data.split}),
        "steps": trainer.state.global_step,
        "tokens": tokens(trainer.state),
        "training_seconds": round(clock.now(), 1),
        "devices": args.world_size,
        **({"compiled_layers": compiled} if compiled else {}),
        **throughput.overall(),
    }
    shown = {"loss": metrics["eval_loss"], "bits_per_byte": metrics["eval_bits_per_byte"]}
    output.record(**facts, metrics=shown)
    samples = [
        s for s in read_lines(Path(str(args.output_dir)) / SAMPLES) if s["step"] == trainer.state.global_step
    ]
    write_card(
        str(args.output_dir),
        model_card(recipe, statistics=facts, metrics=shown, samples=samples[:3], texts=first_texts(data)),
    )
    print(
        f"{args.output_dir}: {facts['tokens']:,} tokens in {facts['training_seconds']:.0f} s, "
        f"{shown['bits_per_byte']:.3f} bits per byte on held-out text\n"
        f"try it: {executable()} chat {args.output_dir}"
    )


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
    """Stop where documents of a row would see each other (`silly_llm.training.isolation`)."""
    home = model.device
    model.to(args.device)
    require_isolation(model, args.max_length)
    model.to(home)  # where the engine expects it


def inputs_of(args: PretrainArguments) -> list[str]:
    """Local paths and Hub ids that the model depends on.

    Raises:
        RecipeError: a dataset is not there.
    """
    named = args.tokenizer if isinstance(args.tokenizer, str) else args.tokenizer.get("pretrained")
    datasets = [d for d in (args.dataset, args.eval_dataset) if d is not None]
    return [*(path for d in datasets for path in open_source(d).inputs()), *([named] if named else [])]


def check_components(args: PretrainArguments) -> None:
    """Everything the recipe names exists and takes the options given; builds nothing."""
    check_optimizer(args.optimizer, args)
    check_trackers(args.report_to)
    config = check_tokenizer(args.tokenizer)
    model_config(args.model, vocab_size=config.vocab_size if config else 1000, max_length=args.max_length)


def refuse_sharded(trainer: PackedTrainer, args: PretrainArguments, optimizer: OptimizerFactory) -> None:
    """An optimizer that needs whole parameters cannot run where they (or their states) are in shards."""
    if optimizer.replicated_only and (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        engine = "DeepSpeed" if trainer.is_deepspeed_enabled else "FSDP"
        raise RecipeError(
            f"optimizer: {args.optimizer!r} needs whole matrices, which {engine} takes apart; use adamw"
        )


def output_speaks() -> bool:
    """Whether this process is the one that prints."""
    return int(os.environ.get("RANK", "0")) == 0


if __name__ == "__main__":
    run_main(main)
