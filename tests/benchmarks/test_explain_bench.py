"""How long `explain` takes, and how precise the catalogue is, written as figures."""

from __future__ import annotations

import io
import json
import os
import platform
import random
import resource
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.issues.catalogue import Verified, load_catalogue
from pytest_verlcompat.issues.explain import explain

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
FIGURES = ROOT / "reports" / "figures"
COMMAND = "pytest -m bench tests/benchmarks/test_explain_bench.py"
MIB = 1 << 20

LINES = (
    (
        "\x1b[36m(WorkerDict pid={pid}, ip=10.0.0.{small})\x1b[0m INFO:2026-11-20 10:{small:02d}:00"
        ",123:step {step} actor/loss:{real:.6f} actor/grad_norm:{real:.6f}"
    ),
    (
        "\x1b[36m(TaskRunner pid={pid})\x1b[0m step:{step} - critic/score/mean:{real:.6f} - "
        "response_length/mean:{real:.6f} - timing_s/gen:{real:.2f}"
    ),
    (
        "(vLLMHttpServer pid={pid}) INFO 11-20 10:{small:02d}:00 [loggers.py:123] Engine 000: Avg "
        "prompt throughput: {real:.1f} tokens/s, GPU KV cache usage: {real:.1f}%"
    ),
    (
        "(WorkerDict pid={pid}) WARNING 11-20 10:{small:02d}:00 [scheduler.py:12] preempted "
        "request {step}: error budget left {small}"
    ),
    "\rTraining Progress: {small}%|####      | {step}/99999 [00:{small:02d}<01:00, 2.1s/it]",
)
"""One line in twenty holds a word the scan stops at."""
WEIGHTS = (40, 30, 20, 5, 5)


def _pieces() -> list[bytes]:
    """Return sixteen different pieces of 4 MiB of interleaved worker output."""
    chance = random.Random(7)  # noqa: S311 -- a reproducible text, no secret
    pieces, step = [], 0
    for _ in range(16):
        lines, length = [], 0
        while length < 4 * MIB:
            step += 1
            line = chance.choices(LINES, WEIGHTS)[0].format(
                pid=4000 + chance.randrange(16),
                small=chance.randrange(60),
                step=step,
                real=chance.random() * 99,
            )
            lines.append(line)
            length += len(line) + 1
        pieces.append(("\n".join(lines) + "\n").encode()[: 4 * MIB - 1] + b"\n")
    return pieces


def _noise(pieces: list[bytes], size: int) -> Iterator[bytes]:
    """Yield *size* bytes of the pieces in turn."""
    for number in range(-(-size // (4 * MIB))):
        yield pieces[number % len(pieces)][: size - number * 4 * MIB]


def _log(folder: Path, mib: int) -> Path:
    """Return a log of *mib* MiB whose known failure stands nine tenths of the way in."""
    path = folder / f"{mib}.log"
    pieces = _pieces()
    failure = (DATA / "logs" / "VC099.log").read_bytes()
    with path.open("wb") as file:
        before = mib * MIB * 9 // 10
        for block in _noise(pieces, before):
            file.write(block)
        file.write(b"\n" + failure)
        for block in _noise(pieces, mib * MIB - before):
            file.write(block)
    return path


def _timed(argv: list[str], *, runs: int) -> dict[str, Any]:
    """Return wall and processor time of the fastest of *runs* processes of *argv*."""
    best: dict[str, Any] = {}
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT)
        output = process.communicate(timeout=600)[0]
        wall_s = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if not best or wall_s < best["wall_s"]:
            best = {
                "wall_s": round(wall_s, 2),
                "cpu_s": round(cpu_s, 2),
                "exit_status": process.returncode,
                "output": output,
            }
    return best


def _measured(log: Path, *, runs: int) -> dict[str, Any]:
    script = (
        "import resource, sys, time\n"
        "from pytest_verlcompat.cli import main\n"
        "status = main(['explain', sys.argv[1]])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_maxrss // 1024)\n"
    )
    best = _timed([sys.executable, "-c", script, str(log)], runs=runs)
    lines = best.pop("output").decode().splitlines()
    return {
        **best,
        "peak_memory_mib": int(lines[-1]),
        "first_line": lines[0],
    }


def _write(name: str, body: dict[str, Any]) -> None:
    machine = {
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "platform": f"{platform.system()} {platform.machine()}, {sys.implementation.name} "
        + platform.python_version(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    record = {
        "title": body.pop("title"),
        "command": COMMAND,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine,
        **body,
    }
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / name).write_text(json.dumps(record, indent=2) + "\n")


@pytest.mark.bench
def test_explain_figures(tmp_path: Path) -> None:
    """One GiB takes at most 20 s and 200 MB, ten MB at most half a second; no false explanation."""
    catalogue = load_catalogue()
    small = _measured(_log(tmp_path, 10), runs=3)
    large_log = _log(tmp_path, 1024)
    large = _measured(large_log, runs=1)
    large_log.unlink()
    rows = [{"log_mib": 10, **small}, {"log_mib": 1024, **large}]
    quiet = sorted((DATA / "quiet").glob("*.log"))
    false = [
        path.name
        for path in quiet
        if explain(io.BytesIO(path.read_bytes()), catalogue=catalogue).explanations
    ]
    logs = sorted((DATA / "logs").glob("*.log"))
    first = sum(_root(path, catalogue) == path.stem for path in logs)
    figures = {
        "entries": len(catalogue),
        **{
            f"entries_{word.value}": sum(e.verified is word for e in catalogue) for word in Verified
        },
        "entries_mended_by_a_remedy_as_written": _mended(),
        "logs": len(logs),
        "logs_explained_first_by_their_entry": first,
        "quiet_logs": len(quiet),
        "quiet_logs_explained_falsely": len(false),
        "explain_10_mib_s": small["wall_s"],
        "explain_1_gib_s": large["wall_s"],
        "explain_1_gib_cpu_s": large["cpu_s"],
        "explain_1_gib_peak_memory_mib": large["peak_memory_mib"],
    }
    _write(
        "explain_bench.json",
        {"title": "explain: speed, memory and precision", "figures": figures, "rows": rows},
    )

    assert false == []
    assert first == len(logs)
    assert (small["exit_status"], large["exit_status"]) == (0, 0)
    assert large["first_line"].startswith("VC099")
    assert large["peak_memory_mib"] <= 200
    assert large["cpu_s"] <= 20.0
    assert small["cpu_s"] <= 0.5


def _mended() -> int | None:
    """Return how many entries ``nox -s truth -- -k remedies`` mended, None if it never ran."""
    try:
        kept = json.loads((FIGURES / "remedies_truth.json").read_text())
    except FileNotFoundError:
        return None
    return int(kept["figures"]["entries_mended"])


def _root(path: Path, catalogue: tuple[Any, ...]) -> str | None:
    root = explain(io.BytesIO(path.read_bytes()), catalogue=catalogue).root
    return root.entry.id if root else None
