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
# 81c8d026ae3da041e8195d5391beb2b4539c80792c26ae86e1a6f45488eda306
# evidence: engine_start_vllm passed, record sha256
# 2ed9e8ee24a9698ecd95c41e87e22c8d6618364beedc4eb6b8c71d8d694aefb9
# evidence: expandable_segments passed, record sha256
# 4aac1c3fc5ac9366efaf60bc50db146ad5c4d6417ecd7dc0c7024387016f1033
# evidence: flash_attention_numbers passed, record sha256
# 55705c480be27fc922d6c8516698540df3e30434683216e1fe3c37de0e36b6eb
# evidence: multimodal_engine passed, record sha256
# a37de37b11aac2a12cbf894702ab4c8b7b4264afc116db1aac47547f95586f65
# evidence: rollout_agreement passed, record sha256
# 4ead66cb65cadfbd06c58c10431e7081e4ea270fa843ffb4a1f5cb6e39c24cdb
# evidence: sleep_wake_weights passed, record sha256
# 574d9bfe5ce4c0c92de6effd729c4f798c1cc9658e561c3ba1eb6ae4072af855
# evidence: tiny_grpo_gpu passed, record sha256
# 6b5f76adf8be5d2c7a9720df34f49fe08b6027f4686e281110f1c9c52a9c0bb4
# evidence: v1_switch passed, record sha256
# 214bbfa497fbef3a8933245bcf344675dfca6c86d2bf9f08cf301013c0b51ddb
# evidence: main_ppo_lora_checkpoint passed, record sha256
# 9fda404d81793b704f170b8aeef798d222a4ce8e86344a3d72455922abe9106c
# evidence: main_ppo_vllm passed, record sha256
# b0a246493626ffd7d5628e9e4f847591d5dfe002650e87a1769348109ab122dd
# evidence: sft_trainer_gpu passed, record sha256
# 34214ac00a538d2757846cae98e201c4f7df759a60232ee6375b376f7a9b2459
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
