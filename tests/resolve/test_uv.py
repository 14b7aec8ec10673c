"""The real uv is found and called; what it says about the network is told from the rest."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.errors import ToolMissingError
from pytest_verlcompat.resolve.uv import UvEnded, call_uv, find_uv, uv_version

if TYPE_CHECKING:
    from pathlib import Path


def _ended(messages: str) -> UvEnded:
    return UvEnded(exit_status=2, output="", messages=messages, timed_out=False, duration_s=0.1)


def test_uv_of_this_installation_is_found_and_answers() -> None:
    """The uv that is called is a real one with a version."""
    assert find_uv().is_file()
    assert uv_version()[0].isdigit()


def test_without_the_module_the_uv_on_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where uv was installed otherwise, PATH is asked."""
    tool = tmp_path / "uv"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_uv() == tool


def test_without_any_uv_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without uv is told the one command that brings it."""
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolMissingError, match=r'not on PATH; install it: .*pip install "nox\[uv'):
        find_uv()


def test_module_without_its_program_is_a_tool_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation of uv that lost its program is said like a missing one."""
    import uv  # noqa: PLC0415 -- only this test needs the module itself

    def lost() -> str:
        raise FileNotFoundError("uv")

    monkeypatch.setattr(uv, "find_uv_bin", lost)
    monkeypatch.setenv("PATH", os.devnull)

    with pytest.raises(ToolMissingError):
        find_uv()


def test_files_take_the_place_of_their_words(tiny_index: object) -> None:
    """Requirements reach uv as a file, and its answer comes back on standard output."""
    ended = call_uv(["pip", "compile", "-", "--no-header"], files={"-": ["alpha==9"]}, timeout_s=60)

    assert ended.exit_status == 1
    assert "No solution found" in ended.messages
    assert not ended.index_unreachable


def test_secret_of_the_environment_is_not_in_the_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What uv says about an index with a password is kept without the password."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:canary-pw@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    log = tmp_path / "log"

    ended = call_uv(["pip", "compile", "-"], files={"-": ["alpha==9"]}, timeout_s=60, log=log)

    assert ended.exit_status
    assert ended.index_unreachable
    assert "canary" not in ended.messages
    assert "canary" not in log.read_text()


@pytest.mark.parametrize(
    "messages",
    [
        "error: Failed to fetch: `http://x/simple/torch/`\n  Caused by: tcp connect error",
        "  Caused by: error sending request for url (http://127.0.0.1:9/simple/torch/)",
        "  Caused by: dns error: failed to lookup address information: Name or service not known",
        "  Caused by: operation timed out",
        "  Caused by: Connection refused (os error 111)",
        "  Caused by: Connection reset by peer (os error 104)",
        "hint: Packages were unavailable because the network was disabled.",
        "error: Network connectivity is disabled, but the requested data wasn't found in the cache",
        "  Caused by: HTTP status server error (503 Service Unavailable) for url (http://x/simple)",
        "  Caused by: HTTP status client error (403 Forbidden) for url (http://x/simple)",
        "  Caused by: HTTP status client error (401 Unauthorized) for url (http://x/simple)",
        "  Caused by: HTTP status client error (429 Too Many Requests) for url (http://x/simple)",
    ],
)
def test_complaint_about_the_network_is_recognized(messages: str) -> None:
    """None of these says anything about what was asked for."""
    assert _ended(messages).index_unreachable


@pytest.mark.parametrize(
    "messages",
    [
        "error: No solution found when resolving dependencies\n  cause: Because alpha is absent",
        "error: Failed to build `flash-attn`\n  Caused by: The build backend returned an error",
        "error: No space left on device (os error 28)",
        "error: Hash mismatch for `alpha==1.0`",
        "",
    ],
)
def test_other_complaints_are_not_the_networks(messages: str) -> None:
    """A conflict or a broken build is never excused by the network."""
    assert not _ended(messages).index_unreachable


def test_warning_about_the_network_does_not_excuse_a_conflict() -> None:
    """Only the error counts, not what was warned of on the way to it."""
    messages = (
        "warning: A managed Python download is available, but an error occurred\n"
        "  cause: error sending request for url (https://x/cpython.tar.gz)\n"
        "error: No solution found when resolving dependencies\n  cause: Because alpha is absent"
    )

    assert not _ended(messages).index_unreachable


def test_last_line_is_the_last_that_says_something() -> None:
    """Blank lines at the end are skipped; silence is called so."""
    assert _ended("one\n  two  \n\n").last_line == "two"
    assert _ended("\n").last_line == "no message"
