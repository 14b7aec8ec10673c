"""The remedies of the catalogue, tried on environments that are broken for real.

Each case builds an environment, sees its command fail, sees the log explained first by its
entry, types the remedy as that explanation gives it, and sees the command succeed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.issues.catalogue import Entry, Remedy, load_catalogue
from pytest_verlcompat.issues.explain import explain
from pytest_verlcompat.issues.installed import installed_facts
from tests.figures import write_figures

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.issues.explain import Diagnosis

COMMAND = "nox -s truth -- -k remedies"
CATALOGUE = {each.id: each for each in load_catalogue()}
LIMIT_S = 500.0
PYTHON = sys.executable if sys.version_info[:2] == (3, 12) else "3.12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One broken environment, and one remedy of its entry to be tried there."""

    entry: str
    command: str
    """One line that fails; options of the trainer are typed at its end."""
    position: int
    """Which remedy of the entry, from 1."""
    number: int
    """Place of its table in the file, from 1."""
    requirements: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    build: str = ""
    prepare: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def remedy(self) -> Remedy:
        """The remedy as it stands in the entry."""
        return CATALOGUE[self.entry].remedies[self.position - 1]


def _cases() -> Iterator[Case]:
    text = Path(__file__).with_name("remedies.toml").read_text(encoding="utf-8")
    for number, table in enumerate(tomllib.loads(text)["case"], 1):
        positions = table.pop("remedies")
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
        for position in positions:
            yield Case(**values, position=position, number=number)


CASES = tuple(_cases())


class Broken:
    """An environment and a folder to work in, built as a case says."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.work = folder / "work"
        self.python = folder / "env" / "bin" / "python"
        self._environ = self._variables(folder)
        for name, text in case.files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.work.mkdir(exist_ok=True)
        self._uv("venv", "--quiet", "--seed", "--python", PYTHON, str(folder / "env"))
        if case.requirements:
            self._uv("pip", "install", "--quiet", *case.requirements)
        if case.bare:
            self._uv("pip", "install", "--quiet", "--no-deps", *case.bare)
        if case.build:
            status, log = self.shell(f"set -e\n{case.build}")
            assert status == 0, log

    def shell(self, script: str) -> tuple[int, str]:
        """Return exit status and output of *script* in a shell with this environment active."""
        ended = subprocess.run(
            ["/bin/sh", "-c", script], cwd=self.work, env=self._environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=LIMIT_S,
        )  # fmt: skip
        return ended.returncode, ended.stdout.decode("utf-8", "replace")

    def diagnose(self, log: str) -> Diagnosis:
        """Return what ``explain --python`` says of *log*."""
        stream = io.BytesIO(log.encode())
        return explain(stream, catalogue=CATALOGUE.values(), facts=installed_facts(self.python))

    def _uv(self, *words: str) -> None:
        uv = shutil.which("uv")
        assert uv is not None, "uv is not installed"
        subprocess.run([uv, *words], env=self._environ, check=True, timeout=LIMIT_S)

    def _variables(self, folder: Path) -> dict[str, str]:
        """Return a shell's variables after activation, with a home of its own."""
        home = Path.home()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_", "WANDB"))}
        config = home / ".config" / "pip" / "pip.conf"
        (folder / "home").mkdir()
        return {
            **kept,
            "HOME": str(folder / "home"),
            "VIRTUAL_ENV": str(folder / "env"),
            "PATH": f"{folder / 'env' / 'bin'}:{os.environ['PATH']}",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(home / ".cache" / "uv")),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(home / ".cache" / "pip")),
            **({"PIP_CONFIG_FILE": str(config)} if config.is_file() else {}),
            **self.case.environ,
        }


def _offered(diagnosis: Diagnosis, remedy: Remedy) -> Remedy | None:
    """Return *remedy* as the explanation gives it, with what the log names put in."""
    assert diagnosis.root is not None
    return next(
        (e for e in diagnosis.root.remedies if (e.cost, e.when) == (remedy.cost, remedy.when)), None
    )


def _typed(case: Case, remedy: Remedy) -> str:
    """Return the remedy and the command as one would type them."""
    if remedy.is_option:
        return f"set -e\n{case.prepare}\n{case.command} {remedy.do}"
    return f"set -e\n{case.prepare}\n{remedy.do}\n{case.command}"


def _write(case: Case, **row: Any) -> None:  # noqa: ANN401 -- JSON values
    path = write_figures(
        "remedies_truth",
        title="remedies: environments broken for real and mended as the catalogue says",
        command=COMMAND,
        figures={},
        rows=[{"what": f"{case.entry} remedy {case.position}", **row}],
    )
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    write_figures(
        "remedies_truth",
        title="remedies: environments broken for real and mended as the catalogue says",
        command=COMMAND,
        figures={
            "entries_tried": len({each["entry"] for each in rows}),
            "entries_mended": len({each["entry"] for each in rows if each["gone"]}),
            "remedies_tried": len(rows),
            "remedies_that_mend": sum(each["gone"] for each in rows),
        },
        rows=[],
    )


def _entry(case: Case) -> Entry:
    return CATALOGUE[case.entry]


@pytest.mark.truth
@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.entry}-remedy{case.position}-case{case.number}"
)
def test_remedy_as_written_ends_the_failure(case: Case, tmp_path: Path) -> None:
    """The command fails, its log is explained first by its entry, and the remedy mends it."""
    started = time.perf_counter()
    broken = Broken(case, tmp_path)
    status, log = broken.shell(f"{case.prepare}\n{case.command}")
    diagnosis = broken.diagnose(log)
    first = diagnosis.root.entry.id if diagnosis.root else None
    remedy = _offered(diagnosis, case.remedy) if first == case.entry else None
    after, after_log = broken.shell(_typed(case, remedy)) if remedy else (None, "")
    left = [each.entry.id for each in broken.diagnose(after_log).explanations]
    gone = after == 0 and case.entry not in left
    _write(
        case,
        entry=case.entry,
        title=_entry(case).title,
        remedy=case.remedy.do,
        broken=[*case.requirements, *case.bare],
        before_status=status,
        explained_first_by=first,
        after_status=after,
        gone=gone,
        seconds=round(time.perf_counter() - started, 1),
    )
    shutil.rmtree(tmp_path, ignore_errors=True)

    assert status != 0, log
    assert first == case.entry, log
    assert remedy is not None, diagnosis.root
    assert gone, after_log


def test_cases_cover_twenty_entries() -> None:
    """At least twenty entries are broken and mended for real, each by a remedy it has."""
    tried = [(case.entry, case.position) for case in CASES]

    assert len({entry for entry, _ in tried}) >= 20
    assert len(set(tried)) == len(tried)
    assert all(case.remedy.do for case in CASES)
