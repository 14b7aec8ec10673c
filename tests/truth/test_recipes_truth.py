"""Recipes of real cells, really run in clean environments, then the CPU rungs. Takes hours.

Dated and repaired cells, vLLM and SGLang. One cell is one test and one row; a row that is there
for the same lock is not made again (VERLCOMPAT_AGAIN=1 makes all), so the session can be stopped
at any time: ``pytest -m truth tests/truth/test_recipes_truth.py -k sglang``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.advise.repair import Clinic
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.matrix.load import load_matrix
from pytest_verlcompat.model.cell import Cell
from pytest_verlcompat.model.outcome import Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.recipes.kinds import list_kinds, write_recipe
from pytest_verlcompat.recipes.smallest import settings
from pytest_verlcompat.resolve.lock import Lock, load_lock, make_lock
from pytest_verlcompat.resolve.uv import find_uv
from pytest_verlcompat.store.jsonl import load_cell_evidence
from tests.conftest import ROOT
from tests.figures import known_rows, write_figures

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.truth, pytest.mark.network, pytest.mark.slow]

NAME = "recipes_truth"
COMMAND = "nox -s truth -- tests/truth/test_recipes_truth.py"
FREE_BYTES = 12 << 30
INSTALL = next(kind for kind in list_kinds() if kind.name == "install")
RELEASES = (
    "0.4.0", "0.4.1", "0.5.0", "0.6.0", "0.6.1", "0.7.0", "0.7.1", "0.8.0", "0.9.0", "0.9.1",
)  # fmt: skip
REPAIRS = ("transformers>=4.55.2,<5", "pyarrow>=19,<26", "datasets>=4")
"""What repairs the sets of 2026 around verl below 0.9 and vLLM 0.11: VC083, VC121, and VC120,
which the first two bring about, because a resolver goes back to datasets 2.14 for them."""


def made(
    *requirements: str, as_of: str, python: str = "3.12", repairs: tuple[str, ...] = ()
) -> Cell:
    """Return a cell that no file declares."""
    pins = "-".join(
        each.replace("==", "").replace("[", "").replace("]", "") for each in requirements
    )
    word = "repaired-" if repairs else ""
    return Cell(
        id=f"{word}{pins}-python{python}-{as_of}",
        title="Made for the proof",
        values={},
        requirements=(*requirements, *repairs),
        overrides=(),
        python=python,
        platform="x86_64-manylinux_2_35",
        as_of=as_of,
        expected=VerdictKind.COMPATIBLE,
        failing=None,
        reason="Made for the proof.",
        sources=(),
    )


UVLOOP = "uvloop<0.22"
"""What repairs verl 0.6.0, which asks for an event loop that newer ones do not make: VC105."""

DECLARED = (
    "verl0.6.1-vllm0.11.0-python3.12-2025-11-20",
    "verl0.6.1-sglang0.5.5-python3.12-2025-11-20",
    "verl0.6.1-vllm0.11.0-numpy1.26.4-opencv4.9.0.80-uvloop0.21.0-python3.11-2025-11-20",
    "verl0.6.1-vllm0.11.0-python3.11-2025-11-20",
    "verl0.9.1-vllm0.24.0-python3.12-2026-11-20",
    "verl0.8.0-sglang0.5.12-numpy1.26.4-python3.12-2026-11-20",
    "verl0.5.0-vllm0.11.0-python3.12-2025-10-05",
)
"""The last one is red, and its recipe must make an environment that fails in the same probes."""
MADE = (
    made("verl==0.6.1", "vllm==0.11.0", as_of="2026-11-19", repairs=REPAIRS),
    made("verl==0.6.1", "vllm==0.10.2", as_of="2026-11-19", repairs=REPAIRS),
    made("verl==0.6.1", "vllm==0.10.0", as_of="2026-11-19", repairs=REPAIRS),
    made("verl==0.6.0", "vllm==0.11.0", as_of="2026-11-19", repairs=(*REPAIRS, UVLOOP)),
    made("verl==0.6.0", "vllm==0.11.0", as_of="2025-10-17", repairs=(UVLOOP,)),
    made("verl==0.6.1", "vllm==0.10.2", as_of="2025-11-20"),
    made("verl==0.6.0", "sglang[srt]==0.5.2", as_of="2025-10-17", repairs=(UVLOOP,)),
)


def cells() -> dict[str, Cell | None]:
    """Return the cells by id; a declared one is loaded when it is its turn."""
    return {**dict.fromkeys(DECLARED), **{cell.id: cell for cell in MADE}}


def locked(cell_id: str, folder: Path) -> tuple[Cell, Lock]:
    """Return cell and lock; one that no file declares is resolved as of its day."""
    cell = cells()[cell_id]
    if cell is None:
        cell = load_matrix(ROOT / "matrix").cells[cell_id]
        return cell, load_lock(cell, folder=ROOT / "matrix" / "locks")
    return cell, make_lock(cell, folder=folder)


@pytest.mark.parametrize("cell_id", cells())
def test_recipe_makes_an_environment_that_works(cell_id: str, tmp_path: Path) -> None:
    """install.sh in a clean folder, then the static checks and every CPU probe."""
    cell, lock = locked(cell_id, tmp_path / "locks")
    before = known_rows(NAME).get(cell_id)
    if before and before["lock"] == lock.sha256[:12] and not os.environ.get("VERLCOMPAT_AGAIN"):
        pytest.skip(f"lacks a reason to do it again: its row is in {NAME}.json")
    if shutil.disk_usage(tmp_path).free < FREE_BYTES:
        pytest.skip("lacks 12 GiB of free disk")
    script = tmp_path / "install.sh"
    script.write_text(write_recipe(INSTALL, cell, lock), encoding="utf-8")
    started = time.monotonic()

    ended = subprocess.run(
        ["/bin/bash", script, tmp_path / "env"],
        env={
            **os.environ,
            "PATH": f"{find_uv().parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": str(find_python(cell.python)),
            "UV_LINK_MODE": "hardlink",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    installed_s = time.monotonic() - started
    assert ended.returncode == 0, ended.stdout + ended.stderr
    clinic = Clinic(
        machine=describe_machine(),
        probes=[probe for probe in list_probes() if probe.rung is Rung.CPU],
        logs=tmp_path / "logs",
        say=lambda _: None,
    )
    health = clinic.examine(tmp_path / "env" / "bin" / "python")

    spoken = [each for each in health.records.values() if each.outcome is Outcome.PASSED]
    row = {
        "what": cell_id,
        "lock": lock.sha256[:12],
        "distributions": len(lock.versions),
        "install_s": round(installed_s, 1),
        "checks_and_probes_s": round(time.monotonic() - started - installed_s, 1),
        "passed": len(spoken),
        "failed": ", ".join(health.failed) or "none",
        "skipped": len(health.records) - len(spoken) - len(health.failed),
    }
    rows = [*(each for each in known_rows(NAME).values() if each["what"] != cell_id), row]
    write_figures(
        NAME,
        title="Recipes really run in clean environments, then the CPU rungs",
        command=COMMAND,
        figures={
            "cells": len(rows),
            "green": sum(each["failed"] == "none" for each in rows),
        },
        rows=[row],
    )
    shutil.rmtree(tmp_path / "env")
    assert set(health.failed) == known_failures(cell_id), {
        name: str(health.records[name].cause) for name in health.failed
    }


def known_failures(cell_id: str) -> set[str]:
    """Return what the published evidence of the cell says that fails; nothing for one made here."""
    records = load_cell_evidence(ROOT / "reports" / "evidence", cell_id).records
    newest = {each.subject: each.outcome for each in records}
    return {subject for subject, outcome in newest.items() if outcome is Outcome.FAILED}


@pytest.mark.parametrize("release", RELEASES)
def test_smallest_start_is_known_to_the_release(release: str, tmp_path: Path) -> None:
    """No key of the job snippets is refused by the configuration that verl ships."""
    from pytest_verlcompat.cli import main  # noqa: PLC0415 -- the verb reads wheels

    words = [f"{key}={value}" for key, value in settings(release, "vllm").items()]
    script = tmp_path / "start.sh"
    script.write_text(f"python -m verl.trainer.main_ppo {' '.join(words)}\n", encoding="utf-8")

    status = main(["launch", str(script), "--verl", release])

    assert status == 0


def test_cells_of_the_proof_are_twelve_and_of_both_engines() -> None:
    """Enough of them, dated and repaired."""
    found = cells()

    assert len(found) >= 12
    assert sum("sglang" in cell_id for cell_id in found) >= 3
    assert sum(cell_id.startswith("repaired-") for cell_id in found) >= 3
