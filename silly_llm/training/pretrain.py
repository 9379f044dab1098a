"""Phase 2: pretrain a small model, from scratch or from the weights of another. A thin layer over `transformers.Trainer`.

What is ours: a tokenizer trained on the corpus, packing with documents apart, a batch counted in tokens, a time limit that
the schedule is fitted to, bits per byte, sample stories, and resuming by itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from logging import LogRecord, getLogger
from pathlib import Path
from typing import Any

import torch
from transformers import IntervalStrategy, SchedulerType, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.training_args import OptimizerNames

from silly_llm.cli import run_main
from silly_llm.config import Options, Recipe, load_recipe
from silly_llm.container import Container
from silly_llm.data.sources import DataProvider, open_source
from silly_llm.devices import computes_in_bf16, keep_freed_memory
from silly_llm.errors import RecipeError
from silly_llm.hub import check_push, model_card, push_if_asked, write_card
from silly_llm.lookup import find
from silly_llm.output import Output, open_output
from silly_llm.training.arguments import PretrainKeys
from silly_llm.training.callbacks import (
    SAMPLES,
    Clock,
    EvaluateAtEnd,
    Samples,
    TrainingLog,
    final_evaluation,
    read_lines,
)
from silly_llm.training.checkpoints import check_checkpoint, stopped_in
from silly_llm.training.compiling import compile_layers, is_long, missing_compiler, require_compiler
from silly_llm.training.engines import require_engine, takes_matrices_apart, whole_weights
from silly_llm.training.fused import cast_positions, fuse_norms
from silly_llm.training.guards import SaveAverages, StopAtNaN
from silly_llm.training.isolation import require_isolation
from silly_llm.training.keys import PRETRAIN, check_numbers, refuse_keys
from silly_llm.training.models import attention_of, build_model, model_config, size_of
from silly_llm.training.optimizers import OptimizerFactory, check_optimizer
from silly_llm.training.packing import PackedCollator
from silly_llm.training.preparing import Prepared, prepare
from silly_llm.training.pretrained import (
    commit_of,
    load_pretrained,
    pretrained_config,
    pretrained_of,
    pretrained_tokenizer,
)
from silly_llm.training.progress import Progress
from silly_llm.training.resuming import check_resume, check_run, checkpoint_of
from silly_llm.training.schedule import UNLIMITED, check_schedule, keep_budgets, limit_steps
from silly_llm.training.streaming import KeepsPlace, StreamedRows
from silly_llm.training.summary import tell_end
from silly_llm.training.throughput import check_trackers, throughput_of
from silly_llm.training.tokenizer import check_tokenizer
from silly_llm.training.trainer import PackedTrainer
from silly_llm.training.width import scale_initialization

ROWS_AT_ONCE = {"cpu": 16, "cuda": 64}
"""Rows of a device batch when the recipe does not say."""
PASSES = 4.0
"""Passes over the text where no budget is set: until then repeated text teaches nearly as much as new (Muennighoff et al. 2023)."""
TOKENS_PER_PARAMETER = 20
"""Enough tokens where no budget is set (Hoffmann et al. 2022)."""


@dataclass
class PretrainArguments(PretrainKeys, TrainingArguments):
    """All keys of `transformers.TrainingArguments`, flat, and ours. Defaults differ from its where listed."""

    output_dir: str | None = field(default="pretrain", metadata={"help": "Where the model folder goes."})
    per_device_train_batch_size: int | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Rows a device sees at once; default: as tokens_per_step allows."}
    )
    gradient_accumulation_steps: int | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Device batches of a step; default: as tokens_per_step says."}
    )
    do_train: bool = True
    resume_from_checkpoint: str | bool | None = field(  # type: ignore[assignment]
        default=None,
        metadata={
            "help": "A checkpoint's folder, or true: the newest must be there; default: the newest, if any."
        },
    )
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Rows a device evaluates at once."})
    bf16: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "bf16 autocast; default: where the device computes in bf16."}
    )
    # What recipes/base/pretrain.yaml says, for trainings without a recipe; a test holds the two together.
    optim: OptimizerNames | str | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "An optimizer of the Trainer, in place of ours."}
    )
    learning_rate: float | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Default: 2e-3; of a pretrained model 2e-4."}
    )
    lr_scheduler_type: SchedulerType | str = field(default="warmup_stable_decay")
    warmup_steps: float = field(default=0.02, metadata={"help": "Steps; below 1: a share of all."})
    logging_steps: float = field(default=50)
    eval_strategy: IntervalStrategy | str = field(default="steps")
    eval_steps: float | None = field(default=200)
    eval_on_start: bool | None = field(  # type: ignore[assignment]
        default=None, metadata={"help": "Evaluate before the first step; default: of a pretrained model."}
    )
    save_steps: float = field(default=200)
    save_total_limit: int | None = field(default=2)
    seed: int = field(default=0)
    num_train_epochs: float | None = field(  # type: ignore[assignment]
        default=None,
        metadata={"help": "Passes over the text; default: 4, or until 20 tokens a parameter were seen."},
    )
    report_to: str | list[str] | None = field(
        default="none", metadata={"help": "Trackers, such as tensorboard."}
    )

    @classmethod
    def refuse(cls, given: dict[str, Any]) -> None:
        """Refuse keys that do nothing here (`silly_llm.training.keys`)."""
        refuse_keys(given, PRETRAIN)

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("the key 'dataset' is missing")
        check_run(self)
        self.check_card()
        if self.decay_fraction is not None and not 0 <= self.decay_fraction <= 1:
            raise RecipeError(f"decay_fraction: expected a number from 0 to 1, got {self.decay_fraction}")
        if not self.isolate_documents and self.packing != "concatenate":
            raise RecipeError("isolate_documents: documents see each other only with packing: concatenate")
        self.set_defaults()
        if self.streaming:
            self.check_streaming()
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        check_numbers(self)
        if self.use_cpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns of finding no GPU
        if self.bf16 is None:
            self.bf16 = not self.fp16 and computes_in_bf16(self.use_cpu)
        if self.torch_compile and self.compile_layers:
            raise RecipeError("compile_layers: torch_compile compiles the whole model; give one of them")
        for key in ("torch_compile", "compile_layers"):
            if getattr(self, key) and self.use_cpu:
                require_compiler(key)
        keep_budgets(self)
        if self.max_tokens is not None:
            limit_steps(self, None)
        if (
            self.metric_for_best_model in ("bits_per_byte", "eval_bits_per_byte")
            and self.greater_is_better is None
        ):
            self.greater_is_better = False  # transformers takes all but losses for scores
        self.split_batch()
        self.remove_unused_columns = False
        self.disable_tqdm = True
        self.logging_nan_inf_filter = False  # it would hide a NaN, and wait for the device at each step
        self.use_cache = True  # of the saved model; training passes use_cache=False itself
        if self.ddp_find_unused_parameters is None:
            self.ddp_find_unused_parameters = False  # a search through the graph at every step; all are used
        if self.use_cpu:
            getLogger("transformers.training_args").addFilter(not_of_compiling)
        super().__post_init__()
        check_schedule(self)

    def set_defaults(self) -> None:
        """What depends on whether the model is new, and on which optimizer is asked for."""
        pretrained = pretrained_of(self.model) is not None
        if pretrained:
            if self.tokenizer is not None:
                raise RecipeError(
                    "tokenizer: a pretrained model keeps its own; leave it out, or set it to null"
                )
            if self.base_width is not None:
                raise RecipeError("base_width: scales the weights of a new model, not of a pretrained one")
        elif self.tokenizer is None:
            self.tokenizer = {"vocab_size": 2048}
        self.no_budget = self.max_steps <= 0 and not (
            self.max_tokens or self.max_minutes or self.num_train_epochs
        )
        if self.optim is None:
            if self.optim_args or self.optim_target_modules:
                raise RecipeError(
                    "optim_args, optim_target_modules: belong to optim, which is not set; give `optimizer` its options"
                )
            self.optim = TrainingArguments.optim
            default = "adamw" if pretrained or takes_matrices_apart(self) else "muon"
            if isinstance(self.optimizer, dict):
                self.optimizer = {"type": default, **self.optimizer}
            self.optimizer = self.optimizer or default
        elif self.optimizer is not None:
            raise RecipeError("optim: optimizer is another way to say it; give one of them")
        elif self.base_width is not None:
            raise RecipeError("base_width: has no say in the Trainer's optimizers; set optimizer, not optim")
        if self.learning_rate is None:
            self.learning_rate = 2e-4 if pretrained else 2e-3
        if self.eval_on_start is None:
            self.eval_on_start = pretrained
        if self.decay_fraction is None and self.lr_scheduler_type == "warmup_stable_decay":
            given = self.lr_scheduler_kwargs if isinstance(self.lr_scheduler_kwargs, dict) else {}
            self.decay_fraction = None if "num_decay_steps" in given else 0.4

    def check_streaming(self) -> None:
        """A stream has no length, cannot be cut beforehand, and is read by one process."""
        if self.max_tokens is None and self.max_minutes is None and self.max_steps <= 0:
            raise RecipeError("streaming: a stream has no end; set max_tokens, max_minutes or max_steps")
        if self.num_train_epochs is not None:
            raise RecipeError("streaming: a stream has no epochs; leave out num_train_epochs")
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
        if (asked := self.gradient_accumulation_steps) is not None:
            if self.per_device_train_batch_size is None and rows % asked == 0:
                at_once = rows // asked
            if at_once * asked != rows:
                raise RecipeError(
                    f"gradient_accumulation_steps: tokens_per_step: {self.tokens_per_step} are {rows} rows a device, which "
                    f"{asked} batches"
                    + (f" of {at_once}" if self.per_device_train_batch_size else "")
                    + " do not make"
                )
        self.per_device_train_batch_size = at_once
        self.gradient_accumulation_steps = rows // at_once


ARGUMENTS = PretrainArguments


def not_of_compiling(record: LogRecord) -> bool:
    """Leaves out that compiling is for GPUs, which transformers says wherever one compiles on a CPU."""
    return "torchdynamo" not in str(record.msg)


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
        config = model_config(
            args.model, vocab_size=len(tokenizer), max_length=args.max_length, tokenizer=tokenizer
        )
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
    if output_speaks():
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
        **({} if base is None else {"base_model": base.name, "base_commit": commit_of(base)}),
        **size,
        "vocabulary": len(tokenizer),
        "tokens_per_byte": round(data.tokens_per_byte, 4),
        "context": args.max_length,
        "documents": "streamed" if data.documents is None else data.documents,
        **({} if data.split is None else {"documents_split": data.split}),
        **{
            f"documents_left_out_{reason.replace(' ', '_')}": count
            for reason, count in left_out(data).items()
        },
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
    """Stop where documents of a row would see each other (`silly_llm.training.isolation`)."""
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


def passes_of(model: Any, tokens: int) -> float:
    """Passes over a text of so many tokens where no budget is set: four, or as many as make 20 tokens a parameter."""
    return min(PASSES, TOKENS_PER_PARAMETER * model.num_parameters() / tokens)


def refuse_sharded(
    trainer: PackedTrainer, args: PretrainArguments, optimizer: OptimizerFactory | None
) -> None:
    """An optimizer that needs whole parameters cannot run where they (or their states) are in shards."""
    if optimizer is None:
        return
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
