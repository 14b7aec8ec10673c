"""A distribution that goes on without its extension does not fail a stack, unless it crashes."""

from __future__ import annotations

from packaging.utils import canonicalize_name

from pytest_verlcompat.checks.abi_tolerance import WORKS_WITHOUT, soften
from pytest_verlcompat.model.cause import Cause
from pytest_verlcompat.model.finding import Finding, Weight


def finding(consumer: str, *, code: str = "undefined-symbol") -> Finding:
    """Return a finding that would fail a stack."""
    cause = Cause(kind="ImportError", first_line="_C.so: undefined symbol: x", detail="x")
    return Finding(
        code=code, weight=Weight.BROKEN, consumer=consumer, provider="torch 2.8.0", cause=cause
    )


def test_named_distribution_is_suspect_with_the_reason() -> None:
    """Who reads the finding learns why it does not count."""
    (found,) = soften([finding("torchao 0.9.0")])

    assert found.weight is Weight.SUSPECT
    assert "it goes on without: torchao/__init__.py" in (found.cause.detail or "")


def test_crash_and_unknown_distributions_stay_broken() -> None:
    """A crash cannot be caught, and nobody is forgiven without having been read."""
    before = [finding("torchao 0.9.0", code="silent-abi-break"), finding("my_kernels 1.0")]

    assert list(soften(before)) == before


def test_every_exception_has_its_source_and_a_normalized_name() -> None:
    """Otherwise it would never match, or nobody could check it."""
    for name, source in WORKS_WITHOUT.items():
        assert name == canonicalize_name(name)
        assert "read 20" in source
