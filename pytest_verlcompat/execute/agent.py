"""Carry one task out on the machine that this runs on, and write what happens as lines of JSON.

Started by an executor, never by a person: ``python -m pytest_verlcompat.execute.agent``. A line
of its output is an object with one key: ``lacks``, ``said``, ``record`` or ``finished``. With
``--lifeline`` the task is the first line of the input, and when the input ends so does
everything that was started here. With ``--records`` records go to a file, and what that file
holds is not done again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.environments.build import place_of
from pytest_verlcompat.environments.interpreters import find_python
from pytest_verlcompat.errors import InterpreterMissingError, ToolMissingError, VerlcompatError
from pytest_verlcompat.execute.local import LocalExecutor, Ran
from pytest_verlcompat.execute.plan import REFUSALS
from pytest_verlcompat.execute.room import building_slot, find_room, using
from pytest_verlcompat.execute.spec import Spec, choose_probes, parse_spec, render_error
from pytest_verlcompat.execute.workspace import Workspace
from pytest_verlcompat.model.codec import parse_line, render_line
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.model.verdict import judge
from pytest_verlcompat.probes.registry import list_probes
from pytest_verlcompat.process.gpus import read_gpus
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.process.mark import end_orphans
from pytest_verlcompat.resolve.lock import LOCK_NAME, load_lock
from pytest_verlcompat.resolve.uv import find_uv
from pytest_verlcompat.store.jsonl import append, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_verlcompat.model.evidence import Evidence
    from pytest_verlcompat.model.machine import Machine
    from pytest_verlcompat.probes.registry import Probe

_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBook:
    """Tells each record at once; what need not be done again was said beforehand."""

    done: frozenset[str]
    tell: Callable[[dict[str, Any]], None]

    def add(self, record: Evidence) -> None:
        """Write *record* to whoever started this."""
        self.tell({"record": render_line(record)})

    def has_current(self, record: Evidence) -> bool:
        """Return whether the step has evidence, be it of another machine."""
        return record.subject in self.done

    def due(self, probes: Sequence[Probe], **_: object) -> tuple[Probe, ...]:
        """Return the *probes* that have no evidence yet."""
        return tuple(probe for probe in probes if probe.name not in self.done)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the task came to its end, be it with an error; 1 if the machine refuses it."""
    args = _parser().parse_args(argv)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")

    def say(message: dict[str, Any]) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    tell = say if args.records is None else _keeper(args.records, say)
    text = sys.stdin.readline() if args.lifeline else args.task.read_text(encoding="utf-8")
    if args.lifeline:
        # Ray starts its workers with this signal blocked, and what they start inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        threading.Thread(target=_follow, args=(sys.stdin,), daemon=True).start()
    try:
        spec = parse_spec(text)
        if args.records is not None:
            spec = dataclasses.replace(spec, done=spec.done | _subjects(args.records))
        if args.after is not None and not _is_worth(args.after, args.task):
            tell({"said": "not worth a GPU: what needs none refuses the cell, or was not done"})
            return 0
        return _carry_out(spec, args, tell)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except VerlcompatError as error:
        tell({"finished": {"error": render_error(error)}})
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=Path, help="file with the task")
    parser.add_argument("--lifeline", action="store_true", help="read it, then wait for the end")
    parser.add_argument("--records", type=Path, help="file that the records are appended to")
    parser.add_argument("--after", type=Path, help="records of the part that needs no GPU")
    parser.add_argument("--folder", type=Path, required=True, help="shared by all tasks here")
    parser.add_argument("--scripts", type=Path, help="folder of the probe scripts")
    parser.add_argument("--builds", type=int, default=2, help="environments built at once here")
    parser.add_argument("--keep-free-gib", type=int, default=10, help="disk space to leave")
    parser.add_argument("--discard", action="store_true", help="keep no environment")
    return parser


def _keeper(path: Path, tell: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Return a function that appends records to *path* and tells the rest."""

    def keep(message: dict[str, Any]) -> None:
        if "record" in message:
            append(parse_line(message["record"]), path=path)
        else:
            tell(message)

    return keep


def _subjects(path: Path) -> frozenset[str]:
    """Return what the file *path* says something about."""
    records = load([path] if path.exists() else []).records
    return frozenset(each.subject for each in records if each.outcome is not Outcome.ERRORED)


def _is_worth(path: Path, task: Path) -> bool:
    """Return whether the records in *path* leave a reason to go on with *task*.

    Where the other part has no file beside *task* it was done before, and not refused.
    """
    if not (task.parent / f"{path.stem}.json").exists():
        return True
    records = load([path] if path.exists() else []).records
    return bool(records) and judge(records).kind not in REFUSALS


def _follow(stream: Any) -> None:  # noqa: ANN401 -- a text stream
    """Interrupt this process when *stream* ends: whoever started it is gone."""
    while stream.readline():
        pass
    os.kill(os.getpid(), signal.SIGINT)


def _carry_out(spec: Spec, args: argparse.Namespace, tell: Callable[[dict[str, Any]], None]) -> int:
    folder = args.folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    end_orphans()
    machine = describe_machine()
    started = time.monotonic()
    with _workspace(spec, folder) as workspace, contextlib.ExitStack() as stack:
        lacks = list(_find_lacks(spec, machine))
        if not lacks and spec.lock_name == LOCK_NAME:
            lock = load_lock(spec.cell, folder=workspace.locks)
            place = place_of(spec.cell, lock, workspace.environments)
            stack.enter_context(using(place))
            lacks += find_room(
                place, wanted_mib=spec.needs.disk_mib, spare_mib=args.keep_free_gib << 10
            )
        if lacks:
            tell({"lacks": lacks})
            return 1
        ran = _run(spec, workspace, args=args, machine=machine, tell=tell)
    body: dict[str, Any] = {
        "conclusive": ran.conclusive,
        "duration_s": round(time.monotonic() - started, 3),
    }
    if ran.error is not None:
        body["error"] = render_error(ran.error)
    tell({"finished": body})
    return 0


def _run(
    spec: Spec,
    workspace: Workspace,
    *,
    args: argparse.Namespace,
    machine: Machine,
    tell: Callable[[dict[str, Any]], None],
) -> Ran:
    probes = choose_probes(spec, list_probes(args.scripts))
    executor = LocalExecutor(
        workspace=workspace,
        machine=machine,
        say=lambda _, text: tell({"said": text}),
        discard=args.discard,
        building=lambda: building_slot(workspace.local / "builds", count=args.builds),
    )
    return executor.run_cell(
        spec.cell, probes=probes, base=spec.base, book=PartBook(done=spec.done, tell=tell)
    )


@contextlib.contextmanager
def _workspace(spec: Spec, folder: Path) -> Iterator[Workspace]:
    """Give a checkout that holds the lock of this task alone; the rest is shared."""
    with tempfile.TemporaryDirectory(prefix="task-", dir=folder) as root:
        workspace = Workspace(root=Path(root), shared=folder)
        home = workspace.locks / spec.cell.id
        home.mkdir(parents=True)
        (home / Path(spec.lock_name).name).write_text(spec.lock_text, encoding="utf-8")
        yield workspace


def _find_lacks(spec: Spec, machine: Machine) -> Iterator[str]:
    """Yield what this machine lacks for the cell, each with what it has instead."""
    architecture, _, glibc = spec.cell.platform.partition("-manylinux_")
    if architecture != machine.architecture:
        yield f"{architecture}; it is {machine.architecture}"
    wanted = tuple(map(int, glibc.split("_")))
    there = tuple(map(int, machine.glibc.split(".")[:2])) if machine.glibc else ()
    if there < wanted:
        yield f"glibc {glibc.replace('_', '.')}; it has {machine.glibc or 'another C library'}"
    if machine.memory_mib is not None and machine.memory_mib < spec.needs.memory_mib:
        yield f"{spec.needs.memory_mib} MiB of memory; it has {machine.memory_mib}"
    try:
        find_uv()
        if spec.lock_name == LOCK_NAME:
            find_python(spec.cell.python)
    except ToolMissingError as error:
        yield f"uv; {error}"
    except InterpreterMissingError as error:
        yield f"CPython {spec.cell.python}; {error}"
    gpus = len(read_gpus().gpus) if spec.needs.gpus else 0
    if gpus < spec.needs.gpus:
        yield f"{spec.needs.gpus} GPUs; it has {gpus}"


if __name__ == "__main__":
    sys.exit(main())
