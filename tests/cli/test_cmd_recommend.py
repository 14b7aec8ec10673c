"""``verlcompat recommend`` answers from the evidence of the checkout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.tiny import TinyWorkspace


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the recommendation reads, with a ledger of one release."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "matrix", root / "matrix")
    shutil.copytree(
        ROOT / "reports" / "evidence",
        root / "reports" / "evidence",
        ignore=lambda folder, names: [
            name for name in names if Path(folder).name in {"space", "traps"} and name[:3] != "0.6"
            and name != "traps"
        ],
    )  # fmt: skip
    return root


def answer(root: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return status and output of ``verlcompat recommend``."""
    status = main(["recommend", "--root", str(root), *words])
    return status, capsys.readouterr().out


def test_what_was_not_tried_is_said(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stack that no GPU has seen says so beside how far it got."""
    words = ("--want", "vllm==0.11.0", "--want", "verl==0.6.1", "--python", "3.11")

    _, said = answer(checkout, *words, capsys=capsys)

    assert "tried up to cpu; untested: gpu, train" in said


def test_question_is_answered_with_reasons_and_commands(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time from the kept index, with the same words."""
    words = ("--want", "vllm==0.11.0", "--want", "verl==0.6.1", "--python", "3.12")

    first = answer(checkout, *words, capsys=capsys)
    second = answer(checkout, *words, capsys=capsys)

    assert first == second
    status, said = first
    assert status == 0
    assert "1. verl0.6.1-vllm0.11.0-python3.12-2025-11-20" in said
    assert "tried up to train\n" in said
    assert "$ verlcompat recipe verl0.6.1-vllm0.11.0-python3.12-2025-11-20 --kind install" in said
    assert (checkout / ".verlcompat" / "recommend.json").exists()


def test_nothing_fitting_ends_with_1_and_says_why(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON: what collides, and what comes nearest."""
    status, said = answer(
        checkout, "--want", "vllm==0.11.0", "--want", "vllm>=0.12", "--json", capsys=capsys
    )

    body = json.loads(said)
    assert status == 1
    assert body["choices"] == []
    assert body["collisions"] == [["vllm==0.11.0", "vllm>=0.12"]]
    assert body["nearest"][0]["unmet"]


def test_resolver_is_quoted_where_two_releases_exclude_each_other(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reasons were kept with the answer; nobody has to ask it again."""
    status, said = answer(
        checkout, "--want", "verl==0.6.1", "--want", "vllm==0.24.0", capsys=capsys
    )

    assert status == 1
    assert "vllm==0.24.0 + verl==0.6.1" in said or "verl==0.6.1 + vllm==0.24.0" in said
    assert "the resolver says: opencv-python-headless>=4.13.0" in said


def test_environment_is_compared_with_what_is_recommended(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a doctor's report: only what differs is to be changed."""
    body = {
        "environment": {"machine": "Linux x86_64, glibc 2.35, no GPU", "python": "cpython 3.12.1"},
        "distributions": {
            name: {"version": version}
            for name, version in {
                "verl": "0.6.1", "vllm": "0.11.0", "torch": "2.8.0", "transformers": "5.23.0",
                "numpy": "1.26.4", "pyarrow": "26.0.1",
            }.items()
        },
    }  # fmt: skip
    report = tmp_path / "report.json"
    report.write_text(json.dumps(body), encoding="utf-8")

    status, said = answer(
        checkout, "--report", str(report), "--want", "verl==0.6.1", "--keep", "torch",
        "--engine", "vllm", "--limit", "1", capsys=capsys,
    )  # fmt: skip

    (command,) = [line for line in said.splitlines() if "$ uv" in line]
    assert status == 0
    assert "transformers==4.57.1" in command
    assert "pyarrow==22.0.0" in command
    assert "torch==" not in command


@pytest.mark.parametrize(
    "words",
    [
        ("--want", "vllm=0.11"),
        ("--want", "vllm @ file:///x.whl"),
        ("--report", "no-such-file.json"),
        ("--keep", "torch"),
        ("--gpu", "toaster"),
    ],
)
def test_wrong_question_ends_with_2(words: tuple[str, ...], checkout: Path) -> None:
    """A word that means nothing is no limit."""
    assert main(["recommend", "--root", str(checkout), *words]) == 2


def test_folder_without_evidence_is_refused(tiny_workspace: TinyWorkspace) -> None:
    """Nothing is recommended out of nothing."""
    assert main(["recommend", "--root", str(tiny_workspace.root)]) == 2
