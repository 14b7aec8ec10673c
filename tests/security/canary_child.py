"""Run command lines of ours one after the other in one process; each has its output in a file.

Arguments: a JSON file with a list of lists of words, the folder for the outputs, the folder of
the probe scripts. Whatever a command raises is in its output, as a user would see it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from pathlib import Path

from pytest_verlcompat.cli import main
from pytest_verlcompat.probes import registry


def run_all(commands: list[list[str]], outputs: Path) -> None:
    """Write ``<number>-<verb>.txt`` for each command."""
    for number, words in enumerate(commands):
        path = outputs / f"{number:02}-{words[0]}.txt"
        with (
            path.open("w", encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            try:
                status: object = main(words)
            except SystemExit as error:
                status = error.code
            except Exception:  # noqa: BLE001 -- what a user would see is what is looked through
                traceback.print_exc(file=file)
                status = "raised"
            file.write(f"\nstatus {status}\n")


if __name__ == "__main__":
    registry.SCRIPTS = Path(sys.argv[3])
    run_all(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
