"""Establish what vLLM's switches of engine and attention do in this release.

``VLLM_USE_V1`` is known to some releases only (read from the installed ``vllm/envs.py``); where
it is, an engine is started with it unset, 1 and 0. ``VLLM_ATTENTION_BACKEND``, or the keyword
``attention_backend`` where the variable is gone, is then set to each of the usual names. Where
the size of the cache can be said in bytes, so that no engine measures the GPU's memory, and
that memory is large enough, the engines run side by side.

Passed: an engine starts and generates with nothing set. Conditional: ``VLLM_USE_V1=1``
does not do the same; ``0`` may fail (the old engine is gone from 0.11) and is a fact, and so is
each attention backend, with the error it gave. Failed: nothing set, and no engine.
"""

from __future__ import annotations

import ast
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TITLE = "vLLM's switches of engine and attention do what this release says"
RUNG = "gpu"
DISTRIBUTIONS = ("vllm", "torch", "transformers")
GPUS = 1
TIMEOUT_S = 480.0

SWITCH = "VLLM_USE_V1"
BACKEND = "VLLM_ATTENTION_BACKEND"
BACKENDS = ("FLASH_ATTN", "TRITON_ATTN", "FLASHINFER")
TRIAL_TIMEOUT_S = 150.0
"""FlashInfer's attention is compiled at the first start: 75 s on 16 cores."""
CACHE_BYTES = 2 << 30
ENGINE_GIB = 8.0
"""What an engine with that cache takes at most: context, weights, cache and workspace."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return what each value of each switch did, with tokens, backend and error."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, engines, trial = (_sibling(n) for n in ("_tiny_model", "_engines", "_vllm_trial"))
    device = _sibling("_device")
    tiny.write_model(scratch / "model")
    engine = engines.vllm_settings(scratch / "model", share=device.engine_share(engines.POOL_GIB))
    known = known_variables(_read("envs.py"))
    arguments = _read("engine/arg_utils.py")
    facts["known"] = {name: name in known for name in (SWITCH, BACKEND)}
    cases = plan(known, arguments)
    together = count_together(len(cases), arguments, share=device.engine_share(ENGINE_GIB))
    facts["side_by_side"] = together
    if together > 1:
        engine["kv_cache_memory_bytes"] = CACHE_BYTES

    def attempt(numbered: tuple[int, str]) -> dict[str, Any]:
        number, case = numbered
        environ, changed = cases[case]
        found: dict[str, Any] = trial.try_once(
            scratch / f"case{number}",
            {**engine, **changed},
            environ=environ,
            timeout_s=TRIAL_TIMEOUT_S,
        )
        return found

    with ThreadPoolExecutor(together) as executor:
        facts["cases"] = dict(zip(cases, executor.map(attempt, enumerate(cases)), strict=True))
    condition = conclude(facts["cases"])
    return {**facts, "condition": condition} if condition else dict(facts)


def count_together(cases: int, arguments: str, *, share: float) -> int:
    """Return how many engines may run at a time.

    vLLM refuses to start where another process gives memory back while it measures its own,
    which it leaves where it is told the size of its cache.

    Args:
        arguments: Source of ``vllm/engine/arg_utils.py``.
        share: What one engine takes of the GPU's memory.
    """
    if "kv_cache_memory_bytes" not in arguments:
        return 1
    return max(1, min(cases, int(0.9 / share)))


def plan(
    known: set[str], arguments: str
) -> dict[str, tuple[dict[str, str | None], dict[str, Any]]]:
    """Return environment and engine keywords by case, for a release that knows those variables.

    Args:
        known: Names that ``vllm/envs.py`` declares.
        arguments: Source of ``vllm/engine/arg_utils.py``.
    """
    clear: dict[str, str | None] = {SWITCH: None, BACKEND: None}
    cases: dict[str, tuple[dict[str, str | None], dict[str, Any]]] = {"nothing set": (clear, {})}
    if SWITCH in known:
        cases |= {f"{SWITCH}={value}": ({**clear, SWITCH: value}, {}) for value in ("1", "0")}
    for name in BACKENDS:
        if BACKEND in known:
            cases[f"{BACKEND}={name}"] = ({**clear, BACKEND: name}, {})
        elif "attention_backend" in arguments:
            cases[f"attention_backend={name}"] = (clear, {"attention_backend": name})
    return cases


def known_variables(source: str) -> set[str]:
    """Return the string keys of all dictionaries in the source of ``vllm/envs.py``."""
    return {
        key.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def conclude(cases: dict[str, dict[str, Any]]) -> str | None:
    """Return the condition that the switch of engines imposes, or None.

    Raises:
        AssertionError: If the engine does not work with nothing set.
    """
    plain = cases["nothing set"]
    if "error" in plain:
        raise AssertionError(f"nothing set: {plain['error']} (step {plain['step']})")
    asked = cases.get(f"{SWITCH}=1")
    if asked is None:
        return None
    if "error" in asked:
        return f"leave {SWITCH} unset: with 1, {asked['error']} (step {asked['step']})"
    if asked.get("tokens") != plain.get("tokens"):
        return f"leave {SWITCH} unset: with 1 the same prompt gives other tokens"
    return None


def _read(path: str) -> str:
    """Return the source of a file of vLLM, without importing it."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'vllm'", name="vllm")
    return (Path(spec.origin).parent / path).read_text(encoding="utf-8")


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
