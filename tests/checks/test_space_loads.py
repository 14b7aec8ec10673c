"""Engine releases beside torch releases, judged from wheels on an index in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.space_loads import Member, SpaceLoads, find_kernels
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore
from tests.abi_objects import OLD_CHECK, compile_shared, link, use
from tests.folder_index import add_release

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.store.space_rungs import RungFact


@pytest.fixture
def store(tmp_path: Path) -> FactsStore:
    """Return a store on an index with an engine, one that pins a kernel, and the kernel."""
    c10_cuda = compile_shared(tmp_path / "lib" / "libc10_cuda.so", "")
    extension = compile_shared(tmp_path / "ops.abi3.so", use(OLD_CHECK), flags=link(c10_cuda))
    body = extension.read_bytes()
    index = tmp_path / "index"
    add_release(index, "vllm 1.0", {"vllm/__init__.py": "", "vllm/_C.abi3.so": body})
    add_release(index, "sgl-kernel 0.3.2", {"sgl_kernel/ops.abi3.so": body})
    needs = 'sgl-kernel==0.3.2; extra == "srt"'
    add_release(index, "sglang 1.0", {"sglang/__init__.py": ""}, requires=needs)
    add_release(index, "plain 1.0", {"plain/__init__.py": ""})
    cache = MemberCache(tmp_path / "cache")
    client = IndexClient([index.as_uri()], cache=cache)
    return FactsStore(client, cache=cache)


def _judge(store: FactsStore, *cells: tuple[str, str]) -> list[RungFact]:
    return list(SpaceLoads(store).judge((engine, "1.0", torch) for engine, torch in cells))


def test_engine_fails_beside_a_torch_that_lost_its_symbol(store: FactsStore) -> None:
    """The line says which symbol, in which file, and which releases of torch export it."""
    fits, lost = _judge(store, ("vllm", "2.9.1"), ("vllm", "2.10.0"))

    assert (fits.outcome, fits.missing) == ("passed", ())
    assert lost.outcome == "failed"
    assert dict(lost.versions) == {"vllm": "1.0", "torch": "2.10.0"}
    missing = lost.missing[0]
    assert (missing.symbol, missing.file) == (OLD_CHECK, "vllm/_C.abi3.so")
    assert missing.torch == ">=2.4.0,<2.10.0"


def test_pinned_kernel_counts_for_its_engine(store: FactsStore) -> None:
    """An engine without extensions of its own stands and falls with the kernel it pins."""
    (fact,) = _judge(store, ("sglang", "2.10.0"))

    assert fact.outcome == "failed"
    assert fact.judged == ("sgl-kernel 0.3.2 (sglang[srt])",)


def test_nothing_to_bind_says_nothing(store: FactsStore) -> None:
    """Without extensions, without the wheel or with a torch nobody indexed, it stays unknown."""
    facts = _judge(store, ("plain", "2.10.0"), ("absent", "2.10.0"), ("vllm", "1.13.1"))

    assert [fact.outcome for fact in facts] == ["unknown"] * 3


def test_only_exact_pins_of_needed_kernels_count() -> None:
    """Ranges, other platforms and distributions an engine does without are left out."""
    lines = [
        "xformers==0.0.32; platform_system == 'Linux'",
        "flashinfer-jit-cache>=0.5",
        "sgl-kernel==1.0; sys_platform == 'win32'",
        "torchao==0.9.0",
        "sglang-kernel==0.4.1",
        "not a requirement!",
    ]

    assert find_kernels(lines, engine="e") == [
        Member(name="xformers", version="0.0.32"),
        Member(name="sglang-kernel", version="0.4.1"),
    ]
