"""``verlcompat check`` as people type it, against an index in a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_verlcompat.cli import main
from tests.folder_index import add_release, configure_index

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "verl/workers/rollout/vllm_rollout/vllm_async_server.py"
VERL = {
    "verl/__init__.py": "",
    "verl/trainer/__init__.py": "",
    "verl/trainer/main_ppo.py": "import ray\n",
    "verl/workers/__init__.py": "",
    "verl/workers/rollout/__init__.py": "",
    "verl/workers/rollout/vllm_rollout/__init__.py": "",
    SERVER: "from vllm.utils import get_tcp_uri\n",
    "verl/workers/dead/old.py": "from vllm.never import there\n",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package index in a folder, configured as the only one."""
    root = tmp_path / "index"
    add_release(root, "verl 0.6.0", VERL)
    add_release(root, "vllm 0.8.4", {"vllm/__init__.py": "", "vllm/utils.py": ""})
    add_release(root, "vllm 0.8.5", {"vllm/__init__.py": "", "vllm/utils.py": ""})
    there = {"vllm/__init__.py": "", "vllm/utils.py": "\ndef get_tcp_uri(ip, port): ...\n"}
    add_release(root, "vllm 0.9.0", there)
    configure_index(root, tmp_path / "cache", monkeypatch)
    return root


@pytest.mark.usefixtures("index")
def test_broken_pair_ends_with_1_and_both_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """The first missing name is printed with the consumer's line and the provider's."""
    status = main(["check", "verl==0.6.0", "vllm==0.8.5", "--no-resolve"])

    printed = capsys.readouterr().out
    assert status == 1
    assert "verl 0.6.0 with vllm 0.8.5: incompatible" in printed
    assert "ImportError: cannot import name 'get_tcp_uri' from 'vllm.utils'" in printed
    assert f"{SERVER}:1" in printed
    assert "vllm/utils.py:2" in printed
    assert "vllm 0.9.0: def get_tcp_uri(ip, port)" in printed
    assert "in vllm 0.8.4 to 0.8.5" in printed
    assert "loads     untested" in printed


@pytest.mark.usefixtures("index")
def test_fitting_pair_ends_with_0_though_dead_code_would_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A miss in a module that no root reaches does not redden the cell."""
    status = main(["check", "verl==0.6.0", "vllm==0.9.0", "--no-resolve"])

    assert status == 0
    assert "verl 0.6.0 with vllm 0.9.0: compatible" in capsys.readouterr().out


@pytest.mark.usefixtures("index")
def test_json_holds_the_verdict_its_rungs_and_the_findings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A program reads the same as people do."""
    status = main(["check", "verl==0.6.0", "vllm==0.8.5", "--json", "--no-resolve"])

    found = json.loads(capsys.readouterr().out)
    assert status == 1
    assert found["verdict"] == "incompatible"
    assert found["rungs"]["imports"] == {"state": "failed", "roles": {"vllm-async": "broken"}}
    assert found["rungs"]["resolves"]["state"] == "untested"
    assert found["findings"][0]["since"] == "0.8.4"
    assert found["findings"][0]["cause"]["frame"]["file"] == SERVER


@pytest.mark.usefixtures("index")
def test_downstream_source_tree_is_judged_in_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any repository can be the consumer; each of its modules is a root."""
    source = tmp_path / "mine" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from vllm.utils import get_tcp_uri\n")

    status = main(["check", "--source", str(tmp_path / "mine"), "vllm==0.8.5", "--no-ranges"])

    assert status == 1
    assert "mine/__init__.py:1" in capsys.readouterr().out


@pytest.mark.usefixtures("index")
def test_several_releases_of_a_provider_are_cells_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command tells a downstream repository which releases it works with."""
    source = tmp_path / "mine" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from vllm.utils import get_tcp_uri\n")
    words = ["check", "--source", str(tmp_path / "mine"), "vllm==0.8.5", "vllm==0.9.0", "--json"]

    status = main([*words, "--no-ranges", "--no-loads"])

    cells = json.loads(capsys.readouterr().out)["cells"]
    assert status == 1
    assert [(cell["providers"], cell["verdict"]) for cell in cells] == [
        (["vllm 0.8.5"], "incompatible"),
        (["vllm 0.9.0"], "compatible"),
    ]


def test_source_tree_is_judged_beside_what_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Own imports meet the installed stack: a missing name, and a module nobody installed."""
    source = tmp_path / "mine" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from vllm.utils import get_tcp_uri\nimport absent\n")
    site = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    (site / "vllm-0.8.5.dist-info").mkdir(parents=True)
    (site / "vllm").mkdir()
    (site / "vllm" / "__init__.py").write_text("")
    (site / "vllm" / "utils.py").write_text("")

    status = main(["check", "--source", str(tmp_path / "mine"), "--python", str(tmp_path / "venv")])

    printed = capsys.readouterr().out
    assert status == 1
    assert "cannot import name 'get_tcp_uri' from 'vllm.utils'" in printed
    assert "No module named 'absent'" in printed


def test_source_tree_may_use_an_installed_verl(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verl, which is otherwise the one that imports, is a provider of what depends on it."""
    source = tmp_path / "mine" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from verl.trainer import here, gone\n")
    site = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    (site / "verl-0.6.1.dist-info").mkdir(parents=True)
    (site / "verl").mkdir()
    (site / "verl" / "__init__.py").write_text("")
    (site / "verl" / "trainer.py").write_text("here = 1\n")

    status = main(["check", "--source", str(tmp_path / "mine"), "--python", str(tmp_path / "venv")])

    said = capsys.readouterr().out
    assert status == 1
    assert "cannot import name 'gone' from 'verl.trainer'" in said
    assert "'here'" not in said


def test_environment_is_read_and_never_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same verdict comes from site-packages, and no installed module is run."""
    mark = tmp_path / "was-run"
    site = tmp_path / "venv" / "lib" / "python3.12" / "site-packages"
    leaves_mark = f"open({str(mark)!r}, 'w')\n"
    files = {**VERL, "vllm/__init__.py": leaves_mark, "vllm/utils.py": leaves_mark}
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if name.startswith("vllm") else leaves_mark + text)
    for name in ("verl-0.6.0", "vllm-0.8.5", "ray-2.60.0"):
        (site / f"{name}.dist-info").mkdir()
    (site / "ray").mkdir()

    status = main(["check", "--python", str(tmp_path / "venv" / "bin" / "python")])

    printed = capsys.readouterr().out
    assert status == 1
    assert "cannot import name 'get_tcp_uri' from 'vllm.utils'" in printed
    assert f"{SERVER}:2" in printed
    assert not mark.exists()


_MISTAKES = [
    (["check", "verl==0.6.0", "vllm==9.9"], "the index has no vllm 9.9; the newest are 0.8.4"),
    (["check", "verl==0.6.0", "vllm>=0.8"], "names a range; pin one release with =="),
    (["check", "verl==0.6.0"], "name at least one release to judge against"),
    (["check"], "name two releases"),
    (["check", "verl==0.6.0", "vllm==0.9.0", "--role", "x"], "no role that these releases"),
]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(("argv", "message"), _MISTAKES)
def test_mistakes_of_the_caller_end_with_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    """A mistake is neither compatible nor incompatible."""
    status = main([*argv, "--no-resolve"])

    assert status == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("index")
def test_evidence_of_a_check_is_a_record_of_rung_imports(tmp_path: Path) -> None:
    """The result can be kept like any other."""
    path = tmp_path / "evidence.jsonl"

    main(["check", "verl==0.6.0", "vllm==0.8.5", "--no-resolve", "--evidence", str(path)])

    record = json.loads(path.read_text())
    assert (record["rung"], record["outcome"]) == ("imports", "failed")
    assert record["cause"]["first_line"] == "cannot import name 'get_tcp_uri' from 'vllm.utils'"
