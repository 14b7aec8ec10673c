"""Establish that SGLang's engine starts, streams, aborts and leaves the GPU as it found it.

With a Qwen3 of random weights and a tokenizer made in code, SGLang's ``Engine`` is started with
its memory saver, as verl starts it; it answers, streams, aborts a long answer after its first
pieces, and answers again. Its import makes uvloop's policy the process's: the loop that
results is a fact.

Passed: the answers to one greedy prompt agree, more than one piece is streamed, the aborted
answer stops short, and after the engine no process is left and the GPU's memory is back.
Conditional: the engine's processes start only with CUDA's runtime of the environment on
``LD_LIBRARY_PATH``, because the saver's library wants it there.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import time
from pathlib import Path
from typing import Any

TITLE = "SGLang's engine starts, streams, aborts and gives the GPU back"
RUNG = "gpu"
DISTRIBUTIONS = ("sglang", "torch", "transformers")
GPUS = 1
TIMEOUT_S = 420.0

PROMPT = list(range(40, 72))
TOKENS = 32
LONG_TOKENS = 768
ANSWER_TIMEOUT_S = 60.0
ABORT_TIMEOUT_S = 15.0


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return seconds to start and to the first token, tokens, and memory before and after."""
    facts = request["facts"]
    scratch = Path(request["scratch"])
    engines, device = _sibling("_engines"), _sibling("_device")
    folder = _sibling("_tiny_model").write_model(scratch / "model")
    condition = _prepare_path(scratch, request["versions"], facts)
    before = device.used_mib()
    started = time.monotonic()
    import sglang

    facts["import_s"] = round(time.monotonic() - started, 3)
    saver = "torch-memory-saver" in request["versions"]
    facts["step"] = "start"
    started = time.monotonic()
    engine = sglang.Engine(**engines.sglang_settings(folder, enable_memory_saver=saver))
    try:
        facts["start_s"] = round(time.monotonic() - started, 3)
        loop = engine.loop if hasattr(engine, "loop") else asyncio.get_event_loop()
        facts["loop"] = f"{type(loop).__module__}.{type(loop).__qualname__}"
        facts["in_use_mib"] = device.used_mib()
        _use(engine, loop, facts)
    finally:
        started = time.monotonic()
        engine.shutdown()
        facts["shutdown_s"] = round(time.monotonic() - started, 3)
    facts["step"] = "done"
    facts["left_processes"] = _sibling("_process").wait_for_children()
    facts["memory"] = device.wait_for_release(before)
    if facts["left_processes"]:
        raise AssertionError(f"left running: {facts['left_processes']}")
    if facts["memory"]["given_back"] is False:
        raise AssertionError(f"memory was kept: {facts['memory']}")
    return {**facts, "condition": condition} if condition else dict(facts)


def _prepare_path(scratch: Path, versions: Any, facts: dict[str, Any]) -> str | None:
    """Put on ``LD_LIBRARY_PATH`` what the memory saver's library lacks there; return what."""
    if "torch-memory-saver" not in versions:
        return None
    child = _sibling("_preload").start_child(scratch)
    facts["preload"] = {"missing": child.missing, "folders": child.folders}
    if not child.folders:
        return None
    os.environ["LD_LIBRARY_PATH"] = child.path
    return (
        f"put {':'.join(child.folders)} of the environment on LD_LIBRARY_PATH: "
        f"{child.library} needs {', '.join(child.missing)}"
    )


def _use(engine: Any, loop: Any, facts: dict[str, Any]) -> None:
    """Answer, stream, abort and answer again; note it in *facts*."""
    parameters = {"temperature": 0.0, "max_new_tokens": TOKENS, "ignore_eos": True}
    facts["step"] = "answer"
    # Alone: other numbers of prompts take other kernels, which round otherwise.
    facts["tokens"] = answer_ids(engine.generate(input_ids=PROMPT, sampling_params=parameters))
    started = time.monotonic()
    engine.generate(input_ids=[PROMPT] * 8, sampling_params=parameters)
    facts["tokens_per_s"] = round(8 * TOKENS / (time.monotonic() - started), 1)
    facts["step"] = "stream"
    found: dict[str, Any] = {}
    loop.run_until_complete(
        asyncio.wait_for(_stream(engine, "first", tokens=TOKENS, found=found), ANSWER_TIMEOUT_S)
    )
    facts["pieces"], facts["first_token_s"] = found["pieces"], found["first_token_s"]
    if found["pieces"] < 2:  # noqa: PLR2004  a stream has more than one
        raise AssertionError(f"streamed {found['pieces']} pieces")
    facts["step"] = "abort"
    loop.run_until_complete(_abort(engine, facts))
    if facts["aborted_tokens"] >= LONG_TOKENS:
        raise AssertionError(f"went on after the abort to {facts['aborted_tokens']} tokens")
    facts["step"] = "answer after the abort"
    again = engine.generate(input_ids=PROMPT, sampling_params=parameters)
    if answer_ids(again) != facts["tokens"]:
        raise AssertionError(f"gave {answer_ids(again)[:8]}, before {facts['tokens'][:8]}")
    facts["step"] = "shutdown"


def answer_ids(answer: dict[str, Any]) -> list[int]:
    """Return the token ids of an answer: in it since 0.4.9, before in its details."""
    ids = answer.get("output_ids") or answer.get("meta_info", {}).get("output_ids") or []
    return [int(token) for token in ids]


async def _stream(engine: Any, name: str, *, tokens: int, found: dict[str, Any]) -> None:
    """Put pieces, tokens and seconds to the first token of one streamed answer into *found*."""
    parameters = {"temperature": 0.0, "max_new_tokens": tokens, "ignore_eos": True}
    started = time.monotonic()
    found["pieces"], found["count"] = 0, 0
    pieces = await engine.async_generate(input_ids=PROMPT, sampling_params=parameters, stream=True)
    async for piece in pieces:
        if not found["pieces"]:
            found["first_token_s"] = round(time.monotonic() - started, 4)
        found["pieces"] += 1
        found["count"] = piece["meta_info"]["completion_tokens"]
        found["id"] = piece["meta_info"].get("id", name)
        if "seen" in found:
            found["seen"].set()


async def _abort(engine: Any, facts: dict[str, Any]) -> None:
    """Abort a long answer after its first piece, and note how it stopped."""
    long: dict[str, Any] = {"seen": asyncio.Event()}
    task = asyncio.ensure_future(_stream(engine, "long", tokens=LONG_TOKENS, found=long))
    await asyncio.wait_for(long["seen"].wait(), ANSWER_TIMEOUT_S)
    engine.tokenizer_manager.abort_request(rid=long["id"])
    done, _ = await asyncio.wait({task}, timeout=ABORT_TIMEOUT_S)
    facts["abort_ends_stream"] = bool(done)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=ABORT_TIMEOUT_S)
    facts["aborted_tokens"] = long["count"]


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
