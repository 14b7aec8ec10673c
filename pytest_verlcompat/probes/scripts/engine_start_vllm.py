"""Establish that vLLM's engines start, stream, abort and leave the GPU as they found it.

With a Qwen3 of random weights and a tokenizer made in code: ``LLM``, then ``AsyncLLM`` in an
event loop of asyncio's and in one of uvloop's, each with its engine in a process of its own, as
verl's rollout server has it. ``AsyncLLM`` streams an answer, aborts a long one after its first
tokens, and answers again.

Passed: all give the same tokens for one greedy prompt, more than one piece is streamed, the
aborted answer stops short, and after each engine no process is left and the GPU's memory is
back. Conditional: only under uvloop's loop does an engine fail.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

TITLE = "vLLM's LLM and AsyncLLM start, stream, abort and give the GPU back"
RUNG = "gpu"
DISTRIBUTIONS = ("vllm", "torch", "transformers")
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
    # A second engine in one process must not fork what the first left in it.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    engines, device = _sibling("_engines"), _sibling("_device")
    folder = _sibling("_tiny_model").write_model(Path(request["scratch"]) / "model")
    settings = engines.vllm_settings(folder, share=device.engine_share(engines.POOL_GIB))
    facts["engines"] = results = {}
    results["LLM"] = _offline(settings, device)
    wanted = results["LLM"]["tokens"]
    for loop in ("asyncio", "uvloop"):
        label = f"AsyncLLM under {loop}"
        results[label] = found = {"step": "start"}
        try:
            _run(loop, _online(settings, found))
        except Exception as error:
            if loop == "asyncio":
                raise
            found["error"] = f"{type(error).__name__}: {str(error)[:300]} (step {found['step']})"
        gc.collect()
        found["left_processes"] = _sibling("_process").wait_for_children()
        found["memory"] = device.wait_for_release(results["LLM"]["memory"]["before_mib"])
    condition = conclude(results, wanted)
    return {**facts, "condition": condition} if condition else dict(facts)


def conclude(results: dict[str, dict[str, Any]], wanted: list[int]) -> str | None:
    """Return the condition that the *results* impose, or None.

    Raises:
        AssertionError: If an engine broke its promise.
    """
    failing = {label: found["error"] for label, found in results.items() if "error" in found}
    for label, found in results.items():
        if label in failing:
            continue
        if found["tokens"] != wanted:
            raise AssertionError(f"{label} gave {found['tokens'][:8]}, LLM {wanted[:8]}")
        if found.get("pieces", 2) < 2:  # noqa: PLR2004  a stream has more than one
            raise AssertionError(f"{label} streamed {found['pieces']} pieces")
        if found.get("aborted_tokens", 0) >= LONG_TOKENS:
            raise AssertionError(f"{label} went on after the abort to {found['aborted_tokens']}")
        if found["left_processes"]:
            raise AssertionError(f"{label} left {found['left_processes']}")
        if found["memory"]["given_back"] is False:
            raise AssertionError(f"{label} kept memory: {found['memory']}")
    if failing:
        said = "; ".join(f"{label}: {error}" for label, error in failing.items())
        return f"use asyncio's event loop ({said})"
    return None


def _run(loop: str, work: Coroutine[Any, Any, None]) -> None:
    """Run *work* in a new event loop of that kind, in this thread."""
    maker = asyncio if loop == "asyncio" else importlib.import_module("uvloop")
    new = maker.new_event_loop() if loop == "uvloop" else asyncio.SelectorEventLoop()
    asyncio.set_event_loop(new)
    try:
        new.run_until_complete(work)
    finally:
        new.run_until_complete(new.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        new.close()


def _offline(settings: dict[str, Any], device: Any) -> dict[str, Any]:
    """Return what ``LLM`` did."""
    started = time.monotonic()
    from vllm import LLM, SamplingParams

    found: dict[str, Any] = {"import_s": round(time.monotonic() - started, 3)}
    before = device.used_mib()
    started = time.monotonic()
    llm = LLM(**settings)
    found["start_s"] = round(time.monotonic() - started, 3)
    parameters = SamplingParams(temperature=0.0, max_tokens=TOKENS, ignore_eos=True)
    # Alone: other numbers of prompts take other kernels, which round otherwise.
    outputs = llm.generate([{"prompt_token_ids": PROMPT}], parameters, use_tqdm=False)
    found["tokens"] = [int(token) for token in outputs[0].outputs[0].token_ids]
    started = time.monotonic()
    outputs = llm.generate([{"prompt_token_ids": PROMPT}] * 8, parameters, use_tqdm=False)
    found["tokens_per_s"] = round(8 * TOKENS / (time.monotonic() - started), 1)
    found["in_use_mib"] = device.used_mib()
    started = time.monotonic()
    llm.llm_engine.engine_core.shutdown()
    del llm, outputs
    gc.collect()
    found["shutdown_s"] = round(time.monotonic() - started, 3)
    found["left_processes"] = _sibling("_process").wait_for_children()
    found["memory"] = device.wait_for_release(before)
    return found


async def _online(settings: dict[str, Any], found: dict[str, Any]) -> None:
    """Start ``AsyncLLM``, stream, abort, answer again and shut it down; note it in *found*."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    started = time.monotonic()
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**settings))
    try:
        found["start_s"] = round(time.monotonic() - started, 3)
        found["step"] = "warm up"
        await asyncio.wait_for(_stream(engine, "warm", tokens=TOKENS, found={}), ANSWER_TIMEOUT_S)
        found["step"] = "stream"
        await asyncio.wait_for(
            _stream(engine, "first", tokens=TOKENS, found=found), ANSWER_TIMEOUT_S
        )
        found["step"] = "abort"
        await _abort(engine, found)
        found["step"] = "answer after the abort"
        again: dict[str, Any] = {}
        await asyncio.wait_for(
            _stream(engine, "again", tokens=TOKENS, found=again), ANSWER_TIMEOUT_S
        )
        if again["tokens"] != found["tokens"]:
            raise AssertionError("the answer after an abort is another one")
        found["step"] = "shutdown"
    finally:
        started = time.monotonic()
        engine.shutdown()
        found["shutdown_s"] = round(time.monotonic() - started, 3)
    found["step"] = "done"


async def _stream(engine: Any, name: str, *, tokens: int, found: dict[str, Any]) -> None:
    """Put pieces, tokens and seconds to the first token of one streamed answer into *found*."""
    from vllm import SamplingParams

    parameters = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    started = time.monotonic()
    found["pieces"], found["tokens"] = 0, []
    async for output in engine.generate({"prompt_token_ids": PROMPT}, parameters, request_id=name):
        if not found["pieces"]:
            found["first_token_s"] = round(time.monotonic() - started, 4)
        found["pieces"] += 1
        if output.outputs[0].token_ids:
            found["tokens"] = [int(token) for token in output.outputs[0].token_ids]
        if "seen" in found:
            found["seen"].set()


async def _abort(engine: Any, found: dict[str, Any]) -> None:
    """Abort a long answer after its first piece, and note how it stopped."""
    long: dict[str, Any] = {"seen": asyncio.Event()}
    task = asyncio.ensure_future(_stream(engine, "long", tokens=LONG_TOKENS, found=long))
    await asyncio.wait_for(long["seen"].wait(), ANSWER_TIMEOUT_S)
    await engine.abort("long")
    done, _ = await asyncio.wait({task}, timeout=ABORT_TIMEOUT_S)
    found["abort_ends_stream"] = bool(done)
    if not done:
        # Releases differ in whether an abort from outside ends the stream of the one who reads.
        task.cancel()
        await asyncio.wait({task}, timeout=ABORT_TIMEOUT_S)
    found["aborted_tokens"] = len(long["tokens"])


def _sibling(name: str) -> Any:
    """Return the module in the file *name* beside this one, which is on no path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"no {name}.py beside this script")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
