"""The fixtures: ``pytest --fixtures`` shows them. None costs anything until a test asks for it.

They work in the environment under test (that of pytest, of ``--verlcompat-python`` or of a cell
of a matrix run) and import nothing of it into the test's process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_verlcompat.plugin.devices import Gpus
    from pytest_verlcompat.plugin.running import Engine, RayCluster
    from pytest_verlcompat.plugin.stack import VerlStack
    from pytest_verlcompat.plugin.tiny import GsmRows, TinyGrpo, TinyQwen3


@pytest.fixture(scope="session")
def verl_cell(request: pytest.FixtureRequest) -> VerlStack:
    """Return the stack under test; parametrized by ``verl_matrix`` in a matrix run."""
    from pytest_verlcompat.plugin.session_state import session_state

    state = session_state(request.config)
    chosen = getattr(request, "param", None)
    if chosen is None:
        return state.stack()
    if chosen.lack is not None:
        pytest.skip(chosen.lack)
    return state.stack(chosen.python, chosen.name)


@pytest.fixture(scope="session")
def verlcompat(verl_cell: VerlStack) -> VerlStack:
    """Return versions, rungs, ``require("vllm>=0.11,<0.13")`` and ``probe("event_loop")``."""
    return verl_cell


@pytest.fixture
def verl_gpus(request: pytest.FixtureRequest) -> Iterator[Callable[[int], Gpus]]:
    """Return a function that assigns so many GPUs to the test, or skips it and says why."""
    import contextlib

    from pytest_verlcompat.plugin.devices import showing
    from pytest_verlcompat.plugin.session_state import session_state
    from pytest_verlcompat.process.gpu_lease import Lack

    state = session_state(request.config)
    with contextlib.ExitStack() as held:

        def assign(count: int) -> Gpus:
            lease = held.enter_context(state.devices.borrow(count))
            if isinstance(lease, Lack):
                pytest.skip(f"needs {lease.text}")
            return held.enter_context(showing(lease))

        yield assign


@pytest.fixture
def verl_gpu(verl_gpus: Callable[[int], Gpus]) -> Gpus:
    """Return one GPU that nobody else uses; while the test runs no other is visible."""
    return verl_gpus(1)


@pytest.fixture(scope="session")
def tiny_qwen3(request: pytest.FixtureRequest, verlcompat: VerlStack) -> TinyQwen3:
    """Return a maker of tiny models: ``tiny_qwen3()``, ``tiny_qwen3("moe")``, ``("vl")``."""
    from pytest_verlcompat.plugin.session_state import session_state
    from pytest_verlcompat.plugin.tiny import TinyQwen3

    return TinyQwen3(session_state(request.config), verlcompat)


@pytest.fixture(scope="session")
def gsm8k_like(request: pytest.FixtureRequest, verlcompat: VerlStack) -> GsmRows:
    """Return a writer of exercises with verl's columns: ``gsm8k_like(64, split="test")``."""
    from pytest_verlcompat.plugin.session_state import session_state
    from pytest_verlcompat.plugin.tiny import GsmRows

    return GsmRows(session_state(request.config), verlcompat)


@pytest.fixture(scope="session")
def tiny_grpo(request: pytest.FixtureRequest, verlcompat: VerlStack) -> TinyGrpo:
    """Return a trainer of a few steps through verl's functions: ``tiny_grpo(reward, steps=3)``."""
    from pytest_verlcompat.plugin.session_state import session_state
    from pytest_verlcompat.plugin.tiny import TinyGrpo

    return TinyGrpo(session_state(request.config), verlcompat)


@pytest.fixture(scope="module")
def engine(
    request: pytest.FixtureRequest, verlcompat: VerlStack, tiny_qwen3: TinyQwen3
) -> Iterator[Engine]:
    """Return vLLM or SGLang over a tiny model, one a module, shut down after it."""
    __tracebackhide__ = True
    from pytest_verlcompat.plugin.running import running_engine
    from pytest_verlcompat.plugin.session_state import session_state

    with running_engine(session_state(request.config), verlcompat, tiny_qwen3) as found:
        yield found


@pytest.fixture(scope="module")
def ray_cluster(request: pytest.FixtureRequest, verlcompat: VerlStack) -> Iterator[RayCluster]:
    """Return a Ray of two CPUs that joins no other, its workers checked, one a module."""
    __tracebackhide__ = True
    import tempfile
    from pathlib import Path

    from pytest_verlcompat.plugin.running import running_ray
    from pytest_verlcompat.plugin.session_state import session_state

    state = session_state(request.config)
    with (
        tempfile.TemporaryDirectory(prefix="vr-", ignore_cleanup_errors=True) as folder,
        running_ray(state, verlcompat, folder=Path(folder)) as found,
    ):
        yield found


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy_matrix(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return asyncio's and uvloop's event loop policy in turn, in force while the test runs.

    No loop is set, as in a fresh main thread; uvloop is imported here and now, where it is there.
    """
    import asyncio
    import importlib

    if request.param == "uvloop":
        try:
            policy = importlib.import_module("uvloop").EventLoopPolicy()
        except ImportError as error:
            pytest.skip(f"needs uvloop in the environment of pytest ({error})")
    else:
        policy = asyncio.DefaultEventLoopPolicy()
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(policy)
    try:
        yield policy
    finally:
        asyncio.set_event_loop_policy(before)
