"""Execute import statements one by one; print what each raises, as JSON lines.

Runs in the environment under test and imports nothing of ours. Each folder is tried in a fork.
"""

from __future__ import annotations

import json
import os
import sys
import traceback


def _attempt(statement: str) -> dict[str, object]:
    try:
        exec(statement, {})  # noqa: S102 -- an import statement is what is tried
    except BaseException as error:  # noqa: BLE001 -- whatever the stack raises is the result
        frames = traceback.extract_tb(error.__traceback__)
        inside = [each for each in frames[2:] if "<frozen" not in each.filename]
        message = (str(error).splitlines() or [""])[0][:300]
        return {
            "error": type(error).__name__,
            "message": message,
            "elsewhere": "/".join(inside[-1].filename.split("/")[-3:]) if inside else None,
        }
    return {"error": None}


def _say(found: dict[str, object]) -> None:
    """Write a line of its own, whatever the libraries left unfinished on the last one."""
    sys.stdout.flush()
    os.write(1, f"\n{json.dumps(found)}\n".encode())


def main() -> None:
    """Do the jobs of the file named on the command line."""
    with open(sys.argv[1]) as file:  # noqa: PTH123 -- the standard library's shortest way
        jobs = json.load(file)
    for name in ("torch", "transformers", "vllm"):  # once for all forks
        _say({"job": "", "statement": f"import {name}", **_attempt(f"import {name}")})
    for job in jobs:
        child = os.fork()
        if child == 0:
            try:
                sys.path.insert(0, job["folder"])
                for statement in job["statements"]:
                    _say({"job": job["id"], "statement": statement, **_attempt(statement)})
            finally:
                os._exit(0)
        os.waitpid(child, 0)


main()
