"""Compose configurations with Hydra itself and print which overrides it refuses.

Runs in an environment with hydra-core; reads jobs as JSON lines, one a launch.
"""

from __future__ import annotations

import json
import sys

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra


def _refusal(name: str, overrides: list[str]) -> str | None:
    try:
        compose(config_name=name, overrides=overrides)
    except Exception as error:  # noqa: BLE001 - whatever Hydra says is the result
        return (str(error).splitlines() or [type(error).__name__])[0]
    return None


def main() -> None:
    """Answer every job of the file named on the command line."""
    with open(sys.argv[1]) as file:  # noqa: PTH123 - the standard library's shortest way
        jobs = [json.loads(line) for line in file]
    for job in jobs:
        GlobalHydra.instance().clear()
        with initialize_config_dir(config_dir=job["folder"], version_base=None):
            missed = _refusal(job["name"], job["accepted"])
            false = [
                each
                for each in job["refused"]
                if _refusal(job["name"], [*job["groups"], each]) is None
            ]
        sys.stdout.write(json.dumps({"id": job["id"], "missed": missed, "false": false}) + "\n")
        sys.stdout.flush()


main()
