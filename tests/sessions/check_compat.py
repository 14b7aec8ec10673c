"""Run pytest in a small repository with the plugins of others, in several ways, and count.

The session ``compat`` calls it with the interpreter of each set of versions; it needs nothing
but the plugin and its neighbours there.
"""
# ruff: noqa: T201 -- a script of a session, which shows what it does

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent / "data" / "compat"
NEIGHBOURS = (
    "pytest", "pytest-xdist", "pytest-asyncio", "anyio", "pytest-cov", "pytest-timeout",
    "pytest-rerunfailures", "pytest-randomly", "hypothesis", "pytest-benchmark",
)  # fmt: skip
ALWAYS = {"passed": 11, "xfailed": 1, "rerun": 1}
WAYS: tuple[tuple[tuple[str, ...], dict[str, int]], ...] = (
    ((), {**ALWAYS, "skipped": 3}),
    (("--verlcompat", "-n", "2", "--dist", "loadfile"), {**ALWAYS, "passed": 12, "skipped": 3}),
    (("--verlcompat-strict", "--deselect", "checks/test_beside.py::test_loops"),
     {"passed": 10, "xfailed": 1, "rerun": 1, "skipped": 2}),
    (("--verlcompat", "--cov=mine", "--cov-report=term", "--timeout=100", "-p", "no:randomly"),
     {**ALWAYS, "passed": 12, "skipped": 3}),
)  # fmt: skip
"""Words for pytest, and the outcomes that follow; uvloop is not there, so one skip more."""


def main() -> int:
    """Return 0 if every way ended as it should."""
    print(f"Python {sys.version.split()[0]}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in NEIGHBOURS))
    wrong = 0
    for words, expected in WAYS:
        status, output = _run(words)
        found = {
            kind.rstrip("s") if kind.startswith("error") else kind: int(count)
            for count, kind in re.findall(r"(\d+) (\w+)", output.splitlines()[-1])
            if kind in {"passed", "failed", "error", "errors", "skipped", "xfailed", "rerun"}
        }
        fine = status == 0 and found == expected
        print(f"  {'ok  ' if fine else 'FAIL'} pytest {' '.join(words)}: {found}")
        if not fine:
            wrong += 1
            print(f"expected {expected}, status {status}\n{output}")
    return min(wrong, 1)


def _run(words: tuple[str, ...]) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="vc-") as name:
        folder = Path(name, "repository")
        shutil.copytree(REPOSITORY, folder)
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error:::pytest_verlcompat", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "stack"), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
    return ended.returncode, ended.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
