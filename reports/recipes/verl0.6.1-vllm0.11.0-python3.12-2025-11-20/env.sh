# written by: verlcompat recipe verl0.6.1-vllm0.11.0-python3.12-2025-11-20 --kind env
# lock: sha256 5340d798ac0bb2c0574a1d05ba6c861389362dd8c4a2a6761f65b140cfde922c
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2025-11-20
# verdict: compatible (up to train); The pair as it resolved the week verl 0.6.1 came out, Python
# 3.12
# why: What a resolver picked that week works. uvloop 0.22.1 is among it, which raises where a loop
# is asked for before one is set; verl 0.6.1 asks through a function of its own that makes one.
# evidence: engine_start_vllm passed, record sha256
# 50aadf9e6a9f9da09f807a5c8cbb178de599a4d07e3f737cf369a928a899f28c
# evidence: rollout_agreement passed, record sha256
# 7066dd8625e8704edf06c977bb9efa3967832aee9ef6281e3a26a96a671ea1ca
# evidence: main_ppo_vllm passed, record sha256
# 4db07f8f1b2b7405f19f7604a3787a2c3677433be51a7a2472ed3953be0f2cf2
# shellcheck shell=sh disable=SC3045  # every sh of Linux has ulimit -n and -H
# Source it: . ./env.sh On every node, before Ray is started: workers inherit what the shell had
# that started Ray, not what the driver has.

# VC088: VLLM_USE_V1 contradicts the engine verl builds. Cost: FlashAttention instead of the chosen
# backend.
export VLLM_USE_V1=1

# VC088: VLLM_USE_V1 contradicts the engine verl builds. Cost: FlashAttention instead of the chosen
# backend.
case "${VLLM_ATTENTION_BACKEND:-}" in
  XFORMERS) unset VLLM_ATTENTION_BACKEND ;;
esac

# VC099: Expandable segments and vLLM's memory pool exclude each other. Cost: more fragmentation in
# training; also unset it where Ray was started.
case "${PYTORCH_CUDA_ALLOC_CONF:-}" in
  *expandable_segments:True*) unset PYTORCH_CUDA_ALLOC_CONF ;;
esac

# VC108: Ray's uv hook started the workers with another environment. Cost: none.
export RAY_ENABLE_UV_RUN_RUNTIME_ENV=0

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
export PYTHONNOUSERSITE=1

# VC110: Workers import from another environment than the driver. Cost: restarts the cluster with
# this interpreter; on every node.
unset PYTHONPATH

# VC115: ROCR_VISIBLE_DEVICES is set beside CUDA_VISIBLE_DEVICES. Cost: none; before Ray is started,
# on every node.
unset ROCR_VISIBLE_DEVICES

# VC139: HF_HUB_ENABLE_HF_TRANSFER is set and hf_transfer is not installed. Cost: slower downloads.
case "${HF_HUB_ENABLE_HF_TRANSFER:-}" in
  1) unset HF_HUB_ENABLE_HF_TRANSFER ;;
esac

# VC183: Weights are sent to the rollout while NCCL uses cuMem. Cost: none known.
export NCCL_CUMEM_ENABLE=0
