# written by: verlcompat recipe verl0.8.0-sglang0.5.12-numpy1.26.4-python3.12-2026-11-20 --kind env
# lock: sha256 feb100cd017565a739bb1883ae20bab5cda459a6c94df2edb4eff0304eb9ef4f
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: conditional (up to cpu); verl 0.8.0 with the SGLang that shares torch 2.11 with vLLM
# 0.24, repaired
# condition: multi-turn data are tokenized otherwise than the whole conversation (sft, Qwen3-like,
# one call: token 329: '\n<|im_start|>assistant\nLet me see.\n' instead of
# '\n<|im_start|>assistant\n<think>\nA su'); supervised training goes on with
# data.ignore_input_ids_mismatch=True
# why: SGLang 0.5.12 is on torch 2.11.0 and pins transformers 5.6.0, which verl 0.9 leaves out. The
# bare pair does not import: kernels from 0.15 on breaks that transformers, verl 0.8.0 imports
# cachetools, which nothing asks for, and pyarrow 26 refuses the numpy 1 that verl 0.8.0 asks for.
# With the three mended it runs on CPU; no GPU has tried it.
# evidence: no GPU yet; rungs gpu and train are untested
# shellcheck shell=sh disable=SC3045  # every sh of Linux has ulimit -n and -H
# Source it: . ./env.sh On every node, before Ray is started: workers inherit what the shell had
# that started Ray, not what the driver has.

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
export PYTHONNOUSERSITE=1

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
unset PYTHONPATH

# VC111: Ray's uv hook trips over verl's empty working_dir. Cost: none.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV=0

# VC115: ROCR_VISIBLE_DEVICES is set beside CUDA_VISIBLE_DEVICES. Cost: none; before Ray is started,
# on every node.
unset ROCR_VISIBLE_DEVICES
