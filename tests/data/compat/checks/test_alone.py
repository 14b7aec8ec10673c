"""The plugin's own things."""

import pytest


def test_versions(verlcompat):
    verlcompat.require("alpha>=1,<2")
    assert verlcompat.versions["alpha"] == "1.0"


@pytest.mark.parametrize("number", range(3))
def test_probe(verlcompat, number):
    assert verlcompat.probe("alpha_opens").passed


@pytest.mark.verl_xfail("OWN001")
def test_known():
    raise RuntimeError("alpha is closed")


@pytest.mark.verl_requires("alpha>=2")
def test_newer():
    raise AssertionError


def test_gpu(verl_gpu):
    raise AssertionError
