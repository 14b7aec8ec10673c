"""``verlcompat space-rungs`` over a small space, against an index in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.resolve.ledger import Fact, Ledger
from pytest_verlcompat.resolve.question import Resolution
from pytest_verlcompat.resolve.space import Form, SpaceCell, When
from pytest_verlcompat.store.space_rungs import load_space_rungs
from pytest_verlcompat.wheels.outlines import KnownOutlines, stamp_of
from tests.folder_index import add_release, configure_index

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.store.space_rungs import SpaceRungs

SERVER = "verl/workers/rollout/vllm_rollout/vllm_async_server.py"
GUARDED = """\
import vllm
import transformers
from packaging.version import parse

if parse(vllm.__version__) >= parse("0.9") and parse(transformers.__version__) >= parse("5"):
    from transformers import AutoModelForVision2Seq
from vllm.utils import get_tcp_uri
"""
VERL = {
    "verl/__init__.py": "",
    "verl/trainer/__init__.py": "",
    "verl/trainer/main_ppo.py": "",
    "verl/workers/__init__.py": "",
    "verl/workers/rollout/__init__.py": "",
    "verl/workers/rollout/vllm_rollout/__init__.py": "",
    SERVER: GUARDED,
    "verl/utils/vllm/__init__.py": "def f():\n    from vllm.net import get_tcp_uri\n",
}
URI = "\ndef get_tcp_uri(ip, port): ...\n"
RELEASES = {
    "verl 0.6.0": VERL,
    "vllm 0.8.5": {"vllm/__init__.py": "", "vllm/utils.py": URI},
    "vllm 0.9.0": {"vllm/__init__.py": "", "vllm/utils.py": URI},
    "vllm 0.10.0": {"vllm/__init__.py": "", "vllm/utils.py": "", "vllm/net.py": URI},
    "vllm 0.11.0": {"vllm/__init__.py": "", "vllm/utils.py": ""},
    "transformers 4.57.1": {"transformers/__init__.py": ""},
    "transformers 5.0.0": {"transformers/__init__.py": ""},
}


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with a ledger, an index with the releases being configured."""
    index = tmp_path / "index"
    for release, sources in RELEASES.items():
        add_release(index, release, sources)
    configure_index(index, tmp_path / "cache", monkeypatch)
    root = tmp_path / "checkout"
    ledger = Ledger(root / "reports" / "evidence" / "space")
    ledger.append(_fact("0.8.5", "5.0.0", "3.12"))
    ledger.append(_fact("0.9.0", "4.57.1", "3.11"))
    ledger.append(_fact("0.9.0", "5.0.0", "3.12"))
    ledger.append(_fact("0.10.0", "4.57.1", "3.12"))
    ledger.append(_fact("0.11.0", None, "3.12"))
    return root


def _fact(vllm: str, transformers: str | None, python: str) -> Fact:
    return Fact(
        cell=SpaceCell(
            verl="0.6.0",
            engine="vllm",
            release=vllm,
            form=Form.BARE,
            python=python,
            glibc="2.35",
            when=When.RELEASE,
        ),
        as_of=None,
        resolution=Resolution.RESOLVED if transformers else Resolution.UNRESOLVABLE,
        resolver="uv",
        axes={"verl": "0.6.0", "vllm": vllm, "transformers": transformers} if transformers else {},
    )


def _judge(space: Path, *rungs: str) -> SpaceRungs:
    words = [word for rung in rungs for word in ("--rung", rung)]
    assert main(["space-rungs", "--root", str(space), *words]) == 0
    return load_space_rungs(space / "reports" / "evidence" / "space")


def test_a_condition_on_two_releases_takes_both_of_the_set(space: Path) -> None:
    """Only the set in which both versions meet the condition misses the name."""
    rungs = _judge(space, "imports")
    cells = [("0.8.5", "5.0.0"), ("0.9.0", "4.57.1"), ("0.9.0", "5.0.0")]
    outcomes = []
    for vllm, transformers in cells:
        fact = rungs.imports({"verl": "0.6.0", "vllm": vllm, "transformers": transformers})
        assert fact is not None
        outcomes.append((fact.outcome, [each.name for each in fact.missing]))

    assert outcomes == [
        ("passed", []),
        ("passed", []),
        ("failed", ["transformers.AutoModelForVision2Seq"]),
    ]


def test_missing_name_says_where_since_when_and_where_it_went(space: Path) -> None:
    """A line names both sides, the neighbouring releases without the name, and its new place."""
    rungs = _judge(space, "imports")
    fact = rungs.imports({"verl": "0.6.0", "vllm": "0.10.0", "transformers": "4.57.1"})
    assert fact is not None
    missing = fact.missing[0]

    assert (missing.name, missing.provider) == ("vllm.utils.get_tcp_uri", "vllm")
    assert (missing.at, missing.line) == (f"{SERVER}:7", "from vllm.utils import get_tcp_uri")
    assert (missing.since, missing.until) == ("0.10.0", "0.11.0")
    assert missing.moved_to == "vllm.net.get_tcp_uri"
    assert fact.roles["vllm-async"] == "failed"


def test_pair_that_never_resolved_has_an_answer_of_its_own(space: Path) -> None:
    """Cells without a set of versions are answered by consumer and engine alone."""
    rungs = _judge(space, "imports")
    fact = rungs.imports({"verl": "0.6.0", "vllm": "0.11.0", "transformers": "4.57.1"})
    assert fact is not None

    assert dict(fact.versions) == {"verl": "0.6.0", "vllm": "0.11.0"}
    assert fact.outcome == "failed"


def test_second_run_writes_the_same_bytes(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in a line depends on the run."""
    _judge(space)
    capsys.readouterr()
    _judge(space)

    assert "0 files changed" in capsys.readouterr().out
    assert list(load_space_rungs(space / "reports" / "evidence" / "space").facts(Rung.LOADS)) == []


def test_outlines_of_locked_releases_are_written_and_nothing_is_judged(space: Path) -> None:
    """A lock decides what is known; a release that no lock pins, and an edited file, are not."""
    lock = space / "matrix" / "locks" / "cell" / "requirements.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("verl==0.6.0 \\\n    --hash=sha256:00\nvllm==0.10.0\ntransformers==4.57.1\n")
    path = space / "outlines.bin"

    assert main(["space-rungs", "--root", str(space), "--outlines", str(path)]) == 0

    asked = KnownOutlines(consumer=True, data=path)
    answering = KnownOutlines(consumer=False, data=path)
    assert asked[SERVER, stamp_of(GUARDED.encode())].path == SERVER
    assert ("vllm/net.py", stamp_of(URI.encode())) in answering
    assert ("vllm/utils.py", stamp_of(URI.encode())) not in answering
    assert (SERVER, stamp_of(GUARDED.encode() + b"\n")) not in asked
    rungs = load_space_rungs(space / "reports" / "evidence" / "space")
    assert list(rungs.facts(Rung.IMPORTS)) == []
