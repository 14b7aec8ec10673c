"""Run one probe on one interpreter and turn how it ended into evidence."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat import __version__
from pytest_verlcompat.model.cause import Cause, Frame
from pytest_verlcompat.model.codec import parse_json
from pytest_verlcompat.model.evidence import Evidence
from pytest_verlcompat.model.outcome import Ending, Outcome
from pytest_verlcompat.probes.host import find_lack
from pytest_verlcompat.probes.registry import RUNNER, Probe
from pytest_verlcompat.process.clock import timestamp
from pytest_verlcompat.process.environ import probe_environ
from pytest_verlcompat.process.redact import make_redactor, redact_values
from pytest_verlcompat.process.run import Ended, Limits, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_verlcompat.model.machine import Machine

_SITE = "site-packages/"
_MEBIBYTE = 1 << 20
_MOST_BYTES = 4 * _MEBIBYTE
"""Of a reply; a record of it would be no line that our readers take."""
_FRAME = ("file", "line", "function", "source")
KERNEL_CACHES = (
    ".nv",
    ".triton",
    ".cache/flashinfer",
    ".cache/tvm-ffi",
    ".cache/vllm/modelinfos",
)
"""Folders of a home that keep what CUDA's driver, Triton, FlashInfer and TVM compiled, and what
vLLM found out about its own model classes.

Each is keyed by source and options, so that what one probe leaves there is what the next would
have made: 70 s of FlashInfer with vLLM 0.24's first engine, and 8 s to look at a model class in
another process (H200, 2026-11-20).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The interpreter under test and what is known about it beforehand."""

    python: Path
    interpreter: str
    versions: Mapping[str, str]
    """Normalized distribution name to version, of everything installed."""
    lock_sha256: str
    environment_id: str | None
    machine: Machine
    cell_id: str | None = None
    values: Mapping[str, str] | None = None
    """Axis values of the cell; ``None`` for an environment that was there already."""
    isolated: bool = True
    """Ignore PYTHONPATH and user site, as a cell must; an installed environment keeps them."""
    kernels: Path | None = None
    """Folder for what probes on a GPU compile, kept for those after; ``None`` keeps nothing."""


def launch(
    probe: Probe, patient: Patient, *, logs: Path, visible_devices: str | None = None
) -> Evidence:
    """Return the evidence of running *probe* once.

    Args:
        logs: Folder its log is put into, named by digest.
        visible_devices: Value of ``CUDA_VISIBLE_DEVICES``; ``None`` passes the caller's on.
    """
    started_at = timestamp()
    # Short, and not below the checkout: Ray's sockets live in it and may be 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="vc-", ignore_cleanup_errors=True) as folder:
        control = Path(folder)
        places = {
            "scratch": control,
            "environment": _prefix(patient.python),
            "probes": probe.script.parent,
            "runner": RUNNER.parent,
        }
        redact = make_redactor(os.environ, places=places)
        ended = _run(probe, patient, control=control, redact=redact, devices=visible_devices)
        reply = _read_reply(control)
        _keep_log(control / "log", ended.log_sha256, logs)
    argv = ("python", *(["-I"] if patient.isolated else []), RUNNER.name, probe.script.name)
    blank = Evidence(
        cell_id=patient.cell_id,
        subject=probe.name,
        rung=probe.rung,
        outcome=Outcome.ERRORED,
        ending=Ending.NOT_STARTED,
        started_at=started_at,
        duration_s=round(ended.duration_s, 3),
        machine=patient.machine,
        harness=__version__,
        subject_sha256=probe.sha256,
        lock_sha256=patient.lock_sha256,
        environment_id=patient.environment_id,
        interpreter=patient.interpreter,
        argv=argv,
        exit_status=ended.exit_status,
        signal=ended.signal,
        left_processes=ended.left_processes,
        log_sha256=ended.log_sha256,
        log_bytes=ended.log_bytes,
    )
    return judge_reply(blank, reply, ended=ended, redact=redact)


def judge_reply(
    blank: Evidence,
    reply: Mapping[str, Any] | None,
    *,
    ended: Ended,
    redact: Callable[[str], str],
) -> Evidence:
    """Return *blank* completed by what the probe replied and how its process ended."""
    ending, said = _ending(ended, reply)
    facts = redact_values((reply or {}).get("facts") or {}, redact)
    complete = dataclasses.replace(blank, ending=ending, facts=facts)
    if said is not None:
        tail = redact("\n".join(ended.tail.splitlines()[-15:]))
        lack = find_lack(tail) if ending is Ending.EXITED else None
        # What the host lacks explains what follows, such as a crash while leaving.
        lacks = (lack,) if lack else tuple(map(redact, (reply or {}).get("lacks") or ()))
        if lacks:
            return dataclasses.replace(complete, outcome=Outcome.SKIPPED, lacks=lacks)
        cause = Cause(kind=ended.signal or ending.value, first_line=said, detail=tail or None)
        return dataclasses.replace(complete, outcome=Outcome.FAILED, cause=cause)
    assert reply is not None  # noqa: S101 -- every ending without a reply has something to say
    raised = reply.get("cause")
    if raised is not None:
        cause = _cause(raised, redact)
        lack = find_lack(f"{cause}\n{cause.detail}")
        if lack:
            return dataclasses.replace(
                complete, outcome=Outcome.SKIPPED, lacks=(lack,), cause=cause
            )
        return dataclasses.replace(complete, outcome=Outcome.FAILED, cause=cause)
    lacks = tuple(map(redact, reply.get("lacks") or ()))
    condition = reply.get("condition")
    return dataclasses.replace(
        complete,
        outcome=Outcome.SKIPPED if lacks else Outcome.PASSED,
        lacks=lacks,
        condition=redact(str(condition)) if condition else None,
    )


def _run(
    probe: Probe,
    patient: Patient,
    *,
    control: Path,
    redact: Callable[[str], str],
    devices: str | None,
) -> Ended:
    home, scratch = control / "home", control / "s"
    home.mkdir()
    scratch.mkdir()
    request = {
        "probe": probe.name,
        "scratch": str(scratch),
        "cell": None if patient.values is None else dict(patient.values),
        "versions": dict(patient.versions),
        "facts": {},
    }
    (control / "input.json").write_text(json.dumps(request), encoding="utf-8")
    env = probe_environ(os.environ, home=home, scratch=scratch, keep_stack=not patient.isolated)
    if (patient.python.parent.parent / "pyvenv.cfg").exists():
        # As in an activated environment: engines call ninja and the like by name.
        env["PATH"] = os.pathsep.join([str(patient.python.parent), env.get("PATH", os.defpath)])
    if probe.gpus and patient.kernels is not None:
        env.update(share_kernels(home, patient.kernels))
    if devices is not None:
        env["CUDA_VISIBLE_DEVICES"] = devices
        env["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as the driver counts them
    return run(
        [
            patient.python,
            *(["-I"] if patient.isolated else []),
            RUNNER,
            probe.script,
            control,
        ],
        env=env,
        cwd=scratch,
        limits=Limits(timeout_s=probe.timeout_s, stacks_signal=True),
        log=control / "log",
        redact=redact,
    )


def share_kernels(home: Path, kernels: Path) -> dict[str, str]:
    """Make the caches in *home* links to folders in *kernels*; return what else must be set.

    So a suite pays for a kernel once, as a user's own home would, while everything else of a
    home is fresh for each probe. Inductor keeps its cache in the folder for temporary files,
    unless a variable names another place.
    """
    for name in KERNEL_CACHES:
        kept = kernels / Path(name).name
        kept.mkdir(parents=True, exist_ok=True)
        link = home / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept, target_is_directory=True)
    return {"TORCHINDUCTOR_CACHE_DIR": str(kernels / "inductor")}


def _ending(ended: Ended, reply: Mapping[str, Any] | None) -> tuple[Ending, str | None]:
    """Return the kind of ending, and a sentence where it is a failure by itself."""
    if ended.timed_out:
        when = "after its reply" if reply is not None else "without a reply"
        return Ending.TIMED_OUT, f"still running {when} after {ended.duration_s:.0f} s"
    if ended.flooded:
        written = ended.output_bytes // _MEBIBYTE
        return Ending.FLOODED, f"wrote more than {written} MiB of output"
    if ended.signal is not None:
        when = "after its reply" if reply is not None else "without a reply"
        return Ending.SIGNALLED, f"ended by {ended.signal} {when}"
    if reply is None or ended.exit_status:
        when = "a reply" if reply is not None else "no reply"
        return Ending.EXITED, f"exited with status {ended.exit_status} and {when}"
    if ended.left_processes:
        return Ending.LEFT_PROCESSES, f"left {ended.left_processes} processes running"
    return Ending.REPLIED, None


def _read_reply(control: Path) -> dict[str, Any] | None:
    try:
        with (control / "output.json").open("rb") as file:
            reply = parse_json(file.read(_MOST_BYTES + 1).decode())
    except (OSError, ValueError):
        return None
    return reply if _is_reply(reply) else None


def _is_reply(found: Any) -> bool:  # noqa: ANN401 -- JSON values, from code we do not trust
    if not isinstance(found, dict):
        return False
    cause, lacks = found.get("cause"), found.get("lacks") or []
    frame = cause.get("frame") if isinstance(cause, dict) else None
    return (
        isinstance(found.get("facts") or {}, dict)
        and (cause is None or isinstance(cause, dict))
        and (frame is None or (isinstance(frame, dict) and {*_FRAME} <= {*frame}))
        and isinstance(lacks, list)
        and all(isinstance(each, str) for each in lacks)
    )


def _keep_log(log: Path, sha256: str | None, logs: Path) -> None:
    if sha256 is not None:
        logs.mkdir(parents=True, exist_ok=True)
        shutil.move(log, logs / f"{sha256}.log")


def _cause(raised: Mapping[str, Any], redact: Callable[[str], str]) -> Cause:
    frame = raised.get("frame")
    return Cause(
        kind=str(raised.get("kind")),
        first_line=redact(str(raised.get("first_line", ""))),
        frame=None
        if not frame
        else Frame(
            file=redact(_relative(str(frame["file"]))),
            line=int(frame["line"] or 0),
            function=str(frame["function"]),
            source=redact(str(frame["source"])) or None,
        ),
        detail="\n".join(redact(str(line)) for line in raised.get("detail") or ()) or None,
    )


def _relative(path: str) -> str:
    _, found, rest = path.rpartition(_SITE)
    return rest if found else path


def _prefix(python: Path) -> Path:
    return python.parent.parent
