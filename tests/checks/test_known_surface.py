"""What is known of released files changes how fast imports are judged, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.known_surface import judge_environment
from pytest_verlcompat.checks.surface_environment import find_environment, read_consumer
from pytest_verlcompat.checks.surface_source import judge_installed
from pytest_verlcompat.wheels.outlines import DATA, Kind, code_sha256, render_known, stamp_of
from pytest_verlcompat.wheels.surface_extract import outline_of

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_verlcompat.checks.import_surface import CellSurface

FILES = {
    "verl/__init__.py": "",
    "verl/trainer/__init__.py": "",
    "verl/trainer/main_ppo.py": (
        "from packaging import version\n"
        "import vllm\n"
        "from vllm.utils import get_tcp_uri\n"
        "from verl.utils.names import Both, chosen\n"
        "if version.parse(vllm.__version__) >= version.parse('0.12'):\n"
        "    from vllm.new import thing\n"
        "def late():\n"
        "    from transformers import AlphaModel, BetaModel\n"
        "    get_tcp_uri(1, 2)\n"
    ),
    "verl/utils/names.py": (
        "from importlib.metadata import version as v\n"
        "from transformers import AlphaModel as Both\n"
        "from torch.nn import Module\n"
        "try:\n    from peft import Lora\nexcept ImportError:\n    Lora = None\n"
        "if v('ray') == '2.0':\n    chosen = 1\nelse:\n    from ray import chosen\n"
    ),
    "verl/workers/rollout/vllm_rollout/vllm_async_server.py": "import vllm\n",
    "vllm/__init__.py": "__version__ = '0.11.0'\n",
    "vllm/utils.py": "def get_tcp_uri(host, port): ...\n",
    "vllm/new.py": "thing = 1\n",
    "transformers/__init__.py": (
        "from typing import TYPE_CHECKING\n"
        "from .utils import _LazyModule\n"
        "if TYPE_CHECKING:\n    from .models import *\n"
        "else:\n    import sys\n"
        "    sys.modules[__name__] = _LazyModule(__name__, {})\n"
    ),
    "transformers/utils/__init__.py": "class _LazyModule: ...\n",
    "transformers/models/__init__.py": (
        "from typing import TYPE_CHECKING\n"
        "from ..utils import _LazyModule\n"
        "if TYPE_CHECKING:\n    from .alpha import *\n    from .beta import *\n"
    ),
    "transformers/models/alpha.py": "class AlphaModel: ...\n__all__ = ['AlphaModel']\n",
    "transformers/models/beta.py": "class BetaModel: ...\n__all__ = ['BetaModel']\n",
    "torch/__init__.py": "",
    "torch/nn/__init__.py": "from .modules import *\n",
    "torch/nn/modules.py": "class Module: ...\n",
    "packaging/__init__.py": "",
    "packaging/version.py": "def parse(text): ...\n",
    "ray/__init__.py": "chosen = 2\n",
    "peft/__init__.py": "from .lora import Lora\n",
    "peft/lora.py": "class Lora: ...\n",
}
VERSIONS = {"verl": "0.6.1", "vllm": "0.11.0", "transformers": "4.57.1", "torch": "2.8.0",
            "ray": "2.51.1", "peft": "0.18.0"}  # fmt: skip


class Stack:
    """Site-packages of a few files, and what is known of them."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "lib" / "python3.12" / "site-packages"
        self.python = folder / "bin" / "python"
        self.python.parent.mkdir(parents=True)
        self.data = folder / "outlines.bin"
        for name, text in FILES.items():
            self.write(name, text)
        for name, version in VERSIONS.items():
            self.write(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\n")

    def write(self, name: str, text: str) -> None:
        """Write a file below site-packages."""
        path = self.site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def know(self, instead: dict[str, str] | None = None) -> None:
        """Note every module as released, with the outline of other text where one is given."""
        outlines, exports = [], []
        for name, text in FILES.items():
            kind = Kind.CONSUMER if name.startswith("verl/") else Kind.PROVIDER
            told = (instead or {}).get(name, text)
            outline = outline_of(
                told.encode(),
                module=name.removesuffix(".py").removesuffix("/__init__").replace("/", "."),
                path=name,
                consumer=kind is Kind.CONSUMER,
            )
            place = (name, stamp_of(text.encode()))
            outlines.append((place, outline, kind))
            if "/models/" in name:
                found = told.partition("__all__ = ['")[2].partition("'")[0]
                exports.append((place, (found,) if found else ()))
        self.data.write_bytes(render_known(outlines, exports))

    def fast(self) -> CellSurface:
        """Return the judgement that knows."""
        return judge_environment(self.python, data=self.data)

    def full(self) -> CellSurface:
        """Return the judgement that reads everything."""
        consumer = read_consumer(find_environment(self.python), "verl")
        return judge_installed(consumer, python=self.python)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """Return an environment of which every file is a released one."""
    made = Stack(tmp_path)
    made.know()
    return made


def assert_same(stack: Stack) -> CellSurface:
    """Both ways give the same facts, roles and findings."""
    fast, full = stack.fast(), stack.full()
    assert fast.findings == full.findings
    assert fast.roles == full.roles
    for one, other in zip((fast.consumer, *fast.providers), (full.consumer, *full.providers),
                          strict=True):  # fmt: skip
        assert one.paths == other.paths
        assert dict(one.outlines) == dict(other.outlines)
        assert one.exports == other.exports
    return fast


def test_released_files_are_judged_as_if_they_were_read(stack: Stack) -> None:
    """Roles, findings and facts are those of the judgement that reads every file."""
    found = assert_same(stack)

    assert {role.role.name for role in found.roles} >= {"vllm-async", "trainer"}
    assert not found.is_broken


EDITS = {
    "a name is gone": ("vllm/utils.py", "def get_tcp_uro(host, port): ...\n"),
    "one byte differs": ("vllm/utils.py", "def get_tcp_uri(host, part): ...\n"),
    "a parameter is gone": ("vllm/utils.py", "def get_tcp_uri(host): ...\n"),
    "an export is gone": ("transformers/models/alpha.py", "class AlphaModel: ...\n__all__ = []\n"),
    "verl was patched": ("verl/trainer/main_ppo.py", "from vllm.other import nothing\n"),
    "verl cannot be parsed": ("verl/utils/names.py", "def broken(:\n"),
    "a provider cannot be parsed": ("vllm/__init__.py", "import (\n"),
    "a module is new": ("verl/trainer/ppo/ray_trainer.py", "from vllm import absent\n"),
    "a file is empty": ("vllm/utils.py", ""),
}


@pytest.mark.parametrize(("name", "text"), EDITS.values(), ids=EDITS)
def test_edited_file_is_noticed(stack: Stack, name: str, text: str) -> None:
    """A file that is not that of a release, by a byte or altogether, is read like ever."""
    stack.write(name, text)

    assert_same(stack)


@pytest.mark.parametrize("name", ["vllm", "transformers", "torch", "ray", "peft"])
def test_other_version_decides_conditions_as_before(stack: Stack, name: str) -> None:
    """A release whose version a condition asks for is asked about with that version."""
    (stack.site / f"{name}-{VERSIONS[name]}.dist-info").rename(stack.site / f"{name}-2.0.dist-info")
    if name == "vllm":
        stack.write("vllm/__init__.py", "__version__ = '2.0'\n")

    assert_same(stack)


@pytest.mark.parametrize("gone", ["vllm", "transformers", "torch", "ray", "peft"])
def test_missing_distribution_is_missing_both_ways(stack: Stack, gone: str) -> None:
    """What is not installed is no member, whatever is known of it."""
    (stack.site / f"{gone}-{VERSIONS[gone]}.dist-info" / "METADATA").unlink()
    (stack.site / f"{gone}-{VERSIONS[gone]}.dist-info").rmdir()
    for path in sorted((stack.site / gone).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (stack.site / gone).rmdir()

    assert_same(stack)


def test_odd_files_are_treated_as_before(stack: Stack) -> None:
    """Links, pipes, compiled modules and files beside the package change nothing."""
    (stack.site / "vllm" / "_C.abi3.so").write_bytes(b"\x7fELF")
    (stack.site / "vllm" / "linked.py").symlink_to(stack.site / "vllm" / "utils.py")
    (stack.site / "vllm" / "folder").symlink_to(stack.site / "torch")
    (stack.site / "vllm.py").write_text("shadow = 1\n")
    (stack.site / "vllm.libs").mkdir()
    os.mkfifo(stack.site / "verl" / "pipe.py")

    assert_same(stack)


def test_known_file_is_not_parsed_again(stack: Stack) -> None:
    """What is known is believed: told that a released module lacks a name, it is missing."""
    stack.know(instead={"vllm/utils.py": "def other(): ...\n"})

    assert stack.fast().is_broken
    assert not stack.full().is_broken


def test_outlines_of_other_code_are_none(stack: Stack) -> None:
    """Edited code makes other outlines, so nothing that the old code made is believed."""
    stack.know(instead={"vllm/utils.py": "def other(): ...\n"})
    body = stack.data.read_bytes()
    stack.data.write_bytes(body.replace(code_sha256(), b"x" * 32))

    assert_same(stack)


@pytest.mark.parametrize("body", [None, b"", b"VCOUTL01", b"other" * 99])
def test_missing_or_damaged_data_costs_time_only(stack: Stack, body: bytes | None) -> None:
    """The doctor of a checkout without the file says the same."""
    stack.data.unlink()
    if body is not None:
        stack.data.write_bytes(body)

    assert_same(stack)


def test_shipped_outlines_are_of_the_code_beside_them() -> None:
    """Whoever edits what reads modules writes the file anew: verlcompat space-rungs --outlines."""
    assert code_sha256() in DATA.read_bytes()[:64]
