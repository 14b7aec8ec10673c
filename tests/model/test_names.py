"""Names of distributions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pytest_verlcompat.model.names import normalize


@given(st.text(alphabet="aZ09-_.", max_size=12))
def test_name_is_compared_as_packaging_does(name: str) -> None:
    """Both give the same for whatever may be a name."""
    assert normalize(name) == canonicalize_name(name)
