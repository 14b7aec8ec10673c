"""A log is redacted, bounded, and knows the digest of what it wrote."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.process.log import Log
from pytest_verlcompat.process.redact import make_redactor

if TYPE_CHECKING:
    from pathlib import Path

LINE_BYTES = 16 << 10


def _log(chunks: list[bytes], path: Path | None = None) -> Log:
    with Log(path, redact=make_redactor({"MY_TOKEN": "canary-value-1"})) as log:
        for chunk in chunks:
            log.feed(chunk)
    return log


def test_line_arriving_in_pieces_is_redacted_as_a_whole(tmp_path: Path) -> None:
    """A secret that two reads tear apart is hidden all the same."""
    log = _log([b"say canary-va", b"lue-1 now\nnext", b" line"], tmp_path / "log")

    assert (tmp_path / "log").read_text() == "say <redacted> now\nnext line\n"
    assert log.tail == "say <redacted> now\nnext line"


@pytest.mark.parametrize("before", range(LINE_BYTES - 20, LINE_BYTES + 4, 3))
@pytest.mark.parametrize("filler", [b"x", b"x y "])
def test_secret_across_the_cut_of_a_long_line_is_hidden(
    tmp_path: Path, before: int, filler: bytes
) -> None:
    """No part of a secret survives where a line of more than 16 KiB is cut."""
    line = (filler * LINE_BYTES)[:before] + b"canary-value-1" + b" " + filler * LINE_BYTES

    _log([line], tmp_path / "log")

    text = (tmp_path / "log").read_text().replace("\n", "")
    assert "canary" not in text
    assert "value-1" not in text
    assert "<redacted>" in text


def test_bytes_that_are_no_utf8_are_kept_readable(tmp_path: Path) -> None:
    """Binary output neither raises nor eats the lines around it."""
    _log([b"before\n\xff\xfe\x00binary\nafter\n"], tmp_path / "log")

    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == [
        "before",
        "��\x00binary",
        "after",
    ]


def test_digest_is_of_the_bytes_on_disk(tmp_path: Path) -> None:
    """Evidence may name a log by its digest."""
    log = _log([b"one\r\ntwo\n"], tmp_path / "log")

    data = (tmp_path / "log").read_bytes()
    assert data == b"one\ntwo\n"
    assert log.sha256 == hashlib.sha256(data).hexdigest()
    assert log.written_bytes == len(data)


def test_tail_stays_current_after_the_file_is_full(tmp_path: Path) -> None:
    """The end of a long output is what explains it, so it is kept though the file is full."""
    log = _log(
        [b"%d words %s\n" % (number, b"x" * 1000) for number in range(6000)], tmp_path / "log"
    )

    assert (tmp_path / "log").stat().st_size <= (4 << 20) + LINE_BYTES
    assert "5999 words" in log.tail
    assert len(log.tail) <= 8 << 10


def test_tail_of_one_endless_line_is_bounded() -> None:
    """A line without an end does not make the tail larger than it says."""
    log = _log([b"x" * 100_000])

    assert 0 < len(log.tail) <= 8 << 10


def test_tail_does_not_begin_with_a_part_of_a_secret() -> None:
    """Where the tail is cut out of a longer output, a torn secret is not shown."""
    for before in range(16):
        log = _log([b"y" * 100, b"canary-value-1" + b"x" * ((16 << 10) - before)])

        assert "value-1" not in log.tail
        assert "x" * 1000 in log.tail


def test_without_a_file_only_the_tail_is_kept() -> None:
    """No path, no file, no digest."""
    log = _log([b"one\n"])

    assert log.tail == "one"
    assert log.sha256 is None
