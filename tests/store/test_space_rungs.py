"""Static rungs of the space, on disk and asked by versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.store.space_rungs import (
    MissingName,
    MissingSymbol,
    RungFact,
    load_space_rungs,
    parse_rung,
    render_rung,
    save_space_rungs,
)

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = RungFact(
    rung=Rung.IMPORTS,
    versions={"verl": "0.5.0", "vllm": "0.11.0", "torch": "2.8.0", "ray": "2.51.1"},
    outcome="failed",
    rules="0a1b2c3d",
    roles={"vllm-async": "failed", "sft": "passed"},
    undecided=2,
    missing=(
        MissingName(
            name="vllm.utils.get_tcp_uri",
            provider="vllm",
            at="verl/workers/x.py:12",
            line="from vllm.utils import get_tcp_uri",
            since="0.11.0",
        ),
    ),
)
PAIR = RungFact(
    rung=Rung.IMPORTS,
    versions={"verl": "0.5.0", "vllm": "0.11.0"},
    outcome="unknown",
    rules="0a1b2c3d",
)
LOADS = RungFact(
    rung=Rung.LOADS,
    versions={"vllm": "0.11.0", "torch": "2.9.0"},
    outcome="failed",
    rules="0a1b2c3d",
    missing=(MissingSymbol(symbol="_ZN3c104sizeEv", torch=">=2.4.0,<2.9.0"),),
)


@pytest.mark.parametrize("fact", [WHOLE, PAIR, LOADS])
def test_line_of_a_fact_reads_back_as_the_fact(fact: RungFact) -> None:
    """Nothing is lost on the way to the disk and back."""
    line = render_rung(fact)

    assert parse_rung(line, where="here") == fact
    assert "null" not in line


def test_most_specific_line_answers_and_the_pair_is_the_fallback(tmp_path: Path) -> None:
    """A set that was judged as a whole answers first; any other set of the pair by the pair."""
    save_space_rungs([PAIR, WHOLE, LOADS], tmp_path / "rungs")
    rungs = load_space_rungs(tmp_path)
    picked = {**WHOLE.versions, "numpy": "1.26.4"}

    assert rungs.imports(picked) == WHOLE
    assert rungs.imports({**picked, "torch": "2.9.0"}) == PAIR
    assert rungs.imports({**picked, "vllm": "0.12.0"}) is None
    assert rungs.loads({**picked, "torch": "2.9.0"}) == LOADS
    assert rungs.loads(picked) is None


def test_judging_again_replaces_the_line_about_the_same_versions(tmp_path: Path) -> None:
    """The newest answer stands alone, others stay, and equal answers leave the bytes alone."""
    later = RungFact(rung=Rung.IMPORTS, versions=PAIR.versions, outcome="passed", rules="ffffffff")
    save_space_rungs([PAIR, WHOLE], tmp_path)

    changed = save_space_rungs([later], tmp_path)

    assert [path.name for path in changed] == ["0.5.0.jsonl"]
    assert list(load_space_rungs(tmp_path).facts(Rung.IMPORTS)) == [later, WHOLE]
    assert save_space_rungs([later], tmp_path) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"schema":2}', "newer"),
        ('{"schema":1,"rung":"imports"}', "versions"),
        ('{"schema":1,"rung":"imports","outcome":"fine","versions":{},"rules":"0"}', "fine"),
        ("[]", "not a static rung"),
        ("{", "not a static rung"),
    ],
)
def test_line_that_is_no_fact_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    """The error says which line of which file, and what is wrong with it."""
    path = tmp_path / "imports" / "0.5.0.jsonl"
    path.parent.mkdir()
    path.write_text(render_rung(PAIR) + "\n" + line + "\n")

    with pytest.raises(EvidenceError, match=complaint) as raised:
        load_space_rungs(tmp_path)

    assert "0.5.0.jsonl:2" in str(raised.value)
