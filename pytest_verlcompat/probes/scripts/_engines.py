"""Drive the installed engine, vLLM or SGLang, through one small set of calls.

vLLM runs in this process (``VLLM_ENABLE_V1_MULTIPROCESSING=0``), so that weights are put into
its model directly, as verl's rollout does in its worker; SGLang has processes of its own.
"""

from __future__ import annotations

import gc
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

POOL_GIB = 4.0
CACHE_TOKENS = 16384
LENGTH = 1024
"""Longest sequence, prompt included."""


def installed(versions: Any) -> str | None:
    """Return the engine to use: vLLM if it is installed, else SGLang, else None."""
    return next((name for name in ("vllm", "sglang") if name in versions), None)


def vllm_settings(folder: Path, *, share: float, **changed: Any) -> dict[str, Any]:
    """Return keywords of ``LLM`` and ``AsyncEngineArgs`` for a small engine."""
    return {
        "model": str(folder),
        "dtype": "bfloat16",
        "max_model_len": LENGTH,
        "max_num_seqs": 64,
        "gpu_memory_utilization": share,
        "enforce_eager": True,
        # The same prompt shall take the same way through the kernels every time.
        "enable_prefix_caching": False,
        "seed": 0,
        "disable_log_stats": True,
        **rollout_settings(read_source("vllm", "engine/arg_utils.py")),
        **changed,
    }


def rollout_settings(arguments: str) -> dict[str, Any]:
    """Return what verl's rollout sets beyond the defaults and a release knows.

    The rollout's own probabilities, temperature and all, are what training compares with; they
    also decide how vLLM samples.

    Args:
        arguments: Source of ``vllm/engine/arg_utils.py``.

    Source: logprobs_mode in verl/trainer/config/rollout/rollout.yaml of 0.9.1, read 2026-11-20.
    """
    return {"logprobs_mode": "processed_logprobs"} if "logprobs_mode" in arguments else {}


def read_source(module: str, path: str) -> str:
    """Return the source at *path* in the installed *module*, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
    return (Path(spec.origin).parent / path).read_text(encoding="utf-8")


def sglang_settings(folder: Path, **changed: Any) -> dict[str, Any]:
    """Return keywords of SGLang's ``Engine`` for a small engine."""
    return {
        "model_path": str(folder),
        "dtype": "bfloat16",
        "context_length": LENGTH,
        # A share of the whole device; what is taken is bounded by the tokens.
        "mem_fraction_static": 0.3,
        "max_total_tokens": CACHE_TOKENS,
        "max_running_requests": 64,
        "disable_cuda_graph": True,
        # The same prompt shall take the same way through the kernels every time.
        "disable_radix_cache": True,
        "random_seed": 0,
        "log_level": "info",
        **eager_settings(read_source("sglang", "srt/server_args.py")),
        **changed,
    }


def eager_settings(arguments: str) -> dict[str, Any]:
    """Return what else than ``disable_cuda_graph`` keeps a release from capturing graphs.

    Args:
        arguments: Source of ``sglang/srt/server_args.py``.
    """
    name = "disable_piecewise_cuda_graph"
    return {name: True} if name in arguments else {}


def start(name: str, folder: Path, *, share: float, sleep: bool = False) -> Any:
    """Return an engine of that *name* over the model in *folder*."""
    return (_Vllm if name == "vllm" else _Sglang)(folder, share=share, sleep=sleep)


class _Vllm:
    """vLLM's ``LLM`` with its engine in this process."""

    def __init__(self, folder: Path, *, share: float, sleep: bool) -> None:
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from vllm import LLM

        settings = vllm_settings(folder, share=share, enable_sleep_mode=sleep)
        self.llm = LLM(**settings)

    def generate(
        self, prompts: list[list[int]], *, tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[tuple[list[int], list[float]]]:
        """Return, per prompt, *tokens* token ids and their log-probabilities."""
        from vllm import SamplingParams

        parameters = [
            SamplingParams(
                temperature=temperature,
                max_tokens=tokens,
                ignore_eos=True,
                detokenize=False,
                logprobs=0,
                seed=None if temperature == 0.0 else seed + at,
            )
            for at in range(len(prompts))
        ]
        requests = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        found = []
        for answer in self.llm.generate(requests, parameters, use_tqdm=False):
            first = answer.outputs[0]
            ids = [int(token) for token in first.token_ids]
            chances = [
                float(row[token].logprob) for row, token in zip(first.logprobs, ids, strict=True)
            ]
            found.append((ids, chances))
        return found

    def update(self, weights: Iterable[tuple[str, Any]]) -> None:
        """Load *weights* of the checkpoint's names into the running model."""
        stored = [(name, tensor.detach()) for name, tensor in weights]
        self.llm.apply_model(lambda model: len(model.load_weights(iter(stored)) or ()))
        self.llm.reset_prefix_cache()

    def sleep(self, level: int) -> None:
        """Give memory back: the cache, and the weights to the host (1) or to nowhere (2)."""
        self.llm.sleep(level=level)

    def wake(self) -> None:
        """Take all memory again."""
        self.llm.wake_up()

    def close(self) -> None:
        """End the engine and free what it held in this process."""
        import torch

        core = getattr(self.llm.llm_engine, "engine_core", None)
        if core is not None:
            core.shutdown()
        del self.llm, core
        gc.collect()
        torch.cuda.empty_cache()


class _Sglang:
    """SGLang's ``Engine``."""

    def __init__(self, folder: Path, *, share: float, sleep: bool) -> None:  # noqa: ARG002  vLLM's
        import sglang

        self.engine = sglang.Engine(**sglang_settings(folder, enable_memory_saver=sleep))

    def generate(
        self, prompts: list[list[int]], *, tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[tuple[list[int], list[float]]]:
        """Return, per prompt, *tokens* token ids and their log-probabilities."""
        del seed  # SGLang draws from the engine's own generator
        parameters = {"temperature": temperature, "max_new_tokens": tokens, "ignore_eos": True}
        answers = self.engine.generate(
            input_ids=[list(prompt) for prompt in prompts],
            sampling_params=parameters,
            return_logprob=True,
        )
        found = []
        for answer in answers:
            rows = answer["meta_info"]["output_token_logprobs"]
            found.append(([int(row[1]) for row in rows], [float(row[0]) for row in rows]))
        return found

    def update(self, weights: Iterable[tuple[str, Any]]) -> None:
        """Load *weights* of the checkpoint's names into the running model."""
        named = [(name, tensor.detach().cuda()) for name, tensor in weights]
        self.engine.update_weights_from_tensor(named)

    def sleep(self, level: int) -> None:
        """Give the memory of cache and weights back; the weights are lost (*level* 2) or not."""
        if level == 1:
            self.engine.release_memory_occupation(tags=["kv_cache"])
        else:
            self.engine.release_memory_occupation()
        self._level = level

    def wake(self) -> None:
        """Take all memory again that the last sleep gave back."""
        tags = ["kv_cache"] if self._level == 1 else None
        self.engine.resume_memory_occupation(tags=tags)

    def close(self) -> None:
        """End the engine's processes."""
        self.engine.shutdown()
