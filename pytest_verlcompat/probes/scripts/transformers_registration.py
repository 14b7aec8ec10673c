"""Establish that an engine registers its model configurations beside those of transformers.

transformers is imported first, then each installed engine (vLLM's ``AsyncLLM``, SGLang's
``hf_transformers_utils``); both call ``AutoConfig.register``, which refuses a name that
transformers has meanwhile taken for itself ("already used by a Transformers config"). Afterwards
Qwen2 and Qwen3 configurations must survive ``AutoConfig.for_model``, storing and loading.
Modules that register something and that the engine imports only on demand are imported last;
what one of them raises is a fact (``unusable``), for only its own models need it.
Skipped: an engine's import needs the NVIDIA driver library, which this host lacks.

Source: vllm-project/vllm#22178; seen here with vLLM 0.9.2, which registers ``aimv2``, beside
transformers 4.55.0, which has its own (2026-11-20). vLLM 0.8.5.post1 registers nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "the engine registers its configurations beside transformers' own"
RUNG = "cpu"
DISTRIBUTIONS = ("transformers",)
GPUS = 0
TIMEOUT_S = 300.0

FAMILIES = ("qwen2", "qwen3")
ENGINE_MODULES = {
    "vllm": ("vllm.transformers_utils.config", "vllm.v1.engine.async_llm"),
    # Older releases keep it directly below srt.
    "sglang": ("sglang.srt.utils.hf_transformers_utils", "sglang.srt.hf_transformers_utils"),
}
DRIVER_LIBRARY = "libcuda.so.1"


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return how many configurations transformers and each engine registered, and seconds."""
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    facts = request["facts"]
    engines = [engine for engine in ENGINE_MODULES if engine in request["versions"]]
    facts.update(engines=engines, modules_s={}, unusable={})
    facts["registered"] = {"transformers": len(list(CONFIG_MAPPING.keys()))}
    lacks: list[str] = []
    for engine in engines:
        before = len(list(CONFIG_MAPPING.keys()))
        try:
            _import_engine(engine, facts["modules_s"])
        except ImportError as error:
            if DRIVER_LIBRARY not in str(error):
                raise
            lacks.append(f"{DRIVER_LIBRARY} (NVIDIA driver library), for {engine}")
        else:
            for name in _registering_modules(engine):
                _import_on_demand(name, facts["unusable"])
        facts["registered"][engine] = len(list(CONFIG_MAPPING.keys())) - before
    facts["families"] = [
        family for family in FAMILIES if _round_trip(AutoConfig, family, Path(request["scratch"]))
    ]
    return {**facts, "lacks": lacks} if lacks else dict(facts)


def _import_engine(engine: str, seconds: dict[str, float]) -> None:
    """Import those registering modules of *engine* that its release has."""
    found = False
    for name in ENGINE_MODULES[engine]:
        if _has_module(name):
            found = True
            started = time.monotonic()
            importlib.import_module(name)
            seconds[name] = round(time.monotonic() - started, 3)
    if not found:
        raise ImportError(f"{engine} has none of {', '.join(ENGINE_MODULES[engine])}")


def _has_module(name: str) -> bool:
    """Return whether module *name* has a source file, without importing its parents."""
    top, *rest = name.split(".")
    path = _folder(top).joinpath(*rest)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _folder(top: str) -> Path:
    """Return the folder of the installed top-level package *top*, without importing it."""
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    return Path(spec.origin).parent


def _registering_modules(engine: str) -> Iterator[str]:
    """Yield the modules of *engine*'s configurations whose source calls AutoConfig.register."""
    root = _folder(engine)
    for path in sorted(root.glob("**/configs/*.py")):
        if "AutoConfig.register(" in path.read_text(encoding="utf-8"):
            yield ".".join([engine, *path.relative_to(root).with_suffix("").parts])


def _import_on_demand(name: str, unusable: dict[str, str]) -> None:
    """Import *name*; note in *unusable* the first line of what that raises."""
    try:
        importlib.import_module(name)
    except Exception as error:
        unusable[name] = f"{type(error).__name__}: {error}".splitlines()[0]


def _round_trip(auto: Any, family: str, scratch: Path) -> bool:
    """Return whether transformers knows *family*; raise unless a configuration survives."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if family not in CONFIG_MAPPING:
        return False
    sent = auto.for_model(family, hidden_size=64, num_hidden_layers=2, vocab_size=64)
    sent.save_pretrained(scratch / family)
    received = auto.from_pretrained(scratch / family)
    if type(received) is not type(sent):
        raise AssertionError(f"{family} came back as {type(received).__name__}")
    for name in ("model_type", "hidden_size", "num_hidden_layers", "vocab_size"):
        if getattr(received, name) != getattr(sent, name):
            raise AssertionError(f"{family}.{name} came back as {getattr(received, name)}")
    return True
