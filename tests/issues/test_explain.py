"""A log leads to its root cause, whatever state it is in."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from pytest_verlcompat.issues.catalogue import load_catalogue
from pytest_verlcompat.issues.explain import Confidence, Diagnosis, explain, explain_text
from pytest_verlcompat.issues.facts import Facts
from pytest_verlcompat.issues.render import render_report, render_text, render_values

if TYPE_CHECKING:
    from collections.abc import Iterable

CATALOGUE = load_catalogue()
NUMBA = "ImportError: Numba needs NumPy 2.2 or less. Got NumPy 2.3."
SEGMENTS = "AssertionError: Expandable segments are not compatible with memory pool. Please"
FRAME = '  File "/home/user/x.py", line 3, in f\n    f()\n'


def diagnose(text: str | bytes, facts: Facts | None = None) -> Diagnosis:
    """Return the diagnosis of *text* with the shipped catalogue."""
    if isinstance(text, str):
        return explain_text(text, catalogue=CATALOGUE, facts=facts)
    return explain(io.BytesIO(text), catalogue=CATALOGUE, facts=facts)


def ids(diagnosis: Diagnosis) -> list[str]:
    """Return the ids of the explanations in their order."""
    return [each.entry.id for each in diagnosis.explanations]


def prefixed(name: str, lines: Iterable[str]) -> list[str]:
    """Return *lines* as Ray prints them for a worker."""
    return [
        f"\x1b[36m({name} pid={len(name)}, ip=10.0.0.{len(name)})\x1b[0m {each}" for each in lines
    ]


def test_first_failure_is_the_root_cause_not_the_last_line() -> None:
    """Of two known failures the earlier one is explained first, with its line."""
    text = "\n".join(["start", SEGMENTS, "x" * 50, *["ok"] * 200, NUMBA, "end"])

    diagnosis = diagnose(text)

    assert ids(diagnosis) == ["VC099", "VC124"]
    assert diagnosis.root is not None
    assert diagnosis.root.line_number == 2


def test_consequence_stands_behind_a_later_failure() -> None:
    """A line that only reports the death of another process is never the root."""
    text = "RuntimeError: Engine core initialization failed. See root cause above.\n" + NUMBA

    assert ids(diagnose(text)) == ["VC124", "VC178"]


def test_what_a_logger_calls_a_warning_stands_behind_what_ended_the_run() -> None:
    """A caught import error that was only logged is not the root of a later failure."""
    logged = "WARNING 11-20 08:55:17 [x.py:20] Failed with ImportError('libcuda.so.1: cannot open "
    text = logged + "shared object file: No such file')\n" + NUMBA

    assert ids(diagnose(text)) == ["VC124", "VC147"]


def test_interleaved_workers_are_told_apart() -> None:
    """Lines around a failure are those of its own process."""
    one = prefixed("A", ["Traceback (most recent call last):", *FRAME.splitlines(), NUMBA])
    two = prefixed(
        "BB", ["Traceback (most recent call last):", *FRAME.splitlines(), "KeyError: 'q'"]
    )
    mixed = [line for pair in zip(two, one, strict=True) for line in pair]

    diagnosis = diagnose("\n".join(mixed))

    assert ids(diagnosis) == ["VC124"]
    assert diagnosis.root is not None
    assert diagnosis.root.process == "A pid=1, ip=10.0.0.1"
    assert diagnosis.root.evidence[-1] == NUMBA
    assert [each.exception for each in diagnosis.failures] == ["KeyError: 'q'"]


def test_progress_bars_and_colours_do_not_hide_a_failure() -> None:
    """Carriage returns end a line, and colours inside a message are taken out."""
    bar = "".join(f"\rTraining: {n}%|####   | {n}/100" for n in range(100))
    failed = NUMBA.replace("ImportError", "\x1b[1;31mImportError\x1b[0m").replace(
        "needs", "\x1b[1mneeds\x1b[0m"
    )
    text = f"{bar}\r{failed}\r"

    assert ids(diagnose(text)) == ["VC124"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_encoding_does_not_matter(encoding: str) -> None:
    """A log of a Windows terminal or of an old locale is read as well."""
    assert ids(diagnose(f"grüße\n{NUMBA}\nende\n".encode(encoding))) == ["VC124"]


@pytest.mark.parametrize("first", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "gbk"])
@pytest.mark.parametrize("second", ["utf-8", "utf-16", "utf-16-le", "gbk"])
def test_encoding_that_changes_inside_a_log_does_not_matter(first: str, second: str) -> None:
    """A terminal that appends UTF-16 to a log of UTF-8, or the reverse, hides no failure."""
    before = "训练 step ok 进度 50%\n" * 9
    log = before.encode(first) + f"{NUMBA}\nende\n".encode(second) + before.encode(first)

    diagnosis = diagnose(log)

    assert ids(diagnosis) == ["VC124"]
    assert diagnosis.root is not None
    assert any(NUMBA in each for each in diagnosis.root.evidence)


def test_megabytes_of_zeros_do_not_end_a_log() -> None:
    """A file that was truncated while it was written to begins with a hole."""
    assert ids(diagnose(bytes(9 << 20) + b"\n" + NUMBA.encode() + b"\n")) == ["VC124"]


def test_binary_around_a_failure_does_no_harm() -> None:
    """Bytes that are no text are passed over."""
    noise = bytes(range(256)) * 4096

    diagnosis = diagnose(noise + b"\n" + NUMBA.encode() + b"\n" + noise)

    assert ids(diagnosis) == ["VC124"]


def test_line_of_fifty_megabytes_is_bounded() -> None:
    """Only a piece around the word is looked at and only a little of it shown."""
    line = b"q" * 25_000_000 + b" " + NUMBA.encode() + b" " + b"z" * 25_000_000

    diagnosis = diagnose(line)

    assert ids(diagnosis) == ["VC124"]
    assert "Numba needs NumPy 2.2" in render_text(diagnosis)
    assert len(render_text(diagnosis)) < 4000


def test_source_that_was_not_checked_is_marked() -> None:
    """Text and values tell which of an explanation's sources nobody read to its end."""
    entry = next(each for each in CATALOGUE if each.id == "VC124")
    read = dataclasses.replace(entry.sources[0], url="https://a.example/1", unchecked=None)
    unread = dataclasses.replace(read, url="https://a.example/2", unchecked="gone")

    diagnosis = explain_text(NUMBA, catalogue=[dataclasses.replace(entry, sources=(read, unread))])

    text, values = render_text(diagnosis), render_values(diagnosis)
    assert "Sources: https://a.example/1, https://a.example/2 (not checked)" in text
    assert values["explanations"][0]["unchecked_sources"] == ["https://a.example/2"]


def test_failure_across_the_edge_of_a_block_is_found() -> None:
    """Blocks overlap, so a line cut by an edge is seen once and with its right number."""
    for before in range(4_194_304 - 80, 4_194_304 + 2, 27):
        lines = b"0123456789\n" * (before // 11)
        diagnosis = diagnose(lines + NUMBA.encode() + b"\n" + b"0123456789\n" * 9)

        assert diagnosis.root is not None
        assert (diagnosis.root.line_number, diagnosis.root.lines) == (before // 11 + 1, 1)


def test_traceback_in_one_json_string_is_found() -> None:
    """Loggers that write JSON put a whole traceback into one line."""
    line = '{"level": "error", "exc": "Traceback (most recent call last):\\n  File' + "x" * 900
    text = f'{line}\\n{NUMBA}", "step": 3}}\n'

    root = diagnose(text).root

    assert root is not None
    assert root.entry.id == "VC124"
    assert "Numba needs NumPy" in root.evidence[-1]


def test_unknown_failure_yields_the_first_exception_of_each_process() -> None:
    """What no entry knows is extracted, in order of time, with its process."""
    lines = [
        *prefixed(
            "A", ["Traceback (most recent call last):", *FRAME.splitlines(), "KeyError: 'q'"]
        ),
        *prefixed(
            "A", ["Traceback (most recent call last):", *FRAME.splitlines(), "OSError: later"]
        ),
        *prefixed("B", ["Traceback (most recent call last):", *FRAME.splitlines(), "my.Error: b"]),
    ]

    diagnosis = diagnose("\n".join(lines))

    assert diagnosis.explanations == ()
    assert [each.exception for each in diagnosis.failures] == ["KeyError: 'q'", "my.Error: b"]
    assert "KeyError: 'q'" in render_text(diagnosis)


def test_lines_alike_but_for_digits_are_still_looked_at() -> None:
    """A shape that showed nothing hides neither a needle with digits nor a later failure."""
    noise = "".join(f"step {n}: error in libcuda.so.{n % 7 + 2} ignored\n" for n in range(500))
    failed = "ImportError: libcuda.so.1: cannot open shared object file: No such file\n"

    assert ids(diagnose(noise + failed + noise)) == ["VC147"]


def test_truncated_traceback_is_reported_as_cut_off() -> None:
    """A log that ends inside a traceback says so."""
    diagnosis = diagnose("ok\nTraceback (most recent call last):\n" + FRAME)

    assert [each.complete for each in diagnosis.failures] == [False]
    assert "cut off" in diagnosis.failures[0].exception


def test_tail_of_a_traceback_is_enough() -> None:
    """A log that begins after the frames still shows its exception."""
    diagnosis = diagnose("    f()\nmylib.CustomError: deep inside\n")

    assert [each.exception for each in diagnosis.failures] == ["mylib.CustomError: deep inside"]


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: No matching distribution found for vllm==0.99",
        "train.py: error: unrecognized arguments: --foo",
        "    error: metadata-generation-failed",
    ],
)
def test_error_without_a_traceback_is_a_failure(line: str) -> None:
    """Installers and parsers of arguments fail without an exception."""
    assert [each.exception for each in diagnose(f"ok\n{line}\n").failures] == [line.strip()]


def test_text_without_failure_has_no_findings() -> None:
    """Ordinary output is not accused."""
    diagnosis = diagnose("step 1 loss 0.3\n0 errors, 0 warnings\n")

    assert (diagnosis.explanations, diagnosis.failures) == ((), ())
    assert "Nothing in this text" in render_text(diagnosis)


def test_empty_text_has_no_findings() -> None:
    """No byte, no finding."""
    assert diagnose(b"") == Diagnosis(explanations=(), failures=(), facts=Facts())


def test_versions_of_the_log_choose_the_remedies() -> None:
    """Only remedies for the versions an installer reported are offered."""
    text = f"Successfully installed numba-0.65.0 numpy-2.5.0\n{NUMBA}\n"

    root = diagnose(text).root

    assert root is not None
    assert [each.do for each in root.remedies] == ["pip install 'numpy<2.5'"]


def test_known_environment_goes_before_the_log() -> None:
    """Versions read from an interpreter overrule what the log mentions."""
    facts = Facts(versions={"numba": Version("0.61.2"), "numpy": Version("2.3.0")}, complete=True)

    root = diagnose(f"Successfully installed numba-0.65.0\n{NUMBA}\n", facts).root

    assert root is not None
    assert root.confidence is Confidence.HIGH
    assert [each.do for each in root.remedies] == ["pip install 'numpy<2.3'"]


def test_versions_outside_the_range_lower_the_confidence() -> None:
    """The text alone does not convince when the versions speak against it."""
    root = diagnose(f"Successfully installed vllm-0.24.0\n{SEGMENTS}\n").root

    assert root is not None
    assert root.confidence is Confidence.MEDIUM
    assert any("outside its range: vllm 0.24.0" in str(reason) for reason in root.why)


def test_earlier_unknown_failure_lowers_the_confidence() -> None:
    """What broke first in the same process may be the cause."""
    first = "Traceback (most recent call last):\n" + FRAME + "KeyError: 'q'\n"
    root = diagnose(first + "ok\n" * 300 + NUMBA).root

    assert root is not None
    assert root.confidence is Confidence.MEDIUM
    assert any("line 1" in str(reason) for reason in root.why)


def test_hostile_log_is_rendered_inert() -> None:
    """Neither terminal nor Markdown obeys what a log smuggles in."""
    hostile = "\x1b]0;owned\x07\x1b[2J``` </code><script>alert(1)</script> \x07"
    text = f"{hostile}\nTraceback (most recent call last):\n  {hostile}\nValueError: {hostile}\n"

    diagnosis = diagnose(text)

    for shown in (render_text(diagnosis), render_report(diagnosis), str(render_values(diagnosis))):
        assert all(each.isprintable() or each == "\n" for each in shown)
    assert "````text" in render_report(diagnosis)


def test_report_is_redacted() -> None:
    """A report to file has neither token nor user nor address."""
    token = "hf_" + "a" * 34
    text = (
        "Traceback (most recent call last):\n"
        f'  File "/home/alice/x.py", line 1, in f\n'
        f"ValueError: HF_TOKEN={token} at 10.1.2.3 for alice@example.org\n"
    )

    report = render_report(diagnose(text))

    assert not any(word in report for word in (token, "alice", "10.1.2.3"))
    assert "ValueError" in report
