"""Two public projects that depend on verl, unchanged: what the plugin finds, and whether it is so.

Their source distributions come from the index that is configured. The plugin runs in each against
releases that are installed nowhere. Then the import statements that it judged are executed in one
real environment, of vLLM 0.11.0 as of 2025-11-20, with several releases of verl in front of it, and
with vLLM 0.10.2, which wants the same torch, put in the place of 0.11.0; predicted and raised are
compared word for word.
``VERLCOMPAT_TRUTH_ENV`` names a folder for the environment that is to be kept.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.checks.own_imports import find_lines, judge_installed, of_the_stack
from pytest_verlcompat.checks.own_sources import OwnSources, find_sources
from pytest_verlcompat.checks.surface_environment import Environment, find_environment
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.process.environ import tool_environ
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.resolve.uv import call_uv
from pytest_verlcompat.store.jsonl import load
from pytest_verlcompat.wheels.index import IndexClient
from tests.conftest import ROOT
from tests.figures import make_venv, write_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.truth

PROJECTS = {"agentlightning": "0.3.0", "trinity-rft": "0.6.0"}
RELEASES = {
    "verl": ("0.6.1", "0.7.1", "0.9.1"),
    "vllm": ("0.11.0", "0.12.0", "0.13.0", "0.24.0"),
}
AS_OF = "2025-11-20"
BASE = ("vllm==0.11.0", "verl==0.6.1", "transformers<5", "uvicorn", "fastapi",
        "setuptools<81", "peft", "codetiming", "datasets", "hydra-core")  # fmt: skip
TRAINERS = ("0.6.1", "0.7.1", "0.9.1")
ENGINES = ("0.11.0", "0.10.2")
LIMIT_BYTES = 64 << 20
DEADLINE_S = 1500.0
CHILD = Path(__file__).with_name("downstream_child.py")
_WANTED = "what a function wants is missing: "
_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def keep(rows: list[dict[str, Any]], **figures: object) -> None:
    """Write rows and figures beside those of the other test."""
    write_figures(
        "downstream_truth",
        title="What the plugin finds in two projects that depend on verl, against real imports",
        command="nox -s truth -- -k downstream",
        figures=figures,
        rows=rows,
    )


def _uv(*words: str) -> None:
    ended = call_uv(words, timeout_s=1800)
    assert ended.exit_status == 0, ended.messages


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One import statement of verl or vLLM."""

    file: str
    line: int
    text: str
    guarded: bool
    """Whether the project itself expects it to fail."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of each project, as its source distribution unpacks."""
    client = IndexClient.configured()
    found = {}
    for name, version in PROJECTS.items():
        folder = tmp_path_factory.mktemp(name)
        (file,) = (
            each
            for each in client.releases(name)
            if str(each.version) == version and not each.is_wheel
        )
        archive = folder / file.filename
        with archive.open("wb") as out:
            client.transport.download(file.url, write=out.write, limit_bytes=LIMIT_BYTES)
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        (found[name],) = (path for path in folder.iterdir() if path.is_dir())
    return found


def test_downstream_projects_are_judged_by_the_plugin(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    """Each release gives an item of its own; what breaks is named with file and line."""
    python = make_venv(tmp_path / "env", "pytest", f"{ROOT}[cli]")
    rows = [row for name in projects for row in _judge(name, projects[name], python=python)]
    keep(
        rows,
        projects=len(PROJECTS),
        releases=sum(map(len, RELEASES.values())),
        findings_when_imported=sum(len(row["breaks"]) for row in rows),
        findings_when_called=sum(len(row["late"]) for row in rows),
    )

    assert len(rows) == len(PROJECTS) * sum(map(len, RELEASES.values()))
    assert {row["judged"] for row in rows} >= {"failed", "passed"}
    assert sum(len(row["breaks"]) for row in rows) >= 3


def _judge(name: str, folder: Path, *, python: Path) -> Iterator[dict[str, Any]]:
    """Run the plugin in *folder*; yield a row for each release it was asked about."""
    evidence = folder.parent / "evidence.jsonl"
    against = [f"--verlcompat-against={each}=={','.join(RELEASES[each])}" for each in RELEASES]
    run(
        [python, "-m", "pytest", "--verlcompat", "-m", "verlcompat", "-k", "own_imports",
         f"--verlcompat-evidence={evidence}", *against],
        env=tool_environ(os.environ),
        cwd=folder,
        limits=Limits(timeout_s=DEADLINE_S),
        output=folder.parent / "output",
    )  # fmt: skip
    said = (folder.parent / "output").read_text(errors="replace")
    assert evidence.exists(), said[-3000:]
    for record in load([evidence]).records:
        release = re.fullmatch(r"own_imports\[(.*)\]", record.subject)
        if release is None:
            continue
        detail = record.cause.detail or str(record.cause) if record.cause else ""
        lines = detail.splitlines()
        late = [line for line in lines if line.endswith(" (when it is called)")]
        yield {
            "what": f"{name}, {release[1]}",
            "project": f"{name} {PROJECTS[name]}",
            "release": release[1].replace("==", " "),
            "judged": record.outcome.value,
            "breaks": [line for line in lines if line not in late],
            "late": [line.removesuffix(" (when it is called)") for line in late]
            or ([record.condition.removeprefix(_WANTED)] if record.condition else []),
        }


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a real environment of vLLM 0.11.0; it is deleted unless it is to be kept."""
    kept = os.environ.get("VERLCOMPAT_TRUTH_ENV")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("downstream") / "env"
    if not (folder / "bin" / "python").exists():
        _uv("venv", "--python", str(find_python("3.12")), str(folder))
        _uv("pip", "install", "--python", str(folder), "--exclude-newer", AS_OF, *BASE)
    yield folder
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def trainers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders that hold one verl release each."""
    folder = tmp_path_factory.mktemp("trainers")
    for version in TRAINERS:
        place = str(folder / version)
        _uv("pip", "install", "--target", place, "--no-deps", f"verl=={version}")
    return {version: folder / version for version in TRAINERS}


def test_downstream_findings_are_what_really_is_raised(
    projects: dict[str, Path], environment: Path, trainers: dict[str, Path], tmp_path: Path
) -> None:
    """What is called broken raises just that, and what is not does not."""
    rows = []
    for engine in ENGINES:
        _uv("pip", "install", "--python", str(environment), "--no-deps", f"vllm=={engine}")
        rows += _compare(projects, environment, trainers, engine=engine, scratch=tmp_path)
    confirmed = sum(row["confirmed"] for row in rows)
    keep(
        rows,
        environments=len(rows) // len(PROJECTS),
        statements_executed=sum(row["tried"] for row in rows),
        findings_tried=sum(row["predicted"] for row in rows),
        findings_confirmed=confirmed,
        findings_worded_otherwise=sum(len(row["worded_otherwise"]) for row in rows),
        findings_overtaken=sum(len(row["overtaken"]) for row in rows),
        findings_wrong=sum(len(row["wrong"]) for row in rows),
        raised_and_not_predicted=sum(len(row["not_predicted"]) for row in rows),
    )

    assert confirmed >= 3
    assert [row["wrong"] for row in rows if row["wrong"]] == []
    assert [row["not_predicted"] for row in rows if row["not_predicted"]] == []


def _compare(
    projects: dict[str, Path],
    environment: Path,
    trainers: dict[str, Path],
    *,
    engine: str,
    scratch: Path,
) -> list[dict[str, Any]]:
    """Return a row for each project beside each trainer and this engine."""
    jobs, rows = [], []
    for name, folder in projects.items():
        statements = list(_statements(folder))
        for version, trainer in trainers.items():
            predicted = _predict(find_sources(folder), environment, trainer=trainer)
            jobs.append(
                {
                    "id": f"{name} {version}",
                    "folder": str(trainer),
                    "statements": list(dict.fromkeys(each.text for each in statements)),
                }
            )
            rows.append((name, version, statements, predicted))
    raised = _really(environment, jobs, scratch=scratch)
    return [
        {
            "what": f"{name} beside verl {version}, vLLM {engine}",
            "project": f"{name} {PROJECTS[name]}",
            "beside": f"verl {version}, vLLM {engine}",
            **_row(statements, predicted, raised[f"{name} {version}"]),
        }
        for name, version, statements, predicted in rows
    ]


def _predict(sources: OwnSources, environment: Path, *, trainer: Path) -> dict[str, set[str]]:
    """Return what is said to be raised, by file and line; of a list of names it is the first."""
    found = find_environment(environment)
    beside = Environment(
        folders=(trainer, *found.folders),
        python=found.python,
        versions={**found.versions, "verl": trainer.name},
    )
    surface = of_the_stack(judge_installed(sources, beside))
    lines = [*find_lines(surface, Weight.BROKEN), *find_lines(surface, Weight.SUSPECT)]
    said: dict[str, set[str]] = {}
    for line in lines:
        pair = re.fullmatch(r"(.+?:\d+): (.*)", line)
        if pair:
            said.setdefault(pair[1], set()).add(pair[2])
    return said


def _statements(folder: Path) -> Iterator[Statement]:
    """Yield every import of verl or vLLM, of functions too."""
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        tree = ast.parse(source)
        for node, guarded in _imports(tree, guarded=False):
            text = ast.unparse(node)
            if re.match(r"(from|import) (verl|vllm)\b", text):
                file = path.relative_to(folder).as_posix()
                yield Statement(file=file, line=node.lineno, text=text, guarded=guarded)


def _imports(tree: ast.AST, *, guarded: bool) -> Iterator[tuple[ast.stmt, bool]]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, guarded
        inside = guarded or (isinstance(child, ast.Try) and _expects(child))
        # What a branch of a test guards is tried on some releases only.
        yield from _imports(child, guarded=inside or isinstance(child, ast.If))


def _expects(node: ast.Try) -> bool:
    names = {
        name.id
        for handler in node.handlers
        for name in ast.walk(handler.type or ast.Name(id="Exception"))
        if isinstance(name, ast.Name)
    }
    return bool(names & _GUARDS)


def _really(
    environment: Path, jobs: list[dict[str, Any]], *, scratch: Path
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what each statement raised, by job and statement."""
    path, output = scratch / "jobs.json", scratch / "output"
    path.write_text(json.dumps(jobs))
    run(
        [environment / "bin" / "python", "-W", "ignore", str(CHILD), str(path)],
        env={**tool_environ(os.environ), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"},
        cwd=scratch,
        limits=Limits(timeout_s=DEADLINE_S),
        output=output,
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for line in output.read_text(errors="replace").splitlines():
        if line.startswith('{"job"'):
            each = json.loads(line)
            found.setdefault(each["job"], {})[each["statement"]] = each
    return found


def _row(
    statements: list[Statement], predicted: dict[str, set[str]], raised: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return how many agree, and those that do not.

    A finding is overtaken where the stack itself raises before the missing name is looked up, and
    worded otherwise where the same exception names another module (a package above it).
    """
    confirmed, worded, overtaken, wrong, missed, elsewhere = [], [], [], [], [], []
    for each in statements:
        place = f"{each.file}:{each.line}"
        real = raised[each.text]
        said = f"{real['error']}: {plain(real['message'])}" if real["error"] else None
        if place in predicted:
            if said in predicted[place]:
                confirmed.append(f"{place}: {said}")
            elif said and real["elsewhere"]:
                overtaken.append(f"{place}: {said} in {real['elsewhere']}")
            elif said and real["error"] in {each.partition(":")[0] for each in predicted[place]}:
                worded.append(f"{place}: {min(predicted[place])} (really: {said})")
            else:
                wrong.append(f"{place}: {min(predicted[place])} (really: {said})")
        elif said and real["elsewhere"]:
            elsewhere.append(f"{place}: {said} in {real['elsewhere']}")
        elif said and not each.guarded:
            missed.append(f"{place}: {said}")
    return {
        "tried": len(statements),
        "predicted": len(confirmed) + len(worded) + len(overtaken) + len(wrong),
        "confirmed": len(confirmed),
        "worded_otherwise": worded,
        "overtaken": overtaken,
        "wrong": wrong,
        "not_predicted": missed,
        "raised_inside_the_stack": len(elsewhere),
        "examples": confirmed[:5],
        "examples_inside_the_stack": elsewhere[:3],
    }


def plain(message: str) -> str:
    """Return *message* without the path that Python adds to it."""
    return re.sub(r" \(/[^)]*\)$", "", message)
