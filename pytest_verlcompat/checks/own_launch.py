"""Judge a repository's own launch scripts by the verl that is installed; no script is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_verlcompat.checks.config_surface import REFUSED
from pytest_verlcompat.checks.launch_judge import LaunchReport, judge_script
from pytest_verlcompat.checks.launch_script import load_script
from pytest_verlcompat.checks.surface_environment import Environment, FilesBelow
from pytest_verlcompat.errors import SourceSyntaxError, UsageError
from pytest_verlcompat.wheels.archive import InstalledTree
from pytest_verlcompat.wheels.config_facts import collect_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_verlcompat.wheels.config_facts import ConfigFacts


def judge_scripts(
    scripts: Sequence[Path], environment: Environment, *, root: Path
) -> dict[str, list[str]]:
    """Return what is refused in each of *scripts*, ``line 12: unknown key: ...``, by its path."""
    folder = next(each for each in environment.folders if (each / "verl").is_dir())
    with InstalledTree(folder) as tree:
        facts = collect_config(
            FilesBelow(tree, "verl"), distribution="verl", version=environment.versions["verl"]
        )
    return {path.relative_to(root).as_posix(): list(_refused(path, facts)) for path in scripts}


def _refused(path: Path, facts: ConfigFacts) -> Iterator[str]:
    try:
        report = judge_script(load_script(path), facts)
    except (SourceSyntaxError, UsageError) as error:
        yield f"not judged: {error}"
        return
    yield from _lines(report)


def _lines(report: LaunchReport) -> Iterator[str]:
    for mistake in report.mistakes:
        yield f"line {mistake.line}: {mistake.message}"
    for launch in report.launches:
        for key in launch.keys:
            if key.state in REFUSED:
                yield f"line {key.override.line}: {key.state.value}: {key.message}"
        for each in launch.sums:
            yield f"sum: {each.message}"
    for setting in report.settings:
        if setting.is_refused:
            yield f"line {setting.setting.line}: {setting.message}"
