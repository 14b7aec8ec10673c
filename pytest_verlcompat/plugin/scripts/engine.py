"""Keep the installed engine running over a tiny model, and answer prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_STATE: dict[str, Any] = {}


def start(parts: str, name: str, folder: str) -> dict[str, Any]:
    """Start the engine of that *name*; return its version."""
    import importlib.metadata

    from __main__ import load_part

    engines, device = load_part(parts, "_engines"), load_part(parts, "_device")
    share = device.engine_share(engines.POOL_GIB)
    _STATE["engine"] = engines.start(name, Path(folder), share=share)
    return {"version": importlib.metadata.version(name)}


def generate(
    prompts: list[list[int]], *, tokens: int, temperature: float, seed: int
) -> list[tuple[list[int], list[float]]]:
    """Return, per prompt, token ids and their log-probabilities."""
    found: list[tuple[list[int], list[float]]] = _STATE["engine"].generate(
        prompts, tokens=tokens, temperature=temperature, seed=seed
    )
    return found


def close() -> None:
    """End the engine and free what it held."""
    if "engine" in _STATE:
        _STATE.pop("engine").close()
