"""An index in this process, and the resolver asked about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.resolve.open import open_resolver
from tests.resolve.simple_site import SimpleSite, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_verlcompat.resolve.resolver import Resolver

_SETTINGS = ("UV_NO_INDEX", "UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleSite]:
    """Yield an empty index that every client of this test is configured with."""
    with serve(tmp_path / "files") as found:
        for name in _SETTINGS:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("UV_DEFAULT_INDEX", found.index_url)
        monkeypatch.setenv("UV_HTTP_RETRIES", "0")
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "2")
        monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield found


@pytest.fixture
def resolver(site: SimpleSite) -> Iterator[Resolver]:
    """Yield a resolver that asks the index of this test and does not wait between attempts."""
    with open_resolver(sleep=lambda _seconds: None) as (found, _shelf):
        yield found
