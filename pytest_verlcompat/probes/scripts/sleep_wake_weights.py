"""Establish that the rollout engine sleeps, wakes and takes new weights, as training asks of it.

The installed engine runs a Qwen3 of random weights with sleep mode. It sleeps at level 1 and
wakes; gets other weights; sleeps at level 2, wakes and gets the first weights again. At every
turn its greedy answers are compared with a torch forward (bf16) of the weights it should have.

Passed: each sleep gives memory back, waking from level 1 leaves the answers as they were, new
weights make them what torch says, and after level 2 nothing of the weights before is left.
"What torch says": along the engine's own answer, each token's logit is within
``TOLERANCE`` of torch's largest one. SGLang keeps its weights through its level 1 here: it
releases its cache alone. Conditional: all of that, and then the engine's process, which is one of
its own here, is ended by a signal while it leaves.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

TITLE = "the engine sleeps, wakes and takes new weights, and old ones do not come back"
RUNG = "gpu"
DISTRIBUTIONS = ("torch", "transformers", "tokenizers")
GPUS = 1
TIMEOUT_S = 360.0
ENGINE_TIMEOUT_S = 320.0

PROMPTS = [list(range(start, start + 24)) for start in (10, 60, 110, 160)]
TOKENS = 24
TOLERANCE = 0.25
"""Logits; bf16 forwards of this model differ by up to 0.1, its two largest logits by 0.7."""
ANSWER = "answer.json"
MOST = 0.9
"""Share of the tokens that must be torch's likeliest; the rest lie within the tolerance."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return memory given back, seconds of each step, and how answers compare with torch."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    engines, process = _sibling("_engines"), _sibling("_process")
    name = engines.installed(request["versions"])
    facts["engine"] = name
    if name is None:
        return {**facts, "lacks": ["vllm or sglang"]}
    if name == "sglang":
        if "torch-memory-saver" not in request["versions"]:
            return {**facts, "lacks": ["torch-memory-saver"]}
        child = _sibling("_preload").start_child(scratch)
        facts["preload_folders"] = child.folders
        if child.folders:
            os.environ["LD_LIBRARY_PATH"] = child.path
    finished = process.run(
        process.python(__file__, name, str(scratch)), cwd=scratch, timeout_s=ENGINE_TIMEOUT_S
    )
    answer = scratch / ANSWER
    found = json.loads(answer.read_text(encoding="utf-8")) if answer.is_file() else {}
    error = found.pop("error", None)
    facts.update(found)
    condition = conclude(finished.status, step=str(facts.get("step", "import")), error=error)
    return {**facts, "condition": condition} if condition else dict(facts)


def conclude(status: int | None, *, step: str, error: str | None) -> str | None:
    """Return the condition that an engine's process leaves with, or None if it left cleanly.

    Args:
        status: Exit status, negative for a signal; None where it was ended at its deadline.
        step: The last that it began; ``done`` once nothing was left to do.
        error: What it raised.

    Raises:
        AssertionError: If it did not do all of it, or ended with a status of its own.
    """
    if error is not None:
        raise AssertionError(error if error.startswith(step) else f"{step}: {error}")
    if status is None:
        raise AssertionError(f"still at step {step!r} after {ENGINE_TIMEOUT_S:.0f} s")
    if status < 0 and step == "done":
        return (
            f"the engine's process is ended by {signal.Signals(-status).name} as it leaves, after "
            "its work; end it from outside, as Ray ends verl's workers, or by os._exit"
        )
    if status != 0 or step != "done":
        raise AssertionError(f"exit status {status} at step {step!r}")
    return None


def main(name: str, folder: str) -> int:
    """Run the engine *name* in this process and leave what was found in the scratch folder."""
    scratch = Path(folder)
    facts: dict[str, Any] = {"seconds": {}, "answers": {}, "released_mib": {}}
    try:
        _run(name, scratch, facts)
    except BaseException as error:  # an exit of the engine's is an answer too
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        own = isinstance(error, AssertionError)
        facts["error"] = lines[0] if own else f"{type(error).__name__}: {lines[0]}"
    (scratch / ANSWER).write_text(json.dumps(facts), encoding="utf-8")
    return 1 if "error" in facts else 0


def _run(name: str, scratch: Path, facts: dict[str, Any]) -> None:
    tiny, engines, device = (_sibling(n) for n in ("_tiny_model", "_engines", "_device"))
    facts["step"] = "start"
    folder = tiny.write_model(scratch / "model", seed=0)
    models = {"first": tiny.make_model(seed=0), "other": tiny.make_model(seed=1)}
    before = device.used_mib()
    engine = engines.start(name, folder, share=device.engine_share(engines.POOL_GIB), sleep=True)
    try:
        _act(engine, models, device=device, facts=facts)
    finally:
        engine.close()
    facts["left_processes"] = _sibling("_process").wait_for_children()
    if name == "sglang":
        # vLLM's pool is this process's and goes with it; the harness looks after that.
        facts["memory"] = device.wait_for_release(before, tolerance_mib=2048)
    facts["step"] = "done"


def _act(engine: Any, models: dict[str, Any], *, device: Any, facts: dict[str, Any]) -> None:
    """Go through the steps; every step notes its answer and compares it."""

    def timed(step: str, action: Any, *arguments: Any) -> None:
        facts["step"] = step
        started = time.monotonic()
        action(*arguments)
        facts["seconds"][step] = round(time.monotonic() - started, 3)

    def answer(step: str, model: str) -> list[list[int]]:
        facts["step"] = step
        tokens = [ids for ids, _ in engine.generate(PROMPTS, tokens=TOKENS)]
        agreed = compare(_gaps(models[model], tokens))
        facts["answers"][step] = agreed
        if not agreed["agrees"]:
            raise AssertionError(f"{step}: not what torch says of the {model} weights: {agreed}")
        return tokens

    def sleep(level: int) -> None:
        used = device.used_mib()
        timed(f"sleep {level}", engine.sleep, level)
        left = device.used_mib()
        if used is not None and left is not None:
            facts["released_mib"][str(level)] = used - left
            if used - left <= 0:
                raise AssertionError(f"sleep at level {level} gave {used - left} MiB back")

    first = answer("start", "first")
    sleep(1)
    timed("wake 1", engine.wake)
    if answer("after level 1", "first") != first:
        raise AssertionError("other answers after sleep at level 1")
    timed("update", engine.update, list(models["other"].named_parameters()))
    if answer("after the update", "other") == first:
        raise AssertionError("the new weights left the answers as they were")
    sleep(2)
    timed("wake 2", engine.wake)
    timed("update after level 2", engine.update, list(models["first"].named_parameters()))
    facts["repeats"] = answer("after level 2", "first") == first


def _gaps(model: Any, answers: list[list[int]]) -> list[float]:
    """Return by how much each answered token's logit is below torch's largest, on the GPU."""
    import torch

    model = model.cuda()
    rows = [prompt + ids for prompt, ids in zip(PROMPTS, answers, strict=True)]
    start = len(PROMPTS[0])
    with torch.no_grad():
        tokens = torch.tensor(rows, device="cuda")
        logits = model(input_ids=tokens, use_cache=False).logits[:, start - 1 : -1].float()
        chosen = logits.gather(-1, tokens[:, start:].unsqueeze(-1)).squeeze(-1)
        gaps: list[float] = (logits.max(dim=-1).values - chosen).flatten().tolist()
    model.cpu()
    return gaps


def compare(gaps: list[float]) -> dict[str, Any]:
    """Return whether tokens that far below the largest logit are the same model's choice."""
    likeliest = sum(gap <= 0.0 for gap in gaps) / len(gaps)
    return {
        "likeliest": round(likeliest, 4),
        "largest_gap": round(max(gaps), 4),
        "agrees": likeliest >= MOST and max(gaps) <= TOLERANCE,
    }


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
