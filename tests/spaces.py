"""A made-up space of any size, written as the records of a checkout: the same each time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
WHENS = ("release", "today")
TORCHES = ("2.4.0", "2.6.0", "2.7.1", "2.8.0", "2.9.1", "2.11.0", "2.14.1")
FAULTS = ("pyarrow-numpy", "transformers-vision2seq", "uvloop-get-event-loop")


def write_space(folder: Path, *, verls: int, engines: int, pythons: int = 4) -> int:
    """Write facts, traps and rungs below *folder* and return how many cells they are about."""
    count = 0
    for verl in range(verls):
        lines, traps, rungs = [], [], []
        for fact in _facts(verl, engines=engines, pythons=pythons):
            count += 1
            lines.append(json.dumps(fact))
            if "set" in fact:
                traps.append(json.dumps(_trap(fact, count)))
                rungs.append(json.dumps(_rung(fact, count)))
        name = f"0.{verl}.0.jsonl"
        _write(folder / name, lines)
        _write(folder / "traps" / name, traps)
        _write(folder / "rungs" / "imports" / name, sorted(set(rungs)))
    return count


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _facts(verl: int, *, engines: int, pythons: int) -> Iterator[dict[str, object]]:
    for number in range(engines):
        engine = "vllm" if number % 2 else "sglang"
        for python in PYTHONS[:pythons]:
            for when in WHENS:
                fact: dict[str, object] = {
                    "schema": 1,
                    "verl": f"0.{verl}.0",
                    "engine": engine,
                    "release": f"0.{number // 2}.{number % 7}",
                    "form": "extra",
                    "python": python,
                    "glibc": "2.35",
                    "when": when,
                    "as_of": "2026-11-19",
                    "resolver": "uv 1.0",
                    "policy": 1,
                }
                turn = (verl * 7 + number * 3 + len(when)) % 5
                if turn < 3:  # as in the real space: most do not resolve
                    fact["resolution"] = "unresolvable"
                    fact["why"] = [
                        f"verl 0.{verl}.0 depends on numpy<2",
                        f"{engine} needs {number}",
                    ]
                else:
                    fact["resolution"] = "resolved"
                    fact["set"] = f"{verl:04x}{number:04x}{turn}{when[0]}{python[-2:]}"
                    fact["count"] = 150 + number % 60
                    fact["axes"] = {
                        "torch": TORCHES[(number + verl) % len(TORCHES)],
                        "transformers": f"4.{50 + number % 8}.{verl % 4}",
                        "ray": "2.51.1",
                    }
                yield fact


def _trap(fact: dict[str, object], count: int) -> dict[str, object]:
    weight = "broken" if count % 3 == 0 else "suspect"
    traps = [[FAULTS[count % 3], weight, "numpy 1.26.4"]] if count % 4 else []
    return {"set": fact["set"], "as_of": fact["as_of"], "rules": "0badcafe", "traps": traps}


def _rung(fact: dict[str, object], count: int) -> dict[str, object]:
    versions = {"verl": fact["verl"], str(fact["engine"]): fact["release"]}
    outcome = ("passed", "failed", "unknown")[count % 3]
    return {
        "schema": 1,
        "rung": "imports",
        "versions": versions,
        "outcome": outcome,
        "rules": "0badcafe",
        "missing": [{"name": "vllm.utils.gone", "provider": "vllm", "at": "verl/a.py:1"}]
        if outcome == "failed"
        else [],
    }
