"""What is recommended meets what was asked for, and what collides is named."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from pytest_verlcompat.advise.recommend import WORKS, Ask, recommend
from pytest_verlcompat.advise.recommend_changes import change_commands
from pytest_verlcompat.advise.recommend_doctor import capability_of, read_doctor_report
from pytest_verlcompat.advise.recommend_index import (
    Candidate,
    Index,
    index_key,
    load_index,
    save_index,
)
from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FAILURE = ("VC121", "pyarrow 26 wants numpy 2", {"pyarrow": ">=26", "numpy": "<2"})


def space(**versions: str) -> Candidate:
    """Return a set of the space, Python 3.12, glibc 2.35."""
    return Candidate(
        cell_id=None,
        versions=versions,
        python="3.12",
        glibc="2.35",
        as_of="2026-11-19",
        form="bare",
        when="today",
    )


def tried(name: str, outcomes: dict[str, tuple[str, str]], **versions: str) -> Candidate:
    """Return a declared cell with *outcomes*."""
    return dataclasses.replace(space(**versions), cell_id=name, outcomes=outcomes)


RESOLVED = space(verl="0.8.0", vllm="0.11.0", torch="2.8.0", transformers="4.57.6")
NEWER = space(verl="0.9.1", vllm="0.24.0", torch="2.11.0", transformers="5.9.0")
GREEN = tried(
    "green",
    {"engine": ("cpu", "passed"), "multimodal": ("cpu", "failed")},
    verl="0.6.1",
    vllm="0.11.0",
    torch="2.8.0",
    transformers="4.57.1",
    numpy="1.26.4",
    pyarrow="22.0.0",
)
RED = tried("red", {"engine": ("cpu", "failed")}, verl="0.6.1", vllm="0.11.0", torch="2.8.0")
ALL = (RESOLVED, NEWER, GREEN, RED)


def ask(*wants: str, **limits: object) -> Ask:
    """Return an ask for *wants*."""
    return Ask(wants=tuple(map(Requirement, wants)), **limits)  # type: ignore[arg-type]


def names(wanted: Ask) -> list[str]:
    """Return verl and torch of the choices."""
    found = recommend(wanted, ALL).choices
    return [f"{c.candidate.versions['verl']} {c.candidate.versions['torch']}" for c in found]


def test_tried_set_goes_before_one_that_only_resolves() -> None:
    """The rung reached decides first."""
    assert names(ask("vllm==0.11.0")) == ["0.6.1 2.8.0", "0.8.0 2.8.0"]


def test_set_with_evidence_against_it_is_never_recommended() -> None:
    """A failed probe excludes, unless it is one that nobody here needs."""
    found = recommend(ask("verl==0.6.1"), ALL)

    assert [each.candidate.cell_id for each in found.choices] == ["green"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ask(engine="sglang"), []),
        (ask(python="3.11"), []),
        (ask(glibc="2.31"), []),
        (ask(glibc="2.40", engine="vllm"), ["0.6.1 2.8.0", "0.8.0 2.8.0", "0.9.1 2.11.0"]),
        (ask(driver="535.104"), ["0.6.1 2.8.0", "0.8.0 2.8.0"]),
        (ask(driver="580.95"), ["0.6.1 2.8.0", "0.8.0 2.8.0", "0.9.1 2.11.0"]),
        (ask(gpu="V100"), ["0.6.1 2.8.0", "0.8.0 2.8.0"]),
        (ask(gpu="12.0"), ["0.6.1 2.8.0", "0.8.0 2.8.0", "0.9.1 2.11.0"]),
        (ask(keep=("torch",), installed={"torch": "2.11.0+cu130"}), ["0.9.1 2.11.0"]),
        (ask(model="multimodal", engine="vllm"), ["0.8.0 2.8.0", "0.9.1 2.11.0"]),
    ],
)
def test_limit_leaves_what_meets_it(wanted: Ask, expected: list[str]) -> None:
    """Each limit excludes what is known to miss it, and nothing else."""
    assert sorted(names(wanted)) == sorted(expected)


def test_unknown_is_said_and_ranked_behind() -> None:
    """A set nobody looked into for that purpose may still do, and does not lead."""
    sure = tried("sure", {"megatron_imports": ("cpu", "passed")}, verl="0.6.1", torch="2.8.0")

    found = recommend(ask(trainer="megatron"), [RESOLVED, sure]).choices

    assert [each.candidate.cell_id for each in found] == ["sure", None]
    assert found[1].unknown == ("megatron",)


def test_among_equals_the_nearest_to_what_is_installed_leads() -> None:
    """Fewer changes are better where the evidence is the same."""
    found = recommend(ask(installed={"verl": "0.9.1", "vllm": "0.24.0"}), [RESOLVED, NEWER])

    assert found.choices[0].candidate is NEWER
    assert [name for name, _, _ in found.choices[0].changes] == ["torch", "transformers"]


@pytest.mark.parametrize(
    ("wants", "collisions"),
    [
        (("vllm==0.11.0", "vllm>=0.12"), {("vllm==0.11.0", "vllm>=0.12")}),
        (("verl==0.9.1", "torch<2.9"), {("verl==0.9.1", "torch<2.9")}),
        (("verl==9.9",), {("verl==9.9",)}),
        (("verl==0.6.1", "vllm==0.24.0", "torch>=2"), {("verl==0.6.1", "vllm==0.24.0")}),
    ],
)
def test_colliding_wants_are_named(
    wants: tuple[str, ...], collisions: set[tuple[str, ...]]
) -> None:
    """Only those that cannot be had together, with what would come nearest."""
    found = recommend(ask(*wants), ALL)

    assert found.choices == ()
    assert set(found.collisions) == collisions
    assert found.nearest
    assert all(each.unmet for each in found.nearest)


def test_nearest_is_near_by_releases() -> None:
    """Of sets that miss one want, the one a release away leads."""
    far = space(verl="0.3.0", vllm="0.20.0", torch="2.11.0")
    near = space(verl="0.9.0", vllm="0.20.0", torch="2.11.0")

    found = recommend(ask("verl==0.8.0", "vllm==0.20.0"), [far, near, RESOLVED, RED])

    assert found.nearest[0].candidate is near


def test_evidence_against_is_part_of_a_collision() -> None:
    """Where something meets every want and fails, that is what stands in the way."""
    found = recommend(ask("verl==0.6.1"), [RED])

    assert found.collisions == ((WORKS,),)
    assert found.nearest[0].failed == ("engine",)


@pytest.mark.parametrize(
    "wanted",
    [ask(keep=("torch",)), ask(driver="new"), ask(gpu="toaster"), ask(glibc="musl")],
)
def test_limit_that_means_nothing_is_refused(wanted: Ask) -> None:
    """A slip is told from a limit that excludes everything."""
    with pytest.raises(UsageError):
        recommend(wanted, ALL)


def test_commands_change_what_differs_and_what_would_break() -> None:
    """Axes move; pyarrow moves only because of what is known about it and numpy."""
    installed = {
        "verl": "0.6.1", "vllm": "0.11.0", "torch": "2.8.0", "transformers": "5.23.0",
        "numpy": "1.26.4", "pyarrow": "26.0.1", "certifi": "2020.1.1",
    }  # fmt: skip
    (choice,) = recommend(ask(installed=installed), [GREEN]).choices

    (command,) = change_commands(
        choice, installed=installed, failures=[FAILURE], python="my env/bin/python"
    )

    assert command == (
        "uv pip install --python 'my env/bin/python' --exclude-newer 2026-11-20T00:00:00Z "
        "transformers==4.57.1 pyarrow==22.0.0"
    )


def test_other_engine_is_taken_out_first() -> None:
    """Two engines want two torch releases, so the old one goes."""
    installed = {"verl": "0.8.0", "sglang": "0.5.5", "torch": "2.8.0", "transformers": "4.57.6"}
    (choice,) = recommend(ask(installed=installed), [RESOLVED]).choices

    commands = change_commands(choice, installed=installed, failures=[], python=None)

    assert commands[0] == "uv pip uninstall sglang"
    assert "vllm==0.11.0" in commands[1]


def test_environment_that_is_there_already_needs_no_command() -> None:
    """Nothing to type where nothing differs."""
    installed = dict(RESOLVED.versions)
    (choice,) = recommend(ask(installed=installed), [RESOLVED]).choices

    assert change_commands(choice, installed=installed, failures=[], python=None) == ()


def test_index_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    """What loads fast says the same; of other files it is not taken."""
    index = Index(
        candidates=(GREEN, dataclasses.replace(RESOLVED, traps=(("a", "broken", "b"),))),
        failures=(FAILURE,),
    )
    path = tmp_path / "local" / "index.json"

    save_index(index, path, key="k")

    assert load_index(path, key="k") == index
    assert load_index(path, key="other") is None
    path.write_text(path.read_text("utf-8")[:100], "utf-8")
    assert load_index(path, key="k") is None


def test_key_follows_the_files(tmp_path: Path) -> None:
    """A line more in one file makes the kept index out of date."""
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n")
    before = index_key([path])

    path.write_text("{}\n{}\n")

    assert index_key([path]) != before


def test_doctor_report_brings_limits_and_what_is_installed(tmp_path: Path) -> None:
    """The words of the report are understood."""
    path = tmp_path / "report.json"
    body = {
        "environment": {
            "machine": "Linux x86_64, glibc 2.35, 8 x NVIDIA H100 80GB HBM3",
            "driver": "570.86.15, up to CUDA 12.8",
            "python": "cpython 3.11.7",
        },
        "distributions": {"Torch": {"version": "2.8.0"}},
    }
    path.write_text(json.dumps(body), encoding="utf-8")

    found = read_doctor_report(path)

    assert (found.python, found.glibc, found.driver, found.gpu) == (
        "3.11",
        "2.35",
        "570.86.15",
        "9.0",
    )
    assert found.installed == {"torch": "2.8.0"}


@pytest.mark.parametrize("text", ["", "[]", '{"environment": {}}', '{"environment": 1'])
def test_file_that_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    """It says how a report is written."""
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match="doctor --json"):
        read_doctor_report(path)


@pytest.mark.parametrize(
    ("name", "capability"),
    [("NVIDIA GeForce RTX 4090", "8.9"), ("NVIDIA GB200", "10.0"), ("A toaster", None)],
)
def test_device_is_known_by_its_name(name: str, capability: str | None) -> None:
    """What the driver calls it leads to what it can run."""
    assert capability_of(name) == capability
