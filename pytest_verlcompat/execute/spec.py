"""A task as text that another machine reads, and the lines it answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_verlcompat import errors
from pytest_verlcompat.errors import ExecutorError, VerlcompatError
from pytest_verlcompat.execute.protocol import Needs, Task
from pytest_verlcompat.model.cell import Cell
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.verdict import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_verlcompat.probes.registry import Probe
    from pytest_verlcompat.resolve.lock import Lock

_LISTS = ("requirements", "overrides", "failing", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a machine has to know to carry a task out."""

    cell: Cell
    needs: Needs
    base: bool
    probes: Mapping[str, str]
    """Probe name to the digest that its code must have there."""
    done: frozenset[str]
    lock_name: str
    lock_text: str


def render_spec(task: Task, lock: Lock) -> str:
    """Return *task* as one line of JSON."""
    body = {
        "cell": encode(task.cell),
        "needs": encode(task.needs),
        "base": task.base,
        "probes": {probe.name: probe.sha256 for probe in task.probes},
        "done": sorted(task.done),
        "lock_name": lock.path.name,
        "lock_text": lock.path.read_text(encoding="utf-8"),
    }
    return json.dumps(body)


def parse_spec(text: str) -> Spec:
    """Return the task in *text*.

    Raises:
        ExecutorError: If it is none.
    """
    try:
        body = json.loads(text)
        return Spec(
            cell=_cell(body["cell"]),
            needs=Needs(**body["needs"]),
            base=bool(body["base"]),
            probes=dict(body["probes"]),
            done=frozenset(body["done"]),
            lock_name=str(body["lock_name"]),
            lock_text=str(body["lock_text"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ExecutorError(f"is no task of this version: {error!r}") from error


def _cell(body: dict[str, Any]) -> Cell:
    expected = body["expected"]
    lists = {name: None if body[name] is None else tuple(body[name]) for name in _LISTS}
    return Cell(
        **{**body, **lists, "expected": None if expected is None else VerdictKind(expected)}
    )


def choose_probes(spec: Spec, probes: Collection[Probe]) -> tuple[Probe, ...]:
    """Return those of *probes* that *spec* names.

    Raises:
        ExecutorError: If one is not there or has other code: its evidence would not count.
    """
    there = {probe.name: probe for probe in probes}
    for name, sha256 in spec.probes.items():
        if name not in there or there[name].sha256 != sha256:
            raise ExecutorError(
                f"probe {name} is not the one that was asked for; "
                "use the same version of pytest-verlcompat on both sides",
                where=spec.cell.id,
            )
    return tuple(there[name] for name in spec.probes)


def render_error(error: VerlcompatError) -> dict[str, str]:
    """Return *error* as plain values."""
    return {"kind": type(error).__name__, "message": str(error)}


def parse_error(body: Mapping[str, str]) -> VerlcompatError:
    """Return the error that `render_error` described; another version may know other kinds."""
    kind = getattr(errors, str(body.get("kind")), None)
    message = str(body.get("message"))
    if kind is errors.ConversationError or not isinstance(kind, type):
        return ExecutorError(message)
    return kind(message) if issubclass(kind, VerlcompatError) else ExecutorError(message)
