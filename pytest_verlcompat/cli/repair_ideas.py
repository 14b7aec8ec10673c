"""Where ideas for a repair come from: the known failures first, then sets that were resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from pytest_verlcompat.advise.recommend import Ask, recommend
from pytest_verlcompat.advise.recommend_changes import changed_pins, newest_of
from pytest_verlcompat.advise.repair_plan import Idea, find_faults, remedies
from pytest_verlcompat.cli.recommend_source import read_index
from pytest_verlcompat.environments.installed import installed_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_verlcompat.advise.inventory import Inventory
    from pytest_verlcompat.advise.repair_patient import Ground
    from pytest_verlcompat.execute.workspace import Workspace

_CHOSEN = ("verl", "vllm", "sglang")


def find_ideas(inventory: Inventory, ground: Ground, workspace: Workspace) -> Iterator[Idea]:
    """Yield ways to repair, the one that changes least first."""
    yield from remedies(find_faults(inventory), ground)
    yield Idea(title="what the metadata asks for", requirements=())
    if workspace.evidence.is_dir():
        yield from _sets(inventory, ground, workspace)


def _sets(inventory: Inventory, ground: Ground, workspace: Workspace) -> Iterator[Idea]:
    """Yield sets around the installed verl and engine, as far as anything is known of them."""
    installed = installed_versions(inventory.interpreter.site_packages)
    version = inventory.interpreter.version
    wants = [Requirement(f"{name}=={installed[name]}") for name in _CHOSEN if name in installed]
    if not wants:
        return
    index = read_index(workspace)
    ask = Ask(
        wants=tuple(wants),
        python=f"{version.major}.{version.minor}" if version else None,
        glibc=inventory.host.machine.glibc,
        installed=installed,
    )
    for choice in recommend(ask, index.candidates, limit=2).choices:
        pins, gone = changed_pins(choice, installed=installed, failures=index.failures)
        kept = ground.kept_names
        yield Idea(
            title=f"the versions of {choice.candidate.label}",
            requirements=tuple(pin for pin in pins if pin.partition("==")[0] not in kept),
            removals=tuple(name for name in gone if name not in kept),
            newest=newest_of(choice.candidate),
        )
