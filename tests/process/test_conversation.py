"""A process that answers questions, and what becomes of one that does not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from pytest_verlcompat.errors import ConversationError, ToolMissingError
from pytest_verlcompat.process.conversation import Conversation
from pytest_verlcompat.process.run import MARK, marked_processes

_HEAD = """
import json, os, subprocess, sys, time
questions, answers = (int(word) for word in sys.argv[1:])
lines, replies = os.fdopen(questions), os.fdopen(answers, "w")
def answer(found):
    replies.write(json.dumps(found) + "\\n")
    replies.flush()
for line in lines:
    question = json.loads(line)
"""


def talk(folder: Path, body: str) -> Conversation:
    """Return a conversation with a process that does *body* for every question."""
    script = folder / "talk.py"
    script.write_text(_HEAD + "".join(f"    {line}\n" for line in body.splitlines()))
    return Conversation(
        [sys.executable, script],
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
        log=folder / "log",
        redact=lambda text: text.replace("secret", "<redacted>"),
    )


def test_every_question_gets_its_answer(tmp_path: Path) -> None:
    """One process answers several, keeping what it knows in between; prints are a log."""
    with talk(tmp_path, "print('noise'); answer({'twice': 2 * question['number']})") as held:
        found = [held.ask({"number": number}, timeout_s=20) for number in (1, 21)]

    assert found == [{"twice": 2}, {"twice": 42}]
    assert "noise" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('the secret reason', flush=True); os._exit(3)", "exited with status 3"),
        ("os.abort()", "ended by SIGABRT without an answer"),
        ("replies.write('[1]\\n'); replies.flush()", "no JSON object"),
        ("time.sleep(60)", "gave no answer in 1 s"),
    ],
)
def test_missing_answer_says_how_it_ended(tmp_path: Path, body: str, said: str) -> None:
    """An end, a signal, nonsense and silence are told apart; the log's end is redacted."""
    with talk(tmp_path, body) as held, pytest.raises(ConversationError, match=said) as caught:
        held.ask({}, timeout_s=1 if "sleep" in body else 20)

    assert "secret" not in caught.value.tail
    if "reason" in body:
        assert caught.value.tail == "the <redacted> reason\n"


def test_child_that_holds_the_pipe_does_not_hide_the_end(tmp_path: Path) -> None:
    """A grandchild that inherited the descriptor lives on; the end is seen all the same."""
    body = (
        "subprocess.Popen(['sleep', '50'], pass_fds=[answers], start_new_session=True)\nos._exit(4)"
    )
    started = time.monotonic()
    with talk(tmp_path, body) as held, pytest.raises(ConversationError, match="status 4"):
        held.ask({}, timeout_s=30)

    assert time.monotonic() - started < 20


def test_closing_ends_what_was_started(tmp_path: Path) -> None:
    """A descendant in a session of its own is killed and counted when it does not go by itself."""
    body = (
        "subprocess.Popen(['sleep', '50'], start_new_session=True)\n"
        f"answer({{'mark': os.environ['{MARK}']}})"
    )
    held = talk(tmp_path, body)
    mark = held.ask({}, timeout_s=20)["mark"]
    left = held.close(leave_s=0.5)

    assert left == 1
    assert marked_processes(mark) == []


def test_process_that_leaves_by_itself_is_not_killed(tmp_path: Path) -> None:
    """The end of the questions is the sign to leave, with time to clean up."""
    again = talk(tmp_path, "answer({})\nimport atexit; atexit.register(open, 'cleaned', 'w')")
    again.ask({}, timeout_s=20)

    assert again.close() == 0
    assert (tmp_path / "cleaned").exists()
    with pytest.raises(ConversationError, match="closed"):
        again.ask({}, timeout_s=1)


def test_missing_program_is_said(tmp_path: Path) -> None:
    """An interpreter that is not there is an error of its own, and no descriptor is left open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ToolMissingError):
        Conversation([tmp_path / "none"], env={}, cwd=tmp_path, log=tmp_path / "log")

    assert len(list(Path("/proc/self/fd").iterdir())) == before
