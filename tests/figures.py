"""Measured figures, kept as JSON under ``reports/figures/`` and shown in the report."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.resolve.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER = Path(__file__).parent.parent / "reports" / "figures"


@dataclass(frozen=True)
class Spent:
    """What one run cost."""

    wall_s: float
    cpu_s: float
    """User and system time of this process and of the children it waited for."""


def measure(step: Callable[[], object]) -> Spent:
    """Return what one call of *step* cost."""
    cpu, started = _cpu_s(), time.perf_counter()
    step()
    return Spent(wall_s=time.perf_counter() - started, cpu_s=_cpu_s() - cpu)


def measure_command(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Spent:
    """Return what one run of the command cost; its output is thrown away."""
    return measure(
        lambda: subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    )


def median_ms(values: Sequence[float]) -> float:
    """Return the median of seconds in milliseconds, to a tenth."""
    return round(statistics.median(values) * 1000, 1)


def make_venv(folder: Path, *packages: str) -> Path:
    """Return the interpreter of a new environment with *packages*, all of them compiled."""
    uv = str(find_uv())
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *packages], check=True)
    # A first import writes bytecode; what is measured is every run after that.
    subprocess.run([python, "-m", "compileall", "-q", folder / "lib"], check=False)
    return python


def write_figures(
    name: str,
    *,
    title: str,
    command: str,
    figures: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
) -> Path:
    """Add *figures* and *rows* to ``reports/figures/<name>.json`` and return its path.

    What another test of the same command measured stays; equal keys and equal ``what`` of rows
    are replaced. Neither host names nor paths enter the file.
    """
    path = FOLDER / f"{name}.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        before = {"figures": {}, "rows": []}
    new = {row.get("what") for row in rows}
    machine = describe_machine()
    body = {
        "title": title,
        "command": command,
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpus": machine.cpus,
            "memory_mib": machine.memory_mib,
            "platform": f"{machine}, CPython {platform.python_version()}",
            "load_average": round(os.getloadavg()[0], 1),
        },
        "figures": {**before["figures"], **figures},
        "rows": [*(row for row in before["rows"] if row.get("what") not in new), *rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def known_rows(name: str) -> dict[str, dict[str, Any]]:
    """Return the rows that are in ``reports/figures/<name>.json`` already, by ``what``."""
    try:
        body = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {row["what"]: row for row in body["rows"]}


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)
