"""Evidence survives the way to a line and back; what is no record is named, not guessed."""

from __future__ import annotations

import json

import pytest

from pytest_verlcompat.errors import EvidenceError
from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.evidence import SCHEMA_VERSION
from pytest_verlcompat.model.machine import Gpu, Machine
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from tests.tiny import make_evidence

FULL = make_evidence(
    rung=Rung.GPU,
    outcome=Outcome.FAILED,
    ending=Ending.SIGNALLED,
    exit_status=None,
    signal="SIGSEGV",
    left_processes=2,
    peak_gpu_mib=1024,
    facts={"rewards": [0.0, 0.5], "nested": {"é": None, "ok": True}},
    lacks=("libcuda.so.1",),
    condition="VLLM_USE_V1=1",
    cause=Cause(
        kind="ImportError",
        first_line="cannot import name 'x'",
        frame=Frame(file="verl/a.py", line=3, function="f", source="import x"),
        provider=Frame(file="vllm/b.py", line=9),
        detail="one\ntwo",
    ),
    machine=Machine(
        system="Linux",
        architecture="x86_64",
        glibc=None,
        cpus=1,
        memory_mib=None,
        driver="570.1",
        driver_cuda="12.8",
        gpus=(Gpu(name="NVIDIA H200", memory_mib=None, compute_capability="9.0"),),
    ),
    log_sha256="ff",
    log_bytes=7,
)


def _body(**changes: object) -> str:
    """Return the line of a good record with *changes*; ``...`` removes a key."""
    body = {**json.loads(render_line(FULL)), **changes}
    return json.dumps({key: value for key, value in body.items() if value is not ...})


@pytest.mark.parametrize("record", [FULL, make_evidence()])
def test_record_survives_the_way_there_and_back(record: object) -> None:
    """Parsing what was rendered gives an equal record, enums and nested records included."""
    assert parse_line(render_line(record)) == record  # type: ignore[arg-type]


def test_line_is_canonical() -> None:
    """Equal records have equal bytes: sorted keys, no spaces, one line, the schema's version."""
    line = render_line(FULL)

    assert "\n" not in line
    assert json.loads(line)["schema_version"] == SCHEMA_VERSION
    assert line == json.dumps(
        json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert render_line(parse_line(line)) == line


def test_unknown_keys_are_ignored_on_every_level() -> None:
    """A record with more keys of a later harness is still read."""
    machine = {**json.loads(render_line(FULL))["machine"], "colour": "grey"}
    machine["gpus"] = [{**machine["gpus"][0], "fan": 1}]
    cause = {**json.loads(render_line(FULL))["cause"], "mood": "bad"}
    cause["frame"] = {**cause["frame"], "column": 3}

    assert parse_line(_body(machine=machine, cause=cause, later="x")) == FULL


def test_optional_keys_may_be_missing() -> None:
    """What an older record did not say is unknown, not zero or false."""
    record = parse_line(_body(peak_gpu_mib=..., lacks=..., facts=..., cause=..., argv=...))

    assert record.peak_gpu_mib is None
    assert record.lacks == ()
    assert record.facts == {}
    assert record.cause is None


def test_newer_schema_is_refused_with_the_way_out() -> None:
    """A reader never guesses what a later schema means."""
    with pytest.raises(EvidenceError, match=r"cell.jsonl:7: schema version 99 .*upgrade"):
        parse_line(_body(schema_version=99), where="cell.jsonl:7")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "not a JSON object"),
        ('{"schema_version": 1, "cell_id"', "not a JSON object"),
        ("[1]", "no schema_version"),
        ('"text"', "no schema_version"),
        ("{}", "no schema_version"),
        (_body(schema_version=...), "no schema_version"),
        (_body(schema_version="1"), "no schema_version"),
        (_body(schema_version=True), "no schema_version"),
        (_body(schema_version=0), "schema version 0"),
        (_body(rung=...), "rung"),
        (_body(rung="roof"), "'roof' is not a valid Rung"),
        (_body(outcome="fine"), "'fine' is not a valid Outcome"),
        (_body(ending=None), "None is not a valid Ending"),
        (_body(machine=...), "machine"),
        (_body(machine=3), "malformed"),
        (_body(machine={}), "malformed"),
        (_body(cause={"kind": "x"}), "first_line"),
        (_body(cause=[]), "malformed"),
        (_body(facts=3), "malformed"),
        (_body(facts=[1, 2]), "malformed"),
        (_body(argv=3), "malformed"),
        (_body(argv="python"), "malformed"),
        (_body(lacks="network"), "malformed"),
        (_body(subject=...), "subject"),
        (_body(subject=None), "subject"),
        (_body(subject=["engine"]), "subject"),
        (_body(started_at=5), "started_at"),
        (_body(duration_s="long"), "duration_s"),
        (_body(lock_sha256=5), "lock_sha256"),
    ],
)
def test_malformed_record_names_the_line_and_what_is_wrong(line: str, said: str) -> None:
    """Damage is reported with file and line, and never passes for a record."""
    with pytest.raises(EvidenceError, match=said) as caught:
        parse_line(line, where="cell.jsonl:7")

    assert str(caught.value).startswith("cell.jsonl:7: ")


def test_half_a_character_is_replaced_on_the_way_in_and_out() -> None:
    """A lone surrogate, raw or behind an escape, keeps no record from being written."""
    line = render_line(make_evidence(subject="a\udcff"))
    read = parse_line(line.replace('"a?"', r'"a\ud800\uD83D\uDE00"'))

    assert read.subject == "a?😀"
    assert render_line(read).encode()
