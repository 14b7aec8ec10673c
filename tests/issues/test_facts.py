"""Conditions hold, fail, or cannot be told."""

from __future__ import annotations

import pytest
from packaging.version import Version

from pytest_verlcompat.issues.facts import Facts, Holds, any_holds, holds

FACTS = Facts(
    versions={"torch": Version("2.8.0+cu128"), "vllm": Version("0.11.1.dev5")},
    numbers={"driver": Version("570.86.10")},
    words={"architecture": "x86_64"},
    env={"A": "x:True,y:2", "E": ""},
    modules={"module:apex": False},
)


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({"torch": "==2.8.0"}, Holds.YES),
        ({"torch": "<2.10"}, Holds.YES),
        ({"torch": ">=2.10"}, Holds.NO),
        ({"vllm": "<0.11.1"}, Holds.NO),
        ({"vllm": ">=0.11.1"}, Holds.YES),
        ({"torch": "*"}, Holds.YES),
        ({"torch": "absent"}, Holds.NO),
        ({"ray": "*"}, Holds.UNKNOWN),
        ({"ray": ">=2", "torch": ">=3"}, Holds.NO),
        ({"ray": ">=2", "torch": ">=2"}, Holds.UNKNOWN),
        ({"driver": "<580"}, Holds.YES),
        ({"glibc": "<2.32"}, Holds.UNKNOWN),
        ({"architecture": "x86_64"}, Holds.YES),
        ({"architecture": "aarch64"}, Holds.NO),
        ({"env:A": "contains x:True"}, Holds.YES),
        ({"env:A": "= x"}, Holds.NO),
        ({"env:A": "set"}, Holds.YES),
        ({"env:E": "set"}, Holds.NO),
        ({"env:B": "unset"}, Holds.YES),
        ({"module:apex": "absent"}, Holds.YES),
        ({"program:cc": "absent"}, Holds.UNKNOWN),
        ({}, Holds.YES),
    ],
)
def test_condition_is_judged(condition: dict[str, str], answer: Holds) -> None:
    """Versions compare as versions, and what is not known settles nothing."""
    assert holds(condition, FACTS) is answer


def test_what_a_complete_inventory_lacks_is_absent() -> None:
    """Only a complete list lets one conclude that something is not installed."""
    complete = Facts(versions={}, complete=True)

    assert holds({"ray": "absent"}, complete) is Holds.YES
    assert holds({"ray": "*"}, complete) is Holds.NO


def test_one_alternative_is_enough() -> None:
    """Alternatives are joined by or, and none at all says nothing."""
    assert any_holds(({"torch": "<2"}, {"torch": ">=2"}), FACTS) is Holds.YES
    assert any_holds(({"torch": "<2"}, {"ray": "*"}), FACTS) is Holds.UNKNOWN
    assert any_holds((), FACTS) is Holds.UNKNOWN
