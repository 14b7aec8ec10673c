"""The cache of the dynamic loader is read like ldconfig prints it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.wheels.loader import load_loader_cache

if TYPE_CHECKING:
    from pathlib import Path

LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")


@pytest.mark.skipif(LDCONFIG is None, reason="no ldconfig on this machine")
def test_cache_reads_like_ldconfig() -> None:
    """Sonames and files agree with the tool that writes it."""
    told = subprocess.run(
        [LDCONFIG or "", "-p"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    expected: dict[str, str] = {}
    for soname, file in re.findall(r"^\s+(\S+) \(.*\) => (\S+)$", told, re.MULTILINE):
        expected.setdefault(soname, file)

    found = {soname: str(file) for soname, file in load_loader_cache().items()}

    assert found == expected


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"glibc-ld.so.cache1.1", b"glibc-ld.so.cache1.1" + b"\xff" * 100]
)
def test_other_formats_are_no_cache(tmp_path: Path, body: bytes) -> None:
    """What cannot be read provides nothing."""
    path = tmp_path / "ld.so.cache"
    path.write_bytes(body)

    assert load_loader_cache(path) == {}
    assert load_loader_cache(tmp_path / "missing") == {}
