"""Establish that LoRA and PiSSA adapters start as verl makes them: the output does not change.

A Qwen3 of random weights gets an adapter through the keywords that the installed verl passes to
peft's ``LoraConfig`` (read from its source): the plain initialisation, then PiSSA, exact and by
a fast SVD, for which verl has no keyword: one makes that adapter beforehand and names it in
``lora_adapter_path``, so it is saved and loaded as verl does.

Passed: with each adapter the model's output is that of the base model, only adapter weights are
trained, one step of AdamW changes the output, and PiSSA's adapter, saved and loaded onto the
residual weights, gives the same output again. Seconds of each initialisation are facts.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import time
from pathlib import Path
from typing import Any

TITLE = "LoRA and PiSSA adapters start without changing the model, as verl calls peft"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "torch", "transformers", "peft")
GPUS = 0
TIMEOUT_S = 240.0

SOURCES = ("workers/fsdp_workers.py", "workers/engine/fsdp/transformer_impl.py")
RANK = 8
TOLERANCE = 2e-3
"""Largest difference of a logit, ``float32``; logits are of order 10."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return verl's keywords, seconds, trained parameters and differences per initialisation."""
    import torch

    facts = request["facts"]
    torch.set_num_threads(1)
    tiny = _sibling("_tiny_model")
    keywords = _read_keywords(facts)
    facts["initialisations"] = {}
    tokens = torch.arange(48).view(2, 24)
    for name in (True, "pissa", "pissa_niter_4"):
        model = tiny.make_model(dtype="float32")
        with torch.no_grad():
            before = model(input_ids=tokens).logits
        label = "default" if name is True else str(name)
        facts["initialisations"][label] = _adapt(
            model, tokens, before=before, keywords={**keywords, "init_lora_weights": name}
        )
    facts["reloaded_difference"] = _reload(
        tiny, tokens, keywords=keywords, scratch=Path(request["scratch"])
    )
    return dict(facts)


def _read_keywords(facts: dict[str, Any]) -> dict[str, Any]:
    """Return keywords for LoraConfig: the names that verl's source passes, our values."""
    from peft import TaskType

    spec = importlib.util.find_spec("verl")
    root = Path(str(spec and spec.origin)).parent
    names: list[str] = []
    for source in SOURCES:
        path = root / source
        if path.is_file():
            names = find_lora_keywords(path.read_text(encoding="utf-8")) or names
            facts["source"] = source if names else facts.get("source")
    facts["keywords"] = names
    if not names:
        raise AssertionError(f"no dictionary for LoraConfig in {' or '.join(SOURCES)}")
    values = {
        "task_type": TaskType.CAUSAL_LM,
        "r": RANK,
        "lora_alpha": 16,
        "target_modules": "all-linear",
        "target_parameters": None,
        "exclude_modules": None,
        "bias": "none",
    }
    unknown = sorted(set(names) - set(values))
    if unknown:
        facts["keywords_without_value"] = unknown
    return {name: values[name] for name in names if name in values}


def find_lora_keywords(source: str) -> list[str]:
    """Return the keys of the first ``lora_config = {...}`` in *source*."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Dict)
            and any(isinstance(t, ast.Name) and t.id == "lora_config" for t in node.targets)
        ):
            return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    return []


def _adapt(model: Any, tokens: Any, *, before: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return seconds and differences of one initialisation; raise where the output moved."""
    import torch
    from peft import LoraConfig, get_peft_model

    model.enable_input_require_grads()
    started = time.monotonic()
    model = get_peft_model(model, LoraConfig(**keywords))
    seconds = time.monotonic() - started
    with torch.no_grad():
        start = float((model(input_ids=tokens).logits - before).abs().max())
    trained = [name for name, item in model.named_parameters() if item.requires_grad]
    strangers = [name for name in trained if "lora_" not in name]
    if strangers:
        raise AssertionError(f"trained besides the adapter: {strangers[:3]}")
    if start > TOLERANCE:
        raise AssertionError(
            f"init_lora_weights={keywords['init_lora_weights']!r} moved a logit by {start:.2e}"
        )
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    with torch.no_grad():
        moved = float((model(input_ids=tokens).logits - before).abs().max())
    if moved <= TOLERANCE:
        raise AssertionError(f"a step of AdamW moved the logits by only {moved:.2e}")
    return {
        "seconds": round(seconds, 3),
        "adapters": len(trained) // 2,
        "start_difference": start,
        "difference_after_step": round(moved, 4),
    }


def _reload(tiny: Any, tokens: Any, *, keywords: dict[str, Any], scratch: Path) -> float:
    """Return the largest change of a logit when PiSSA's parts are stored and put together again."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    base = tiny.make_model(dtype="float32")
    model = get_peft_model(base, LoraConfig(**{**keywords, "init_lora_weights": "pissa"}))
    with torch.no_grad():
        before = model(input_ids=tokens).logits
    # The stored configuration must not start PiSSA again over the residual weights.
    model.peft_config["default"].init_lora_weights = True
    model.save_pretrained(scratch / "adapter")
    model.unload().save_pretrained(scratch / "residual")
    residual = AutoModelForCausalLM.from_pretrained(scratch / "residual")
    loaded = PeftModel.from_pretrained(residual, scratch / "adapter", is_trainable=True)
    with torch.no_grad():
        difference = float((loaded(input_ids=tokens).logits - before).abs().max())
    if difference > TOLERANCE:
        raise AssertionError(f"PiSSA's stored adapter moved a logit by {difference:.2e}")
    return difference


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
