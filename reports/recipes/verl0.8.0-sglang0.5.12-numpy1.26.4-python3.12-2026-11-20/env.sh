# written by: verlcompat recipe verl0.8.0-sglang0.5.12-numpy1.26.4-python3.12-2026-11-20 --kind env
# lock: sha256 feb100cd017565a739bb1883ae20bab5cda459a6c94df2edb4eff0304eb9ef4f
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: incompatible (up to gpu); verl 0.8.0 with the SGLang that shares torch 2.11 with vLLM
# 0.24, repaired
# condition: multi-turn data are tokenized otherwise than the whole conversation (sft, Qwen3-like,
# one call: token 329: '\n<|im_start|>assistant\nLet me see.\n' instead of
# '\n<|im_start|>assistant\n<think>\nA su'); supervised training goes on with
# data.ignore_input_ids_mismatch=True
# DOES NOT WORK: main_ppo_sglang failed. What does: verlcompat recommend
# why: SGLang 0.5.12 is on torch 2.11.0 and pins transformers 5.6.0, which verl 0.9 leaves out. The
# bare pair does not import: kernels from 0.15 on breaks that transformers, verl 0.8.0 imports
# cachetools, which nothing asks for, and pyarrow 26 refuses the numpy 1 that verl 0.8.0 asks for.
# With the three mended it runs on CPU, and on an H200 the engine starts, sleeps, takes weights and
# agrees with the trainer. The trainer itself asks for flash-attn 2, which no wheel of the index
# has.
# evidence: driver_runtime passed, record sha256
# 0e4df0adda018eeb19d5957e6d42bc86490c2d606826aaff3250d712e1686eca
# evidence: engine_start_sglang passed, record sha256
# 9766419a5cf5357e762abafe440806ce261341f26d6654082637aa391ff1b9e7
# evidence: flash_attention_numbers passed, record sha256
# 830d5510005428cb08713dbbfd217fe929873d0d392a49212f7426d084514777
# evidence: rollout_agreement passed, record sha256
# ea08cf4d3352ef2c7b0a14f4e360465595a55c83e32867e1799f5b324448075a
# evidence: sleep_wake_weights passed, record sha256
# f7213fc89a116d179fba183c00ebd901907c2b4c8b779d08afff2431c97c0489
# evidence: tiny_grpo_gpu passed, record sha256
# 9cf20886dc9a98d003508abad62bb0e047be6d53676f0724f7c324037ca5a327
# evidence: main_ppo_sglang failed, record sha256
# d4e7df27ed2b5bf2d1175ea4c6fc25e60d0f55c0c0e102f6993e5b2566183921
# evidence: sft_trainer_gpu passed, record sha256
# bd916fa67daec0cfba7e2347fcabdf65b72423c98d447aa7af6806ffea258ddd
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
