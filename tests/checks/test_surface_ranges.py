"""Since when and until when a name is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.surface_ranges import find_range
from pytest_verlcompat.checks.surface_space import judge_space
from pytest_verlcompat.wheels.archive import WheelFile
from pytest_verlcompat.wheels.surface_collect import collect_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_verlcompat.wheels.surface_facts import Facts
    from tests.checks.conftest import BuildRelease

VERSIONS = [f"1.{minor}" for minor in range(12)]


@pytest.fixture
def engines(build_release: BuildRelease) -> Callable[[set[int]], dict[str, Facts]]:
    """Return a builder of twelve releases, of which the given minors have the name."""

    def build(having: set[int]) -> dict[str, Facts]:
        found = {}
        for minor, version in enumerate(VERSIONS):
            body = "\n\ndef wanted(a, b=1): ...\n" if minor in having else "x = 1\n"
            path = build_release("engine", version, {"engine/__init__.py": body})
            with WheelFile(path) as tree:
                found[version] = collect_provider(
                    tree, [("engine", "wanted")], distribution="engine", version=version
                )
        return found

    return build


_RANGES = [
    ({0, 1, 2}, "1.7", ("1.3", "1.11", "1.2", None)),
    ({9, 10, 11}, "1.2", ("1.0", "1.8", None, "1.9")),
    ({0, 1, 2, 8, 9, 10, 11}, "1.5", ("1.3", "1.7", "1.2", "1.8")),
    (set(), "1.5", ("1.0", "1.11", None, None)),
]


@pytest.mark.parametrize("case", _RANGES)
def test_range_is_the_releases_without_the_name(
    engines: Callable[[set[int]], dict[str, Facts]],
    case: tuple[set[int], str, tuple[str, str, str | None, str | None]],
) -> None:
    """The range ends where the name is there, with the place where it is."""
    having, version, expected = case
    facts = engines(having)

    found = find_range(VERSIONS, version, read=facts.get, module="engine", name="wanted")

    assert found is not None
    before = found.before[0] if found.before else None
    after = found.after[0] if found.after else None
    assert (found.since, found.until, before, after) == expected
    known = found.before or found.after
    if known is not None:
        assert known[1] is not None
        assert str(known[1]) == "engine/__init__.py:3"
        assert known[1].source == "def wanted(a, b=)"


def test_findings_of_a_space_carry_their_range(
    engines: Callable[[set[int]], dict[str, Facts]], build_release: BuildRelease
) -> None:
    """Over a whole space, the range is read off the neighbouring cells."""
    from tests.checks.conftest import consumer_facts  # noqa: PLC0415 - the conftest of this folder

    consumer = consumer_facts(
        build_release("app", "3.0", {"app/__init__.py": "from engine import wanted"})
    )

    cells = judge_space([consumer], engines({0, 1, 5, 6}))["3.0"]

    ranges = {
        version: (surface.findings[0].since, surface.findings[0].until)
        for version, surface in cells.items()
        if surface.findings
    }
    assert ranges["1.3"] == ("1.2", "1.4")
    assert ranges["1.9"] == ("1.7", "1.11")
    assert "1.5" not in ranges
