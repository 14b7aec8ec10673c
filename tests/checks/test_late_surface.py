"""Calls, look-ups and imports inside functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.model.finding import Weight

if TYPE_CHECKING:
    from tests.checks.conftest import JudgeSources

ENGINE = {
    "engine/__init__.py": "from .core import Engine, Kind, Params, build, start",
    "engine/core.py": """
        from dataclasses import dataclass
        from enum import Enum

        class Base:
            def __init__(self, config, *, rank=0): ...
            @classmethod
            def create(cls, config): ...

        class Engine(Base):
            pass

        class Kind(Enum):
            dense = 1

        @dataclass
        class Params:
            n: int
            top_p: float = 1.0

        def build(args, tasks=None): ...

        @wrapped
        def start(whatever): ...
    """,
}

_SUSPECT = [
    ("Engine(config=1, vllm_config=2)", "engine.Engine: unexpected keyword argument 'vllm_config'"),
    ("Engine(1, 2)", "engine.Engine: takes 1 positional arguments but 2 were given"),
    ("Engine()", "engine.Engine: missing required argument 'config'"),
    ("build(1, args=2)", "engine.build: multiple values for argument 'args'"),
    ("Params(n=1, seed=3)", "engine.Params: unexpected keyword argument 'seed'"),
    ("Kind.encoder_and_decoder", "'engine.Kind' has no attribute 'encoder_and_decoder'"),
    ("engine.core.gone()", "'engine.core' has no attribute 'gone'"),
]


@pytest.mark.parametrize(("expression", "expected"), _SUSPECT)
def test_call_that_does_not_fit_is_suspect(
    judge_sources: JudgeSources, expression: str, expected: str
) -> None:
    """A line that would raise is a suspect with both sides, not a verdict."""
    app = f"""
        import engine
        import engine.core
        from engine import Engine, Kind, Params, build, start
        def run():
            return {expression}
    """

    surface = judge_sources(app, ENGINE)

    assert not surface.is_broken
    assert [finding.cause.first_line for finding in surface.findings] == [expected]
    finding = surface.findings[0]
    assert finding.weight is Weight.SUSPECT
    assert finding.cause.frame is not None
    assert (finding.cause.frame.line, finding.cause.frame.function) == (6, "run")
    assert finding.cause.provider is not None
    assert finding.cause.provider.file == "engine/core.py"


_FITS = [
    "Engine(1, rank=2)",
    "Engine(1, **options)",
    "Engine(*everything)",
    "start(anything=1)",
    "Kind.dense",
    "Params(1, top_p=0.5)",
    "Kind[name]",
]


@pytest.mark.parametrize("expression", _FITS)
def test_call_that_fits_or_cannot_be_judged_is_silent(
    judge_sources: JudgeSources, expression: str
) -> None:
    """Unpacked arguments and unknown decorators are not judged."""
    app = f"""
        from engine import Engine, Kind, Params, start
        def run(options, everything, name):
            return {expression}
    """

    surface = judge_sources(app, ENGINE)

    assert surface.findings == ()


_ADAPTED = [
    """
    def run():
        names = inspect.signature(build).parameters
        if "supported" in names:
            build(1, supported=2)
        else:
            build(1)
    """,
    """
    def run():
        if version.parse(engine.__version__) >= version.parse("2.0"):
            build(1, supported=2)
    """,
    """
    def run():
        if version.parse(engine.__version__) < version.parse("2.0"):
            return
        build(1, supported=2)
    """,
    """
    def run():
        try:
            build(1, supported=2)
        except TypeError:
            build(1)
    """,
    """
    def run():
        if hasattr(engine, "gone"):
            engine.gone()
    """,
    """
    def run():
        try:
            from engine.moved import thing
        except ImportError:
            thing = None
    """,
    """
    def run(build):
        build(1, supported=2)
    """,
]


@pytest.mark.parametrize("body", _ADAPTED)
def test_code_that_adapts_to_the_provider_is_silent(judge_sources: JudgeSources, body: str) -> None:
    """Signature, version and attribute branches are followed as they would be taken."""
    head = (
        "import inspect\nimport engine\nfrom packaging import version\nfrom engine import build\n"
    )
    app = head + "\n".join(line[4:] for line in body.splitlines())

    surface = judge_sources(app, ENGINE)

    assert surface.findings == ()


def test_signature_branch_is_taken_when_the_parameter_exists(judge_sources: JudgeSources) -> None:
    """The branch for a parameter that exists is judged."""
    app = """
        import inspect
        from engine import build
        def run():
            if "tasks" in inspect.signature(build).parameters:
                build(1, tasks=2, other=3)
    """

    surface = judge_sources(app, ENGINE)

    assert [finding.cause.first_line for finding in surface.findings] == [
        "engine.build: unexpected keyword argument 'other'"
    ]


def test_import_in_a_function_says_when_it_matters(judge_sources: JudgeSources) -> None:
    """A late import is suspect under the conditions that stand before it."""
    app = """
        class Worker:
            def sync(self):
                if self.config.fp8:
                    from engine.core import gone
    """

    surface = judge_sources(app, ENGINE)

    assert not surface.is_broken
    finding = surface.findings[0]
    assert finding.cause.first_line == "cannot import name 'gone' from 'engine.core'"
    assert finding.cause.detail == "when Worker.sync() runs and self.config.fp8"
