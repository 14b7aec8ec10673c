"""What the resolver predicts against what an installer really installs. Takes half an hour.

Thirty cells and more, spread over verl, engines, Pythons, forms and days. Engines are few, so
that their gigabytes are fetched once and linked; every environment is deleted after its cell.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.matrix.load import load_axis
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.ledger import AXES
from pytest_verlcompat.resolve.open import open_resolver
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import (
    Form,
    SpaceCell,
    When,
    day_of,
    last_complete_day,
    releases_of,
)
from pytest_verlcompat.resolve.uv import call_uv, find_uv
from tests.figures import FOLDER, write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [pytest.mark.truth, pytest.mark.network, pytest.mark.slow]

FREE_BYTES = 12 << 30
"""With less than this on the disk a cell is only planned by the installer, not installed."""
PLANNED = re.compile(r"^ \+ (?P<name>\S+?)==(?P<version>\S+)", re.MULTILINE)
VERLS = ("0.4.0", "0.4.1", "0.5.0", "0.6.0", "0.6.1", "0.7.0", "0.7.1", "0.8.0", "0.9.0", "0.9.1")
ROOT = Path(__file__).parents[2]
FIGURES = FOLDER / "space_truth.json"
PACKAGES = "lib/python{python}/site-packages"


def cells() -> Iterator[SpaceCell]:
    """Yield the cells that are installed, the cheap neighbours one after the other."""
    for when in When:
        for verl in VERLS:
            yield make_cell(verl, "vllm", "0.11.0", when=when)
    for verl in ("0.5.0", "0.6.1", "0.8.0", "0.9.1"):
        yield make_cell(verl, "vllm", "0.11.0", python="3.11")
    for verl in ("0.4.1", "0.6.1", "0.7.1"):
        yield make_cell(verl, "sglang", "0.5.5")
    yield make_cell("0.6.1", "sglang", "0.5.5", form=Form.EXTRA, when=When.RELEASE)
    yield make_cell("0.6.1", "vllm", "0.11.0", form=Form.EXTRA)
    yield make_cell("0.4.1", "vllm", "0.24.0")
    yield make_cell("0.9.0", "vllm", "0.24.0", form=Form.EXTRA)
    yield make_cell("0.9.1", "vllm", "0.24.0", form=Form.EXTRA, when=When.RELEASE)
    yield make_cell("0.6.0", "vllm", "0.10.0")
    yield make_cell("0.8.0", "vllm", "0.10.0", form=Form.EXTRA)


def make_cell(
    verl: str,
    engine: str,
    release: str,
    *,
    form: Form = Form.BARE,
    python: str = "3.12",
    when: When = When.TODAY,
) -> SpaceCell:
    """Return one cell for glibc 2.35."""
    return SpaceCell(
        verl=verl,
        engine=engine,
        release=release,
        form=form,
        python=python,
        glibc="2.35",
        when=when,
    )


def install(cell: SpaceCell, as_of: dt.date, home: Path, *, dry: bool) -> dict[str, str] | str:
    """Return the versions that uv installed (or, *dry*, says it would), or its last word.

    The installer is asked as a user would ask it, sdists and the machine's own platform
    included; only the day is given.
    """
    python = find_python(cell.python)
    made = call_uv(["venv", "--quiet", "--python", str(python), str(home)], timeout_s=120)
    if made.exit_status != 0:
        return made.last_line
    words = ["pip", "install", "--python", str(home / "bin" / "python")]
    words += ["--exclude-newer", str(cell.question(as_of).newest)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        dry_words = ["--dry-run"] if dry else []
        # Not redacted: "tiktoken==0.14.0" looks like a secret, and nobody keeps this log.
        ended = run(
            [find_uv(), *words, *dry_words, *cell.requirements],
            env=os.environ,
            cwd=Path(folder),
            limits=Limits(timeout_s=1800),
            log=log,
        )
        said = log.read_text(encoding="utf-8")
    if ended.exit_status != 0:
        return ended.tail[-300:]
    if dry:
        return {canonicalize_name(each["name"]): each["version"] for each in PLANNED.finditer(said)}
    packages = home / PACKAGES.format(python=cell.python)
    installed = importlib.metadata.distributions(path=[str(packages)])
    return {canonicalize_name(each.name): each.version for each in installed}


def test_what_resolves_is_what_gets_installed(tmp_path: Path) -> None:
    """Every axis version of every cell installed equals the prediction, or the test fails."""
    axes = ROOT / "matrix" / "axes"
    releases = {
        name: releases_of(load_axis(axes / f"{name}.toml")) for name in ("verl", "vllm", "sglang")
    }
    today = last_complete_day(dt.datetime.now(dt.timezone.utc))
    known = load_earlier()
    with open_resolver() as (resolver, _shelf):
        for cell in cells():
            as_of = day_of(cell, releases, today=today)
            assert as_of is not None
            key = (cell.id, str(as_of))
            dry = shutil.disk_usage(tmp_path).free < FREE_BYTES
            if key in known and (dry or known[key]["how"] == "installed"):
                continue
            answer = resolver.ask(cell.question(as_of))
            if answer.resolution is not Resolution.RESOLVED:
                known[key] = {"cell": cell.id, "as_of": str(as_of), "said": answer.why}
                continue
            home = tmp_path / "environment"
            found = install(cell, as_of, home, dry=dry)
            shutil.rmtree(home, ignore_errors=True)
            row = compare(cell, as_of, answer.picks, found)
            known[key] = {**row, "how": "planned" if dry else "installed"}
            write(list(known.values()))
    compared = [row for row in known.values() if "installed" in row]
    assert len(compared) >= 30
    assert all(row["equal"] for row in compared)


def load_earlier() -> dict[tuple[object, object], dict[str, object]]:
    """Return what earlier sessions compared, by cell and day: this one goes on from there."""
    if not FIGURES.exists():
        return {}
    rows = json.loads(FIGURES.read_text(encoding="utf-8"))["rows"]
    return {
        (row["cell"], row["as_of"]): {"how": "installed", **row}
        for row in rows
        if "installed" in row
    }


def compare(
    cell: SpaceCell, as_of: dt.date, picks: Mapping[str, str], found: dict[str, str] | str
) -> dict[str, object]:
    """Return one row: predicted and installed axis versions, and how many others differ."""
    row: dict[str, object] = {"cell": cell.id, "as_of": str(as_of)}
    if isinstance(found, str):
        return {**row, "failed": re.sub(r"(?<![\w.])/[^\s`]+", "<path>", found)[:300]}
    predicted = dict(picks)
    wanted = {name: predicted[name] for name in AXES if name in predicted}
    got = {name: found[name] for name in AXES if name in found}
    differ = sorted(name for name in {*predicted, *found} if predicted.get(name) != found.get(name))
    return {
        **row,
        "predicted": wanted,
        "installed": got,
        "equal": wanted == got,
        "distributions": len(predicted),
        "differ": differ[:10],
    }


def write(rows: list[dict[str, object]]) -> None:
    """Write the figures of what was compared so far."""
    compared = [row for row in rows if "installed" in row]
    write_figures(
        "space_truth",
        title="Resolved sets of the space against real installations",
        command="nox -s truth -- tests/truth/test_resolution_truth.py",
        figures={
            "compared": len(compared),
            "really_installed": sum(row.get("how") != "planned" for row in compared),
            "planned_by_the_installer": sum(row.get("how") == "planned" for row in compared),
            "equal_on_every_axis": sum(bool(row["equal"]) for row in compared),
            "equal_in_every_distribution": sum(not row["differ"] for row in compared),
            "not_compared": len(rows) - len(compared),
        },
        rows=[{"what": f"{row['cell']} as of {row['as_of']}", **row} for row in rows],
    )
