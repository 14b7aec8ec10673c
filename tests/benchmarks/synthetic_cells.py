"""Cells of known durations for an executor: what a node runs for them, and their controller.

``python -m tests.benchmarks.synthetic_cells`` is a controller as a process, to be killed.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import random
import signal
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_verlcompat.execute.controller import Controller
from pytest_verlcompat.execute.plan import Asked, Durations, Known, make_plan
from pytest_verlcompat.execute.protocol import Finished
from pytest_verlcompat.execute.ray_cluster import RayExecutor
from pytest_verlcompat.model.codec import render_line
from pytest_verlcompat.resolve.lock import Lock
from pytest_verlcompat.store.jsonl import append, load_cell_evidence
from tests.tiny import make_cell, make_evidence

if TYPE_CHECKING:
    from pytest_verlcompat.execute.protocol import Event

SUBJECTS = ("resolve", "install")
SEED = 11
LEAST_S, MOST_S = 0.5, 3.5

_AGENT = """
import json, select, sys, time

spec = json.loads(sys.stdin.readline())
subjects = [each for each in ("resolve", "install") if each not in spec["done"]]
whole_s = float(spec["cell"]["title"])
record = json.loads(TEMPLATE)
for subject in subjects:
    if select.select([sys.stdin], [], [], whole_s / 2)[0]:
        sys.exit(1)  # whoever started this is gone
    record.update(
        cell_id=spec["cell"]["id"],
        subject=subject,
        started_at=time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
    )
    print(json.dumps({"record": json.dumps(record)}), flush=True)
print(json.dumps({"finished": {"conclusive": True}}), flush=True)
"""


def durations(count: int) -> list[float]:
    """Return how long each cell takes, in seconds; the same for the same *count*."""
    dice = random.Random(SEED)  # noqa: S311 -- durations, not secrets
    return [dice.uniform(LEAST_S, MOST_S) for _ in range(count)]


def pack_synthetic_agent() -> bytes:
    """Return an archive whose program sleeps as long as its cell says, and records twice."""
    template = render_line(make_evidence(subject_sha256=None))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("__main__.py", f"TEMPLATE = {template!r}\n{_AGENT}")
    return stream.getvalue()


def main() -> int:
    """Carry out what is left of the cells, and print what it took; SIGUSR1 shows where it is."""
    faulthandler.register(signal.SIGUSR1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cells", type=int, required=True)
    args = parser.parse_args()
    evidence = args.folder / "evidence"
    text = args.folder / "requirements.txt"
    text.write_text("alpha==1.0 --hash=sha256:00\n", encoding="utf-8")
    lock = Lock(sha256="bb", resolver="uv", versions={"alpha": "1.0"}, path=text)
    asked = []
    for number, whole_s in enumerate(durations(args.cells)):
        cell = make_cell(id=f"cell{number:03d}", title=f"{whole_s:.3f}")
        known = Known(cell=cell, lock_sha256="bb", digests=dict.fromkeys(SUBJECTS))
        records = load_cell_evidence(evidence, cell.id).records
        asked.append(Asked(cell=cell, lock=lock, probes=(), checks=(), known=known.plus(*records)))
    plan = make_plan(asked, durations=Durations([]))
    executor = RayExecutor(
        address=args.address,
        find_lock=lambda _: lock,
        code=pack_synthetic_agent(),
        folder=str(args.folder / "node"),
    )
    spent: list[float] = []

    def note(_: Controller, event: Event) -> None:
        if isinstance(event, Finished):
            spent.append(event.duration_s - float(event.task.cell.title))

    controller = Controller(
        plan,
        executor,
        keep=lambda record: append(record, path=evidence / f"{record.cell_id}.jsonl"),
        progress=note,
    )
    started = time.monotonic()
    controller.run()
    errors = [str(each.error) for each in controller.ended if each.error]
    body = {
        "wall_s": round(time.monotonic() - started, 3),
        "tasks": len(plan.tasks),
        "task_overhead_ms": round(1000 * sum(spent) / max(len(spent), 1), 1),
        "errors": errors,
    }
    print(json.dumps(body), flush=True)  # noqa: T201 -- the bench reads it
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
