"""Import the roots of several trainers beside one engine; print what each raises, as JSON lines.

Runs in the environment under test and imports nothing of ours. What every trainer needs is
imported once; each trainer is then imported in a fork, from its own folder. A fork that a signal
ends (libraries built for another torch do that) is said too.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback

SHARED = ("torch", "transformers", "ray", "tensordict", "omegaconf", "datasets")


def _raised_by(error: BaseException) -> tuple[str, int, str]:
    """Return file, line and top-level package of the innermost frame outside the import system.

    Of a chain of exceptions the first one counts: what a handler meets afterwards follows
    from it.
    """
    while error.__context__ is not None:
        error = error.__context__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and "<frozen" not in frame.filename
    ]
    parts = frames[-1].filename.split("/")
    start = max(
        (index for index, part in enumerate(parts) if part in {"site-packages", "trainer"}),
        default=-1,
    )
    inside = parts[start + 1 :]
    return "/".join(inside), frames[-1].lineno or 0, inside[0]


def _attempt(root: str) -> dict[str, object]:
    try:
        importlib.import_module(root)
    except BaseException as error:  # noqa: BLE001 - whatever the stack raises is the result
        path, line, owner = _raised_by(error)
        message = (str(error).splitlines() or [""])[0][:300]
        name = type(error).__name__
        return {"error": name, "message": message, "path": path, "line": line, "owner": owner}
    return {"error": None}


def _say(found: dict[str, object]) -> None:
    """Write a line of its own, whatever the libraries left unfinished on the last one."""
    sys.stdout.flush()
    os.write(1, f"\n{json.dumps(found)}\n".encode())


def _trainer(folder: str, roots: list[str], cell: str) -> None:
    sys.path.insert(0, folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "verl"]:
        del sys.modules[name]
    for root in roots:
        _say({"cell": cell, "root": root, **_attempt(root)})


def main() -> None:
    """Import every trainer of the job file named on the command line."""
    with open(sys.argv[1]) as file:  # noqa: PTH123 - the standard library's shortest way
        task = json.load(file)
    for name in (*SHARED, task["engine"]):
        _say({"cell": "", "root": name, **_attempt(name)})
    for job in task["jobs"]:
        child = os.fork()
        if child == 0:
            try:
                _trainer(job["folder"], job["roots"], job["cell"])
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            _say({"cell": job["cell"], "root": None, "signal": os.WTERMSIG(status)})


main()
