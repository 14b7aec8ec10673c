"""Figures of the way out: how fast a recommendation is, and what the known bisections cost.

The recommendation takes seconds. The bisections build real environments of 10 GB each (hard
links) and take minutes; they go on where they were, so a second call only writes the figures.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from pytest_verlcompat.advise.recommend import Ask, recommend
from pytest_verlcompat.cli.recommend_source import read_index
from pytest_verlcompat.execute.workspace import find_workspace
from pytest_verlcompat.resolve.lock import LOCK_NAME
from pytest_verlcompat.resolve.uv import call_uv
from tests.conftest import ROOT
from tests.figures import measure, measure_command, median_ms, write_figures
from tests.tiny import python_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.bench]

NAME = "wayout_bench"
TITLE = "The way out: recommend and bisect"
COMMAND = "nox -s bench -- tests/benchmarks/test_wayout_bench.py"
CELL = "verl0.6.1-vllm0.11.0-python3.12-2025-11-20"
TIMES = 15
CLI = [sys.executable, "-m", "pytest_verlcompat.cli"]


def test_recommendation_over_the_whole_space_takes_less_than_300_ms() -> None:
    """More than 6,000 sets, from the start of the process to its answer."""
    environ = {**os.environ, "PYTHONPATH": python_path()}
    command = [*CLI, "recommend", "--root", str(ROOT), "--want", "vllm==0.11.0"]
    command += ["--want", "verl>=0.6", "--python", "3.12", "--glibc", "2.35", "--driver", "570.86"]
    index = read_index(find_workspace(ROOT))
    ask = Ask(wants=(Requirement("vllm==0.11.0"), Requirement("verl>=0.6")), python="3.12")
    measure_command(command, cwd=ROOT, env=environ)

    process = [measure_command(command, cwd=ROOT, env=environ).wall_s for _ in range(TIMES)]
    inside = [measure(lambda: recommend(ask, index.candidates)).wall_s for _ in range(TIMES)]

    write_figures(
        NAME,
        title=TITLE,
        command=COMMAND,
        figures={
            "recommend_sets": len(index.candidates),
            "recommend_process_ms": median_ms(process),
            "recommend_inside_ms": median_ms(inside),
        },
        rows=[],
    )
    assert len(index.candidates) >= 6000
    assert median_ms(process) < 300


@pytest.mark.network
@pytest.mark.slow
def test_uvloop_that_broke_the_event_loop_is_found(tmp_path: Path) -> None:
    """Verl 0.6.0 still asks for a loop that uvloop 0.22 does not make any more."""
    lock = tmp_path / "verl0.6.0.txt"
    lock.write_text(lock_of_verl("0.6.0"), encoding="utf-8")

    row = bisect(
        "uvloop, event loop probe",
        ["--lock", str(lock), "--python", "3.12", "--axis", "uvloop", "--good", "0.20.0"],
        probe="event_loop",
    )

    assert str(row["first_bad"]).startswith("0.22")


@pytest.mark.network
@pytest.mark.slow
def test_day_that_broke_the_tokenizer_is_found() -> None:
    """The pair of verl 0.6.1 and vLLM 0.11.0 stopped working when transformers 5 came."""
    row = bisect(
        "day of resolution, tokenizer probe",
        [CELL, "--axis", "date", "--good", "2025-11-20", "--bad", "2026-11-19"],
        probe="tokenizer",
    )

    assert "transformers 4" in str(row["changed"])


def lock_of_verl(version: str) -> str:
    """Return the lock of the cell with another release of verl, everything else as it is."""
    text = (ROOT / "matrix" / "locks" / CELL / LOCK_NAME).read_text("utf-8")
    words = ["pip", "compile", "-", "--no-deps", "--generate-hashes", "--no-header", "--quiet"]
    ended = call_uv(words, files={"-": [f"verl=={version}"]}, timeout_s=120)
    hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}", ended.output)
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "verl=="))]
    return "\n".join([*lines, f"verl=={version} {' '.join(hashes)}"]) + "\n"


def bisect(what: str, words: list[str], *, probe: str) -> dict[str, object]:
    """Run one bisection from the root of this checkout and keep its row."""
    environ = {**os.environ, "PYTHONPATH": python_path()}
    command = [*CLI, "bisect", *words, "--probe", probe, "--root", str(ROOT)]
    started = time.monotonic()
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    points, built, bound, spent_s = re.search(  # type: ignore[union-attr]  # asserted by status 0
        r"(?P<b>\d+) environments built for (?P<p>\d+) points \(at most (?P<m>\d+).*\), "
        r"(?P<s>[\d.]+) s",
        ended.stdout,
    ).group("p", "b", "m", "s")
    row: dict[str, object] = {
        "what": what,
        "points": int(points),
        "first_bad": found(r"^\S+ (\S+) is the first bad", ended.stdout),
        "last_good": found(r"^last good: (\S+)", ended.stdout),
        "changed": found(r"^changed between: (.*)", ended.stdout)[:600],
        "built": int(built),
        "at_most": int(bound),
        "build_and_probe_s": float(spent_s),
        "this_call_s": round(time.monotonic() - started, 1),
    }
    write_figures(NAME, title=TITLE, command=COMMAND, figures={}, rows=[row])
    assert int(built) <= int(bound)
    return row


def found(pattern: str, text: str) -> str:
    """Return the first group of the first match."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match, text
    return match[1]
