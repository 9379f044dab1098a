"""`transformers.Trainer` for packed rows: isolated documents, loss per token, bits per byte."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import RandomSampler
from transformers import EvalPrediction, Trainer

from silly_llm.training.callbacks.throughput import Throughput
from silly_llm.training.corpus.packing import PackedCollator
from silly_llm.training.flops import ceiling, training_flops_per_token
from silly_llm.training.kernels.fused import IGNORED, LinearCrossEntropy, hidden_states, separable_head, token_nats
from silly_llm.training.trainers.base import SmallModelTraining


class PackedTrainer(SmallModelTraining, Trainer):
    """A Trainer of rows from `silly_llm.training.corpus.packing`.

    UTF-8 bytes of the evaluation texts and `tokens_per_byte` of the text give bits per byte, of evaluations and of what is trained on.
    """

    loss_is_scaled_for_ga = True  # the loss is a sum over the step's tokens, divided once

    def __init__(
        self,
        *,
        model: Any,
        args: Any,
        data_collator: PackedCollator,
        eval_bytes: int = 0,
        tokens_per_byte: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.eval_bytes, self.eval_collator = eval_bytes, replace(data_collator, predict_end=False)
        self.product_dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
        best, source = ceiling(args.device, self.product_dtype)
        cost, hardware = training_flops_per_token(model, args.max_length), (best * args.world_size, source)
        kwargs["throughput"] = Throughput(self.tokens, cost, hardware, tokens_per_byte)
        kwargs["compute_metrics"] = self.bits_per_byte
        super().__init__(model=model, args=args, data_collator=data_collator, **kwargs)
        whole = not (self.is_fsdp_enabled or self.is_deepspeed_enabled)
        # DDP that searches for unused parameters takes a head that is used outside of the model for one.
        by_hand = args.use_cpu and whole and not args.ddp_find_unused_parameters
        self.head = separable_head(self.model) if by_hand else None
        """The head, where its products with the loss are faster by hand (`silly_llm.training.kernels.fused`)."""

    def tokens(self) -> int:
        return self.state.global_step * self.args.tokens_per_step

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """An epoch in whole steps; rows left over, others in each epoch, accelerate would fill up according to the number of devices."""
        sampler = super()._get_train_sampler(train_dataset)
        if isinstance(sampler, RandomSampler):
            args = self.args
            step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            if whole := len(sampler) // step * step:
                return RandomSampler(sampler.data_source, generator=sampler.generator, num_samples=whole)
        return sampler

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Nats a token, averaged over all tokens of the step: over accumulated batches and devices alike."""
        labels, head = inputs["shift_labels"].flatten(), None if return_outputs else self.head
        logits = self.forward(model, inputs, head)
        if head is None:
            total = cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum")
        else:
            total = LinearCrossEntropy.apply(logits, head.weight, labels, self.product_dtype)
        count = num_items_in_batch if num_items_in_batch is not None else (labels != IGNORED).sum()
        loss = total / count
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over processes, the count is of all
        return (loss, {"logits": logits}) if return_outputs else loss

    def forward(self, model: Any, inputs: Any, head: nn.Linear | None) -> torch.Tensor:
        """Logits [tokens, vocabulary], or what this head would make them of [tokens, width]. No mask and no cache: see packing.py."""
        with hidden_states(head) if head is not None else nullcontext():
            outputs = model(input_ids=inputs["input_ids"], position_ids=inputs["position_ids"], use_cache=False)
        return outputs.logits.flatten(0, 1)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        training, self.data_collator = self.data_collator, self.eval_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = training

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As the Trainer's; what training compiled is not compiled again for the shapes of evaluations and samples."""
        with torch.compiler.set_stance("force_eager"):
            return super().evaluate(*args, **kwargs)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Nats and predicted tokens of each row, which the evaluation loop gathers over batches and processes."""
        inputs = self._prepare_inputs(inputs)
        labels = inputs["shift_labels"]
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = self.forward(model, inputs, self.head)
            if self.head is None:
                nats = cross_entropy(logits.float(), labels.flatten(), ignore_index=IGNORED, reduction="none")
            else:
                nats = token_nats(logits, self.head.weight, labels.flatten(), self.product_dtype)
        return None, nats.view(labels.shape).double().sum(dim=1), (labels != IGNORED).sum(dim=1)

    def bits_per_byte(self, prediction: EvalPrediction) -> dict[str, float]:
        """Loss (nats a token of text, end-of-text not counted) and bits per byte of the evaluation texts."""
        nats, tokens = float(np.sum(prediction.predictions)), int(np.sum(prediction.label_ids))
        return {"loss": nats / tokens, "bits_per_byte": nats / math.log(2) / self.eval_bytes}
