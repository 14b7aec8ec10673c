"""The doctor beside other collectors, on a real vLLM environment into which faults are planted.

A first look is one with an empty cache folder: verl's imports and the symbols are judged then.
The environment is built from a lock of this project (ten gigabytes, by hard links where uv has
them in its cache) and deleted again. What a tool says of a fault is decided by a rule, below.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.wheels.index import IndexClient
from tests.conftest import ROOT
from tests.figures import FOLDER, write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

COMMAND = "nox -s bench -- tests/benchmarks/test_doctor_bench.py"
TITLE = "doctor: time and planted faults, beside other collectors"
CELL = "verl0.6.1-vllm0.11.0-python3.12-2025-11-20"
RULE = (
    "says: one line that the sound environment does not print holds the fault's decisive words, "
    "both sides of the conflict or the error itself; lists: a new line holds what was changed, "
    "and no line says that it is wrong; stops: it ends with a traceback and neither; nothing"
)
LIMIT_S = 300.0
DOCTOR = "verlcompat doctor"
QUICK = ("--quick",)
LOOKS = 5
AT_ONCE = 2
"""Tools that look at a fault side by side; nothing is timed then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is made wrong in a sound environment."""

    name: str
    says: str
    """What one line must hold to say that it is wrong; case does not matter."""
    lists: str
    """What shows the thing without judging it."""
    installs: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    writes: Mapping[str, str] = field(default_factory=dict)
    """Files below site-packages."""


FAULTS = (
    Fault(
        name="numpy newer than numba knows",
        installs=("numpy==2.3.5",),
        says=r"numba\b.*numpy",
        lists=r"numpy\W+2\.3\.5",
    ),
    Fault(
        name="transformers 5 under vLLM 0.11",
        installs=("transformers==5.4.0",),
        says=r"transformers.*(vllm|verl|Vision2Seq)|(vllm|verl|Vision2Seq).*transformers",
        lists=r"transformers\W+5\.4\.0",
    ),
    Fault(
        name="setuptools without pkg_resources under tensorboard 2.20",
        installs=("setuptools==82.0.0", "tensorboard==2.20.0"),
        says=r"pkg_resources",
        lists=r"setuptools\W+82\.0\.0",
    ),
    Fault(
        name="pyarrow 26 beside numpy 1",
        installs=("pyarrow==26.0.1",),
        says=r"pyarrow.*numpy",
        lists=r"pyarrow\W+26\.0\.1",
    ),
    Fault(
        name="torchvision of another torch",
        installs=("torchvision==0.22.1",),
        says=r"torchvision.*torch\b|torchvision::nms",
        lists=r"torchvision\W+0\.22\.1",
    ),
    Fault(
        name="two OpenCV distributions",
        installs=("opencv-python==4.9.0.80",),
        says=r"several opencv|two opencv|opencv-python.*opencv-python-headless",
        lists=r"opencv-python\W+4\.9\.0\.80",
    ),
    Fault(
        name="torch replaced under the extensions",
        installs=("torch==2.9.1",),
        says=r"undefined symbol|another torch|requires torch==2\.8",
        lists=r"torch\W+(version: )?2\.9\.1",
    ),
    Fault(
        name="expandable segments with vLLM's pool",
        environ={"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
        says=r"expandable.segments.*(pool|vllm)",
        lists=r"expandable_segments:True",
    ),
    Fault(
        name="VLLM_USE_V1=0 under verl",
        environ={"VLLM_USE_V1": "0"},
        says=r"VLLM_USE_V1 (contradicts|is).*",
        lists=r"VLLM_USE_V1\W+0",
    ),
    Fault(
        name="verl older than the engine's names",
        installs=("verl==0.5.0",),
        says=r"verl.*imports.*(vllm|module)|No module named 'vllm\.",
        lists=r"verl\W+0\.5\.0",
    ),
    Fault(
        name="metadata of an interrupted install",
        writes={"torch-2.7.1.dist-info/METADATA": "Name: torch\nVersion: 2.7.1\n\n"},
        says=r"torch.*(twice|two versions|duplicate)",
        lists=r"torch\W+2\.7\.1",
    ),
    Fault(
        name="wheels of two CUDA majors",
        installs=("nvidia-nccl-cu13==2.28.9",),
        says=r"(two|both) cuda majors|cuda 12.*cuda 13",
        lists=r"nvidia-nccl-cu13",
    ),
)  # fmt: skip


class Patient:
    """The environment, and the tools that look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder / "env"
        self.python = self.prefix / "bin" / "python"
        self.cache = folder / "cache"
        lock = ROOT / "matrix" / "locks" / CELL / "requirements.txt"
        python = sys.executable if sys.version_info[:2] == (3, 12) else "3.12"
        self.uv("venv", "--seed", "--python", python, self.prefix)  # the others list with pip
        self.install("--requirement", lock)
        self.site = next(self.prefix.glob("lib/python3*/site-packages"))
        diagnose = _fetch_diagnose(folder)
        self.tools = {
            DOCTOR: [sys.executable, "-m", "pytest_verlcompat.cli", "doctor",
                                  "--python", self.python],
            "python -m torch.utils.collect_env": [self.python, "-m", "torch.utils.collect_env"],
            "python -m vllm.collect_env": [self.python, "-m", "vllm.collect_env"],
            "verl scripts/diagnose.py": [self.python, diagnose],
        }  # fmt: skip

    def uv(self, *words: object) -> None:
        """Run uv."""
        uv = shutil.which("uv")
        assert uv is not None, "uv is not installed"
        subprocess.run([uv, *map(str, words), "--quiet"], check=True, timeout=900)

    def install(self, *words: object) -> None:
        """Install exactly what is named."""
        self.uv("pip", "install", "--python", self.python, "--no-deps", "--reinstall", *words)

    def plant(self, fault: Fault) -> None:
        """Make it wrong."""
        if fault.installs:
            self.install(*fault.installs)
        for name, text in fault.writes.items():
            path = self.site / name
            path.parent.mkdir()
            path.write_text(text, encoding="utf-8")

    def heal(self, fault: Fault, versions: Mapping[str, str]) -> None:
        """Make it right again."""
        for name in fault.writes:
            shutil.rmtree((self.site / name).parent)
        names = [each.partition("==")[0] for each in fault.installs]
        new = [name for name in names if name not in versions]
        if new:
            self.uv("pip", "uninstall", "--python", self.python, *new)
        back = [f"{name}=={versions[name]}" for name in names if name in versions]
        if "opencv-python" in new:  # it wrote over the files of the other
            back.append(f"opencv-python-headless=={versions['opencv-python-headless']}")
        if back:
            self.install(*back)

    def ask(self, tool: str, environ: Mapping[str, str], *more: str) -> tuple[float, int, str]:
        """Return seconds, exit status and output of *tool*."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VLLM", "HF_"))}
        own = tool.startswith("verlcompat")
        env = {
            **kept,
            "VERLCOMPAT_CACHE_DIR": str(self.cache),
            **({"PYTHONPATH": str(ROOT)} if own else {}),
            **environ,
        }
        started = time.perf_counter()
        ended = subprocess.run(
            [*self.tools[tool], *more], cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=LIMIT_S,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        return seconds, ended.returncode, ended.stdout.decode("utf-8", "replace")


def _fetch_diagnose(folder: Path) -> Path:
    """Return verl's script, which only its source distribution has."""
    version = CELL.partition("-")[0].removeprefix("verl")
    files = IndexClient.configured().releases("verl")
    (url,) = [file.url for file in files if not file.is_wheel and str(file.version) == version]
    with (
        urllib.request.urlopen(url, timeout=LIMIT_S) as reply,  # noqa: S310 -- the index is configured
        tarfile.open(fileobj=io.BytesIO(reply.read())) as archive,
    ):
        member = archive.extractfile(f"verl-{version}/scripts/diagnose.py")
        assert member is not None
        script = folder / "diagnose.py"
        script.write_bytes(member.read())
    return script


def judge(fault: Fault, *, sound: str, output: str, status: int) -> str:
    """Return the word of `RULE` for what *output* tells of *fault*."""
    before = set(sound.splitlines())
    new = [line for line in output.splitlines() if line not in before]
    for word, pattern in (("says", fault.says), ("lists", fault.lists)):
        if any(re.search(pattern, line, re.IGNORECASE) for line in new):
            return word
    stopped = status != 0 and any("Traceback" in line for line in new)
    return "stops" if stopped else "nothing"


def _timed(patient: Patient, sound: dict[str, tuple[int, str]]) -> Iterator[dict[str, Any]]:
    """Yield what each look costs on the sound environment; files were read before, so by cores.

    Args:
        patient: The environment.
        sound: Where exit status and output of every tool go.
    """
    for label, more, forget in (
        (f"{DOCTOR} --quick", QUICK, False),
        (f"{DOCTOR} (first look)", (), True),
        (DOCTOR, (), False),
    ):
        runs = []
        patient.ask(DOCTOR, {}, *more)  # what it reads is then in memory, as where one works
        for _ in range(LOOKS):
            if forget:
                shutil.rmtree(patient.cache, ignore_errors=True)
            runs.append(patient.ask(DOCTOR, {}, *more))
        sound[DOCTOR] = runs[-1][1:]
        yield _row(label, runs)
    for tool in patient.tools:
        if tool != DOCTOR:
            runs = [patient.ask(tool, {}) for _ in range(2)]
            sound[tool] = runs[-1][1:]
            yield _row(tool, runs)


def _row(label: str, runs: Sequence[tuple[float, int, str]]) -> dict[str, Any]:
    seconds = [run[0] for run in runs]
    return {
        "what": label,
        "runs": len(runs),
        "median_s": round(statistics.median(seconds), 2),
        "best_s": round(min(seconds), 2),
        "exit_status": runs[-1][1],
        "output_lines": runs[-1][2].count("\n"),
    }


def _ask_all(patient: Patient, environ: Mapping[str, str]) -> dict[str, tuple[int, str]]:
    """Return exit status and output of every tool."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        replies = pool.map(lambda tool: patient.ask(tool, environ), patient.tools)
        return {tool: reply[1:] for tool, reply in zip(patient.tools, replies, strict=True)}


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """Return the environment, deleted afterwards."""
    yield Patient(tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.bench
def test_doctor_beside_other_collectors(patient: Patient) -> None:
    """The doctor takes a second and names planted faults of which others say little."""
    sound: dict[str, tuple[int, str]] = {}
    rows = list(_timed(patient, sound))
    versions = _versions(patient)
    table = []
    for fault in FAULTS:
        patient.plant(fault)
        table.append({"what": f"fault: {fault.name}"} | {
            tool: judge(fault, sound=sound[tool][1], output=output, status=status)
            for tool, (status, output) in _ask_all(patient, fault.environ).items()
        })  # fmt: skip
        patient.heal(fault, versions)
    said = {tool: sum(row[tool] == "says" for row in table) for tool in patient.tools}
    seconds = {row["what"]: row["median_s"] for row in rows}
    (FOLDER / "doctor_bench.json").unlink(missing_ok=True)  # this test writes all of it
    write_figures(
        "doctor_bench",
        title=TITLE,
        command=COMMAND,
        figures={
            "cell": CELL,
            "distributions": len(versions),
            "doctor_first_look_s": seconds[f"{DOCTOR} (first look)"],
            "doctor_s": seconds[DOCTOR],
            "doctor_quick_s": seconds[f"{DOCTOR} --quick"],
            "planted_faults": len(FAULTS),
            "faults_said": said,
            "rule": RULE,
        },
        rows=[*rows, *table],
    )

    assert said[DOCTOR] == len(FAULTS), table
    assert seconds[DOCTOR] <= 1.0, rows


def _versions(patient: Patient) -> dict[str, str]:
    found = {}
    for path in patient.site.glob("*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        found[name.lower().replace("_", "-")] = version
    return found


@pytest.mark.parametrize(
    ("output", "status", "word"),
    [
        ("VC124  numba refuses a numpy newer than it knows", 1, "says"),
        ("ImportError: Numba needs NumPy 2.2 or less. Got NumPy 2.3.", 1, "says"),
        ("[pip3] numba==0.61.2\n[pip3] numpy==2.3.5", 0, "lists"),
        ("Traceback (most recent call last):\nKeyError: 'x'", 1, "stops"),
        ("the same as ever: numba and numpy", 0, "nothing"),
    ],
)
def test_rule_tells_saying_from_listing(output: str, status: int, word: str) -> None:
    """A tool is credited for what it says anew, in one line, of both sides."""
    sound = "[pip3] numba==0.61.2\nthe same as ever: numba and numpy"

    assert judge(FAULTS[0], sound=sound, output=output, status=status) == word
