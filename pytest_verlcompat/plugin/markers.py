"""What the markers do: ``verl_requires`` skips, ``verl_xfail`` expects a known failure.

Registered only in a session that has a marked test. Names are checked when tests are collected,
so that a typing mistake ends the run before it starts.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_verlcompat.errors import UsageError, VerlcompatError
from pytest_verlcompat.issues.facts import Holds, any_holds
from pytest_verlcompat.model.outcome import Rung
from pytest_verlcompat.plugin.cells import stack_of
from pytest_verlcompat.plugin.devices import cuda_is_open, showing
from pytest_verlcompat.plugin.requirement import find_missing, parse_requirements
from pytest_verlcompat.process.gpu_lease import Lack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from packaging.specifiers import SpecifierSet

    from pytest_verlcompat.issues.catalogue import Entry
    from pytest_verlcompat.plugin.session_state import SessionState
    from pytest_verlcompat.plugin.stack import VerlStack

NAMES = frozenset({"verl_requires", "verl_xfail"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the ``verl_requires`` markers of one test ask for, together."""

    versions: Mapping[str, SpecifierSet]
    gpus: int
    rung: Rung | None
    probes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A known failure that a test is expected to show."""

    entry: Entry
    strict: bool


def collect_marked(state: SessionState, items: Iterable[pytest.Item]) -> Markers:
    """Return what the markers of *items* ask for.

    A marker that names what does not exist, or contradicts another, ends the run; a worker, which
    has no say in that, lets the test alone end with that error.

    Raises:
        pytest.UsageError: With the test and the mistake.
    """
    mistakes: dict[str, str] = {}
    needs: dict[str, Needs] = {}
    expected: dict[str, tuple[Expected, ...]] = {}
    for item in items:
        try:
            marks = list(item.iter_markers())
            asked = [mark for mark in marks if mark.name == "verl_requires"]
            if asked:
                needs[item.nodeid] = _read_needs(asked, state)
            hoped = [mark for mark in marks if mark.name == "verl_xfail"]
            if hoped:
                expected[item.nodeid] = tuple(_read_expected(each, state) for each in hoped)
        except VerlcompatError as error:
            if not hasattr(item.config, "workerinput"):
                raise pytest.UsageError(f"{item.nodeid}: {error}") from error
            mistakes[item.nodeid] = f"{item.nodeid}: {error}"
    return Markers(state, needs=needs, expected=expected, mistakes=mistakes)


class Markers:
    """Skips and expects, test by test."""

    def __init__(
        self,
        state: SessionState,
        *,
        needs: Mapping[str, Needs],
        expected: Mapping[str, tuple[Expected, ...]],
        mistakes: Mapping[str, str],
    ) -> None:
        self._state = state
        self._needs = needs
        self._expected = expected
        self._mistakes = mistakes
        self._lent: dict[str, contextlib.ExitStack] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the test where something it needs is missing; say what, exactly.

        GPUs that it needs are its own until it is torn down.
        """
        if item.nodeid in self._mistakes:
            pytest.fail(self._mistakes[item.nodeid], pytrace=False)
        needs = self._needs.get(item.nodeid)
        if needs is None:
            return
        with contextlib.ExitStack() as lent:
            missing = find_lacks(needs, stack_of(self._state, item), state=self._state, lent=lent)
            if missing:
                raise pytest.skip.Exception(f"needs {'; '.join(missing)}", _use_item_location=True)
            self._lent[item.nodeid] = lent.pop_all()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Give back the GPUs of the test, after its fixtures are done with them."""
        yield
        self._lent.pop(item.nodeid, contextlib.ExitStack()).close()

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        """Expect a failure that is known here, and fail where it does not show."""
        outcome = yield
        expected = self._expected.get(item.nodeid, ())
        if not expected or item.config.option.runxfail:
            return
        report: pytest.TestReport = outcome.get_result()
        if call.when == "teardown" or hasattr(report, "wasxfail"):
            return
        affected, unknown = self._affected(item, expected)
        if affected and call.excinfo is not None and not report.skipped:
            self._judge_failure(report, affected)
        elif affected and call.excinfo is None and call.when == "call":
            _judge_success(report, affected)
        elif report.failed and unknown:
            said = "; ".join(f"{each.entry.id}: {each.entry.title}" for each in unknown)
            report.sections.append(
                ("verlcompat", f"whether this stack is affected is not known here: {said}")
            )

    def _affected(
        self, item: pytest.Item, expected: Iterable[Expected]
    ) -> tuple[list[Expected], list[Expected]]:
        """Return those that the stack of *item* is affected by, and those nobody can tell."""
        facts = stack_of(self._state, item).facts
        answers = [(each, any_holds(each.entry.affected, facts)) for each in expected]
        return (
            [each for each, answer in answers if answer is Holds.YES],
            [each for each, answer in answers if answer is Holds.UNKNOWN],
        )

    def _judge_failure(self, report: pytest.TestReport, affected: list[Expected]) -> None:
        """Expect the failure if it reads like one of *affected*; any, if one prints nothing."""
        from pytest_verlcompat.issues.explain import explain_text

        text = "\n".join([report.longreprtext, *(body for _, body in report.sections)])
        # pytest sets this before each line of an exception.
        text = "\n".join(line.removeprefix("E   ") for line in text.splitlines())
        seen = {
            each.entry.id
            for each in explain_text(text, catalogue=[each.entry for each in affected]).explanations
        }
        for each in affected:
            if each.entry.id in seen or not each.entry.signatures:
                report.outcome = "skipped"
                report.wasxfail = f"{each.entry.id}: {each.entry.title}"
                return
        ids = ", ".join(each.entry.id for each in affected)
        report.sections.append(("verlcompat", f"expected {ids}, but this failure reads otherwise"))


def _judge_success(report: pytest.TestReport, affected: list[Expected]) -> None:
    said = "; ".join(f"{each.entry.id}: {each.entry.title}" for each in affected)
    if any(each.strict for each in affected):
        report.outcome = "failed"
        report.longrepr = (
            f"[XPASS(strict)] {said}\nThis stack is affected, says the known failure, and the test "
            "passed: upstream has fixed it, or what is written as affected is too wide."
        )
    else:
        report.wasxfail = said


def find_lacks(
    needs: Needs, stack: VerlStack, *, state: SessionState, lent: contextlib.ExitStack
) -> list[str]:
    """Return what is missing, cheapest question first; none is asked after one that failed.

    Args:
        lent: Takes the GPUs, which nobody else of ours gets while it is open.
    """
    missing = find_missing(needs.versions, stack.versions)
    if missing:
        return missing
    gpus = max(needs.gpus, 1 if needs.rung in {Rung.GPU, Rung.TRAIN} else 0)
    if gpus:
        lease = lent.enter_context(state.devices.borrow(gpus))
        if isinstance(lease, Lack):
            return [lease.text]
        if not cuda_is_open():  # what torch has opened already cannot be shown to it otherwise
            lent.enter_context(showing(lease))
    for name in needs.probes:
        result = stack.probe(name)
        if not result.passed:
            return [f"probe {name} ({result.record.outcome.value}: {result.why})"]
    return [] if needs.rung is None else _failed_below(needs.rung, stack)


def _failed_below(rung: Rung, stack: VerlStack) -> list[str]:
    """Return what failed on *rung* or below, of what this session has run up to now."""
    from pytest_verlcompat.model.verdict import judge

    return [
        f"rung {each.rung.value} ({each.subject} failed: {each.cause})"
        for each in judge(stack.records()).culprits
        if each.rung.order <= rung.order
    ][:1]


def _read_needs(marks: list[pytest.Mark], state: SessionState) -> Needs:
    texts: list[str] = []
    rungs: list[Rung] = []
    probes: list[str] = []
    gpus = 0
    for mark in marks:
        _reject_unknown(mark, {"gpus", "rung", "probe"})
        texts += _texts(mark)
        count = mark.kwargs.get("gpus", 0)
        if not isinstance(count, int) or count < 0:
            raise UsageError(f"verl_requires: gpus is {count!r}; write a number")
        gpus = max(gpus, count)
        if "rung" in mark.kwargs:
            rungs.append(_rung(mark.kwargs["rung"]))
        if "probe" in mark.kwargs:
            probes.append(state.find_probe(str(mark.kwargs["probe"])).name)
    return Needs(
        versions=parse_requirements(texts),
        gpus=gpus,
        rung=max(rungs, key=lambda rung: rung.order) if rungs else None,
        probes=tuple(probes),
    )


def _read_expected(mark: pytest.Mark, state: SessionState) -> Expected:
    _reject_unknown(mark, {"strict"})
    ids = _texts(mark)
    if len(ids) != 1:
        raise UsageError("verl_xfail: name one known failure, such as verl_xfail('VC082')")
    known = {entry.id: entry for entry in state.entries}
    if ids[0] not in known:
        near = _near(ids[0], known)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise UsageError(f"verl_xfail: no known failure {ids[0]!r}{hint}")
    return Expected(entry=known[ids[0]], strict=bool(mark.kwargs.get("strict", True)))


def _near(text: str, known: Iterable[str]) -> list[str]:
    """Return ids like *text*: the same with its number in full, else those spelt alike."""
    matched = re.fullmatch(r"([A-Za-z]+)\D?(\d+)", text)
    exact = f"{matched[1].upper()}{int(matched[2]):03}" if matched else ""
    return [exact] if exact in known else difflib.get_close_matches(text, list(known), n=3)


def _texts(mark: pytest.Mark) -> list[str]:
    for each in mark.args:
        if not isinstance(each, str):
            raise UsageError(f"{mark.name}: {each!r} is no text")
    return list(mark.args)


def _reject_unknown(mark: pytest.Mark, known: set[str]) -> None:
    for key in mark.kwargs:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{mark.name}: unknown argument {key!r}{hint} Known: {', '.join(sorted(known))}"
            )


def _rung(found: object) -> Rung:
    words = [rung.value for rung in Rung]
    if found not in words:
        near = difflib.get_close_matches(str(found), words, n=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise UsageError(f"verl_requires: no rung {found!r}{hint}. Rungs: {', '.join(words)}")
    return Rung(found)
