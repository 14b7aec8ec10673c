"""`verlcompat report` tells what is left over, damaged, or judged by other code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_verlcompat.cli import main
from tests.report.conftest import declare, record_space
from tests.tiny import TinyWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _checkout(tmp_path: Path) -> TinyWorkspace:
    checkout = TinyWorkspace(root=tmp_path / "checkout")
    declare(checkout)
    return checkout


def test_page_of_a_cell_that_is_gone_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continuous integration sees a page that nothing gives any more; a run removes it."""
    checkout = _checkout(tmp_path)
    root = ["--root", str(checkout.root)]
    assert main(["report", *root]) == 0
    left = checkout.write("reports/cells/gone.html", "old")

    assert main(["report", "--check", *root]) == 1
    assert "gone.html is left over; run: verlcompat report" in capsys.readouterr().out
    assert main(["report", *root]) == 0
    assert not left.exists()
    assert main(["report", "--check", *root]) == 0


def test_lines_that_do_not_count_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a torn line nor one of other code is passed over in silence."""
    checkout = _checkout(tmp_path)
    record_space(checkout, {}, {"schema": 99})
    rung = {"schema": 1, "rung": "imports", "versions": {"verl": "0.6.1", "vllm": "0.11.0"}}
    line = json.dumps({**rung, "outcome": "passed", "rules": "0badcafe"})
    checkout.write("reports/evidence/space/rungs/imports/0.6.1.jsonl", line)

    assert main(["report", "--root", str(checkout.root)]) == 0
    printed = capsys.readouterr().out
    assert "damaged: 0.6.1.jsonl:2: schema 99 is newer" in printed
    assert "1 lines about the space were judged by other code and do not count" in printed
