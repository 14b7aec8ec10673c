"""Signatures as text, and calls against them."""

from __future__ import annotations

import ast
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_verlcompat.wheels.surface_signature import (
    find_misfit,
    parse_signature,
    signature_text,
)

_CASES = [
    "def f(): ...",
    "def f(a, b=1): ...",
    "def f(a, /, b, *, c, d=2): ...",
    "def f(*args, key, **kwargs): ...",
    "def f(a, b=1, *args, c=2): ...",
]


def _parameters(source: str) -> str:
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    text = signature_text(node, bound=False)
    assert text is not None
    return text


@pytest.mark.parametrize("source", _CASES)
@given(positional=st.integers(0, 4), keywords=st.sets(st.sampled_from("abcdkey")))
def test_misfit_agrees_with_python(source: str, positional: int, keywords: set[str]) -> None:
    """A call is a misfit exactly when Python would refuse to bind its arguments."""
    space: dict[str, object] = {}
    exec(source, space)  # noqa: S102 - a definition written in this file
    function = space["f"]
    assert callable(function)
    try:
        inspect.signature(function).bind(*range(positional), **dict.fromkeys(keywords, 0))
        fits = True
    except TypeError:
        fits = False

    misfit = find_misfit(
        parse_signature(_parameters(source)),
        positional=positional,
        keywords=sorted(keywords),
        unpacks=False,
    )

    assert (misfit is None) is fits


def test_unknown_decorator_hides_the_signature() -> None:
    """What a decorator may have changed is not judged."""
    node = ast.parse("@wrapped\ndef f(a): ...").body[0]
    assert isinstance(node, ast.FunctionDef)

    assert signature_text(node, bound=False) is None
