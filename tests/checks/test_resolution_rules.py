"""Each rule about resolved sets, on the smallest set that it catches and on one it must not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from pytest_verlcompat.checks import (
    resolution_backtracked,
    resolution_facts,
    resolution_installers,
    resolution_source,
    resolution_stale,
)
from pytest_verlcompat.checks.resolution_set import ResolvedSet
from pytest_verlcompat.checks.resolution_traps import find_traps, rules
from pytest_verlcompat.model.finding import Weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TODAY = dt.date(2026, 11, 19)


@dataclass
class Known:
    """An index of what a test says."""

    days: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """``name version`` to its requirements."""
    pythons: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def uploads(self, name: str) -> Mapping[Version, dt.date]:
        """Return the days of *name*."""
        listed = self.days.get(name, {})
        return {Version(version): dt.date.fromisoformat(day) for version, day in listed.items()}

    def requires(self, name: str, version: Version) -> Sequence[Requirement] | None:
        """Return what is said of that release."""
        texts = self.asks.get(f"{name} {version}")
        return None if texts is None else [Requirement(text) for text in texts]

    def requires_python(self, name: str, version: Version) -> str | None:
        """Return what is said of that release."""
        return self.pythons.get(f"{name} {version}")

    def native(self, name: str, version: str) -> tuple[str, ...]:
        """Return what is said of that release."""
        return self.languages.get(f"{name} {version}", ())


def make_set(
    *requirements: str,
    picks: Mapping[str, str],
    via: Mapping[str, tuple[str, ...]] | None = None,
    sdists: tuple[str, ...] = (),
) -> ResolvedSet:
    """Return a set for Python 3.12 as of today."""
    return ResolvedSet(
        requirements=requirements,
        python="3.12",
        as_of=TODAY,
        picks=picks,
        via=via or {},
        sdists=sdists,
    )


def test_open_axis_behind_its_newest_release_is_caught() -> None:
    """``verl vllm`` that ends at verl 0.4.1 is no success."""
    known = Known(days={"verl": {"0.4.1": "2025-06-27", "0.9.1": "2026-09-20"}})
    resolved = make_set("verl", "vllm==0.21.0", picks={"verl": "0.4.1", "vllm": "0.21.0"})

    (finding,) = resolution_backtracked.check(resolved, known)

    assert finding.provider == "verl 0.4.1"
    assert "0.9.1" in finding.cause.first_line


def test_pinned_axis_is_where_it_was_put() -> None:
    """A pin is a wish, not a backtrack; a release after the day does not count."""
    known = Known(days={"verl": {"0.4.1": "2025-06-27", "0.9.9": "2026-12-24"}})
    pinned = make_set("verl==0.4.1", picks={"verl": "0.4.1"})
    newest = make_set("verl", picks={"verl": "0.4.1"})

    assert not [*resolution_backtracked.check(pinned, known)]
    assert not [*resolution_backtracked.check(newest, known)]


DATASETS = Known(
    days={
        "datasets": {"2.14.4": "2023-08-08", "5.0.1": "2026-07-28"},
        "fsspec": {"2026.6.0": "2026-06-16", "2026.9.0": "2026-09-20"},
    },
    asks={
        "verl 0.8.0": ["datasets", "fsspec"],
        "datasets 5.0.1": ["fsspec<=2026.6.0"],
    },
)


def test_stale_dependency_names_the_clash_nobody_asked_for() -> None:
    """``datasets`` of 2023 beside ``fsspec`` of 2026 is caught, and fsspec is named."""
    resolved = make_set(
        "verl==0.8.0",
        picks={"verl": "0.8.0", "datasets": "2.14.4", "fsspec": "2026.9.0"},
        via={"datasets": ("verl",), "fsspec": ("verl", "datasets")},
    )
    known = Known(days=DATASETS.days, asks={**DATASETS.asks, "datasets 2.14.4": ["fsspec"]})

    (finding,) = resolution_stale.check(resolved, known)

    assert finding.provider == "datasets 2.14.4"
    assert "fsspec<=2026.6.0" in (finding.cause.detail or "")


def test_dependency_held_back_by_a_requirement_is_not_stale() -> None:
    """What somebody asks to be old is old on purpose."""
    resolved = make_set(
        "verl==0.8.0",
        picks={"verl": "0.8.0", "datasets": "2.14.4"},
        via={"datasets": ("verl",)},
    )
    known = Known(days=DATASETS.days, asks={"verl 0.8.0": ["datasets<3"]})

    assert not [*resolution_stale.check(resolved, known)]


def test_clash_with_a_version_somebody_asked_for_explains_an_old_pick() -> None:
    """Opencv of 2025 under ``numpy<2`` is no choice of the resolver."""
    resolved = make_set(
        "verl==0.8.0",
        picks={"verl": "0.8.0", "vllm": "0.11.0", "opencv": "4.11", "numpy": "1.26.4"},
        via={"opencv": ("vllm",), "numpy": ("verl", "opencv")},
    )
    known = Known(
        days={
            "opencv": {"4.11": "2025-01-16", "5.0": "2026-07-02"},
            "numpy": {"1.26.4": "2024-02-05", "2.4": "2025-12-01"},
        },
        asks={
            "verl 0.8.0": ["numpy<2"],
            "vllm 0.11.0": ["opencv>=4.11"],
            "opencv 5.0": ["numpy>=2"],
            "opencv 4.11": ["numpy"],
        },
    )

    assert not [*resolution_stale.check(resolved, known)]


@pytest.mark.parametrize(
    ("picks", "code", "weight"),
    [
        ({"verl": "0.9.1", "vllm": "0.17.0"}, "vllm-gate", Weight.BROKEN),
        ({"verl": "0.6.1", "tensordict": "0.8.3"}, "tensordict-gate", Weight.SUSPECT),
        ({"verl": "0.6.1", "transformers": "5.0.0"}, "transformers-vision2seq", Weight.BROKEN),
        ({"vllm": "0.11.0", "transformers": "5.0.0"}, "transformers-special-tokens", Weight.BROKEN),
        ({"pyarrow": "26.0.0", "numpy": "1.26.4"}, "pyarrow-numpy", Weight.BROKEN),
        ({"datasets": "2.14.4", "pyarrow": "23.0.0"}, "datasets-pyarrow", Weight.BROKEN),
        ({"verl": "0.4.1", "setuptools": "84.2.1"}, "pkg-resources", Weight.BROKEN),
        ({"verl": "0.4.1"}, "pkg-resources", Weight.BROKEN),
        ({"verl": "0.9.1"}, "undeclared-transfer-queue", Weight.SUSPECT),
        ({"verl": "0.8.0"}, "undeclared-server", Weight.SUSPECT),
    ],
)
def test_unstated_requirement_is_caught(
    picks: Mapping[str, str], code: str, weight: Weight
) -> None:
    """What the code needs and the metadata does not state shows on the set, with a source."""
    found = {each.code: each for each in resolution_facts.check(make_set(picks=picks), Known())}

    assert found[code].weight is weight
    assert found[code].cause.detail


def test_met_requirement_is_silent() -> None:
    """A set that has what the code needs is left alone."""
    picks = {
        "verl": "0.9.1",
        "vllm": "0.24.0",
        "tensordict": "0.10.0",
        "transformers": "5.9.0",
        "numpy": "2.4.6",
        "pyarrow": "26.0.1",
        "uvicorn": "0.40",
        "fastapi": "0.130",
        "cachetools": "6.2",
        "transferqueue": "0.1.10",
    }

    assert not [*resolution_facts.check(make_set(picks=picks), Known())]


def test_absent_distribution_breaks_no_range() -> None:
    """A gate on vLLM says nothing about a set without vLLM."""
    found = {
        each.code for each in resolution_facts.check(make_set(picks={"verl": "0.9.1"}), Known())
    }

    assert "vllm-gate" not in found


def test_source_distribution_says_what_it_takes() -> None:
    """flash-attn tells of nvcc; pure Python is silent; an unknown compiled one tells its kind."""
    resolved = make_set(
        picks={}, sdists=("flash-attn==2.8.3", "pylatexenc==2.11", "fast==1.0", "plain==1.0")
    )
    known = Known(languages={"flash-attn 2.8.3": ("CUDA",), "fast 1.0": ("Rust",)})

    found = {
        each.provider: each.cause.first_line for each in resolution_source.check(resolved, known)
    }

    assert set(found) == {"flash-attn", "fast"}
    assert "nvcc" in found["flash-attn"]
    assert "Rust" in found["fast"]


def test_python_that_pip_refuses_is_caught() -> None:
    """Uv drops the upper bound of Requires-Python, pip does not."""
    resolved = ResolvedSet(
        requirements=("verl==0.9.1",),
        python="3.13",
        as_of=TODAY,
        picks={"verl": "0.9.1"},
        via={},
    )

    (finding,) = resolution_installers.check(
        resolved, Known(pythons={"verl 0.9.1": ">=3.10,<3.13"})
    )

    assert finding.code == "python-upper-bound"


def test_prerelease_nobody_pins_is_caught() -> None:
    """A release candidate beside a final release is uv's choice alone; a pinned one is a wish."""
    days = {"transformers": {"4.57.3": "2025-11-25"}}
    resolved = make_set(
        picks={"transformers": "5.0.0rc0", "peft": "0.18"}, via={"transformers": ("peft",)}
    )

    (finding,) = resolution_installers.check(
        resolved, Known(days=days, asks={"peft 0.18": ["transformers"]})
    )
    pinned = Known(days=days, asks={"peft 0.18": ["transformers==5.0.0rc0"]})

    assert finding.code == "prerelease-picked"
    assert not [*resolution_installers.check(resolved, pinned)]


def test_every_rule_of_the_folder_is_applied() -> None:
    """Rules are found by listing the folder, and each finding carries its code."""
    names = [module.__name__.rpartition(".")[2] for module in rules()]
    resolved = make_set(picks={"verl": "0.9.1", "vllm": "0.17.0"})

    assert names == sorted(names)
    assert len(names) >= 5
    assert "vllm-gate" in {each.code for each in find_traps(resolved, Known())}


def test_every_fact_has_a_source_and_a_known_kind() -> None:
    """The data file is complete."""
    for fact in resolution_facts.load_facts():
        assert fact.kind in {"gate", "hidden", "undeclared"}
        assert fact.sources
        assert fact.effect
