"""What an extension costs a stranger, in files and lines. Run by ``nox -s bench``."""

from __future__ import annotations

import pytest

from tests.docs.extension import extension_files
from tests.figures import write_figures

pytestmark = pytest.mark.bench


def test_extension_costs_one_file_each() -> None:
    """A probe, a known failure and two tests that use them, as the documentation shows them."""
    files = extension_files()
    lines = {name: sum(map(bool, text.split("\n"))) for name, text in files.items()}
    write_figures(
        "extend_bench",
        title="A probe, a known failure and marked tests of a repository's own: files and lines",
        command="nox -s bench -- tests/benchmarks/test_extend_bench.py",
        figures={"files": len(lines), "lines": sum(lines.values())},
        rows=[{"what": name, "lines": count} for name, count in lines.items()],
    )

    assert len(lines) == 5
    assert sum(lines.values()) <= 60
