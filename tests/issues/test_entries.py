"""Every entry explains its own log first and no other's, and no quiet log at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_verlcompat.issues.catalogue import (
    ENTRIES,
    Entry,
    Role,
    compiled,
    load_catalogue,
    parse_entry,
)
from pytest_verlcompat.issues.explain import Confidence, explain, explain_text

DATA = Path(__file__).parent.parent / "data"
QUIET = sorted((DATA / "quiet").glob("*.log"))
CATALOGUE = load_catalogue()
SPEAKING = tuple(each for each in CATALOGUE if each.role is not Role.SILENT)
DEADLINE_S = 0.2


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.id)
def test_own_log_is_explained_first_by_its_entry(entry: Entry) -> None:
    """With the whole catalogue at hand, the first explanation of a log is its own entry."""
    with (DATA / "logs" / f"{entry.id}.log").open("rb") as stream:
        diagnosis = explain(stream, catalogue=CATALOGUE)

    assert diagnosis.root is not None
    assert diagnosis.root.entry.id == entry.id
    assert diagnosis.root.remedies
    if entry.role is not Role.CONSEQUENCE:
        assert diagnosis.root.confidence is Confidence.HIGH


@pytest.mark.parametrize("path", sorted(ENTRIES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_patterns_are_proved(path: Path) -> None:
    """What is not proved each time the catalogue is read is proved here."""
    entry = parse_entry(path.read_text("utf-8"), path.name, prove=True)

    assert entry in CATALOGUE


CARRIERS = {
    "kubelet": "2026-11-20T10:00:00.123456789Z stdout F {}",
    "kubectl": "[pod/train-0/worker] {}",
    "quoted": "> {}",
    "compose": "trainer-1  | {}",
    "windows": "{}\r",
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_carried_logs_are_explained_as_before(carrier: str) -> None:
    """What a cluster, a mail or an issue puts before each line changes no explanation."""
    wrong = []
    for entry in SPEAKING:
        lines = (DATA / "logs" / f"{entry.id}.log").read_text("utf-8", "replace").split("\n")
        text = "\n".join(CARRIERS[carrier].format(line) for line in lines)
        root = explain_text(text, catalogue=CATALOGUE).root
        if root is None or root.entry.id != entry.id:
            wrong.append((entry.id, root.entry.id if root else None))

    assert wrong == []


def test_every_log_belongs_to_an_entry() -> None:
    """There is one sample for each entry and none besides."""
    assert {path.stem for path in (DATA / "logs").glob("*.log")} == {each.id for each in SPEAKING}


def test_logs_name_no_place_of_the_machine_they_were_made_on() -> None:
    """Samples are made fit to publish."""
    for path in (DATA / "logs").glob("*.log"):
        text = path.read_text("utf-8", "replace")
        assert not any(word in text for word in ("/root/", "/tmp/issues", "file:///")), path.name


def test_there_are_enough_quiet_logs() -> None:
    """Precision is measured on at least forty logs."""
    assert len(QUIET) >= 40


@pytest.mark.parametrize("path", QUIET, ids=lambda path: path.stem)
def test_quiet_log_matches_no_entry(path: Path) -> None:
    """Suites, warnings and unrelated failures get no false explanation."""
    with path.open("rb") as stream:
        diagnosis = explain(stream, catalogue=CATALOGUE)

    assert [each.entry.id for each in diagnosis.explanations] == []


def _adversarial(entry: Entry) -> list[str]:
    """Return texts that make careless patterns backtrack: repetitions that almost match."""
    longest = max((n for s in entry.signatures for n in s.contains), key=len)
    return [
        f"{longest} " * 800,
        longest + "a" * 16_000,
        longest + " '" * 8_000,
        longest + "a.b-" * 4_000,
        longest + "(" * 8_000 + ")" * 8_000,
        "_ZN" * 200 + longest + "E" * 10_000,
        ("ImportError: " + longest + ", ") * 300,
        "lib/python3.11/" * 1_000 + longest,
        "\n".join([longest] * 280),
    ]


@pytest.mark.parametrize("entry", SPEAKING, ids=lambda entry: entry.id)
def test_signature_is_quick_on_adversarial_text(entry: Entry) -> None:
    """No pattern needs more than a fifth of a second for the longest text it is given."""
    for text in _adversarial(entry):
        for signature in entry.signatures:
            for pattern in (
                signature.pattern, *signature.near, *signature.seen, *signature.absent
            ):  # fmt: skip
                started = time.thread_time()
                compiled(pattern).search(text)

                assert time.thread_time() - started < DEADLINE_S, (pattern, text[:60])
