"""Probes are listed by reading their scripts, never by running them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ProbeDefinitionError, UsageError
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.probes.registry import find_parts, find_probes, list_probes, read_probe
from tests.tiny import write_probe

if TYPE_CHECKING:
    from pathlib import Path


def test_declarations_are_read(tmp_path: Path) -> None:
    """Everything a probe says about itself, its distributions by normalized name."""
    path = write_probe(tmp_path, "engine", DISTRIBUTIONS=("Flash_Attn", "torch"), TIMEOUT_S=5)

    probe = read_probe(path)

    assert probe.name == "engine"
    assert probe.title == "engine does what it should"
    assert probe.rung is Rung.CPU
    assert probe.distributions == ("flash-attn", "torch")
    assert probe.gpus == 0
    assert probe.timeout_s == 5.0


def test_script_is_not_run_when_listed(tmp_path: Path) -> None:
    """A script that would end the process if it were imported is listed all the same."""
    path = write_probe(tmp_path, "engine")
    path.write_text(path.read_text() + "\nraise SystemExit('imported')\n")

    assert [probe.name for probe in list_probes(tmp_path)] == ["engine"]


def test_folder_is_listed_in_name_order_without_private_files(tmp_path: Path) -> None:
    """A new file is a new probe; nothing has to be registered."""
    for name in ("b", "a", "_shared"):
        write_probe(tmp_path, name)
    (tmp_path / "notes.txt").write_text("x")

    assert [probe.name for probe in list_probes(tmp_path)] == ["a", "b"]


def test_digest_changes_with_the_script(tmp_path: Path) -> None:
    """Evidence of other code is told from evidence of this code."""
    before = read_probe(write_probe(tmp_path, "engine", "return {}"))
    after = read_probe(write_probe(tmp_path, "engine", "return {'x': 1}"))

    assert before.sha256 != after.sha256


def test_digest_changes_with_what_the_script_loads(tmp_path: Path) -> None:
    """A file beside the script that it names, itself or through another, is part of its code."""
    path = write_probe(tmp_path, "engine", "return {'part': '_near'}")
    (tmp_path / "_near.py").write_text("FURTHER = '_far.py'\n")
    (tmp_path / "_far.py").write_text("VALUE = 1\n")
    before = read_probe(path)
    (tmp_path / "_far.py").write_text("VALUE = 2\n")

    after = read_probe(path)

    assert [part.name for part in find_parts(path)] == ["_far.py", "_near.py"]
    assert before.sha256 != after.sha256


def test_digest_ignores_what_only_other_scripts_load(tmp_path: Path) -> None:
    """Editing a shared file leaves the evidence of scripts that do not name it current."""
    path = write_probe(tmp_path, "engine", "return {}")
    before = read_probe(path)
    (tmp_path / "_other.py").write_text("VALUE = 1\n")

    after = read_probe(path)

    assert before.sha256 == after.sha256


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("TITLE =", "HEADING =", r"engine\.py: TITLE: missing; assign a literal"),
        ("RUNG =", "RUNGS =", r"engine\.py: RUNG: missing"),
        ("TIMEOUT_S = 20.0", "TIMEOUT_S = 4 * x", r"engine\.py: TIMEOUT_S: missing; assign a lit"),
        ("'cpu'", "'roof'", r"engine\.py: 'roof' is not a valid Rung"),
        ("20.0", "'long'", r"engine\.py: could not convert string to float"),
        ("GPUS = 0", "GPUS = None", r"engine\.py: int\(\) argument must be"),
        ("('alpha',)", "'alpha'", r"engine\.py: DISTRIBUTIONS is 'alpha'; write a tuple of names"),
        ("('alpha',)", "(1,)", r"engine\.py: DISTRIBUTIONS is \(1,\); write a tuple of names"),
        ("def probe(", "def prob(", r"engine\.py: define probe\(request\) -> dict"),
        ("def probe(", "async def probe(", r"engine\.py: define probe\(request\) -> dict"),
        ("def probe(", "def probe((", r"engine\.py: cannot be parsed: "),
    ],
)
def test_wrong_declaration_names_file_and_constant(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """Who adds a probe is told what it must declare."""
    path = write_probe(tmp_path, "engine")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    with pytest.raises(ProbeDefinitionError, match=said):
        read_probe(path)


def test_script_that_is_no_text_is_a_definition_error(tmp_path: Path) -> None:
    """Bytes that are no source are said with the file's name."""
    (tmp_path / "engine.py").write_bytes(b"\x00\xff")

    with pytest.raises(ProbeDefinitionError, match=r"engine\.py: cannot be parsed"):
        list_probes(tmp_path)


def test_annotated_constants_count(tmp_path: Path) -> None:
    """``GPUS: int = 0`` declares as well as ``GPUS = 0``."""
    path = write_probe(tmp_path, "engine")
    path.write_text(path.read_text().replace("GPUS = 0", "GPUS: int = 2"))

    assert read_probe(path).gpus == 2


def test_unknown_name_says_the_nearest_and_all(tmp_path: Path) -> None:
    """A typo is answered with what was probably meant."""
    for name in ("event_loop", "tokenizer"):
        write_probe(tmp_path, name)

    with pytest.raises(
        UsageError, match="no probe 'eventloop'; nearest: event_loop; there are event_loop, token"
    ):
        find_probes(["eventloop"], probes=list_probes(tmp_path))


def test_probe_named_twice_is_taken_once(tmp_path: Path) -> None:
    """The order is the caller's."""
    for name in ("a", "b"):
        write_probe(tmp_path, name)

    found = find_probes(["b", "a", "b"], probes=list_probes(tmp_path))

    assert [probe.name for probe in found] == ["b", "a"]


def test_probe_applies_where_all_its_distributions_are(tmp_path: Path) -> None:
    """One missing distribution is enough for a probe to be none of a stack's business."""
    probe = read_probe(write_probe(tmp_path, "engine", DISTRIBUTIONS=("verl", "flash_attn")))

    assert probe.applies_to({"verl", "flash-attn", "torch"})
    assert not probe.applies_to({"verl"})


def test_probes_of_this_project_are_listed() -> None:
    """Every script that is shipped declares what it must."""
    assert list_probes()
