"""Mutated real files never crash the readers, and never cost much memory."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_verlcompat.errors import ElfFormatError
from pytest_verlcompat.wheels.elf import GnuHash, Tables, parse_shared_object
from pytest_verlcompat.wheels.fatbin import find_architectures
from pytest_verlcompat.wheels.front import NotInFrontError, parse_front
from pytest_verlcompat.wheels.images import SparseImage, keep_loaded_parts
from pytest_verlcompat.wheels.symbols import classify_needs, demangle
from tests.abi_objects import compile_shared, define, use

CASES = int(os.environ.get("VERLCOMPAT_FUZZ_CASES", "150"))
_MEMORY_BYTES = 500 << 20
_MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 1 << 14),
        st.sampled_from([1, 2, 4, 8]),
        st.one_of(
            st.integers(0, 255),
            st.sampled_from([0, 1, 0x7F, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 64) - 1]),
        ),
    ),
    min_size=1,
    max_size=12,
)
_FATBIN = (
    '__asm__(".section .nv_fatbin,\\"a\\"\\n.long 0xba55ed50\\n.short 1\\n.short 16\\n.quad 64\\n'
    ".short 2\\n.short 0\\n.long 64\\n.quad 0\\n.quad 0\\n.short 0\\n.short 8\\n.long 90\\n"
    '.zero 32\\n.previous");\n'
)


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return real shared objects of several shapes."""
    folder = tmp_path_factory.mktemp("objects")
    code = define("one", "_ZN2at5emptyEv") + use("_ZN3c105ErrorD1Ev", "malloc") + _FATBIN
    return [
        compile_shared(
            folder / f"lib{style}.so", code, flags=[f"-Wl,--hash-style={style}"]
        ).read_bytes()
        for style in ("gnu", "sysv", "both")
    ]


def _mutate(body: bytes, changes: list[tuple[int, int, int]], cut: int | None) -> bytes:
    mutated = bytearray(body)
    for position, width, value in changes:
        start = position % len(mutated)
        packed = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        mutated[start : start + width] = packed
    return bytes(mutated[:cut] if cut is not None else mutated)


def _read_in_every_way(body: bytes) -> None:
    image = SparseImage([(0, body)], label="fuzzed")
    ways = (
        lambda: classify_needs(
            parse_shared_object(image, exports=True),
            name="fuzzed",
            architectures=find_architectures(image),
        ),
        lambda: GnuHash(Tables(image)).exports("one"),
        lambda: parse_front(lambda size: body[:size], label="fuzzed"),
        lambda: parse_shared_object(keep_loaded_parts([body], label="fuzzed")),
    )
    for way in ways:
        try:
            way()
        except (ElfFormatError, NotInFrontError):
            continue


@settings(
    max_examples=CASES,
    deadline=5000,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    which=st.integers(0, 2),
    changes=_MUTATIONS,
    cut=st.one_of(st.none(), st.integers(0, 16000)),
)
def test_mutated_objects_are_read_or_refused(
    bodies: list[bytes], *, which: int, changes: list[tuple[int, int, int]], cut: int | None
) -> None:
    """Only our own errors come out, each case within seconds and 500 MB."""
    body = _mutate(bodies[which], changes, cut)
    tracemalloc.start()
    try:
        _read_in_every_way(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < _MEMORY_BYTES


@settings(max_examples=CASES, deadline=5000, derandomize=True, database=None)
@given(st.text(st.sampled_from("_ZNKSt0123456789EIabcvijPRT"), max_size=60))
def test_any_name_is_demangled_or_returned(name: str) -> None:
    """A name that nobody mangled comes back as it is, without an error."""
    assert isinstance(demangle("_Z" + name), str)
