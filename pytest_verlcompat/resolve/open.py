"""Open a resolver on this machine: its uv, its index, its caches."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.resolve.resolver import Resolver, find_settings
from pytest_verlcompat.resolve.shelf import IndexShelf
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.index import IndexClient
from pytest_verlcompat.wheels.settings import find_index_settings
from pytest_verlcompat.wheels.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def open_resolver(
    *, cache: Path | None = None, sleep: Callable[[float], None] | None = None
) -> Iterator[tuple[Resolver, IndexShelf]]:
    """Yield a resolver and the index it is checked against.

    Only the first configured index is asked: a further one may serve other builds under the
    same version.

    Raises:
        ToolMissingError: If there is no uv.
        UsageError: If a configuration file that names the index is malformed.
    """
    pause = sleep or time.sleep
    folder = cache or default_cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    index_url = find_index_settings(os.environ).urls[0]
    members = MemberCache(folder)
    shelf = IndexShelf(
        IndexClient((index_url,), transport=Transport(sleep=pause), cache=members),
        index_url=index_url,
    )
    settings = find_settings(index_url=index_url, cache=folder / "uv")
    with tempfile.TemporaryDirectory(prefix="verlcompat-") as work:
        try:
            yield Resolver(settings, work=Path(work), shelf=shelf, sleep=pause), shelf
        finally:
            members.close()
