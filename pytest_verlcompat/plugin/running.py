"""Handles to what keeps running for a test: an engine, a Ray cluster."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.plugin.work import PARTS, Worker, working
from pytest_verlcompat.process.gpu_lease import Lack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_verlcompat.plugin.session_state import SessionState
    from pytest_verlcompat.plugin.stack import VerlStack
    from pytest_verlcompat.plugin.tiny import TinyModel, TinyQwen3

ENGINES = ("vllm", "sglang")
_KEYS = ("numpy", "ray", "tensordict", "torch", "transformers", "uvloop", "verl", "vllm", "sglang")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What an engine answered to one prompt."""

    tokens: tuple[int, ...]
    """Token ids, without those of the prompt."""
    logprobs: tuple[float, ...]
    """Log-probability of each, natural, after temperature."""


class Engine:
    """vLLM or SGLang over a tiny model, in a process of the environment under test."""

    def __init__(self, worker: Worker, *, name: str, version: str, model: TinyModel) -> None:
        self._worker = worker
        self.name = name
        """``vllm`` or ``sglang``."""
        self.version = version
        self.model = model
        """What it runs."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        tokens: int = 16,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        """Return one completion of *tokens* tokens a prompt; end-of-text is ignored.

        Args:
            prompts: Token ids, each below 320.
            temperature: 0 takes the likeliest token.

        Raises:
            StackError: If the engine fails or takes longer than ``deadline_s``.
        """
        __tracebackhide__ = True
        answers = self._worker.call(
            "generate",
            prompts=[list(each) for each in prompts],
            tokens=tokens,
            temperature=temperature,
            seed=seed,
        )
        return [Completion(tokens=tuple(ids), logprobs=tuple(chances)) for ids, chances in answers]


class RayCluster:
    """A Ray of this machine that joins no other and is gone after the test."""

    def __init__(self, worker: Worker, *, about: dict[str, Any]) -> None:
        self._worker = worker
        self.address: str = about["address"]
        """``host:port`` for ``ray.init(address=...)`` in a process of the same environment."""
        self.executable: str = about["worker"]["executable"]
        """The interpreter a worker runs, checked to be the driver's."""
        self.versions: dict[str, str] = about["worker"]["versions"]
        """Version by distribution as a worker sees them, checked to be the driver's."""

    def call(
        self,
        file: str | os.PathLike[str],
        function: str,
        *arguments: Any,  # noqa: ANN401 -- JSON values
        timeout_s: float = 120.0,
    ) -> Any:  # noqa: ANN401 -- the same
        """Return what *function* of the Python *file* returns as a task of a worker.

        Arguments and result are JSON values. The driver imports the file, workers do not.

        Raises:
            StackError: If it raises or takes longer than *timeout_s*.
        """
        __tracebackhide__ = True
        return self._worker.call(
            "call",
            file=os.path.abspath(file),  # noqa: PTH100 -- links stay as they are
            function=function,
            arguments=list(arguments),
            timeout_s=timeout_s + 10.0,
            limit_s=timeout_s,
        )


@contextlib.contextmanager
def running_engine(state: SessionState, stack: VerlStack, models: TinyQwen3) -> Iterator[Engine]:
    """Keep the installed engine running on a GPU of its own; skip where there is none."""
    __tracebackhide__ = True
    name = next((each for each in ENGINES if each in stack.versions), None)
    if name is None:
        pytest.skip(f"needs {' or '.join(ENGINES)} (not installed)")
    deadline_s = state.configuration.deadline_s
    with state.devices.borrow(1) as lease:
        if isinstance(lease, Lack):
            pytest.skip(f"needs {lease.text}")
        devices = lease.visible_devices
        model = models()
        with working(stack, "engine", deadline_s=deadline_s, devices=devices) as worker:
            about = worker.call("start", parts=PARTS, name=name, folder=os.fspath(model))
            yield Engine(worker, name=name, version=about["version"], model=model)


@contextlib.contextmanager
def running_ray(
    state: SessionState, stack: VerlStack, *, folder: Path, cpus: int = 2
) -> Iterator[RayCluster]:
    """Keep a Ray of *cpus* CPUs running whose sockets lie in *folder*."""
    __tracebackhide__ = True
    stack.require("ray")
    names = [each for each in _KEYS if each in stack.versions]
    with working(stack, "ray_cluster", deadline_s=state.configuration.deadline_s) as worker:
        about = worker.call("start", parts=PARTS, folder=str(folder), cpus=cpus, names=names)
        yield RayCluster(worker, about=about)
