# written by: verlcompat recipe verl0.6.1-vllm0.11.0-python3.12-2026-11-20 --kind env
# lock: sha256 0d5f5a075a2d664a8ebbcaa514d791a0c59472c3154b0a5259b0a1369c190db6
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: incompatible (up to installs); The same pins a year later: resolves, pip check is clean,
# does not work
# DOES NOT WORK: import_surface, megatron_imports, multi_turn_tokenization, multimodal failed. What
# does: verlcompat recommend
# why: Nothing bounds transformers and pyarrow from above. transformers 5 removed names that verl
# 0.6.1 and vLLM 0.11.0 use; pyarrow 26 needs numpy 2 without saying so, while verl 0.6.1 asks for
# numpy<2.
# evidence: no GPU yet; rungs gpu and train are untested
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

# VC183: Weights are sent to the rollout while NCCL uses cuMem. Cost: none known.
export NCCL_CUMEM_ENABLE=0
