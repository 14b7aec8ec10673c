"""The repository's own imports and launch scripts, judged by ``pytest --verlcompat``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.plugin.own import parse_releases
from pytest_verlcompat.store.jsonl import load
from tests.tiny import TinyIndex

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.model.evidence import Evidence
    from tests.plugin.conftest import Project

OWN = """
from vllm.engine import Engine, make_engine
from mine import other

def late():
    from vllm.engine import gone_too
"""


@pytest.fixture
def own(project: Project) -> Project:
    """Return a repository with a package of its own, and a vLLM that has half of what it wants."""
    package = project.pytester.mkpydir("mine")
    (package / "engine.py").write_text(OWN)
    (package / "other.py").write_text("")
    installed = project.site / "vllm"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    (installed / "engine.py").write_text("class Engine: pass\ndef make_engine(): pass\n")
    (project.site / "vllm-0.11.0.dist-info").mkdir()
    return project


def run(project: Project, *words: str, subject: str = "own_imports") -> tuple[str, Evidence]:
    """Return the output, and the one record about own sources."""
    result = project.run(
        "--verlcompat", "--verlcompat-probe", subject, "--verlcompat-evidence", "e.jsonl", *words
    )
    records = load([project.pytester.path / "e.jsonl"]).records
    return result.stdout.str(), records[-1]


def test_own_imports_that_exist_pass(own: Project) -> None:
    """Nothing of the sources is run; what they lack of others than the stack is not our matter."""
    (own.pytester.path / "mine" / "boom.py").write_text("import no_such_tool\n")
    (own.pytester.path / "mine" / "script.py").write_text("raise SystemExit\n")

    text, record = run(own)

    assert record.outcome.value == "passed"
    assert "own_imports: passed" in text
    assert record.condition == (
        "what a function wants is missing: mine/engine.py:6: ImportError: cannot import "
        "name 'gone_too' from 'vllm.engine'"
    )
    assert len(record.facts["sources_sha256"]) == 64


def test_missing_name_is_said_with_file_and_line(own: Project) -> None:
    """What an import would raise stands beside the line of the repository that imports it."""
    (own.site / "vllm" / "engine.py").write_text("class Engine: pass\n")

    text, record = run(own)

    assert record.outcome.value == "failed"
    assert "verdict: untested" in text  # the code is at fault, not the stack
    assert "mine/engine.py:2: ImportError: cannot import name 'make_engine'" in text


def test_what_only_a_script_runs_leaves_nothing_undecided(own: Project) -> None:
    """A command of the repository that exits when it is run keeps no import from passing."""
    (own.pytester.path / "mine" / "command.py").write_text(
        "from vllm.engine import Engine\n"
        "def main(): raise SystemExit(3)\n"
        "if __name__ == '__main__':\n    main()\n"
    )

    _, record = run(own)

    assert record.outcome.value == "passed"
    assert not [each for each in record.facts["findings"] if each["weight"] == "unknown"]


def test_names_of_an_installed_verl_are_judged_too(own: Project) -> None:
    """Verl is what downstream code imports most; nothing else of it is asked."""
    trainer = own.site / "verl" / "trainer"
    trainer.mkdir(parents=True)
    for folder in (trainer, trainer.parent):
        (folder / "__init__.py").write_text("import ray\nhere = 1\n")
    (own.site / "verl-0.6.1.dist-info").mkdir()
    (own.pytester.path / "mine" / "engine.py").write_text(
        "from verl.trainer import here\nfrom verl.trainer import gone\n"
    )

    text, record = run(own)

    assert record.outcome.value == "failed"
    assert "mine/engine.py:2: ImportError: cannot import name 'gone' from 'verl.trainer'" in text
    assert "engine.py:1" not in text


def test_repository_that_uses_no_stack_has_no_such_item(own: Project) -> None:
    """Who imports neither verl nor vLLM nor SGLang is told nothing about it."""
    (own.pytester.path / "mine" / "engine.py").write_text("import json\n")

    result = own.run("--verlcompat", "--collect-only", "-q")

    assert "own_imports" not in result.stdout.str()


def test_releases_that_are_not_installed_are_judged_from_the_index(
    own: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--verlcompat-against`` says on which releases the code breaks, one item each."""
    index = TinyIndex(folder=tmp_path / "wheels")
    for version, source in (("0.12.0", "class Engine: pass\ndef make_engine(): pass\n"),
                            ("0.13.0", "class Engine: pass\n")):  # fmt: skip
        index.add("vllm", version, files={"vllm/engine.py": source})
    page = tmp_path / "index" / "vllm"
    page.mkdir(parents=True)
    wheels = sorted(index.folder.iterdir())
    links = "".join(f'<a href="{path.as_uri()}">{path.name}</a>\n' for path in wheels)
    (page / "index.html").write_text(f"<html><body>{links}</body></html>")
    monkeypatch.setenv("PIP_INDEX_URL", page.parent.as_uri())
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    result = own.run("--verlcompat", "-v", "-k", "own", "--verlcompat-against=vllm==0.12.0,0.13.0")

    result.assert_outcomes(passed=2, failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "verlcompat::own_imports PASSED*",
            "verlcompat::own_imports[[]vllm==0.12.0[]] PASSED*",
            "verlcompat::own_imports[[]vllm==0.13.0[]] FAILED*",
            "*mine/engine.py:2: ImportError: cannot import name 'make_engine'*",
        ]
    )


SHADOWED = """
from tests.helper import WHOSE
def test_own(): assert WHOSE == "repository"
"""


def test_tests_package_of_a_wheel_neither_fools_nor_is_caused(own: Project) -> None:
    """Verl's wheel installs a top-level ``tests``: the repository's own is imported and judged.

    Source: RECORD of the wheel of verl 0.6.1, read 2026-11-20.
    """
    own.install("verl", "0.6.1")
    shadow = own.site / "tests"
    shadow.mkdir()
    (shadow / "__init__.py").write_text("")
    (shadow / "helper.py").write_text("WHOSE = 'wheel'\n")
    (own.site / "verl-0.6.1.dist-info" / "RECORD").write_text("tests/helper.py,,\n")
    folder = own.pytester.mkpydir("tests")
    (folder / "helper.py").write_text("WHOSE = 'repository'\n")
    (folder / "test_shadow.py").write_text(SHADOWED)
    own.pytester.makepyprojecttoml("[tool.pytest.ini_options]\npythonpath = ['.']")

    without = own.run("-p", "no:verlcompat", "tests")
    beside = own.run("--verlcompat", "--verlcompat-probe=own_imports", "tests")
    _, record = run(own)

    without.assert_outcomes(passed=1)
    beside.assert_outcomes(passed=2)
    assert str(record.condition).endswith(
        "installed too: tests (verl); which one is imported depends on the order of sys.path"
    )


SCRIPT = """
python3 -m verl.trainer.main_ppo \\
    data.train_files=a.parquet \\
    data.trian_batch_size=8
"""
MAIN = """
import hydra
@hydra.main(config_path="config", config_name="ppo_trainer", version_base=None)
def main(config): pass
"""


def test_own_launch_script_is_judged_by_the_installed_verl(own: Project) -> None:
    """A key that Hydra would refuse is said with script and line; no script is run."""
    trainer = own.site / "verl" / "trainer"
    (trainer / "config").mkdir(parents=True)
    (own.site / "verl-0.6.1.dist-info").mkdir()
    for folder in (trainer, trainer.parent):
        (folder / "__init__.py").write_text("")
    (trainer / "main_ppo.py").write_text(MAIN)
    (trainer / "config" / "ppo_trainer.yaml").write_text(
        "data:\n  train_files: x\n  train_batch_size: 4\n"
    )
    (own.pytester.path / "train.sh").write_text(SCRIPT)
    (own.pytester.path / "other.sh").write_text("rm -rf important\n")

    text, record = run(own, subject="own_launch_scripts")

    assert record.outcome.value == "failed"
    assert list(record.facts["scripts"]) == ["train.sh"]
    assert "train.sh: line 4: unknown key: " in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vllm==0.12.0,0.13.0", [{"vllm": "0.12.0"}, {"vllm": "0.13.0"}]),
        (
            "vllm==0.12.0 Flash_Attn==2.8.3",
            [{"vllm": "0.12.0", "flash-attn": "2.8.3"}],
        ),
    ],
)
def test_releases_are_read(text: str, found: list[dict[str, str]]) -> None:
    """Versions of one name are alternatives, names go together."""
    assert parse_releases(text) == found


@pytest.mark.parametrize("text", ["", "vllm", "vllm>=1", "vllm==", "==1", "vllm==new"])
def test_what_names_no_release_is_refused(text: str) -> None:
    """An error says how it is written."""
    with pytest.raises(UsageError):
        parse_releases(text)
