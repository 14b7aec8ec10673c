"""Reading facts from wheels: what is read, what is kept, and what a bad file costs."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import WheelFormatError
from pytest_verlcompat.wheels.archive import WheelFile
from pytest_verlcompat.wheels.remote import RemoteWheel
from pytest_verlcompat.wheels.surface_collect import (
    collect_consumer,
    collect_provider,
    shareable,
)
from pytest_verlcompat.wheels.surface_extract import LARGEST_SOURCE_BYTES
from pytest_verlcompat.wheels.surface_facts import dump_facts, load_facts, module_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.wheels.surface_facts import Facts
    from tests.wheels.conftest import BuildWheel, Site

SOURCES = {
    "engine/__init__.py": b"from .core import LLM\nfrom .deep.star import *\n",
    "engine/core.py": b"from .base import Base\nclass LLM(Base):\n    def run(self): ...\n",
    "engine/base.py": b"class Base:\n    def __init__(self, config, *, rank=0): ...\n",
    "engine/deep/__init__.py": b"",
    "engine/deep/star.py": b"def helper(): ...\n",
    "engine/unused.py": b"import os\n" * 2000,
}


def _provider(build_wheel: BuildWheel, sources: Mapping[str, bytes], *names: str) -> Facts:
    with WheelFile(build_wheel(sources)) as tree:
        demands = [("engine", name) for name in names]
        return collect_provider(tree, demands, distribution="engine", version="1.0")


def test_only_what_re_exports_lead_to_is_read(build_wheel: BuildWheel) -> None:
    """Facts hold every module's path, and outlines of those that the questions lead to."""
    facts = _provider(build_wheel, SOURCES, "LLM")

    assert set(facts.outlines) == {"engine", "engine.core", "engine.base"}
    assert "engine.unused" in facts.paths


def test_facts_survive_being_kept(build_wheel: BuildWheel) -> None:
    """Kept facts are equal to read ones, and equal facts have equal bytes."""
    facts = _provider(build_wheel, SOURCES, "LLM", "helper")

    data = dump_facts(facts)

    again = load_facts(data, where="test")
    assert again == facts
    assert dump_facts(facts) == data


def test_damaged_facts_are_an_error_of_ours(build_wheel: BuildWheel) -> None:
    """A cut file of facts is named, not half believed."""
    data = dump_facts(_provider(build_wheel, SOURCES, "LLM"))

    with pytest.raises(WheelFormatError, match=r"kept\.gz: not the facts of a release"):
        load_facts(data[: len(data) // 2], where="kept.gz")


def test_equal_files_of_the_next_release_are_not_read_again(
    build_wheel: BuildWheel, site: Site
) -> None:
    """A release that shares its files with the last one costs its directory only."""
    first = _provider(build_wheel, SOURCES, "LLM")
    changed = {"engine/base.py": b"class Base: ...\n", "engine/zeros.bin": bytes(400_000)}
    path = build_wheel({**SOURCES, **changed}, stored=True)
    site.files["/next.whl"] = path.read_bytes()
    shared = shareable(first)

    with RemoteWheel(f"{site.address}/next.whl", gap_bytes=0) as tree:
        tree.names()
        site.seen.clear()
        facts = collect_provider(
            tree, [("engine", "LLM")], distribution="engine", version="1.1", shared=shared
        )

    assert len(site.seen) == 1
    assert facts.outlines["engine.core"] == first.outlines["engine.core"]


_BAD = [
    pytest.param(b"x = 1\nmatch y:\n  case 1 2\n", r"engine/bad\.py:3: ", id="newer syntax"),
    pytest.param(b"name = '\xff\xfe'\n", r"engine/bad\.py", id="not UTF-8"),
    pytest.param(b"x = '\0'\n", r"engine/bad\.py", id="null byte"),
    pytest.param(b"(" * 100_000, r"engine/bad\.py", id="nested too deeply"),
    pytest.param(
        b"# " + random.Random(5).randbytes(LARGEST_SOURCE_BYTES // 2).hex().encode(),  # noqa: S311 - incompressible
        r"engine/bad\.py: 5000002 bytes",
        id="huge source",
    ),
]


@pytest.mark.parametrize(("source", "message"), _BAD)
def test_unreadable_file_is_named_and_the_rest_is_read(
    build_wheel: BuildWheel, source: bytes, message: str
) -> None:
    """One bad file costs what it would have said, nothing else."""
    sources = {**SOURCES, "engine/bad.py": source}

    with WheelFile(build_wheel(sources)) as tree:
        facts = collect_consumer(tree, distribution="engine", version="1.0")

    assert len(facts.problems) == 1
    assert re.match(message, facts.problems[0])
    assert facts.outlines["engine.core"].problem is None


def test_modules_are_found_where_wheels_put_them() -> None:
    """Compiled modules, data folders and packages count; tests of odd names do not."""
    names = [
        "engine/__init__.py",
        "engine/_C.abi3.so",
        "engine/flash.cpython-312-x86_64-linux-gnu.so",
        "engine-1.0.data/purelib/engine/extra.py",
        "engine/not-a-module.py",
        "engine/data.json",
        "../escape.py",
    ]

    assert module_paths(names) == {
        "engine": "engine/__init__.py",
        "engine._C": "",
        "engine.flash": "",
        "engine.extra": "engine-1.0.data/purelib/engine/extra.py",
    }
