"""Declared requirements against installed distributions, on real metadata folders."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def install(root: Path, name: str, version: str, *, requires: Iterable[str] = ()) -> None:
    """Write the metadata folder of one distribution below *root*."""
    folder = root / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


def unmet_texts(module: Any, root: Path) -> list[str]:  # noqa: ANN401 -- a script's module
    """Return the sentences about distributions below *root*."""
    found = module.find_unmet(importlib.metadata.distributions(path=[str(root)]))
    return sorted(item.text for item in found)


def test_requirement_outside_its_range_is_said_as_pip_says_it(
    tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """A too old distribution is named with what is required and what is installed."""
    install(tmp_path, "vllm", "0.11.0", requires=["opencv-python-headless>=4.11.0"])
    install(tmp_path, "opencv_python_headless", "4.9.0.80")

    texts = unmet_texts(load_script("numpy_opencv"), tmp_path)

    assert texts == ["vllm 0.11.0 requires opencv-python-headless>=4.11.0, installed 4.9.0.80"]


def test_missing_requirement_is_said(tmp_path: Path, load_script: Callable[[str], Any]) -> None:
    """A distribution that is not there is an unmet requirement."""
    install(tmp_path, "pandas", "3.0", requires=["numpy>=2"])

    texts = unmet_texts(load_script("numpy_opencv"), tmp_path)

    assert texts == ["pandas 3.0 requires numpy>=2, not installed"]


def test_extras_other_platforms_and_local_versions_meet(
    tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """Extras and other platforms do not count; a local version or a pre-release meets."""
    install(
        tmp_path,
        "verl",
        "0.6.1",
        requires=[
            "liger-kernel; extra == 'gpu'",
            "pywin32; sys_platform == 'win32'",
            "torch<=2.8.0",
            "numpy<2",
        ],
    )
    install(tmp_path, "torch", "2.8.0+cpu")
    install(tmp_path, "numpy", "1.26.4rc1")

    texts = unmet_texts(load_script("numpy_opencv"), tmp_path)

    assert texts == []


def test_only_conflicts_of_the_array_libraries_make_a_condition(
    tmp_path: Path, load_script: Callable[[str], Any]
) -> None:
    """A conflict elsewhere is recorded, and says nothing about arrays."""
    module = load_script("numpy_opencv")
    install(tmp_path, "wandb", "1", requires=["click>=9"])
    install(tmp_path, "click", "8")
    unmet = list(module.find_unmet(importlib.metadata.distributions(path=[str(tmp_path)])))

    condition = module.describe_conditions(unmet, ["opencv-python-headless"])

    assert len(unmet) == 1
    assert condition is None


def test_two_opencv_flavours_are_a_condition(load_script: Callable[[str], Any]) -> None:
    """Distributions that write the same files work only while they agree."""
    condition = load_script("numpy_opencv").describe_conditions(
        [], ["opencv-python", "opencv-python-headless"]
    )

    assert condition is not None
    assert "opencv-python and opencv-python-headless" in condition
