"""The scan stops at few lines, knows their numbers and their neighbours."""

from __future__ import annotations

import io

from pytest_verlcompat.issues.scan import (
    BLOCK_BYTES,
    WORDS,
    find_hits,
    lines_after,
    lines_before,
    search_words,
)


def test_hits_come_in_order_with_their_numbers() -> None:
    """Every line that holds a word is yielded once, however many words it holds."""
    text = b"ok\nerror and not found error\nok\n\nERROR\n"

    hits = list(find_hits(io.BytesIO(text), search_words([])))

    assert [(each.number, each.line.text) for each in hits] == [
        (2, "error and not found error"),
        (5, "ERROR"),
    ]


def test_numbers_are_right_beyond_the_first_block() -> None:
    """Lines are counted across blocks."""
    rows = BLOCK_BYTES // 8 * 3
    text = b"1234567\n" * rows + b"error\n"

    hits = list(find_hits(io.BytesIO(text), search_words([])))

    assert [each.number for each in hits] == [rows + 1]


def test_needles_without_a_common_word_are_searched_themselves() -> None:
    """What a common word covers costs no pass of its own."""
    words = search_words(["SomeError: x", "Cuda failure"])

    assert set(words) == {*(each.encode() for each in WORDS), b"Cuda failure"}


def test_neighbours_are_of_the_same_process() -> None:
    """Lines of other processes in between are left out."""
    text = b"(A pid=1) one\n(B pid=2) other\n(A pid=1) error\n(B pid=2) other\n(A pid=1) two\n"

    (hit,) = find_hits(io.BytesIO(text), search_words([]))

    assert lines_before(hit) == ["one"]
    assert [each for each in lines_after(hit) if each] == ["two"]


def test_carriage_return_ends_a_line() -> None:
    """A progress bar that was overwritten is not part of the message after it."""
    (hit,) = find_hits(io.BytesIO(b"50%|###  |\rerror: x\r\nnext\n"), search_words([]))

    assert hit.line.text == "error: x"
