"""Choose the executor of a run, and say how it goes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import UsageError
from pytest_verlcompat.execute.local import LocalExecutor
from pytest_verlcompat.execute.protocol import Finished, Lost, Refused, Said, Started
from pytest_verlcompat.execute.ray_cluster import RayExecutor
from pytest_verlcompat.execute.runner import pack_agent
from pytest_verlcompat.probes import registry
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.resolve.lock import load_lock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_verlcompat.execute.controller import Controller
    from pytest_verlcompat.execute.protocol import Event, Executor, Task
    from pytest_verlcompat.execute.workspace import Workspace
    from pytest_verlcompat.resolve.lock import Lock


def configure_executor(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--executor",
        choices=("local", "ray", "slurm"),
        default="local",
        help="where cells run: here; on a Ray cluster; or write job arrays for Slurm",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster, or auto")
    parser.add_argument("--plan", action="store_true", help="print what would be done, and stop")
    parser.add_argument(
        "--budget", type=float, metavar="MINUTES", help="spend so many GPU minutes at the most"
    )
    parser.add_argument("--gpu-type", metavar="NAME", help="as the cluster names it, such as H200")
    parser.add_argument(
        "--node-folder",
        default="~/.cache/verlcompat",
        metavar="DIR",
        help="where a node keeps environments; best on the disk of uv's cache",
    )
    parser.add_argument(
        "--builds", type=int, default=2, metavar="N", help="environments a node builds at once"
    )
    parser.add_argument(
        "--keep-free", type=int, default=10, metavar="GIB", help="disk space a node does not use"
    )


def make_executor(args: argparse.Namespace, workspace: Workspace) -> Executor:
    """Return the executor that was asked for."""
    if args.executor == "local":
        return LocalExecutor(
            workspace=workspace,
            machine=describe_machine(),
            say=lambda *_: None,
            discard=args.discard,
        )
    if args.address is None:
        raise UsageError("--executor ray wants the --address of the cluster, or --address auto")
    return RayExecutor(
        address=args.address,
        find_lock=lock_finder(workspace),
        code=pack_agent(registry.SCRIPTS),
        folder=args.node_folder,
        words=agent_words(args),
    )


def agent_words(args: argparse.Namespace) -> list[str]:
    """Return what the agent is told of what was asked for."""
    limits = ["--builds", str(args.builds), "--keep-free-gib", str(args.keep_free)]
    return [*limits, *(["--discard"] if args.discard else [])]


def lock_finder(workspace: Workspace) -> Callable[[Task], Lock]:
    """Return a function that reads the lock of a task's cell."""
    return lambda task: load_lock(task.cell, folder=workspace.locks)


class Progress:
    """Prints what is being done for which cell, with the time since the start."""

    def __init__(self, *, spread: bool) -> None:
        """Prepare.

        Args:
            spread: Tasks run in many places at once, so each line names its own, and how far
                the whole is.
        """
        self._started = time.monotonic()
        self._spread = spread
        self._cell: str | None = None

    def __call__(self, controller: Controller, event: Event) -> None:
        """Print what *event* is."""
        if not self._spread:
            if isinstance(event, Said):
                self._say_here(event.task.cell.id, event.text)
            return
        text = _describe(event)
        if text is not None:
            where = controller.running.get(event.task.id)
            place = f" on {where}" if where else ""
            done, running = controller.done, len(controller.running)
            state = f"{done} done, {running} running, {controller.total - done - running} left"
            self._print(f"{state} | {event.task.id}{place}: {text}")

    def _say_here(self, cell_id: str, text: str) -> None:
        if cell_id != self._cell:
            print(cell_id, file=sys.stderr)
            self._cell = cell_id
        self._print(text)

    def _print(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        print(f"  {minutes:3d}:{seconds:02d}  {text}", file=sys.stderr, flush=True)


def _describe(event: Event) -> str | None:
    """Return *event* in words; ``None`` where another one says the same."""
    if isinstance(event, Started):
        return "started"
    if isinstance(event, Said):
        return event.text
    if isinstance(event, Lost):
        return f"lost: {event.why}"
    if isinstance(event, Refused):
        return f"refused for want of {'; '.join(event.lacks)}"
    if isinstance(event, Finished):
        return "finished" if event.error is None else f"errored: {event.error}"
    return None
