#!/bin/bash
# How trainings end: a tiny one, launched many times by each engine in two processes on CPUs; exit codes are counted. Needs [deepspeed].
#
#   scripts/benchmarks/exit_codes.sh 30                   # every engine
#   scripts/benchmarks/exit_codes.sh 30 zero3 multi_cpu   # these
set -euo pipefail
cd "$(dirname "$0")/../.."
times=${1:-30}
shift || true
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for k in $(seq 60); do echo "{\"text\": \"Tom had a dog. The dog ran to Tom $k times.\"}"; done > "$folder/stories.jsonl"
export OMP_NUM_THREADS=1

for engine in "${@:-plain multi_cpu fsdp zero2 zero3}"; do for engine in $engine; do
    script=scripts/pretrain.py
    [ "$engine" != fsdp ] || script=tests/training/fsdp_on_cpus.py
    launch=(python -m accelerate.commands.launch --config_file "accelerate_configs/$engine.yaml" --num_processes 2
        --num_cpu_threads_per_process 1 --main_process_port 0)
    [ "$engine" != plain ] || launch=(python)
    codes=()
    for _ in $(seq "$times"); do
        code=0
        "${launch[@]}" "$script" --dataset="$folder/stories.jsonl" --model=silly-tiny --tokenizer.vocab_size=270 \
            --max_length=32 --tokens_per_step=128 --max_steps=3 --save_steps=2 --bf16=false --use_cpu=true \
            --sample_prompts='[Tom]' --sample_tokens=4 --output_dir="$folder/model" > "$folder/said" 2>&1 || code=$?
        codes+=("$code")
        [ "$code" = 0 ] || tail -n 20 "$folder/said" >&2
        rm -rf "$folder/model"
    done
    echo "$engine: $(printf '%s\n' "${codes[@]}" | sort | uniq -c | awk '{printf "%s x exit code %s  ", $1, $2}')"
done; done
