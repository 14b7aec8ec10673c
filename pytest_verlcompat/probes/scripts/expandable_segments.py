"""Establish how vLLM's sleep mode and torch's expandable segments get on in this stack.

vLLM gives its memory back through a pool of its own, which torch's expandable segments do not
work with. What it does about that has changed: it refused, then switched the segments off
around the pool in a way that resets every other option of the allocator, then kept the options.
The installed source tells which (``read_era``), and three runs tell whether it is so: without a
setting, with it in ``PYTORCH_CUDA_ALLOC_CONF`` beside another option, and with it in the newer
``PYTORCH_ALLOC_CONF``. Each starts an engine with sleep mode, generates, sleeps, wakes and
generates again.

Passed: every run gives memory back, repeats its tokens and keeps the other option. Conditional:
the run without a setting does; the setting to have is said. Failed: it does not.

Source: vllm/device_allocator/cumem.py of 0.20.0, 0.20.2, 0.30.0, 0.31.0 and 0.33.0, read
2026-11-20; pytorch/pytorch#147851.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

TITLE = "sleep mode works under expandable segments, or the setting to have is known"
RUNG = "gpu"
DISTRIBUTIONS = ("vllm", "torch", "transformers")
GPUS = 1
TIMEOUT_S = 420.0

NAME = "expandable_segments"
OPTION_MIB = 128
OLD, NEW = "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"
CASES: dict[str, dict[str, str | None]] = {
    "unset": {OLD: None, NEW: None},
    f"{OLD} with another option": {
        OLD: f"{NAME}:True,max_split_size_mb:{OPTION_MIB}",
        NEW: None,
    },
    NEW: {OLD: None, NEW: f"{NAME}:True"},
}
TRIAL_TIMEOUT_S = 100.0
REFUSES = "refuses"
RESETS = "switches off around the pool, resetting other options"
KEEPS = "switches off around the pool, keeping other options"
UNAWARE = "does not look"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the era that the source tells, what each run did, and the setting to have."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    tiny, engines, trial = (_sibling(n) for n in ("_tiny_model", "_engines", "_vllm_trial"))
    device = _sibling("_device")
    facts["era"] = read_era(_source())
    tiny.write_model(scratch / "model")
    share = device.engine_share(engines.POOL_GIB)
    engine = engines.vllm_settings(scratch / "model", share=share, enable_sleep_mode=True)
    facts["cases"] = cases = {}
    for number, (case, environ) in enumerate(CASES.items()):
        cases[case] = trial.try_once(
            scratch / f"case{number}",
            engine,
            environ=environ,
            timeout_s=TRIAL_TIMEOUT_S,
            sleep=True,
        )
    condition = conclude(facts["era"], cases)
    return {**facts, "condition": condition} if condition else dict(facts)


def _source() -> str:
    """Return the source of vLLM's allocator, without importing vLLM."""
    spec = importlib.util.find_spec("vllm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'vllm'", name="vllm")
    path = Path(spec.origin).parent / "device_allocator" / "cumem.py"
    return path.read_text(encoding="utf-8")


def read_era(source: str) -> str:
    """Return what the allocator in *source* does about expandable segments.

    An assertion that names them refuses; a call whose whole argument is the literal that turns
    them off resets the rest; a call that is given a rewritten configuration keeps it.
    """
    found = UNAWARE
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert) and NAME in ast.unparse(node.test):
            return REFUSES
        if not isinstance(node, ast.Call) or NAME not in ast.unparse(node).lower():
            continue
        function = ast.unparse(node.func).lower()
        if not any(word in function for word in ("set_allocator", "set_alloc")):
            continue
        literal = any(isinstance(argument, ast.Constant) for argument in node.args)
        if literal:
            return RESETS
        found = KEEPS
    return found


def conclude(era: str, cases: dict[str, dict[str, Any]]) -> str | None:
    """Return the condition under which the stack works, or None if under every setting.

    Raises:
        AssertionError: If it does not work without a setting either.
    """
    troubles = {case: trouble for case, found in cases.items() if (trouble := describe(found))}
    leaves = {case: how for case, found in cases.items() if (how := found.get("left_by"))}
    if "unset" in troubles:
        raise AssertionError(f"without any setting: {troubles['unset']}")
    mixed = f"{OLD} with another option"
    kept = (cases[mixed].get("allocator") or {}).get("max_split_size")
    if mixed not in troubles and kept is not None and kept != OPTION_MIB << 20:
        troubles[mixed] = (
            f"max_split_size_mb:{OPTION_MIB} became {kept >> 20 if kept > 0 else kept}"
        )
    left = (
        f"the engine's process is ended by {leaves['unset']} as it leaves, after its work; end it "
        "from outside, as Ray ends verl's workers, or by os._exit"
        if "unset" in leaves
        else None
    )
    if not troubles:
        return left
    works = [case for case in cases if case not in troubles]
    said = "; ".join(f"{case}: {trouble}" for case, trouble in troubles.items())
    told = f"vLLM's allocator {era}; works with {', '.join(works)}; not with {said}"
    return f"{told}. {left[0].upper()}{left[1:]}" if left else told


def describe(found: dict[str, Any]) -> str | None:
    """Return what went wrong in one run, or None."""
    if "error" in found:
        return f"{found['error']} (step {found['step']})"
    if found.get("released_mib", 0) <= 0:
        return f"sleep gave {found.get('released_mib')} MiB back"
    if not found.get("same_tokens"):
        return "other tokens after waking"
    return None


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
