# written by: verlcompat recipe verl0.6.1-sglang0.5.5-python3.12-2025-11-20 --kind env
# lock: sha256 8a33a35200658f324cfc67796f2fc510716cc41cc3563079bc5716acabc995ac
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2025-11-20
# verdict: compatible (up to cpu); verl 0.6.1 with the SGLang its extra names
# why: The sglang extra of verl 0.6.1 pins sglang 0.5.5, which brings torch 2.8.0.
# evidence: no GPU yet; rungs gpu and train are untested
# shellcheck shell=sh disable=SC3045  # every sh of Linux has ulimit -n and -H
# Source it: . ./env.sh On every node, before Ray is started: workers inherit what the shell had
# that started Ray, not what the driver has.

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
