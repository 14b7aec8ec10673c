"""Small real things to test with: wheels, an index of them, a checkout, probes, records."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import textwrap
import zipfile
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.execute.workspace import Workspace
from pytest_verlcompat.matrix.load import Matrix, load_matrix
from pytest_verlcompat.model.cell import Cell
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.machine import Machine
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.model.verdict import VerdictKind
from pytest_verlcompat.resolve.uv import find_uv

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that surely is on this machine: the one that runs the tests."""

NO_SUCH_MINOR = "3.99"

_COMMAND = """\
import signal, sys
from pathlib import Path
from pytest_verlcompat.cli import main
from pytest_verlcompat.probes import registry
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have us ignore it
registry.SCRIPTS = Path(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""

MACHINE = Machine(system="Linux", architecture="x86_64", glibc="2.35", cpus=2, memory_mib=24_000)


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    tags: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
) -> Path:
    """Return a wheel of module *name* that installers accept, RECORD and all."""
    home = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    metadata += [f"Provides-Extra: {each}" for each in extras]
    wheel = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true", f"Tag: {tags}"]
    members = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        **(files or {}),
        f"{home}/METADATA": "\n".join(metadata) + "\n",
        f"{home}/WHEEL": "\n".join(wheel) + "\n",
    }
    rows = [f"{path},{_record_hash(text)},{len(text.encode())}" for path, text in members.items()]
    members[f"{home}/RECORD"] = "\n".join([*rows, f"{home}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member), text)  # no clock in it: equal bytes
    return path


def _record_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={urlsafe_b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True)
class TinyIndex:
    """A folder of wheels that uv is pointed to in place of any index."""

    folder: Path

    def add(self, name: str, version: str, **parts: Any) -> Path:  # noqa: ANN401 -- of write_wheel
        """Write a wheel into the folder."""
        return write_wheel(self.folder, name, version, **parts)

    def environ(self, *, cache: Path) -> dict[str, str]:
        """Return the settings of uv that make this folder all there is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return {
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.folder),
            "UV_CACHE_DIR": str(cache),
        }


@dataclass(frozen=True)
class TinyWorkspace:
    """A checkout with its own matrix and its own probe scripts."""

    root: Path

    @property
    def workspace(self) -> Workspace:
        """The folders, as the package sees them."""
        return Workspace(root=self.root)

    @property
    def scripts(self) -> Path:
        """Folder of the probe scripts."""
        return self.root / "scripts"

    def command(self, *words: str) -> list[str]:
        """Return the argument list of ``verlcompat *words`` here, with our probes for the real."""
        verb, *rest = words
        return [
            sys.executable,
            "-c",
            _COMMAND,
            str(self.scripts),
            verb,
            "--root",
            str(self.root),
            *rest,
        ]

    def declare_axes(self) -> None:
        """Write the axes: two distributions, python, platform and date."""
        values = {"alpha": ["1.0", "1.1"], "beta": ["1.0", "2.0"]}
        for place, (name, texts) in enumerate(values.items()):
            self.write_axis(name, kind="distribution", place=place, texts=texts, distribution=name)
        minors = [*(f"3.{minor}" for minor in range(9, 16)), NO_SUCH_MINOR]
        self.write_axis("python", kind="python", place=10, texts=minors, label="python")
        triple = "x86_64-manylinux_2_35"
        self.write_axis("platform", kind="platform", place=20, texts=[triple], default=triple)
        self.write_axis("as-of", kind="date", place=30, texts=["2026-01-01"], label="")

    def write_axis(
        self,
        name: str,
        *,
        kind: str,
        place: int,
        texts: Iterable[str],
        label: str | None = None,
        **more: str,
    ) -> Path:
        """Write ``matrix/axes/<name>.toml``."""
        label = name if label is None else label
        lines = [f'kind = "{kind}"', f"place = {place}", f'label = "{label}"', 'source = "tests"']
        lines += [f'{key} = "{value}"' for key, value in more.items()]
        for text in texts:
            lines += ["", "[[values]]", f'value = "{text}"']
        return self.write(f"matrix/axes/{name}.toml", "\n".join(lines))

    def write_cell(
        self,
        values: Mapping[str, str] | None = None,
        *,
        expected: str = "compatible",
        failing: Iterable[str] | None = None,
        python: str = MINOR,
    ) -> str:
        """Write a cell of ``alpha 1.0`` plus *values*; return its id."""
        pins = {"alpha": "1.0", **(values or {}), "python": python, "as-of": "2026-01-01"}
        cell_id = "-".join(
            f"{name if name != 'as-of' else ''}{text}"
            for name, text in sorted(
                pins.items(), key=lambda pin: ["alpha", "beta", "python", "as-of"].index(pin[0])
            )
        )
        lines = ['title = "A tiny stack"', f'expected = "{expected}"']
        if failing is not None:
            lines.append(f"failing = [{', '.join(map(repr, failing))}]")
        lines += ['reason = "Made for a test."', "", "[values]"]
        lines += [f'{name} = "{text}"' for name, text in pins.items()]
        self.write(f"matrix/cells/{cell_id}.toml", "\n".join(lines))
        return cell_id

    def write_probe(self, name: str, body: str = "return {}", **constants: Any) -> Path:  # noqa: ANN401 -- literals
        """Write a probe script that does *body*; it needs ``alpha`` unless told otherwise."""
        return write_probe(self.scripts, name, body, **constants)

    def write(self, name: str, text: str) -> Path:
        """Write a file below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def matrix(self) -> Matrix:
        """Return the declared matrix."""
        return load_matrix(self.root / "matrix")


def write_probe(folder: Path, name: str, body: str = "return {}", **constants: Any) -> Path:  # noqa: ANN401 -- literals
    """Return a probe script that does *body*; it needs ``alpha`` unless told otherwise."""
    declared = {
        "TITLE": f"{name} does what it should",
        "RUNG": "cpu",
        "DISTRIBUTIONS": ("alpha",),
        "GPUS": 0,
        "TIMEOUT_S": 20.0,
        **constants,
    }
    lines = [f'"""{name}."""', *(f"{key} = {value!r}" for key, value in declared.items())]
    lines += ["", "", "def probe(request):", textwrap.indent(textwrap.dedent(body).strip(), "    ")]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shadow_uv(folder: Path, script: str) -> dict[str, str]:
    """Return the environment in which uv is the shell *script* in place of the module's program.

    ``REAL_UV`` in the script is the real one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "uv.py").write_text("raise ImportError('shadowed')\n", encoding="utf-8")
    tool = folder / "uv"
    tool.write_text("#!/bin/sh\n" + script.replace("REAL_UV", str(find_uv())) + "\n")
    tool.chmod(0o755)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{python_path()}",
    }


def make_cell(**changes: Any) -> Cell:  # noqa: ANN401 -- fields of Cell
    """Return a cell of ``alpha 1.0`` with *changes*."""
    cell = Cell(
        id="alpha1.0",
        title="A tiny stack",
        values={"alpha": "1.0"},
        requirements=("alpha==1.0",),
        overrides=(),
        python=MINOR,
        platform="x86_64-manylinux_2_35",
        as_of="2026-01-01",
        expected=VerdictKind.COMPATIBLE,
        failing=None,
        reason="Made for a test.",
        sources=(),
    )
    return dataclasses.replace(cell, **changes)


def make_evidence(**changes: Any) -> Evidence:  # noqa: ANN401 -- fields of Evidence
    """Return the record of a CPU probe that passed, with *changes*."""
    record = Evidence(
        cell_id="alpha1.0",
        subject="engine",
        rung=Rung.CPU,
        outcome=Outcome.PASSED,
        ending=Ending.REPLIED,
        started_at="2026-01-02T03:04:05Z",
        duration_s=1.5,
        machine=MACHINE,
        harness="0.1.0",
        subject_sha256="aa",
        lock_sha256="bb",
        environment_id="cc",
        interpreter="CPython 3.12.1",
        argv=("python", "-I", "_runner.py", "engine.py"),
        exit_status=0,
    )
    return dataclasses.replace(record, **changes)


def python_path() -> str:
    """Return a PYTHONPATH with which a subprocess imports this very package."""
    root = str(Path(__file__).parent.parent)
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
