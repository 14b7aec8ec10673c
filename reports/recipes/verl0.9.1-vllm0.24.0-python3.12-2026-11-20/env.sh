# written by: verlcompat recipe verl0.9.1-vllm0.24.0-python3.12-2026-11-20 --kind env
# lock: sha256 da76ceef1a706d1f085b6009457bfbd590573ae4cf535cd835c4f59a77e0cbb3
# made for: Python 3.12, x86_64-manylinux_2_35, as of 2026-11-20
# verdict: conditional (up to cpu); What verl 0.9.1 itself declares in its vllm extra
# condition: multi-turn data are tokenized otherwise than the whole conversation (sft, Qwen3-like,
# one call: token 329: '\n<|im_start|>assistant\nLet me see.\n' instead of
# '\n<|im_start|>assistant\n<think>\nA su'); supervised training goes on with
# data.ignore_input_ids_mismatch=True
# why: The extra pins vllm 0.24.0, torch 2.11.0 and transformers 5.9.0. What was tried works; the
# data set of the supervised trainer needs a setting with templates that drop reasoning from earlier
# turns.
# evidence: no GPU yet; rungs gpu and train are untested
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

# VC118: The limit of open files is too low. Cost: none; in the shell that starts Ray, on every
# node.
# No higher than the hard limit, which only root may raise.
verlcompat_files="$(ulimit -Hn)"
[ "$verlcompat_files" = unlimited ] && verlcompat_files=65535
[ "$verlcompat_files" -gt 65535 ] && verlcompat_files=65535
ulimit -n "$verlcompat_files" || true
unset verlcompat_files
