"""Real probe scripts on this interpreter: whatever they do, one record says what happened."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.outcome import Ending, Outcome, Rung
from pytest_verlcompat.probes.launch import Patient, launch
from pytest_verlcompat.probes.registry import read_probe
from tests.tiny import MACHINE, write_probe

if TYPE_CHECKING:
    from pytest_verlcompat.model.evidence import Evidence


class RunProbe(Protocol):
    """Runs a probe that does *body* and returns its record."""

    def __call__(self, body: str, *, isolated: bool = ..., **constants: object) -> Evidence:
        """Write the script with these constants, launch it once."""


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return the folder for logs."""
    return tmp_path / "logs"


@pytest.fixture
def run_probe(tmp_path: Path, logs: Path) -> RunProbe:
    """Return a launcher of scripts on the interpreter that runs the tests."""

    def run(body: str, *, isolated: bool = True, **constants: object) -> Evidence:
        patient = Patient(
            python=Path(sys.executable),
            interpreter="CPython 3.12.1",
            versions={"alpha": "1.0"},
            lock_sha256="bb",
            environment_id="cc",
            machine=MACHINE,
            cell_id="alpha1.0",
            values={"alpha": "1.0"},
            isolated=isolated,
        )
        script = write_probe(tmp_path / "scripts", "engine", body, **constants)
        record = launch(read_probe(script), patient, logs=logs)
        assert parse_line(render_line(record)) == record
        return record

    return run


def _log(record: Evidence, logs: Path) -> str:
    text = (logs / f"{record.log_sha256}.log").read_bytes()
    assert hashlib.sha256(text).hexdigest() == record.log_sha256
    assert len(text) == record.log_bytes
    return text.decode()


def test_pass_is_recorded_with_facts_and_circumstances(run_probe: RunProbe, logs: Path) -> None:
    """A record says what ran, on what, how long, how it ended, and what was measured."""
    record = run_probe("print('hello'); return {'steps': 3, 'rewards': [0.0, 0.5]}")

    assert record.outcome is Outcome.PASSED
    assert record.ending is Ending.REPLIED
    assert record.facts == {"steps": 3, "rewards": [0.0, 0.5]}
    assert (record.cell_id, record.subject, record.rung) == ("alpha1.0", "engine", Rung.CPU)
    assert (record.lock_sha256, record.environment_id) == ("bb", "cc")
    assert record.argv == ("python", "-I", "_runner.py", "engine.py")
    assert record.exit_status == 0
    assert record.duration_s > 0
    assert record.machine == MACHINE
    assert record.cause is None
    assert _log(record, logs) == "hello\n"


def test_request_tells_the_probe_what_is_asked(run_probe: RunProbe) -> None:
    """A probe knows its cell, the installed versions, and a scratch folder of its own."""
    record = run_probe(
        "import os\n"
        "return {'cell': request['cell'], 'versions': request['versions'],"
        " 'probe': request['probe'],"
        " 'scratch': os.path.samefile(os.getcwd(), request['scratch'])}"
    )

    assert record.facts == {
        "cell": {"alpha": "1.0"},
        "versions": {"alpha": "1.0"},
        "probe": "engine",
        "scratch": True,
    }


def test_facts_measured_before_a_failure_are_kept(run_probe: RunProbe) -> None:
    """What was measured up to the exception is worth as much as the exception."""
    record = run_probe("request['facts']['imported'] = 2\nraise ValueError('no')")

    assert record.outcome is Outcome.FAILED
    assert record.facts == {"imported": 2}


def test_exception_is_recorded_with_first_line_and_frame(run_probe: RunProbe) -> None:
    """The cause is the exception as people search for it, and the frame that raised it."""
    record = run_probe("import json\njson.loads('{')")

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.REPLIED
    assert record.cause is not None
    assert record.cause.kind == "JSONDecodeError"
    assert record.cause.first_line.startswith("Expecting property name enclosed in double quotes")
    assert record.cause.frame is not None
    assert record.cause.frame.file.endswith("json/decoder.py")
    assert record.cause.frame.line > 0
    assert record.cause.frame.source
    assert "json.loads('{')" in str(record.cause.detail)


def test_root_of_an_explicit_chain_is_the_cause(run_probe: RunProbe) -> None:
    """Where a stack wraps what happened, the first exception is named and the rest is detail."""
    record = run_probe(
        """
        try:
            import json
            json.loads('{')
        except ValueError as error:
            try:
                raise ImportError('could not import the model') from error
            except ImportError as second:
                raise RuntimeError('engine failed') from second
        """
    )

    assert record.cause is not None
    assert record.cause.kind == "JSONDecodeError"
    assert record.cause.frame is not None
    assert record.cause.frame.file.endswith("decoder.py")
    assert "RuntimeError: engine failed" in str(record.cause.detail)


def test_implicit_context_does_not_replace_the_exception(run_probe: RunProbe) -> None:
    """What was merely being handled is not the cause."""
    record = run_probe("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('real')")

    assert record.cause is not None
    assert record.cause.kind == "KeyError"


@pytest.mark.parametrize(
    ("body", "kind", "first"),
    [
        ("raise SystemExit('no GPU')", "SystemExit", "no GPU"),
        ("raise SystemExit(0)", "SystemExit", "0"),
        ("raise ValueError('\\n\\n  one\\ntwo')", "ValueError", "one"),
        ("raise ValueError", "ValueError", ""),
        ("class Odd(BaseException): pass\nraise Odd('x')", "Odd", "x"),
        (
            "class Mute(Exception):\n    def __str__(self): raise ValueError('in str')\nraise Mute",
            "Mute",
            "",
        ),
        ("raise ExceptionGroup('many', [ValueError('a')])", "ExceptionGroup", "many"),
        ("return 3", "AttributeError", "'int' object has no attribute"),
    ],
)
def test_whatever_is_raised_becomes_an_outcome(
    run_probe: RunProbe, body: str, kind: str, first: str
) -> None:
    """No exception of a stack, however odd, is anything but an outcome."""
    if "ExceptionGroup" in body and sys.version_info < (3, 11):
        pytest.skip("ExceptionGroup came with Python 3.11")

    record = run_probe(body)

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.REPLIED
    assert record.cause is not None
    assert record.cause.kind == kind
    assert record.cause.first_line.startswith(first)


def test_fact_that_is_no_json_is_kept_as_text(run_probe: RunProbe) -> None:
    """A version object or a dtype in the facts costs no result."""
    record = run_probe("return {'x': object()}")

    assert record.outcome is Outcome.PASSED
    assert "object object at" in record.facts["x"]


def test_edit_within_a_second_is_what_runs(run_probe: RunProbe, tmp_path: Path) -> None:
    """No cached form of an earlier script of the same size runs, and none is left behind."""
    assert [run_probe(f"return {{'x': {number}}}").facts["x"] for number in range(3)] == [0, 1, 2]
    assert not (tmp_path / "scripts" / "__pycache__").exists()


def test_cause_without_end_is_bounded(run_probe: RunProbe) -> None:
    """A message of megabytes does not enter the evidence."""
    record = run_probe("raise ValueError('x' * 1_000_000 + '\\n' + 'y' * 1_000_000)")

    assert record.cause is not None
    assert len(record.cause.first_line) <= 500
    assert len(render_line(record)) < 100_000


def test_recursion_and_syntax_errors_are_outcomes(run_probe: RunProbe, tmp_path: Path) -> None:
    """Errors that have no ordinary traceback are recorded like others."""
    deep = run_probe("def f(): f()\nf()")
    broken = run_probe("compile('a b', 'made.py', 'exec')")

    assert deep.cause is not None
    assert deep.cause.kind == "RecursionError"
    assert broken.cause is not None
    assert broken.cause.kind == "SyntaxError"


def test_lack_that_the_probe_names_skips(run_probe: RunProbe) -> None:
    """What the host lacks says nothing about the stack, and the record names it."""
    record = run_probe("return {'lacks': ['a GPU'], 'seen': 1}")

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == ("a GPU",)
    assert record.facts == {"seen": 1}


def test_lack_in_an_exception_skips_and_keeps_the_cause(run_probe: RunProbe) -> None:
    """A driver library that is not there is the host's, whoever trips over it."""
    record = run_probe(
        "raise ImportError('libcuda.so.1: cannot open shared object file: No such file')"
    )

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == ("libcuda.so.1 (NVIDIA driver)",)
    assert record.cause is not None
    assert record.cause.kind == "ImportError"


def test_lack_stays_a_skip_when_the_process_then_crashes(run_probe: RunProbe) -> None:
    """A process that goes down after it said what the host lacks does not redden the cell."""
    record = run_probe("import atexit, os; atexit.register(os.abort); return {'lacks': ['a GPU']}")

    assert record.outcome is Outcome.SKIPPED
    assert record.lacks == ("a GPU",)
    assert record.signal == "SIGABRT"


def test_condition_passes_and_is_kept(run_probe: RunProbe) -> None:
    """What works only under a condition says under which."""
    record = run_probe("return {'condition': 'set VLLM_USE_V1=1'}")

    assert record.outcome is Outcome.PASSED
    assert record.condition == "set VLLM_USE_V1=1"


@pytest.mark.parametrize(
    ("body", "signal"),
    [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.abort()", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_crash_is_a_failure_by_its_signal(
    run_probe: RunProbe, logs: Path, body: str, signal: str
) -> None:
    """A crash is an outcome with the signal's name, and faulthandler's stack where there is one."""
    record = run_probe(body)

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.SIGNALLED
    assert record.signal == signal
    assert record.exit_status is None
    assert record.cause is not None
    assert record.cause.kind == signal
    assert record.cause.first_line == f"ended by {signal} without a reply"
    if signal != "SIGKILL":
        assert "in probe" in _log(record, logs)
        assert "in probe" in str(record.cause.detail)


def test_exit_without_a_reply_is_a_failure(run_probe: RunProbe) -> None:
    """A stack that ends the process under us is caught by the missing reply, status 0 or not."""
    quiet = run_probe("import os; os._exit(0)")
    loud = run_probe("import os; os._exit(7)")

    assert [each.ending for each in (quiet, loud)] == [Ending.EXITED, Ending.EXITED]
    assert [each.outcome for each in (quiet, loud)] == [Outcome.FAILED, Outcome.FAILED]
    assert str(quiet.cause) == "exited: exited with status 0 and no reply"
    assert loud.exit_status == 7


@pytest.mark.parametrize(
    ("end", "ending", "said"),
    [
        ("os.abort", Ending.SIGNALLED, "ended by SIGABRT after its reply"),
        ("lambda: os._exit(3)", Ending.EXITED, "exited with status 3 and a reply"),
    ],
)
def test_crash_at_exit_counts_though_a_reply_was_left(
    run_probe: RunProbe, end: str, ending: Ending, said: str
) -> None:
    """A stack that cannot shut down is not well; what it replied is kept."""
    record = run_probe(f"import atexit, os; atexit.register({end}); return {{'x': 1}}")

    assert record.outcome is Outcome.FAILED
    assert record.ending is ending
    assert record.cause is not None
    assert record.cause.first_line == said
    assert record.facts == {"x": 1}


def test_hang_is_ended_and_its_stacks_are_in_the_log(run_probe: RunProbe, logs: Path) -> None:
    """A hang says where every thread stood."""
    record = run_probe(
        """
        import threading, time
        def waits_for_ever():
            time.sleep(600)
        def stuck_in_thread():
            time.sleep(600)
        threading.Thread(target=stuck_in_thread, daemon=True).start()
        waits_for_ever()
        """,
        TIMEOUT_S=3.0,
    )

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.TIMED_OUT
    assert record.cause is not None
    assert re.fullmatch(r"still running without a reply after \d s", record.cause.first_line)
    assert record.duration_s < 30
    log = _log(record, logs)
    assert "waits_for_ever" in log
    assert "stuck_in_thread" in log


def test_hang_at_exit_is_told_from_a_hang_before_the_reply(run_probe: RunProbe) -> None:
    """A non-daemon thread that never ends keeps the interpreter from leaving."""
    record = run_probe(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "return {'x': 1}",
        TIMEOUT_S=3.0,
    )

    assert record.ending is Ending.TIMED_OUT
    assert record.outcome is Outcome.FAILED
    assert "after its reply" in str(record.cause)
    assert record.facts == {"x": 1}


def test_flood_of_output_is_ended(run_probe: RunProbe, logs: Path) -> None:
    """Output without end becomes a result of its own, and the log stays small."""
    record = run_probe("import os\nwhile True: os.write(1, b'x' * 65535 + b'\\n')", TIMEOUT_S=60.0)

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.FLOODED
    assert record.cause is not None
    assert re.fullmatch(r"wrote more than 6\d MiB of output", record.cause.first_line)
    assert len(_log(record, logs)) < 5 << 20
    assert len(render_line(record)) < 100_000


def test_children_left_behind_are_found_and_killed(run_probe: RunProbe, tmp_path: Path) -> None:
    """A child that lives on is a result of its own, also one in a session of its own."""
    pids = tmp_path / "pids"
    record = run_probe(
        f"""
        import os, subprocess, sys
        argv = [sys.executable, "-c", "import time; time.sleep(600)"]
        children = [subprocess.Popen(argv), subprocess.Popen(argv, start_new_session=True)]
        open({str(pids)!r}, "w").write(" ".join(str(child.pid) for child in children))
        for child in children:
            child.returncode = 0
        return {{'x': 1}}
        """
    )

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.LEFT_PROCESSES
    assert record.left_processes == 2
    assert str(record.cause) == "left processes: left 2 processes running"
    assert record.facts == {"x": 1}
    for pid in pids.read_text().split():
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or " Z " in stat.read_text()


def test_garbage_on_standard_output_is_only_a_log(run_probe: RunProbe, logs: Path) -> None:
    """What a stack prints can neither forge nor damage the reply."""
    forged = json.dumps({"facts": {"x": "forged"}, "lacks": ["everything"]})
    record = run_probe(
        f"""
        import os
        print({forged!r})
        os.write(1, bytes(range(256)) + b"\\x1b[2J\\x1b]0;title\\x07")
        os.write(2, b"\\xff\\xfe")
        return {{'x': 'real'}}
        """
    )

    assert record.outcome is Outcome.PASSED
    assert record.facts == {"x": "real"}
    assert "forged" in _log(record, logs)


@pytest.mark.parametrize(
    "reply",
    [
        "[]",
        "3",
        "{",
        '{"facts": 3}',
        '{"cause": 3}',
        '{"cause": {"frame": 3}}',
        '{"cause": {"frame": {"file": "x"}}}',
        '{"lacks": 3}',
        '{"lacks": [3]}',
    ],
)
def test_damaged_reply_is_no_reply(run_probe: RunProbe, reply: str) -> None:
    """A probe that writes the reply itself cannot break the harness."""
    record = run_probe(
        "import os\n"
        "path = os.path.join(os.path.dirname(request['scratch']), 'output.json')\n"
        f"open(path, 'w').write({reply!r})\n"
        "os._exit(0)"
    )

    assert record.outcome is Outcome.FAILED
    assert record.ending is Ending.EXITED
    assert record.cause is not None


CANARIES = {
    "HF_TOKEN": "canary-token-1",
    "WANDB_API_KEY": "canary-key-2",
    "MY_PASSWORD": "canary-password-3",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-4",
}


def test_secrets_home_and_places_never_leave(
    run_probe: RunProbe, logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a stack prints, raises or measures, no secret and no place gets into the record."""
    home = tmp_path / "home-of-jane"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    values = [*CANARIES.values(), str(home / "model")]

    record = run_probe(
        f"""
        import os
        values = {values!r}
        print(*values, "hf_" + "a1B2" * 8, os.environ)
        request['facts']['values'] = values
        request['facts']['nested'] = {{values[0]: [values[1]]}}
        request['facts']['environ'] = dict(os.environ)
        request['facts']['cwd'] = os.getcwd()
        raise ValueError(' '.join(values) + ' ' + os.getcwd())
        """
    )

    written = render_line(record) + _log(record, logs)
    assert record.outcome is Outcome.FAILED
    assert "canary" not in written
    assert "home-of-jane" not in written
    assert "hf_a1B2" not in written
    assert str(tmp_path) not in written
    assert sys.prefix not in written
    assert "<redacted>" in written


def test_secret_in_a_lack_or_condition_is_hidden(
    run_probe: RunProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words a probe chooses itself are redacted like the rest."""
    monkeypatch.setenv("HF_TOKEN", "canary-token-1")

    skipped = run_probe("return {'lacks': ['access with canary-token-1']}")
    passed = run_probe("return {'condition': 'use canary-token-1'}")

    assert "canary" not in render_line(skipped) + render_line(passed)


def test_probe_sees_neither_secrets_nor_configuration(
    run_probe: RunProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell is judged bare: no home, no PYTHONPATH, nothing of ours importable."""
    monkeypatch.setenv("HF_TOKEN", "canary-token-1")
    monkeypatch.setenv("PYTHONPATH", "/made-up")
    monkeypatch.setenv("VLLM_USE_V1", "0")

    record = run_probe(
        "import os, sys\n"
        "return {'names': sorted(os.environ), 'home': os.listdir(os.environ['HOME']),"
        " 'path': '/made-up' in sys.path,"
        " 'ours': any(os.path.exists(os.path.join(each, '_runner.py')) for each in sys.path)}"
    )

    assert {"HF_TOKEN", "PYTHONPATH", "VLLM_USE_V1"}.isdisjoint(record.facts["names"])
    assert record.facts["home"] == []
    assert record.facts["path"] is False
    assert record.facts["ours"] is False


def test_installed_environment_keeps_how_it_is_configured(
    run_probe: RunProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that is there is judged with its own PYTHONPATH and settings."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("VLLM_USE_V1", "0")

    record = run_probe(
        "import os, sys\n"
        f"return {{'v1': os.environ['VLLM_USE_V1'], 'path': {str(tmp_path)!r} in sys.path}}",
        isolated=False,
    )

    assert record.facts == {"v1": "0", "path": True}
    assert record.argv == ("python", "_runner.py", "engine.py")


def test_visible_devices_are_the_callers_choice(
    tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's share of the devices reaches the probe in place of the caller's own."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    script = write_probe(
        tmp_path, "engine", "import os; return {'d': os.environ['CUDA_VISIBLE_DEVICES']}"
    )
    patient = Patient(
        python=Path(sys.executable),
        interpreter="CPython",
        versions={},
        lock_sha256="bb",
        environment_id=None,
        machine=MACHINE,
    )

    given = launch(read_probe(script), patient, logs=logs, visible_devices="2")
    passed_on = launch(read_probe(script), patient, logs=logs)

    assert given.facts == {"d": "2"}
    assert passed_on.facts == {"d": "0,1,2,3"}


def test_nothing_is_left_in_the_temporary_folder(
    run_probe: RunProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control files and scratch are gone afterwards, even where the probe forbids it."""
    temporary = tmp_path / "t"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    run_probe("import os; os.makedirs('a/b'); open('a/b/c', 'w').close(); os.chmod('a', 0o500)")

    assert os.listdir(temporary) == []  # noqa: PTH208 -- names are enough


def test_overhead_is_small(run_probe: RunProbe) -> None:
    """The harness itself adds little to what the process takes."""
    started = time.monotonic()
    record = run_probe("return {}")

    assert time.monotonic() - started < record.duration_s + 5
