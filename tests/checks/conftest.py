"""Real wheels of small consumers and providers, judged as the command would."""

from __future__ import annotations

import textwrap
import zipfile
from typing import TYPE_CHECKING, Protocol

import pytest

from pytest_verlcompat.checks.import_surface import CellSurface, judge
from pytest_verlcompat.wheels.archive import WheelFile
from pytest_verlcompat.wheels.surface_collect import (
    collect_consumer,
    collect_provider,
    demands_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_verlcompat.wheels.surface_facts import Facts


class BuildRelease(Protocol):
    """Writes a wheel of a distribution from sources and returns its path."""

    def __call__(self, name: str, version: str, sources: Mapping[str, str | bytes]) -> Path:
        """Write the wheel."""


class JudgeSources(Protocol):
    """Judges a consumer ``app`` against a provider ``engine``, both built from sources."""

    def __call__(
        self,
        app: Mapping[str, str] | str,
        engine: Mapping[str, str | bytes],
        *,
        version: str = ...,
    ) -> CellSurface:
        """Return the judged cell."""


@pytest.fixture
def build_release(tmp_path: Path) -> BuildRelease:
    """Return a builder of wheels."""

    def build(name: str, version: str, sources: Mapping[str, str | bytes]) -> Path:
        path = tmp_path / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, source in sources.items():
                text = textwrap.dedent(source) if isinstance(source, str) else source
                archive.writestr(member, text)
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
        return path

    return build


@pytest.fixture
def judge_sources(build_release: BuildRelease) -> JudgeSources:
    """Return a judge of sources."""

    def run(
        app: Mapping[str, str] | str,
        engine: Mapping[str, str | bytes],
        *,
        version: str = "1.0",
    ) -> CellSurface:
        sources = {"app/__init__.py": app} if isinstance(app, str) else app
        consumer = consumer_facts(build_release("app", "3.0", sources))
        provider = provider_facts(build_release("engine", version, engine), consumer, version)
        return judge(consumer, [provider])

    return run


def consumer_facts(path: Path) -> Facts:
    """Return the facts of the wheel *path* of ``app``."""
    with WheelFile(path) as tree:
        return collect_consumer(tree, distribution="app", version="3.0")


def provider_facts(path: Path, consumer: Facts, version: str) -> Facts:
    """Return what the wheel *path* of ``engine`` offers to *consumer*."""
    demands = demands_of(consumer, frozenset({"engine"}))
    with WheelFile(path) as tree:
        return collect_provider(tree, demands, distribution="engine", version=version)
