"""scripts/pretrain.py, where accelerate takes two processes on CPUs for two on GPUs: it routes FSDP to accelerators alone, although
torch's `fully_shard` works over gloo too. So a machine without GPUs runs all that a fully sharded training is made of, but for NCCL.
"""

from accelerate.state import DistributedType, PartialState

from silly_llm.core.launch import run_main
from silly_llm.training.pretrain import main

begin = PartialState.__init__


def begin_as_on_gpus(self, *args, **kwargs):
    begin(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU


PartialState.__init__ = begin_as_on_gpus

if __name__ == "__main__":
    run_main(main)
