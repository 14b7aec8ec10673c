"""The same beside plugins of others."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mine import version

tries = []


@pytest.mark.asyncio
async def test_asyncio(verlcompat):
    assert verlcompat.probe("alpha_opens").passed


@pytest.mark.anyio
async def test_anyio(verlcompat, anyio_backend_name):
    await anyio.sleep(0)
    assert verlcompat.versions["alpha"] == version()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@settings(max_examples=5, deadline=None)
@given(number=st.integers())
def test_hypothesis(number):
    assert number == number


@pytest.mark.timeout(60)
@pytest.mark.verl_requires("alpha", probe="alpha_opens")
def test_timeout():
    pass


@pytest.mark.flaky(reruns=2)
@pytest.mark.verl_requires("alpha")
def test_rerun(verlcompat):
    tries.append(verlcompat.probe("alpha_opens"))
    assert len(tries) == 2


def test_benchmark(benchmark, verlcompat):
    benchmark.pedantic(verlcompat.require, args=("alpha",), rounds=2)


def test_loops(event_loop_policy_matrix):
    assert event_loop_policy_matrix
