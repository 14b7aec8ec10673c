"""Figures of kill -9: a local run ended at random moments, hundreds of times. By ``nox -s bench``.

Two checkouts are run side by side. What a run said it recorded must be in the file; every line
of the file must be whole; every record must say what its probe does; and nothing is made twice.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.process.mark import end_orphans
from pytest_verlcompat.resolve.lock import make_lock
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.conftest import use_environ
from tests.figures import write_figures
from tests.tiny import TinyIndex, TinyWorkspace, python_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.bench

KILLS = int(os.environ.get("VERLCOMPAT_BENCH_KILLS", "500"))
LANES = 2
SEED = 20261120
_SAID = re.compile(r"\s(\w+) (passed|failed|skipped|errored) in ")
PROBES = {
    "a_passes": ("import alpha", Outcome.PASSED),
    "b_fails": ("raise ImportError('no name x')", Outcome.FAILED),
    "c_lacks": ("return {'lacks': ['a thing']}", Outcome.SKIPPED),
    "d_crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", Outcome.FAILED),
    "e_passes": ("import beta\nreturn {'text': 'x' * 20000}", Outcome.PASSED),
}
EXPECTED = {
    "resolve": Outcome.PASSED,
    "install": Outcome.PASSED,
    **{name: outcome for name, (_, outcome) in PROBES.items()},
}


@dataclass
class Lane:
    """One checkout, its cell, and what was found there."""

    checkout: TinyWorkspace
    cell_id: str
    dice: random.Random
    full_s: float = 0.0
    reported: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    """Figures, added up."""

    def run_to_the_end(self) -> None:
        """Measure how long a whole run takes, once what it reads has been read."""
        assert self._run(kill_after_s=None) == 0
        self._start_over()
        started = time.monotonic()
        assert self._run(kill_after_s=None) == 0
        self.full_s = time.monotonic() - started
        self._check()
        self._start_over()

    def go(self, kills: int) -> None:
        """Kill *kills* runs, each at a moment of its own; start over when all is recorded."""
        while self.found["killed"] < kills:
            status = self._run(kill_after_s=self.dice.uniform(0, self.full_s))
            self.found["killed"] += status < 0
            self._check()
            if status == 0:
                subjects = Counter(record.subject for record in self._load().records)
                self.found["missing"] += len(set(EXPECTED) - set(subjects))
                self._start_over()
            self.found["wrong"] += status > 0  # not the verdict that is expected, or an error

    def _run(self, *, kill_after_s: float | None) -> int:
        with (self.checkout.root / "said").open("w+") as said:
            process = subprocess.Popen(
                self.checkout.command("run", self.cell_id),
                env={**os.environ, "PYTHONPATH": python_path()},
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            try:
                process.wait(timeout=kill_after_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said.seek(0)
            self.reported.update(match[1] for match in _SAID.finditer(said.read()))
        return process.returncode

    def _load(self):  # noqa: ANN202 -- of the store
        return load_cell_evidence(self.checkout.workspace.evidence, self.cell_id)

    def _check(self) -> None:
        loaded = self._load()
        subjects = Counter(record.subject for record in loaded.records)
        self.found["torn"] += len(loaded.damaged)
        self.found["lost"] += sum((self.reported - subjects).values())
        self.found["wrong"] += sum(
            record.outcome is not EXPECTED[record.subject] for record in loaded.records
        )
        twice = Counter((each.subject, each.environment_id) for each in loaded.records)
        self.found["duplicated"] += sum(count - 1 for count in twice.values())

    def _start_over(self) -> None:
        """Count what is there and forget it, environment included."""
        self.found["records"] += len(self._load().records)
        self.found["complete"] += 1
        self.reported.clear()
        end_orphans()
        shutil.rmtree(self.checkout.workspace.evidence)
        shutil.rmtree(self.checkout.workspace.environments)


def _make_lane(root: Path, number: int) -> Lane:
    checkout = TinyWorkspace(root=root / f"lane{number}")
    checkout.declare_axes()
    for name, (body, _) in PROBES.items():
        checkout.write_probe(name, body)
    cell_id = checkout.write_cell(expected="incompatible", failing=["b_fails", "d_crashes"])
    make_lock(checkout.matrix().cells[cell_id], folder=checkout.workspace.locks)
    return Lane(checkout=checkout, cell_id=cell_id, dice=random.Random(SEED + number))  # noqa: S311 -- moments, not secrets


def _side_by_side(lanes: Sequence[Lane], kills: int) -> None:
    threads = [threading.Thread(target=lane.go, args=(kills // LANES,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_killed_runs_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 at random moments: 0 lost, 0 torn, 0 wrong, 0 twice."""
    index = TinyIndex(folder=tmp_path / "index")
    use_environ(monkeypatch, index.environ(cache=tmp_path / "uv-cache"))
    index.add("alpha", "1.0", requires=["beta<2"])
    index.add("beta", "1.0")
    lanes = [_make_lane(tmp_path, number) for number in range(LANES)]
    for lane in lanes:
        lane.run_to_the_end()
    started = time.monotonic()

    _side_by_side(lanes, KILLS)

    spent_s = time.monotonic() - started
    found: Counter[str] = sum((lane.found for lane in lanes), Counter())
    left = end_orphans()
    write_figures(
        "kill_bench",
        title="kill -9 at random moments of a local run with fast probes",
        command="nox -s bench -- tests/benchmarks/test_kill_bench.py",
        figures={
            "kills": found["killed"],
            "kills_lost_records": found["lost"],
            "kills_torn_records": found["torn"],
            "kills_wrong_verdicts": found["wrong"],
            "kills_duplicated_records": found["duplicated"],
            "kills_whole_cells": found["complete"],
            "kills_records_seen": found["records"],
            "kills_seconds": round(spent_s, 1),
        },
        rows=[
            {
                "what": "one run to its end",
                "seconds": [round(lane.full_s, 2) for lane in lanes],
                "killed_at": "a uniformly random moment of that time",
                "orphans_of_the_last_kill": left,
            }
        ],
    )
    assert found["killed"] >= KILLS - LANES
    assert [found[word] for word in ("lost", "torn", "wrong", "duplicated", "missing")] == [0] * 5
