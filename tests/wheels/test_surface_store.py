"""Facts through an index: what is asked again, what is kept, and a server without ranges."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.wheels.cache import MemberCache
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.surface_store import FactsStore, Questions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wheels.conftest import BuildWheel, Site

SOURCES = {
    "example/__init__.py": b"from .core import one\n",
    "example/core.py": b"def one(): ...\n",
    "example/other.py": b"def two(): ...\n",
    "example/large.bin": b"\0" * 300_000,
}
ONE = Questions(key="one", compute=lambda: {("example", "one")})
TWO = Questions(key="two", compute=lambda: {("example.other", "two")})


@pytest.fixture
def index(site: Site, build_wheel: BuildWheel) -> Site:
    """Return a server with one release of ``example``."""
    body = build_wheel(SOURCES, stored=True).read_bytes()
    name = "example-1.0-py3-none-any.whl"
    digest = hashlib.sha256(body).hexdigest()
    site.files["/files/" + name] = body
    page = f'<html><body><a href="/files/{name}#sha256={digest}">{name}</a></body></html>'
    site.files["/simple/example/"] = page.encode()
    return site


def _store(index: Site, folder: Path) -> FactsStore:
    cache = MemberCache(folder)
    return FactsStore(IndexClient([f"{index.address}/simple"], cache=cache), cache=cache)


def test_kept_facts_need_no_file(index: Site, tmp_path: Path) -> None:
    """A second process asks the index for the list of files and nothing else."""
    first = _store(index, tmp_path / "cache").provider("example", "1.0", ONE)
    index.seen.clear()

    again = _store(index, tmp_path / "cache").provider("example", "1.0", ONE)

    assert again == first
    assert [path for path, _ in index.seen] == ["/simple/example/"]


def test_another_question_adds_to_what_is_kept(index: Site, tmp_path: Path) -> None:
    """Facts grow with the questions; earlier answers stay."""
    store = _store(index, tmp_path / "cache")
    store.provider("example", "1.0", ONE)

    facts = store.provider("example", "1.0", TWO)

    assert {"example", "example.core", "example.other"} == set(facts.outlines)
    assert facts.answered == {"one", "two"}


def test_server_without_ranges_is_said_to_be_one(index: Site, tmp_path: Path) -> None:
    """The whole wheel is downloaded, the facts are the same, and the reader is told."""
    index.ranges = False
    store = _store(index, tmp_path / "cache")

    facts = store.provider("example", "1.0", ONE)

    assert facts.outlines["example.core"].problem is None
    assert len(store.fallbacks) == 1


def test_release_that_is_not_there_names_the_newest(index: Site, tmp_path: Path) -> None:
    """A mistake in a version is answered with what exists."""
    with pytest.raises(UsageError, match=r"the index has no example 2\.0; the newest are 1\.0"):
        _store(index, tmp_path / "cache").provider("example", "2.0", ONE)
