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
# why: The extra pins vllm 0.24.0, torch 2.11.0 and transformers 5.9.0. What was tried works; the
# data set of the supervised trainer needs a setting with templates that drop reasoning from earlier
# turns.
# evidence: driver_runtime passed, record sha256
# 97139dfb92d15d20be5f373aed8ec208c0020ff8ad696750992c2c719f4b3765
# evidence: engine_start_vllm passed, record sha256
# 6c70e0f3e9c08523a51966cc179c800e2c8ffa8ffe6ad7737b3b4f9ea12ec653
# evidence: expandable_segments passed, record sha256
# b3bbe6c27853ec4182301e2a6016fc2bee846e0b6bbfeecba117050556ee63e0
# evidence: flash_attention_numbers passed, record sha256
# 7f3e3a6d6fc171b1101af3357bd742c69ecf5c434d327180b7139c16d74aef62
# evidence: multimodal_engine passed, record sha256
# bd2635bf9959e542fa4f7eaba1be399d3cb7eae32a420dcaf971f1cf9b3f6159
# evidence: rollout_agreement passed, record sha256
# 2c355abce2ace4231ff0b1237ee3c8fddb634c2820165f3d820978d2edec7cea
# evidence: sleep_wake_weights passed, record sha256
# 9fb4799d369cee70659eca4415e05f815a61df2d528cfe80af06eeca8b67ae4e
# evidence: tiny_grpo_gpu passed, record sha256
# 924eef52f21481e442e6d34c19c188c731092f7781814e91fafff731745775d7
# evidence: v1_switch passed, record sha256
# 6525baf87fedb136ae1cedee4a66d1d6018e7cc819a6f1d74af10d2c30c42c00
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
