"""A report on six tiny cells, one for each verdict and one with hostile text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.report.assemble import Report, assemble
from pytest_verlcompat.resolve.lock import load_lock
from pytest_verlcompat.store.jsonl import append
from tests.tiny import TinyWorkspace, make_evidence

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> | `code` | [a](javascript:alert(3)) "
    "![i](http://evil.example/x.png) **bold** ~~struck~~ \x1b[31mred\x1b]0;title\x07\u202e "
    "&lt;b&gt; </pre></td></table> {{ 7*7 }} {% raw %} \\| end"
)
PROBES = {"engine": ("The engine imports", "aa"), "tiny_grpo": ("GRPO learns", "gg")}
NEEDS = {"transformers-gone": "transformers<5", "loop": "uvloop<0.22"}
CELLS = {
    "0.11.0": ("compatible", None),
    "0.12.0": ("compatible", None),
    "0.13.0": ("conditional", None),
    "0.14.0": ("unresolvable", ["resolve"]),
    "0.15.0": ("compatible", None),
    "0.16.0": ("incompatible", ["engine"]),
}


def declare(checkout: TinyWorkspace) -> None:
    """Write the matrix and its locks."""
    checkout.write_axis("verl", kind="distribution", place=1, texts=["0.6.1"], distribution="verl")
    checkout.write_axis("vllm", kind="distribution", place=2, texts=CELLS, distribution="vllm")
    checkout.write_axis("torch", kind="distribution", place=3, texts=["2.8"], distribution="torch")
    checkout.write_axis("cuda", kind="observed", place=4, texts=["12.8"])
    checkout.write_axis("python", kind="python", place=5, texts=["3.12"], default="3.12")
    triple = "x86_64-manylinux_2_35"
    checkout.write_axis("platform", kind="platform", place=6, texts=[triple], default=triple)
    day = "2026-01-01"
    checkout.write_axis("as-of", kind="date", place=7, texts=[day], default=day, label="")
    for version, (expected, failing) in CELLS.items():
        lines = [f'title = "verl with vllm {version}"', f'expected = "{expected}"']
        lines += ['reason = "Because | of <this>."', *([f"failing = {failing}"] if failing else [])]
        lines += ["[values]", 'verl = "0.6.1"', f'vllm = "{version}"']
        checkout.write(f"matrix/cells/verl0.6.1-vllm{version}.toml", "\n".join(lines))
    for cell in checkout.matrix().cells.values():
        version = cell.values["vllm"]
        name = "unresolvable" if version == "0.14.0" else "requirements"
        pins = ["verl==0.6.1 --hash=sha256:00", f"vllm=={version} --hash=sha256:00"]
        pins += [
            "torch==2.8.0 --hash=sha256:00",
            "nvidia-cuda-runtime-cu12==12.8.90 --hash=sha256:0",
        ]
        body = ["Because a, b."] if name == "unresolvable" else pins
        head = [f"# inputs-sha256: {cell.inputs_sha256}", "# resolver: uv 1.0"]
        checkout.write(f"matrix/locks/{cell.id}/{name}.txt", "\n".join([*head, *body]))


def record_all(checkout: TinyWorkspace) -> None:
    """Write evidence for every verdict."""
    frame = Frame(file="verl/workers/x.py", line=12, function="f", source="from vllm import y")
    failed = Cause(kind="ImportError", first_line="cannot import name 'y'", frame=frame, detail="d")
    hostile = Cause(
        kind="ValueError",
        first_line=HOSTILE,
        detail=HOSTILE,
        frame=Frame(file=HOSTILE, line=1, source=HOSTILE),
    )
    outcomes = {
        "0.11.0": [
            {"subject": "resolve", "rung": Rung.RESOLVES, "subject_sha256": None},
            {"subject": "install", "rung": Rung.INSTALLS, "subject_sha256": None},
            {},
            {
                "subject": "tiny_grpo",
                "rung": Rung.TRAIN,
                "subject_sha256": "gg",
                "facts": {"rewards": [0.02, 0.3, 0.8]},
            },
        ],
        "0.12.0": [{"outcome": Outcome.FAILED, "cause": failed, "log_sha256": "ab" * 32}],
        "0.13.0": [{"condition": "set VLLM_USE_V1=1"}],
        "0.14.0": [
            {
                "subject": "resolve",
                "rung": Rung.RESOLVES,
                "subject_sha256": None,
                "outcome": Outcome.FAILED,
                "ending": Ending.NOT_STARTED,
                "cause": Cause(kind="no solution", first_line="Because a, b."),
            }
        ],
        "0.15.0": [{"outcome": Outcome.SKIPPED, "lacks": ("libcuda.so.1 (NVIDIA driver)",)}],
        "0.16.0": [{"outcome": Outcome.FAILED, "cause": hostile, "log_sha256": "cd" * 32}],
    }
    for cell in checkout.matrix().cells.values():
        lock = load_lock(cell, folder=checkout.workspace.locks)
        for changes in outcomes[cell.values["vllm"]]:
            record = make_evidence(cell_id=cell.id, lock_sha256=lock.sha256, **changes)
            append(record, path=checkout.workspace.evidence / f"{cell.id}.jsonl")


def record_space(checkout: TinyWorkspace, *lines: dict[str, Any], name: str = "0.6.1") -> None:
    """Append facts about the space; of each only what differs from a plain one is given."""
    plain = {
        "schema": 1,
        "verl": "0.6.1",
        "engine": "vllm",
        "release": "0.11.0",
        "form": "extra",
        "python": "3.12",
        "glibc": "2.35",
        "when": "today",
        "as_of": "2026-11-19",
        "resolution": "resolved",
        "resolver": "uv 1.0",
        "policy": 1,
    }
    path = checkout.workspace.evidence / "space" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        for line in lines:
            body = {**plain, **line}
            if body["resolution"] == "resolved":
                body = {"set": "5e7", "count": 12, "axes": {"torch": "2.8.0"}, **body}
            handle.write(json.dumps(body) + "\n")


def record_beside(checkout: TinyWorkspace, name: str, *lines: dict[str, Any]) -> None:
    """Append to a file below ``evidence/space/``: traps or rungs."""
    path = checkout.workspace.evidence / "space" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.writelines(json.dumps(line) + "\n" for line in lines)


def make_report(checkout: TinyWorkspace) -> Report:
    """Return the report on everything in *checkout*."""
    return assemble(
        checkout.matrix(),
        evidence=checkout.workspace.evidence,
        figures=checkout.workspace.reports / "figures",
        probes=PROBES,
        needs=NEEDS,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> TinyWorkspace:
    """Return a checkout with cells, locks, evidence and one figure."""
    made = TinyWorkspace(root=tmp_path / "checkout")
    declare(made)
    record_all(made)
    made.write(
        "reports/figures/spine.json",
        '{"title": "Spine <b>", "command": "nox -s bench", "date": "2026-01-02T03:04:05Z",'
        ' "machine": {"cpus": 2}, "figures": {"overhead": 1.01, "note": "<i>"}, "rows": []}',
    )
    return made


@pytest.fixture
def report(checkout: TinyWorkspace) -> Report:
    """Return the report on `checkout`."""
    return make_report(checkout)
