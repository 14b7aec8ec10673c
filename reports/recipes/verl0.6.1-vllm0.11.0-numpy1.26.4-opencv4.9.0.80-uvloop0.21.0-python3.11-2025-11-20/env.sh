# written by: verlcompat recipe
# verl0.6.1-vllm0.11.0-numpy1.26.4-opencv4.9.0.80-uvloop0.21.0-python3.11-2025-11-20 --kind env
# lock: sha256 164cf521c9c0724fa5a1b587e8cfddbdb9b4944902727969af2dfeeacf45c729
# made for: Python 3.11, x86_64-manylinux_2_35, as of 2025-11-20
# verdict: conditional (up to cpu); The golden recipe that users pass around
# condition: installed with overrides, because pip check reports: vllm 0.11.0 requires
# opencv-python-headless>=4.11.0, installed 4.9.0.80
# why: vLLM 0.11.0 asks for opencv-python-headless>=4.11, verl 0.6.1 for numpy<2. The recipe holds
# OpenCV below 4.10 by an override and uvloop below 0.22. It works, and `pip check` goes on
# complaining. With verl 0.6.1 neither pin is needed as far as CPU probes tell: the same pair works
# without them, as of that day.
# evidence: no GPU yet; rungs gpu and train are untested
# correction: the same stack without pinning numpy, opencv-python-headless, uvloop is compatible (up
# to cpu); take that one: verlcompat recipe verl0.6.1-vllm0.11.0-python3.11-2025-11-20
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
