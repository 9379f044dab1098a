"""Phase 4: tune a model to follow instructions. A thin layer over `trl.SFTTrainer`.

What is ours: the chat template and the special tokens it needs (never pad = eos, or the model would not learn to
stop), examples too long for the model left out instead of cut (a cut answer has no end), the loss of small models
computed the plain way, resuming by itself, and the LoRA adapter merged on request.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from trl import ModelConfig, SFTConfig, SFTTrainer, get_peft_config, get_quantization_config

from silly_llm.cli import run_main
from silly_llm.config import load_recipe
from silly_llm.container import Container
from silly_llm.data.sources import open_source
from silly_llm.errors import RecipeError
from silly_llm.output import PRIVATE, open_output
from silly_llm.training.sft_arguments import SftKeys

TEMPLATE = "chat.jinja"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
LOGITS_AT_ONCE = 2**27
"""Float32 numbers (512 MiB). Below it the plain loss is faster than TRL's fused one, and gives the same gradients."""


@dataclass
class SftArguments(SftKeys, SFTConfig, ModelConfig):
    """All keys of `trl.SFTConfig` and `trl.ModelConfig`, flat, and ours. Defaults differ from TRL's where listed."""

    output_dir: str | None = field(default="sft", metadata={"help": "Where the model folder goes."})
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
    """Read the recipe, prepare tokenizer, model and data, train, save, publish when asked."""
    recipe = load_recipe(argv, phase="sft", arguments=SftArguments)
    args = recipe.args

    # Data and tokenizer: what can be wrong with them shows before anything is written
    train_source = open_source(args.dataset)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset is not None else train_source
    tokenizer, added = load_tokenizer(args)
    if added and args.use_peft and not args.merge_adapter:
        raise RecipeError(
            f"{args.model_name_or_path} lacks {', '.join(added)}; an adapter alone cannot add tokens: set "
            "merge_adapter: true, or use_peft: false"
        )
    inputs = [args.model_name_or_path, *train_source.inputs(), *eval_source.inputs(), args.chat_template]
    with container or Container(), open_output(recipe, inputs=inputs) as output:
        if output.up_to_date:
            print(f"{args.output_dir} is up to date")
            return
        train_dataset = read_conversations(train_source, "train")
        eval_dataset = None
        if args.eval_dataset is not None or "validation" in eval_source.splits():
            split = "validation" if "validation" in eval_source.splits() else "train"
            eval_dataset = read_conversations(eval_source, split)
            if args.max_eval_examples is not None:
                eval_dataset = eval_dataset.select(range(min(args.max_eval_examples, len(eval_dataset))))

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
        checkpoint = last_checkpoint(str(args.output_dir))
        trainer.train(resume_from_checkpoint=checkpoint)

        # Save
        if args.merge_adapter:
            save_merged(trainer, tokenizer, args)
        else:
            trainer.save_model(args.output_dir)


class StoryTrainer(SFTTrainer):
    """`SFTTrainer` that leaves out examples that do not fit, and computes the loss of small models the plain way.

    TRL's fused head never holds the logits, which pays for vocabularies of 100,000 tokens; with one of a few thousand
    the plain loss takes three quarters of its time (2 million parameters, one core).
    """

    def __init__(self, *, args: SftArguments, **kwargs: Any) -> None:
        longest, self.left_out = args.max_length, 0
        self._vocabulary: int = kwargs["model"].config.get_text_config().vocab_size
        self._plain_loss = args.loss_type == "nll"
        if not args.packing:
            args.max_length = None  # TRL would cut, and a cut answer teaches the model not to end
        super().__init__(args=args, **kwargs)
        args.max_length = longest
        if not args.packing and longest is not None:
            self.train_dataset = self._fitting(self.train_dataset, longest)
            if self.eval_dataset is not None:
                self.eval_dataset = self._fitting(self.eval_dataset, longest)

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


def load_tokenizer(args: SftArguments) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """The model's tokenizer with a chat template and distinct eos and pad, and the tokens that were added for it.

    Raises:
        RecipeError: there is no such model.
    """
    name = str(args.model_name_or_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name, revision=args.model_revision, trust_remote_code=args.trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = "no such folder" if looks_local(name) and not Path(name).exists() else first_line(error)
        raise RecipeError(f"model_name_or_path: cannot load {name!r} ({reason})") from None
    before = set(tokenizer.get_vocab())
    if args.chat_template:
        tokenizer.chat_template = Path(args.chat_template).read_text(encoding="utf-8")
    elif not tokenizer.chat_template:
        tokenizer.chat_template = default_template()
    special: dict[str, Any] = {}
    if tokenizer.eos_token is None:
        special["eos_token"] = "<|eos|>"
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        special["pad_token"] = "<|pad|>"
    if tokenizer.chat_template == default_template():
        special["extra_special_tokens"] = list(ROLES)
    tokenizer.add_special_tokens(special)
    return tokenizer, [token for token in tokenizer.get_vocab() if token not in before]


def default_template() -> str:
    """The chat template of Silly LLM (templates/chat.jinja)."""
    return files("silly_llm").joinpath("templates", TEMPLATE).read_text(encoding="utf-8")


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


def fit_model(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give the model a row for every token, and the tokenizer's begin, end and padding everywhere it names them."""
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    for config in (model.config.get_text_config(), model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id


def train_new_tokens(peft_config: Any, model: Any, ids: Any) -> None:
    """Have an adapter learn the rows of tokens that the model did not have."""
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    peft_config.trainable_token_indices = {name.rpartition(".")[2]: ids}
    head = model.get_output_embeddings()
    if head is not None and head.weight is not embeddings.weight:
        peft_config.modules_to_save = sorted({*(peft_config.modules_to_save or ()), "lm_head"})


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


def looks_local(name: str) -> bool:
    """Whether a model is named by a path rather than by a Hub id."""
    return name.startswith((".", "/", "~")) or name.count("/") != 1


def first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


if __name__ == "__main__":
    run_main(main)
