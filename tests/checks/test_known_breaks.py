"""The breaks that people reported, found again from the wheels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.import_surface import judge
from pytest_verlcompat.checks.surface_reach import questions_about
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore

if TYPE_CHECKING:
    from pytest_verlcompat.checks.import_surface import CellSurface

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def store() -> FactsStore:
    """Return facts through the configured index, cached as the command caches them."""
    cache = MemberCache(default_cache_folder())
    return FactsStore(IndexClient.configured(cache=cache), cache=cache)


def _cell(store: FactsStore, trainer: str, provider: str) -> CellSurface:
    name, version = provider.split("==")
    consumer = store.consumer("verl", trainer)
    questions = questions_about(name, [consumer], [version], beside=["verl"])
    return judge(consumer, [store.provider(name, version, questions)])


_BROKEN = [
    pytest.param(
        ("0.6.0", "vllm==0.8.5", "cannot import name 'get_tcp_uri' from 'vllm.utils'"),
        id="verl-project/verl#3638",
    ),
    pytest.param(
        ("0.6.0", "vllm==0.9.1", "No module named 'vllm.v1.engine.utils'"),
        id="verl-project/verl#3842",
    ),
    pytest.param(
        ("0.6.0", "sglang==0.5.5", "cannot import name 'get_ip' from 'sglang.srt.utils'"),
        id="verl-project/verl#3719",
    ),
    pytest.param(
        (
            "0.7.0",
            "transformers==5.0.0",
            "cannot import name 'AutoModelForVision2Seq' from 'transformers'",
        ),
        id="verl-project/verl#5007",
    ),
    pytest.param(
        (
            "0.9.0",
            "transformers==5.4.0",
            "cannot import name 'is_flash_attn_greater_or_equal_2_10' from 'transformers.utils'",
        ),
        id="verl-project/verl PR 7169",
    ),
    pytest.param(
        ("0.5.0", "vllm==0.11.0", "No module named 'vllm.model_executor.sampling_metadata'"),
        id="verl 0.5.0 with vllm 0.11.0, reported downstream",
    ),
]


@pytest.mark.parametrize("case", _BROKEN)
def test_reported_break_is_found_again(store: FactsStore, case: tuple[str, str, str]) -> None:
    """The message that people searched for is among the broken imports of that cell."""
    trainer, provider, message = case

    surface = _cell(store, trainer, provider)

    broken = [each for each in surface.findings if each.weight is Weight.BROKEN]
    assert message in [finding.cause.first_line for finding in broken]


def test_reported_late_break_is_a_suspect(store: FactsStore) -> None:
    """verl-project/verl#4202: a name that only a function imports is a suspect."""
    surface = _cell(store, "0.7.1", "vllm==0.8.4")

    suspects = [each for each in surface.findings if each.weight is Weight.SUSPECT]
    assert (
        "cannot import name 'process_weights_after_loading' from "
        "'vllm.model_executor.model_loader.utils'"
    ) in [finding.cause.first_line for finding in suspects]


_FINE = [
    ("0.6.0", "vllm==0.9.2"),
    ("0.6.1", "vllm==0.11.0"),
    ("0.6.1", "sglang==0.5.5"),
    ("0.7.0", "transformers==4.57.6"),
    ("0.9.1", "vllm==0.24.0"),
    ("0.9.1", "sglang==0.5.12"),
]


@pytest.mark.parametrize(("trainer", "provider"), _FINE)
def test_pair_that_images_and_users_run_is_not_broken(
    store: FactsStore, trainer: str, provider: str
) -> None:
    """Pairs that are known to work are not reddened."""
    assert not _cell(store, trainer, provider).is_broken
