"""Carry tasks out on the nodes of a Ray cluster.

A task is a Ray task that starts the agent on its node and yields what that says. Ray is asked
to retry nothing: what was lost is known here, with what was recorded before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import importlib
import json
import os
import socket
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.errors import ExecutorError, ToolMissingError, UsageError
from pytest_verlcompat.execute import node_shell
from pytest_verlcompat.execute.protocol import (
    Event,
    Finished,
    Lost,
    Recorded,
    Refused,
    Said,
    Started,
    Task,
)
from pytest_verlcompat.execute.spec import parse_error, render_spec
from pytest_verlcompat.model.codec import parse_line
from pytest_verlcompat.process.redact import make_redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.execute.protocol import Needs
    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.resolve.lock import Lock

_NOWHERE = "every node"
_CANCEL_S = 20.0
_KNOCK_S = 10.0
_LOOK_S = 1.0
_CLOCKS_S = 5.0
"""Clocks that differ by less are taken for one."""


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One Ray task on its way."""

    task: Task
    where: str = "a node"
    ahead_s: float = 0.0
    """How far the clock of the node is ahead of ours, at the least."""
    submitted: float = field(default_factory=time.time)
    started: float | None = None


class RayExecutor:
    """A Ray cluster that exists already.

    Args:
        address: Of the cluster's head, ``host:6379``; or ``auto``.
        find_lock: Returns the lock of a cell.
        code: The agent, as a zip archive.
        folder: On each node, for environments and code.
        words: Further arguments of the agent.

    Raises:
        ToolMissingError: If Ray is not installed here.
        ExecutorError: If the cluster cannot be joined.
    """

    def __init__(
        self,
        *,
        address: str,
        find_lock: Callable[[Task], Lock],
        code: bytes,
        folder: str,
        words: Iterable[str] = (),
    ) -> None:
        self._ray = _join(address)
        self._find_lock = find_lock
        self._code = self._ray.put(code)
        self._settings = {"folder": folder, "words": list(words)}
        self._attempts: dict[Any, _Attempt] = {}
        self._homes: dict[str, str] = {}
        """Cell id to the node that has its environment."""
        self._lacks: dict[str, list[str]] = {}
        """Task id to what nodes said that they lack for it."""
        self._refused: list[Refused] = []
        self._run = self._ray.remote(_remote())
        self._nodes: list[dict[str, Any]] = []
        self._looked = float("-inf")
        self._seen: list[dict[str, float]] = []
        """What nodes had that were ever there."""

    def submit(self, task: Task) -> None:
        """Hand *task* to Ray, which starts it where its needs are met.

        Where no node is left that could, but one had been there, Ray waits for its successor.
        """
        self._look()
        nodes = {
            _label(node): node["NodeID"]
            for node in self._nodes
            if node["Alive"] and _has(node["Resources"], task.needs)
        }
        left = [label for label in nodes if label not in task.avoid]
        gone = not nodes and any(_has(each, task.needs) for each in self._seen)
        if not left and (task.avoid or not gone):
            lacks = self._lacks.get(task.id) or [_describe(task.needs)]
            self._refused.append(Refused(task=task, where=_NOWHERE, lacks=tuple(lacks)))
            return
        run = self._run.options(
            num_cpus=1,
            num_gpus=task.needs.gpus,
            memory=task.needs.memory_mib << 20,
            accelerator_type=task.needs.gpu_type,
            max_retries=0,
            num_returns="streaming",
            scheduling_strategy=self._strategy(task, nodes, left),
            name=task.id,
        )
        spec = render_spec(task, self._find_lock(task))
        self._attempts[run.remote(spec, self._code, self._settings)] = _Attempt(task=task)

    def _look(self) -> None:
        """Ask which nodes there are, if it is a while ago."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._nodes, self._looked = self._ray.nodes(), time.monotonic()
        for node in self._nodes:
            if node["Alive"] and node["Resources"] not in self._seen:
                self._seen.append(node["Resources"])

    def _strategy(self, task: Task, nodes: Mapping[str, str], left: Sequence[str]) -> Any:  # noqa: ANN401 -- of Ray
        """Return on which node Ray should start *task*: best where its environment is."""
        to_node = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        if task.avoid:
            busy = Counter(each.where for each in self._attempts.values())
            return to_node(node_id=nodes[min(left, key=busy.__getitem__)], soft=False)
        home = self._homes.get(task.cell.id, "")
        return "SPREAD" if home not in nodes else to_node(node_id=nodes[home], soft=True)

    def wait(self, tell: Callable[[Event], None], *, timeout_s: float) -> None:
        """Tell what the nodes said; return after the first messages, or when time is over."""
        while self._refused:
            tell(self._refused.pop())
            timeout_s = 0.0
        generators = list(self._attempts)
        if not generators:
            return
        ready, _ = self._ray.wait(generators, num_returns=1, timeout=timeout_s, fetch_local=False)
        more, _ = self._ray.wait(
            generators, num_returns=len(generators), timeout=0, fetch_local=False
        )
        for generator in dict.fromkeys((*ready, *more)):
            self._read(generator, tell)

    def cancel(self) -> None:
        """End what runs on the nodes, wait until it has ended, and leave the cluster."""
        if not self._ray.is_initialized():
            return
        with contextlib.suppress(self._ray.exceptions.RayError):  # the cluster may be gone
            for generator in self._attempts:
                self._ray.cancel(generator, force=False)
            until = time.monotonic() + _CANCEL_S
            while self._attempts and time.monotonic() < until:
                self.wait(lambda _: None, timeout_s=0.5)
        self._attempts.clear()
        self._ray.shutdown()  # what still runs ends with the job

    def _read(self, generator: Any, tell: Callable[[Event], None]) -> None:  # noqa: ANN401 -- of Ray
        """Tell one message of *generator*, or how it ended."""
        try:
            message = json.loads(self._ray.get(next(generator)))
        except StopIteration:
            self._lose(generator, "it ended without a word", tell)
        except self._ray.exceptions.RayError as error:
            self._lose(generator, _why(self._ray, error), tell)
        else:
            self._tell(generator, message, tell)

    def _lose(self, generator: Any, why: str, tell: Callable[[Event], None]) -> None:  # noqa: ANN401 -- of Ray
        # What a node says of its own accord was not redacted there.
        attempt = self._attempts.pop(generator)
        ran_s = 0.0 if attempt.started is None else time.monotonic() - attempt.started
        tell(Lost(task=attempt.task, why=make_redactor(os.environ)(why), duration_s=ran_s))

    def _tell(
        self,
        generator: Any,  # noqa: ANN401 -- of Ray
        message: dict[str, Any],
        tell: Callable[[Event], None],
    ) -> None:
        attempt = self._attempts[generator]
        task = attempt.task
        if "started" in message:
            attempt.where = _label(message["started"])
            attempt.ahead_s = ahead(message["now"], after=attempt.submitted, before=time.time())
            attempt.started = time.monotonic()
            tell(Started(task=task, where=attempt.where))
        elif "said" in message:
            tell(Said(task=task, text=message["said"]))
        elif "record" in message:
            record = parse_line(message["record"], where=task.id)
            tell(Recorded(task=task, record=on_our_clock(record, ahead_s=attempt.ahead_s)))
        elif "lost" in message:
            self._lose(generator, message["lost"], tell)
        elif "lacks" in message:
            del self._attempts[generator]
            lacks = [f"{each} ({attempt.where})" for each in message["lacks"]]
            self._lacks.setdefault(task.id, []).extend(lacks)
            tell(Refused(task=task, where=attempt.where, lacks=tuple(lacks)))
        elif "finished" in message:
            del self._attempts[generator]
            self._homes[task.cell.id] = attempt.where
            tell(_finished(attempt, message["finished"]))


def ahead(said: float, *, after: float, before: float) -> float:
    """Return how many seconds the clock that *said* so is ahead of ours, at the least.

    It said so between two moments of ours: a message may be late, and never early.
    """
    return max(said - before, 0.0) + min(said - after, 0.0)


def on_our_clock(record: Evidence, *, ahead_s: float) -> Evidence:
    """Return *record* with the time of our clock; what the other said stays among its facts.

    The newest record counts, so records of several machines need one clock.
    """
    if abs(ahead_s) < _CLOCKS_S:
        return record
    said = dt.datetime.fromisoformat(record.started_at.replace("Z", "+00:00"))
    ours = (said - dt.timedelta(seconds=ahead_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    clock = {"said": record.started_at, "ahead_s": round(ahead_s, 1)}
    return dataclasses.replace(record, started_at=ours, facts={**record.facts, "clock": clock})


def _join(address: str) -> Any:  # noqa: ANN401 -- the module ray
    """Return the module, connected to the cluster at *address*."""
    if address.startswith("ray://"):
        raise UsageError(
            "a Ray client cannot stream records; run this on a node of the cluster, or by "
            "`ray job submit`, with --address auto",
            where=address,
        )
    try:
        ray: Any = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError as error:
        raise ToolMissingError(
            'Ray is not installed here; install "pytest-verlcompat[ray]" in the version that the '
            "cluster has"
        ) from error
    _knock(address)
    try:
        ray.init(
            address=address, namespace="verlcompat", log_to_driver=False, configure_logging=False
        )
    except Exception as error:
        lines = make_redactor(os.environ)(str(error)).strip().splitlines()
        raise ExecutorError(
            f"the cluster cannot be joined: {' '.join(lines[:3])}", where=address
        ) from error
    ray.cloudpickle.register_pickle_by_value(node_shell)
    return ray


def _knock(address: str) -> None:
    """Raise ExecutorError if nobody listens at *address*; Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except (OSError, OverflowError) as error:
        raise ExecutorError(f"nobody answers there: {error}", where=address) from error


def _remote() -> Callable[..., Iterator[str]]:
    """Return what a node runs. It is made inside a function, so Ray sends it by value."""
    run = node_shell.carry

    def carry(spec: str, code: bytes, settings: dict[str, Any]) -> Iterator[str]:
        ray: Any = importlib.import_module("ray")
        own = ray.get_runtime_context().get_node_id()
        (node,) = (each for each in ray.nodes() if each["NodeID"] == own)
        about = {"NodeID": own, "NodeManagerAddress": node["NodeManagerAddress"]}
        yield from run(spec, code, {**settings, "node": about})

    return carry


def _label(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerAddress']} {node['NodeID'][:6]}"


def _has(resources: Mapping[str, float], needs: Needs) -> bool:
    """Return whether a node with *resources* could ever run a task with those *needs*."""
    return (
        resources.get("CPU", 0) >= 1
        and resources.get("GPU", 0) >= needs.gpus
        and resources.get("memory", 0) >= needs.memory_mib << 20
        and (needs.gpu_type is None or f"accelerator_type:{needs.gpu_type}" in resources)
    )


def _describe(needs: Needs) -> str:
    kind = f" {needs.gpu_type}" if needs.gpu_type else ""
    gpus = f", {needs.gpus}{kind} GPU" if needs.gpus else ""
    return f"1 CPU{gpus} and {needs.memory_mib} MiB of memory, as Ray counts"


def _why(ray: Any, error: Exception) -> str:  # noqa: ANN401 -- the module
    """Return one line about what Ray raised."""
    lines = str(error).strip().splitlines() or [""]
    said = lines[-1] if isinstance(error, ray.exceptions.RayTaskError) else lines[0]
    return f"{type(error).__name__}: {said.strip()}"


def _finished(attempt: _Attempt, body: Mapping[str, Any]) -> Finished:
    return Finished(
        task=attempt.task,
        conclusive=bool(body.get("conclusive")),
        error=parse_error(body["error"]) if "error" in body else None,
        duration_s=0.0 if attempt.started is None else time.monotonic() - attempt.started,
    )
