"""Start vLLM once with given settings and note how far it comes.

A program of its own, because what is tried is read when torch and vLLM are imported: called as
``python _vllm_trial.py SETTINGS ANSWER``, both JSON files. The answer names the step reached, so
that a crash tells where.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

PROMPT = list(range(40, 72))
TOKENS = 16


def main(settings_file: str, answer_file: str) -> int:
    """Return 0 if every step was done; the answer file tells in any case."""
    settings = json.loads(Path(settings_file).read_text(encoding="utf-8"))
    answer: dict[str, Any] = {"step": "import", "seconds": {}}
    note = Path(answer_file)
    _write(note, answer)
    try:
        _act(settings, answer, note)
    except BaseException as error:  # an exit of vLLM's is an answer too
        lines = str(error).strip().splitlines() or [""]
        answer["error"] = f"{type(error).__name__}: {lines[0][:400]}"
        _write(note, answer)
        raise
    answer["step"] = "done"
    _write(note, answer)
    return 0


def _write(note: Path, answer: dict[str, Any]) -> None:
    aside = note.with_suffix(".new")
    aside.write_text(json.dumps(answer), encoding="utf-8")
    aside.replace(note)


def _act(settings: dict[str, Any], answer: dict[str, Any], note: Path) -> None:
    """Do the steps that *settings* ask for."""
    started = time.monotonic()

    def step(name: str) -> None:
        nonlocal started
        now = time.monotonic()
        answer["seconds"][answer["step"]] = round(now - started, 3)
        answer["step"], started = name, now
        _write(note, answer)

    from vllm import LLM, SamplingParams

    step("start")
    llm = LLM(**settings["engine"])
    answer["attention_backend"] = _attention_backend(llm)
    step("generate")
    parameters = SamplingParams(temperature=0.0, max_tokens=TOKENS, ignore_eos=True)

    def generate() -> list[int]:
        found = llm.generate([{"prompt_token_ids": PROMPT}], parameters, use_tqdm=False)
        return [int(token) for token in found[0].outputs[0].token_ids]

    answer["tokens"] = generate()
    if settings.get("sleep"):
        import torch

        answer["allocator"] = _allocator()
        step("sleep")
        before = torch.cuda.mem_get_info()[0]
        llm.sleep(level=1)
        answer["released_mib"] = (torch.cuda.mem_get_info()[0] - before) >> 20
        step("wake")
        llm.wake_up()
        step("generate again")
        answer["same_tokens"] = generate() == answer["tokens"]
        answer["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
    step("close")
    llm.llm_engine.engine_core.shutdown()


def _allocator() -> dict[str, Any]:
    """Return the settings that torch's allocator follows now."""
    import torch

    found = torch.cuda.memory._snapshot().get("allocator_settings") or {}  # noqa: SLF001  no other
    return {
        key: value for key, value in found.items() if isinstance(value, (bool, int, float, str))
    }


def _attention_backend(llm: Any) -> str | None:
    """Return the name of the attention backend that the model's layers use, if it can be seen."""
    config = getattr(llm.llm_engine, "vllm_config", None)
    layers = getattr(getattr(config, "compilation_config", None), "static_forward_context", {})
    for layer in layers.values():
        backend = getattr(layer, "attn_backend", None)
        if backend is not None:
            return str(backend.get_name() if hasattr(backend, "get_name") else backend)
    return None


def try_once(
    folder: Path,
    engine: dict[str, Any],
    *,
    environ: dict[str, str | None],
    timeout_s: float,
    sleep: bool = False,
) -> dict[str, Any]:
    """Return the answer of one trial in a process of its own, with how that ended."""
    process = _sibling("_process")
    folder.mkdir(parents=True)
    settings, answer = folder / "settings.json", folder / "answer.json"
    settings.write_text(json.dumps({"engine": engine, "sleep": sleep}), encoding="utf-8")
    finished = process.run(
        process.python(__file__, str(settings), str(answer)),
        cwd=folder,
        timeout_s=timeout_s,
        environ={"VLLM_ENABLE_V1_MULTIPROCESSING": "0", **environ},
    )
    found: dict[str, Any] = {"step": "not started"}
    if answer.is_file():
        found = json.loads(answer.read_text(encoding="utf-8"))
    found["wall_s"] = finished.seconds
    if finished.status is None:
        found["error"] = f"still at step {found['step']!r} after {timeout_s:.0f} s"
    elif finished.status < 0 and found["step"] == "done":
        found["left_by"] = signal.Signals(-finished.status).name
    elif finished.status and "error" not in found:
        found["error"] = f"exit status {finished.status} at step {found['step']!r}"
    return found


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
