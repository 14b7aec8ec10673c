"""The verdict about imports, from wheels that the tests build."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.checks.import_evidence import evidence_of
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.model.outcome import Outcome
from pytest_verlcompat.wheels.exports import load_exports
from tests.tiny import MACHINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_verlcompat.checks.import_surface import CellSurface
    from tests.checks.conftest import JudgeSources

ENGINE = {"engine/__init__.py": "", "engine/utils.py": "def get_port(host): ...\n"}

_FINE = [
    pytest.param("from engine.utils import get_port", ENGINE, id="definition"),
    pytest.param("import engine.utils", ENGINE, id="submodule"),
    pytest.param("from engine import utils", ENGINE, id="submodule as a name"),
    pytest.param(
        "from engine import get_port",
        {**ENGINE, "engine/__init__.py": "from .utils import get_port"},
        id="re-export",
    ),
    pytest.param(
        "from engine import get_port",
        {**ENGINE, "engine/__init__.py": "from engine.utils import *"},
        id="star import",
    ),
    pytest.param(
        "from engine import LLM",
        {
            "engine/__init__.py": """
                MODULE_ATTRS = {"LLM": ".core:LLM"}
                def __getattr__(name):
                    if name in MODULE_ATTRS:
                        return load(MODULE_ATTRS[name])
                    else:
                        raise AttributeError(name)
            """,
            "engine/core.py": "class LLM: ...",
        },
        id="literal lazy table",
    ),
    pytest.param(
        "from engine import Model",
        {
            "engine/__init__.py": """
                import sys
                from typing import TYPE_CHECKING
                from .lazy import _LazyModule
                if TYPE_CHECKING:
                    from .models import *
                else:
                    sys.modules[__name__] = _LazyModule(__name__, {})
            """,
            "engine/lazy.py": "class _LazyModule: ...",
            "engine/models/__init__.py": "",
            "engine/models/one.py": '__all__ = ["Model"]\nclass Model: ...',
        },
        id="lazy module object",
    ),
    pytest.param(
        "from engine.new import thing",
        {
            "engine/__init__.py": "",
            "engine/new.py": """
                import sys
                if sys.platform == "linux":
                    def thing(): ...
            """,
        },
        id="conditional definition that holds",
    ),
    pytest.param(
        """
        try:
            from engine.moved import get_port
        except ImportError:
            from engine.utils import get_port
        """,
        ENGINE,
        id="try then except, the second is there",
    ),
    pytest.param(
        """
        import engine
        from packaging import version
        if version.parse(engine.__version__) >= version.parse("2.0"):
            from engine.moved import get_port
        else:
            from engine.utils import get_port
        """,
        ENGINE,
        id="version guard",
    ),
    pytest.param(
        """
        from importlib.metadata import version
        if version("engine") == "9.9":
            from engine.moved import get_port
        """,
        ENGINE,
        id="exact-string gate",
    ),
    pytest.param(
        """
        from importlib.metadata import PackageNotFoundError, version
        from packaging import version as vs
        def get_version(pkg):
            try:
                return version(pkg)
            except PackageNotFoundError:
                return None
        found = get_version("engine")
        if found is None or vs.parse(found) < vs.parse("1.0"):
            from engine.moved import get_port
        """,
        ENGINE,
        id="version read by a helper function",
    ),
    pytest.param(
        """
        from app_platform import is_npu_available
        if is_npu_available:
            from engine.npu import get_port
        """,
        ENGINE,
        id="platform guard of another platform",
    ),
    pytest.param(
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from engine.moved import get_port
        """,
        ENGINE,
        id="type checking only",
    ),
    pytest.param(
        """
        import contextlib
        with contextlib.suppress(ImportError):
            from engine.moved import get_port
        """,
        ENGINE,
        id="suppressed",
    ),
]


@pytest.mark.parametrize(("app", "engine"), _FINE)
def test_name_that_is_there_breaks_nothing(
    judge_sources: JudgeSources, app: str, engine: Mapping[str, str]
) -> None:
    """Whatever way a provider offers a name, it is found; what is not run is not judged."""
    surface = judge_sources(app, engine)

    assert surface.findings == ()
    assert not surface.is_broken


Case = tuple[str, "Mapping[str, str]", str]
_BROKEN = [
    pytest.param(
        (
            "from engine.utils import get_tcp_uri",
            ENGINE,
            "ImportError: cannot import name 'get_tcp_uri' from 'engine.utils'",
        ),
        id="name",
    ),
    pytest.param(
        (
            "from engine.v1.utils import x",
            ENGINE,
            "ModuleNotFoundError: No module named 'engine.v1'",
        ),
        id="module",
    ),
    pytest.param(
        (
            """
        from importlib.metadata import version
        if version("engine").startswith("1."):
            from engine.moved import get_port
        """,
            ENGINE,
            "ModuleNotFoundError: No module named 'engine.moved'",
        ),
        id="under a version condition that holds",
    ),
    pytest.param(
        (
            """
        try:
            from engine.moved import get_port
        except ImportError:
            from engine.elsewhere import get_port
        """,
            ENGINE,
            "ModuleNotFoundError: No module named 'engine.elsewhere'",
        ),
        id="neither of two",
    ),
    pytest.param(
        (
            """
        try:
            from engine.moved import get_port
        except ImportError as error:
            raise ImportError("get another engine") from error
        """,
            ENGINE,
            "ImportError: get another engine (No module named 'engine.moved')",
        ),
        id="raised again",
    ),
    pytest.param(
        (
            """
        from packaging import version
        import engine
        if version.parse(engine.__version__) < version.parse("1.5"):
            raise ValueError("too old")
        """,
            ENGINE,
            "ValueError: too old",
        ),
        id="refused by the consumer",
    ),
    pytest.param(
        (
            "import engine.utils\nclass Mine(engine.utils.Base): ...",
            ENGINE,
            "AttributeError: 'engine.utils' has no attribute 'Base'",
        ),
        id="base class that is not there",
    ),
    pytest.param(
        (
            "from engine import LLM",
            {
                "engine/__init__.py": """
                TABLE = {"SamplingParams": "core"}
                def __getattr__(name):
                    if name in TABLE:
                        return load(TABLE[name])
                    raise AttributeError(name)
            """
            },
            "ImportError: cannot import name 'LLM' from 'engine'",
        ),
        id="not in a closed lazy table",
    ),
]


@pytest.mark.parametrize("case", _BROKEN)
def test_missing_name_is_quoted_as_python_would(judge_sources: JudgeSources, case: Case) -> None:
    """What an import would raise for certain is found, in the words people search for."""
    app, engine, expected = case

    surface = judge_sources(app, engine)

    assert [str(finding.cause) for finding in surface.findings] == [expected]
    assert surface.findings[0].weight is Weight.BROKEN


_UNKNOWN = [
    pytest.param(
        "from engine import LLM",
        {"engine/__init__.py": "def __getattr__(name):\n    return load(name)"},
        id="open __getattr__",
    ),
    pytest.param(
        "from engine._C import ops",
        {"engine/__init__.py": "", "engine/_C.abi3.so": b"\x7fELF"},
        id="compiled module",
    ),
    pytest.param(
        "from engine.wide import thing",
        {"engine/__init__.py": "", "engine/wide.py": "match x:\n  case 1 2\n"},
        id="file that does not parse",
    ),
    pytest.param(
        "from engine import thing",
        {"engine/__init__.py": "if probe():\n    thing = 1\n"},
        id="bound under a condition nobody can decide",
    ),
    pytest.param(
        "from other import feature\nif feature.enabled:\n    from engine import gone",
        ENGINE,
        id="condition of the consumer that nobody can decide",
    ),
]


@pytest.mark.parametrize(("app", "engine"), _UNKNOWN)
def test_undecidable_is_unknown_and_never_broken(
    judge_sources: JudgeSources, app: str, engine: Mapping[str, str | bytes]
) -> None:
    """What cannot be decided is said to be so."""
    surface = judge_sources(app, engine)

    assert [finding.weight for finding in surface.findings] == [Weight.UNKNOWN]
    assert not surface.is_broken


def test_first_missing_name_carries_both_sides(judge_sources: JudgeSources) -> None:
    """A finding says where the consumer asks and where the provider would have to answer."""
    surface = judge_sources(
        {
            "app/__init__.py": "from app.rollout import server",
            "app/rollout/__init__.py": "",
            "app/rollout/server.py": "import os\n\nfrom engine.utils import (\n    gone,\n)\n",
        },
        ENGINE,
    )

    cause = surface.findings[0].cause
    assert str(cause.frame) == "app/rollout/server.py:3"
    assert cause.frame is not None
    assert cause.frame.source == "from engine.utils import gone"
    assert str(cause.provider) == "engine/utils.py:1"


def test_every_missing_name_of_a_module_is_listed(judge_sources: JudgeSources) -> None:
    """The search does not stop at the first missing name."""
    surface = judge_sources("from engine.utils import one, two\nimport engine.three", ENGINE)

    assert [finding.cause.first_line for finding in surface.findings] == [
        "cannot import name 'one' from 'engine.utils'",
        "cannot import name 'two' from 'engine.utils'",
        "No module named 'engine.three'",
    ]


def test_own_name_that_a_gate_left_out_is_missing(judge_sources: JudgeSources) -> None:
    """A consumer that binds a name for some versions only cannot import it at others."""
    surface = judge_sources(
        {
            "app/__init__.py": "from app.gate import LLM",
            "app/gate.py": """
                from importlib.metadata import version
                if version("engine") >= "5":
                    LLM = object
            """,
        },
        ENGINE,
    )

    assert _lines(surface) == ["cannot import name 'LLM' from 'app.gate'"]


def test_circular_imports_end(judge_sources: JudgeSources) -> None:
    """Modules of a consumer may import each other in circles."""
    surface = judge_sources(
        {
            "app/__init__.py": "from app import a",
            "app/a.py": "from app import b",
            "app/b.py": "from app import a\nfrom engine.utils import gone",
        },
        ENGINE,
    )

    assert _lines(surface) == ["cannot import name 'gone' from 'engine.utils'"]


def test_nothing_that_is_read_is_run(
    judge_sources: JudgeSources, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Packages whose import leaves a mark leave none, and do not enter `sys.modules`."""
    mark = tmp_path_factory.mktemp("mark") / "was-run"
    leaves_mark = f"open({str(mark)!r}, 'w').close()\n"

    surface = judge_sources(
        leaves_mark + "from engine.utils import get_port",
        {"engine/__init__.py": leaves_mark, "engine/utils.py": leaves_mark + "get_port = 1"},
    )

    assert not surface.is_broken
    assert not mark.exists()
    assert not {"app", "engine"} & set(sys.modules)


def _lines(surface: CellSurface) -> list[str]:
    return [finding.cause.first_line for finding in surface.findings]


def test_undecided_import_leaves_the_rung_open(judge_sources: JudgeSources) -> None:
    """Unknown is not passed: the record says what it lacks, with the place of the import."""
    app, engine = _UNKNOWN[0].values
    surface = judge_sources(app, engine)

    record = evidence_of(surface, cell_id=None, machine=MACHINE, duration_s=0.0)

    assert record.outcome is Outcome.SKIPPED
    assert record.cause is None
    assert "1 import, the first in app/__init__.py:1" in record.lacks[0]


def test_every_torch_known_here_was_built_with_distributed() -> None:
    """What the check takes for granted: builds for Linux with CUDA link NCCL, so they have it."""
    without = [
        release.version
        for release in load_exports().releases
        if not any("libnccl.so.2" in needed for needed in release.needed.values())
    ]

    assert without == []


_OPTIONAL = """\
from engine.utils import is_torch_available, is_other_available
try:
    if not is_torch_available():
        raise Missing()
except Missing:
    pass
else:
    from .parts import Model
try:
    if is_torch_available():
        raise Missing()
except Missing:
    class StandIn: ...
else:
    from .parts import Gone
try:
    if not is_other_available():
        raise Missing()
except Missing:
    pass
else:
    from .parts import Other
"""


@pytest.mark.parametrize(
    ("name", "weights"),
    [("Model", []), ("StandIn", []), ("Gone", [Weight.BROKEN]), ("Other", [Weight.UNKNOWN])],
)
def test_optional_part_of_a_release_is_there_when_its_condition_holds(
    judge_sources: JudgeSources, name: str, weights: list[Weight]
) -> None:
    """A `try` that certainly raises takes its handler, one that certainly does not its rest."""
    engine = {
        "engine/__init__.py": _OPTIONAL,
        "engine/parts.py": "class Model: ...\nclass Gone: ...\nclass Other: ...\n",
        "engine/utils.py": "",
    }

    surface = judge_sources(f"from engine import {name}", engine)

    assert [finding.weight for finding in surface.findings] == weights


def test_message_that_is_raised_reads_as_python_would_say_it(judge_sources: JudgeSources) -> None:
    """Versions are written into the message that people will search for."""
    app = (
        "from importlib.metadata import version\n"
        "found = version('engine')\n"
        "if found < '2':\n"
        "    raise ValueError(f'engine {found} is not supported')\n"
    )

    surface = judge_sources(app, {"engine/__init__.py": ""}, version="1.5")

    assert str(surface.findings[0].cause) == "ValueError: engine 1.5 is not supported"
