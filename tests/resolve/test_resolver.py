"""Questions to the real uv about a small index: every kind of answer, and every kind of failure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.question import Answer, Question, Resolution
from pytest_verlcompat.resolve.resolver import Resolver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.resolve.simple_site import SimpleSite

EGG = "Metadata-Version: 2.1\nName: source\nVersion: 1.0\nRequires-Dist: beta<2\n"


def ask(resolver: Resolver, *requirements: str, as_of: str = "2026-01-01") -> Answer:
    """Return the answer about *requirements* for Python 3.12 and glibc 2.35."""
    day = dt.date.fromisoformat(as_of)
    return resolver.ask(Question(requirements=requirements, python="3.12", as_of=day))


def test_set_that_fits_is_resolved_with_who_asked(site: SimpleSite, resolver: Resolver) -> None:
    """A solution names every version and who in the set asked for it."""
    site.add("alpha", "1.0", requires=["beta<2"])
    site.add("beta", "1.5")
    site.add("beta", "2.0")

    answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.RESOLVED
    assert answer.picks == {"alpha": "1.0", "beta": "1.5"}
    assert answer.via["beta"] == ("alpha",)
    assert answer.set_digest is not None


def test_contradiction_names_both_sides(site: SimpleSite, resolver: Resolver) -> None:
    """What cannot be resolved is explained by its premises, without the conclusions."""
    site.add("alpha", "1.0", requires=["beta<2"])
    site.add("gamma", "1.0", requires=["beta>=2"])
    site.add("beta", "1.0")
    site.add("beta", "2.0")

    answer = ask(resolver, "alpha==1.0", "gamma==1.0")

    assert answer.resolution is Resolution.UNRESOLVABLE
    assert any("alpha" in each and "beta<2" in each for each in answer.why)
    assert any("gamma" in each and "beta>=2" in each for each in answer.why)
    assert not any("conclude" in each for each in answer.why)
    assert set(answer.between) == {"alpha", "beta", "gamma"}


def test_later_uploads_do_not_exist_as_of_a_day(site: SimpleSite, resolver: Resolver) -> None:
    """A release of the day itself counts; one of the next day does not."""
    site.add("alpha", "1.0", uploaded="2025-03-01")
    site.add("alpha", "2.0", uploaded="2025-03-02")

    assert ask(resolver, "alpha", as_of="2025-03-01").picks == {"alpha": "1.0"}
    assert ask(resolver, "alpha", as_of="2025-03-02").picks == {"alpha": "2.0"}


def test_pin_without_wheel_is_read_and_never_built(
    site: SimpleSite, resolver: Resolver, tmp_path: Path
) -> None:
    """A source distribution resolves by its text; its setup.py does not run."""
    mark = tmp_path / "ran"
    setup = f"open({str(mark)!r}, 'w').close()\nfrom setuptools import setup\nsetup()\n"
    site.add_sdist("source", "1.0", files={"PKG-INFO": EGG, "setup.py": setup})
    site.add("alpha", "1.0", requires=["source==1.0"])
    site.add("beta", "1.5")

    answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.RESOLVED
    assert answer.sdists == ("source==1.0",)
    assert answer.picks["beta"] == "1.5"
    assert not mark.exists()


def test_pin_that_only_a_build_could_read_is_not_attempted(
    site: SimpleSite, resolver: Resolver
) -> None:
    """Where nothing is known about a requirement, there is no verdict about the set."""
    site.add_sdist("source", "1.0", files={"PKG-INFO": "Metadata-Version: 2.1\nName: source\n"})
    site.add("alpha", "1.0", requires=["source==1.0"])

    answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.NOT_ATTEMPTED
    assert "source 1.0" in answer.why[0]


def test_wheel_for_another_platform_is_said_so(site: SimpleSite, resolver: Resolver) -> None:
    """A release whose wheels need a newer glibc is not taken from its sdist instead."""
    site.add("alpha", "1.0", tags="cp312-cp312-manylinux_2_39_x86_64")
    site.add_sdist("alpha", "1.0", files={"PKG-INFO": EGG})

    answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.UNRESOLVABLE
    assert any("manylinux_2_39_x86_64" in each for each in answer.why)


def test_yanked_pin_is_said_so(site: SimpleSite, resolver: Resolver) -> None:
    """A yanked release that another distribution pins is named as yanked."""
    site.add("alpha", "1.0", requires=["beta==1.0"])
    site.add("beta", "1.0", yanked=True)
    site.add_sdist("beta", "1.0", files={"PKG-INFO": EGG})
    site.pages["beta"][-1].yanked = True

    answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.UNRESOLVABLE
    assert any("yanked" in each for each in answer.why)


def test_release_that_is_not_there_is_unresolvable(site: SimpleSite, resolver: Resolver) -> None:
    """An unknown version or name has no solution; the index confirmed it."""
    site.add("alpha", "1.0")

    assert ask(resolver, "alpha==9.9").resolution is Resolution.UNRESOLVABLE
    assert ask(resolver, "nobody-has-this").resolution is Resolution.UNRESOLVABLE


@pytest.mark.parametrize("fault", ["down", "garbage", "cut"])
def test_broken_index_is_errored_and_never_unresolvable(
    site: SimpleSite, resolver: Resolver, fault: str
) -> None:
    """An index that fails or lies says nothing about the releases."""
    site.add("alpha", "1.0")
    site.add("alpha", "2.0")
    site.fault = fault

    answer = ask(resolver, "alpha==2.0")

    assert answer.resolution is Resolution.ERRORED
    assert answer.why
    assert "http" not in " ".join(answer.why)


def test_index_that_recovers_is_asked_again(site: SimpleSite) -> None:
    """After a pause the question is put again, and the answer counts."""
    from pytest_verlcompat.resolve.open import open_resolver  # noqa: PLC0415 -- with its own pause

    site.add("alpha", "1.0")
    site.fault = "down"

    def recover(_seconds: float) -> None:
        site.fault = None

    with open_resolver(sleep=recover) as (resolver, _shelf):
        answer = ask(resolver, "alpha==1.0")

    assert answer.resolution is Resolution.RESOLVED


def test_day_on_an_index_without_dates_is_not_attempted(
    site: SimpleSite, resolver: Resolver
) -> None:
    """Files without a day are invisible to a dated question, which is no contradiction."""
    site.add("alpha", "1.0", requires=["beta"])
    site.add("beta", "1.0")
    site.dated = False

    answer = ask(resolver, "alpha==1.0")
    undated = resolver.ask(Question(requirements=("alpha==1.0",), python="3.12"))

    assert answer.resolution is Resolution.NOT_ATTEMPTED
    assert "no upload dates for alpha" in answer.why[0]
    assert undated.resolution is Resolution.RESOLVED


def test_hanging_index_ends_at_the_deadline(site: SimpleSite, tmp_path: Path) -> None:
    """A resolver without an answer is stopped, and that is on record."""
    from pytest_verlcompat.resolve.open import open_resolver  # noqa: PLC0415 -- with its own limits

    site.add("alpha", "1.0")
    site.fault = "hang"
    with open_resolver(sleep=lambda _seconds: None) as (resolver, shelf):
        limits = dataclasses.replace(resolver.settings, timeout_s=0.5, attempts=1)
        answer = ask(Resolver(limits, work=tmp_path, shelf=shelf), "alpha==1.0")

    assert answer.resolution is Resolution.ERRORED
    assert "no answer within 0.5 s" in answer.why[0]


def test_settings_of_the_caller_do_not_change_the_answer(
    site: SimpleSite, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date or a constraint in the environment is the caller's, not the question's."""
    site.add("alpha", "1.0", uploaded="2025-03-01")
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2020-01-01")

    assert ask(resolver, "alpha==1.0").resolution is Resolution.RESOLVED
