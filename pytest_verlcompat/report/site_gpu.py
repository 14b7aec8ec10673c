"""What the page of the GPU shows: stacks that were probed on the same machine, side by side."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.report.inert import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.report.assemble import CellReport, Report

    Records = Sequence[Evidence]

_ENGINE = "engine_start_"
_TRAINERS = ("main_ppo_vllm", "main_ppo_sglang")


def make_machines(report: Report) -> list[dict[str, Any]]:
    """Return each machine with GPUs on which something was measured, its stacks and figures."""
    found: dict[str, list[tuple[CellReport, Records]]] = {}
    for cell in report.cells:
        by_machine: dict[str, list[Evidence]] = {}
        for record in cell.records:
            if record.machine.gpus and record.rung in {Rung.GPU, Rung.TRAIN}:
                by_machine.setdefault(name_machine(record.machine), []).append(record)
        for machine, records in by_machine.items():
            found.setdefault(machine, []).append((cell, records))
    return [_machine(name, stacks) for name, stacks in sorted(found.items())]


def name_machine(machine: Machine) -> str:
    """Return what measurements depend on: the GPUs, their driver and the cores beside them."""
    gpus = f"{len(machine.gpus)} x {machine.gpus[0].name}"
    return bounded(f"{gpus}, driver {machine.driver}, {machine.cpus} cores", 120)


def _machine(name: str, stacks: Sequence[tuple[CellReport, Records]]) -> dict[str, Any]:
    rows = [
        {"title": title, "unit": unit, "values": [_text(read(records)) for _, records in stacks]}
        for title, unit, read in MEASURES
    ]
    return {
        "name": name,
        "stacks": [_stack(cell) for cell, _ in stacks],
        "rows": [row for row in rows if any(value is not None for value in row["values"])],
    }


def _stack(cell: CellReport) -> dict[str, str]:
    torch = bounded(cell.versions.get("torch", ""), 40)
    return {"id": cell.cell.id, "name": name_stack(cell), "torch": torch}


def name_stack(cell: CellReport) -> str:
    """Return verl and the engine of *cell* with their releases."""
    values = cell.cell.values
    axes = (axis for axis in ("verl", "vllm", "sglang") if axis in values)
    return " + ".join(f"{axis} {values[axis]}" for axis in axes)


def _text(value: float | None) -> str | None:
    """Return *value* with three digits that say something, or what there is before the point."""
    if value is None:
        return None
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004  three digits


def _passed(records: Records, *subjects: str) -> Iterable[Evidence]:
    """Yield the passed records of probes whose names begin so."""
    for record in records:
        if record.outcome is Outcome.PASSED and record.subject.startswith(subjects):
            yield record


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def read_number(value: object) -> float | None:
    """Return *value* if it is a number, which a truth value is not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _numbers(value: object) -> list[float]:
    found = [read_number(each) for each in value] if isinstance(value, list) else []
    return [each for each in found if each is not None]


def _engine(key: str) -> Callable[[Records], float | None]:
    """Return a reader of what the first engine of a start probe noted under *key*."""

    def read(records: Records) -> float | None:
        parts: list[Mapping[str, Any]] = []
        for record in _passed(records, _ENGINE):
            engines = record.facts.get("engines")
            first = engines.get("LLM") if isinstance(engines, dict) else None
            parts += [each for each in (first, record.facts) if isinstance(each, dict)]
            # What streams is another engine than the one that answers whole.
            others = engines.values() if isinstance(engines, dict) else ()
            parts += [each for each in others if isinstance(each, dict)]
        return _first(read_number(part.get(key)) for part in parts)

    return read


def _trainer(key: str, choose: Callable[[list[float]], float]) -> Callable[[Records], float | None]:
    """Return a reader of one figure of the trainer's steps after the first, which warms up."""

    def read(records: Records) -> float | None:
        for record in _passed(records, *_TRAINERS):
            values = _numbers(record.facts.get(key))
            if values:
                return choose(values[1:] or values)
        return None

    return read


def _agreement(key: str) -> Callable[[Records], float | None]:
    def read(records: Records) -> float | None:
        found = (record.facts.get("difference") for record in _passed(records, "rollout_agreement"))
        return _first(read_number(each.get(key)) for each in found if isinstance(each, dict))

    return read


def _peak(records: Records) -> float | None:
    return _first(read_number(each.peak_gpu_mib) for each in _passed(records, *_TRAINERS))


def _suite_seconds(records: Records) -> float | None:
    tried = [each.duration_s for each in records if each.rung is Rung.GPU and each.duration_s]
    return math.fsum(tried) if tried else None


MEASURES: tuple[tuple[str, str, Callable[[Records], float | None]], ...] = (
    ("The first engine starts in", "s", _engine("start_s")),
    ("GPU memory with that engine", "MiB", _engine("in_use_mib")),
    ("Tokens per second, tiny model, eight prompts", "1/s", _engine("tokens_per_s")),
    ("Seconds to the first streamed token", "s", _engine("first_token_s")),
    ("A step of the trainer takes", "s", _trainer("step_s", statistics.median)),
    ("The trainer's tokens per second", "1/s", _trainer("tokens_per_s", statistics.median)),
    ("New weights reach the engine in", "s", _trainer("update_weights_s", statistics.median)),
    ("Most GPU memory of the trainer's run", "MiB", _peak),
    ("Probabilities of rollout and trainer differ by, mean", "", _trainer("mismatch_mean", max)),
    ("Probabilities of rollout and trainer differ by, most", "", _trainer("mismatch_max", max)),
    ("Log-probabilities of the same tokens differ by, mean", "", _agreement("mean")),
    ("Log-probabilities of the same tokens differ by, most", "", _agreement("largest")),
    ("All GPU probes but the trainer's runs take", "s", _suite_seconds),
)
"""Title, unit and how it is read from the records of one cell on one machine."""
