# written by: verlcompat recipe verl0.9.1-vllm0.24.0-python3.12-2026-11-20 --kind env
# lock: sha256 da76ceef1a706d1f085b6009457bfbd590573ae4cf535cd835c4f59a77e0cbb3
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: conditional (up to train); What verl 0.9.1 itself declares in its vllm extra
# condition: multi-turn data are tokenized otherwise than the whole conversation (sft, Qwen3-like,
# one call: token 329: '\n<|im_start|>assistant\nLet me see.\n' instead of
# '\n<|im_start|>assistant\n<think>\nA su'); supervised training goes on with
# data.ignore_input_ids_mismatch=True
# condition: vLLM's allocator switches off around the pool, resetting other options; works with
# unset, PYTORCH_ALLOC_CONF; not with PYTORCH_CUDA_ALLOC_CONF with another option:
# max_split_size_mb:128 became -1
# condition: train LoRA with actor_rollout_ref.actor.strategy=fsdp2: with fsdp, exit status 70:
# EngineWorkerError: a worker raised StopIteration from
# <environment>/lib/python3.12/site-packages/vllm/lora/model_manager.py:798 in
# _create_merged_loras_inplace, and the trainer waited 15 s for its answer
# why: The extra pins vllm 0.24.0, torch 2.11.0 and transformers 5.9.0. What was tried works; the
# data set of the supervised trainer needs a setting with templates that drop reasoning from earlier
# turns.
# evidence: driver_runtime passed, record sha256
# 8bfba60ce63909264266d4b62c1a4685171909d86435057a9df8bfa9250f0999
# evidence: engine_start_vllm passed, record sha256
# f5a070551a64f4f70ba5e571c1f6633a346ea18ca52493f9089af01de8c2d5bf
# evidence: expandable_segments passed, record sha256
# a38e61cc6c6a1ebd0d8861ac6170024c74c50971b9b75bf963da96491e95399e
# evidence: flash_attention_numbers passed, record sha256
# 8806d84dfa465a0d1f85b238e346e3dd11da9f063537751140b4dae1de282af8
# evidence: multimodal_engine passed, record sha256
# c5cd9883383ac4f956fa2df28bf3cb70a2c49fb46e003352b10748ac49d8a149
# evidence: rollout_agreement passed, record sha256
# dbdc36a24d53bb8fe277dea9c6a91ffe986295bcfb40ce4c5d78b20edb3e044f
# evidence: sleep_wake_weights passed, record sha256
# 0c39842e4e9ace1762afef6fe36aa52e096abe8880aaf17bc20adaf620888d1b
# evidence: tiny_grpo_gpu passed, record sha256
# ae982e2ce8fbd5db79faffe3499cfb1cad5aec2c669d085efb1bd6af667d728b
# evidence: two_gpus_nccl passed, record sha256
# a2b3278058094378b9372dd024e2d630625d4cda50c4ede48103acc8320a8226
# evidence: two_gpus_tensor_parallel passed, record sha256
# fda5aeecf25ccadf3029e5f2c994f15453e9314580248de605d96d2e320fb167
# evidence: v1_switch passed, record sha256
# 32c3417b17121199288dbc1a32c949732d0a305725aaba3643ea97b637de514a
# evidence: main_ppo_lora_checkpoint passed, record sha256
# 9fda404d81793b704f170b8aeef798d222a4ce8e86344a3d72455922abe9106c
# evidence: main_ppo_vllm passed, record sha256
# b0a246493626ffd7d5628e9e4f847591d5dfe002650e87a1769348109ab122dd
# evidence: sft_trainer_gpu passed, record sha256
# 34214ac00a538d2757846cae98e201c4f7df759a60232ee6375b376f7a9b2459
# evidence: two_gpus_train passed, record sha256
# cbddd4e6c868522b2494de3e6c0aabc5fb4947150938bc54aeb7c1d841e60ac5
# shellcheck shell=sh disable=SC3045  # every sh of Linux has ulimit -n and -H
# Source it: . ./env.sh On every node, before Ray is started: workers inherit what the shell had
# that started Ray, not what the driver has.

# VC089: VLLM_ATTENTION_BACKEND names a backend this vLLM has not. Cost: vLLM chooses the backend.
case "${VLLM_ATTENTION_BACKEND:-}" in
  XFORMERS) unset VLLM_ATTENTION_BACKEND ;;
esac

# VC090: A variable that is exported means nothing to this vLLM. Cost: what they meant must be set
# by engine arguments where it still matters.
unset VLLM_USE_V1

# VC090: A variable that is exported means nothing to this vLLM. Cost: what they meant must be set
# by engine arguments where it still matters.
unset VLLM_USE_RAY_SPMD_WORKER

# VC090: A variable that is exported means nothing to this vLLM. Cost: what they meant must be set
# by engine arguments where it still matters.
unset VLLM_ALL2ALL_BACKEND

# VC090: A variable that is exported means nothing to this vLLM. Cost: what they meant must be set
# by engine arguments where it still matters.
unset VLLM_TORCH_PROFILER_DIR

# VC090: A variable that is exported means nothing to this vLLM. Cost: what they meant must be set
# by engine arguments where it still matters.
unset VLLM_RPC_TIMEOUT

# VC100: PYTORCH_ALLOC_CONF slips past vLLM's check and breaks its pool. Cost: more fragmentation in
# training.
case "${PYTORCH_ALLOC_CONF:-}" in
  *expandable_segments:True*) unset PYTORCH_ALLOC_CONF ;;
esac

# VC104: A KV connector and expandable segments exclude each other. Cost: more fragmentation in
# training.
case "${PYTORCH_CUDA_ALLOC_CONF:-}" in
  *expandable_segments:True*) unset PYTORCH_CUDA_ALLOC_CONF ;;
esac

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
export PYTHONNOUSERSITE=1

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
unset PYTHONPATH

# VC115: ROCR_VISIBLE_DEVICES is set beside CUDA_VISIBLE_DEVICES. Cost: none; before Ray is started,
# on every node.
unset ROCR_VISIBLE_DEVICES
