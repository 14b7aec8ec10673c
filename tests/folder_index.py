"""A package index in a folder, with wheels that hold what a test says."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def add_release(
    index: Path, release: str, members: Mapping[str, str | bytes], *, requires: str = ""
) -> None:
    """Add a wheel to *index*, listed with its digest.

    Args:
        index: Folder that becomes, or is, the root of the index.
        release: Name and version, ``vllm 0.8.5``.
        members: Files by path.
        requires: One requirement for the metadata.
    """
    name, version = release.split()
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    home = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(folder / f"{home}-py3-none-any.whl", "w") as archive:
        for member, body in members.items():
            archive.writestr(member, body)
        archive.writestr(f"{home}.dist-info/METADATA", metadata)
    links = "".join(
        f'<a href="{each.name}#sha256={hashlib.sha256(each.read_bytes()).hexdigest()}">'
        f"{each.name}</a>"
        for each in sorted(folder.glob("*.whl"))
    )
    (folder / "index.html").write_text(f"<!doctype html><html><body>{links}</body></html>")


def configure_index(index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make *index* the only one that is configured, and *cache* the cache."""
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.as_uri())
    monkeypatch.setenv("VERLCOMPAT_CACHE_DIR", str(cache))
