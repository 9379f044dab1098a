"""`trl.SFTTrainer` for small models: nothing is cut, the loss is computed the plain way, the schedule may follow the clock."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import transformers
from peft import PeftModel
from trl import SFTTrainer

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.files import PRIVATE
from silly_llm.training.model.chat import load_model
from silly_llm.training.trainers.base import SmallModelTraining

LOGITS_AT_ONCE = 2**27
"""Float32 numbers (512 MiB). Below it the plain loss is faster than TRL's fused one, and gives the same gradients."""


class SmallModelSFTTrainer(SmallModelTraining, SFTTrainer):
    """`SFTTrainer` that leaves out examples that do not fit, and computes the loss of small models the plain way.

    TRL's fused head never holds the logits, which pays for vocabularies of 100,000 tokens; with one of a few thousand
    the plain loss takes three quarters of its time (2 million parameters, one core).
    """

    def __init__(self, *, args: Any, **kwargs: Any) -> None:
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

    def tokens(self) -> int:
        """Tokens trained on, prompts included, padding not."""
        return int(self.state.num_input_tokens_seen)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of a pass over the examples."""
        args, rows = self.args, self.args.train_batch_size * self.args.world_size
        batches = self.examples // rows if args.dataloader_drop_last else -(-self.examples // rows)
        return max(1, -(-batches // args.gradient_accumulation_steps))

    def _fitting(self, dataset: Any, longest: int) -> Any:
        """The examples of at most `longest` tokens, with their `length` for sampling."""
        lengths = [len(ids) for ids in dataset["input_ids"]]
        fitting = [i for i, length in enumerate(lengths) if length <= longest]
        if not fitting:
            raise RecipeError(f"dataset: no example fits into max_length: {longest} tokens")
        self.left_out += len(lengths) - len(fitting)
        return dataset.add_column("length", lengths).select(fitting)

    def save_merged(self, tokenizer: Any) -> None:
        """Save full weights: the model as it was loaded, unquantized, plus the adapter.

        The adapter goes through a file, so that this works alike for one process, sharded ones and quantized models.
        """
        folder = str(self.args.output_dir)
        adapter = Path(folder) / PRIVATE / "adapter"
        self.save_model(str(adapter))
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            self.args.load_in_4bit = self.args.load_in_8bit = False
            merged: Any = PeftModel.from_pretrained(load_model(self.args, tokenizer), str(adapter)).merge_and_unload()
            merged.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            shutil.rmtree(adapter)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        if not self._plain_loss or inputs["input_ids"].numel() * self._vocabulary > LOGITS_AT_ONCE:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs["use_cache"] = False
        return transformers.Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
