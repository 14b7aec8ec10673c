"""A project in which pytest runs with the plugin installed, over probes of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT
from tests.tiny import write_probe

if TYPE_CHECKING:
    from pathlib import Path

_CONFTEST = """\
from pathlib import Path
from pytest_verlcompat.probes import registry
registry.SCRIPTS = Path(__file__).parent / "scripts"
"""
_SPARED = ("hypothesispytest", "pytest_cov", "platformdirs")
"""Plugins of others that only cost time here."""


@dataclass(frozen=True)
class Project:
    """A folder with tests and probes, and a stack that an interpreter would import."""

    pytester: pytest.Pytester
    site: Path

    def write_probe(self, name: str, body: str = "return {}", **constants: Any) -> None:  # noqa: ANN401 -- literals
        """Write a probe; it needs ``alpha`` unless told otherwise."""
        write_probe(self.pytester.path / "scripts", name, body, **constants)

    def write_probe_to(self, folder: Path, name: str, body: str = "return {}") -> None:
        """Write a probe of the repository's own."""
        write_probe(folder, name, body)

    def append_conftest(self, text: str) -> None:
        """Add to the repository's ``conftest.py``."""
        with (self.pytester.path / "conftest.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")

    def write_ini(self, text: str) -> str:
        """Make *text* our settings; return pytest's own ini file."""
        self.pytester.makepyprojecttoml(f"[tool.verlcompat]\n{text}")
        (self.pytester.path / "pytest.ini").write_text("[pytest]\n")
        return "pytest.ini"

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """Start pytest and do not wait for it."""
        spared = [word for name in _SPARED for word in ("-p", f"no:{name}")]
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *spared, *words],
            cwd=self.pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def install(self, name: str, version: str) -> None:
        """Put a module and its metadata folder where the interpreter under test imports from."""
        (self.site / f"{name}-{version}.dist-info").mkdir(parents=True)
        (self.site / f"{name}.py").write_text(f"__version__ = {version!r}\n")

    def run(self, *words: str, limit_s: float = 120) -> pytest.RunResult:
        """Run pytest in a process of its own, as a user would."""
        spared = [word for name in _SPARED for word in ("-p", f"no:{name}")]
        return self.pytester.runpytest_subprocess(*spared, *words, timeout=limit_s)


@pytest.fixture
def project(
    pytester: pytest.Pytester,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Return a project with ``alpha`` installed and one probe that passes."""
    site = tmp_path_factory.mktemp("site")
    metadata = site / "pytest_verlcompat-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pytest-verlcompat\nVersion: 0\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[pytest11]\nverlcompat = pytest_verlcompat.plugin\n"
    )
    path = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeconftest(_CONFTEST)
    made = Project(pytester=pytester, site=site)
    made.install("alpha", "1.0")
    made.write_probe("engine", "import alpha; return {'version': alpha.__version__}")
    return made
