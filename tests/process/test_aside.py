"""Work beside this process gives what it would have given here."""

from __future__ import annotations

import os
import threading

import pytest

from pytest_verlcompat.process.aside import begin_aside


def test_reply_comes_from_another_process() -> None:
    """The work is done in a child while this process goes on."""
    reply = begin_aside(lambda: str(os.getpid()).encode())

    assert int(reply()) != os.getpid()


def test_child_that_dies_without_a_reply_costs_a_second_run() -> None:
    """The work is done here where the child did not finish it."""
    here = os.getpid()

    def work() -> bytes:
        if os.getpid() != here:
            os._exit(3)
        return b"done"

    assert begin_aside(work)() == b"done"


def test_error_of_the_work_is_raised_where_its_reply_is_taken() -> None:
    """Whoever asks for the reply gets the exception, not a broken pipe."""

    def work() -> bytes:
        raise ValueError("no")

    reply = begin_aside(work)

    with pytest.raises(ValueError, match=r"^no$"):
        reply()


def test_process_with_threads_is_not_copied() -> None:
    """A lock that another thread holds would never be released in a copy."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        reply = begin_aside(lambda: str(os.getpid()).encode())
    finally:
        ended.set()
        thread.join()

    assert int(reply()) == os.getpid()
