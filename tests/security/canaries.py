"""Secrets, users and homes, planted everywhere a run looks, and a search through all it leaves.

They stand in the environment, in the address of the index, in what a probe prints, raises and
returns, in a log and a launch script.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from tests.folder_index import add_release
from tests.tiny import TinyWorkspace, python_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

USER = "canaryuser"
SECRETS = {
    "HF_TOKEN": "hf_" + "Canary7" * 5,
    "WANDB_API_KEY": "ca0a9e" * 6 + "ca0a",
    "AWS_ACCESS_KEY_ID": "AKIACANARY0123456789",
    "AWS_SECRET_ACCESS_KEY": "canary/aws+secret/" + "K" * 22,
    "AZURE_CLIENT_SECRET": "canary~azure.client~secret",
    "GOOGLE_API_KEY": "AIza" + "Canary0" * 5,
    "OPENAI_API_KEY": "sk-canary" + "9" * 24,
    "GITHUB_TOKEN": "ghp_" + "Canary8" * 6,
    "MY_SERVICE_PASSWORD": "canary correct horse",
}
INDEX_PASSWORD = "canary-index-password"  # noqa: S105 -- planted to be looked for
UNKNOWN = "hf_" + "Unknown7" * 4
"""A token that no variable holds: only its shape tells."""
WORDS = (*SECRETS.values(), INDEX_PASSWORD, UNKNOWN)
_NOT_PUBLISHED = ("environments", "uv-cache")
"""Environments name the folder they lie in; they are of this machine and of nobody else."""


class _Index(SimpleHTTPRequestHandler):
    """Serves a folder to those who know the password."""

    def do_GET(self) -> None:
        """Answer, or ask for the password."""
        given = base64.b64encode(f"{USER}:{INDEX_PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {given}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@dataclass(frozen=True)
class Planted:
    """A home full of canaries."""

    home: Path
    environ: Mapping[str, str]

    @property
    def checkout(self) -> TinyWorkspace:
        """A checkout below the home."""
        return TinyWorkspace(root=self.home / "checkout")

    def write(self, name: str, text: str) -> Path:
        """Write an input, which is not looked through."""
        path = self.home / "inputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def find_leaks(self) -> tuple[int, list[str]]:
        """Return how many files were looked through, and where a canary was found."""
        count, leaks = 0, []
        for path in sorted(self.home.rglob("*")):
            parts = path.relative_to(self.home).parts
            if path.is_symlink() or not path.is_file() or parts[0] in {"inputs", "index"}:
                continue
            if parts[:2] == ("checkout", "scripts") or "__pycache__" in parts:
                continue
            count += 1
            body = path.read_bytes()
            words = [*WORDS] if {*parts} & {*_NOT_PUBLISHED} else [*WORDS, USER]
            if parts[0] == "printed":
                words = [*WORDS]  # a terminal is the user's own; files are not
            leaks += [f"{'/'.join(parts)}: {each}" for each in words if each.encode() in body]
        return count, leaks


@contextmanager
def plant(folder: Path) -> Iterator[Planted]:
    """Give a home with a checkout, an index that wants a password, and canaries in both."""
    home = folder / "home" / USER
    index = home / "index"
    for release in ("alpha 1.0", "beta 1.0", "beta 2.0"):
        name = release.partition(" ")[0]
        members = {f"{name}/__init__.py": "", **_record(release)}
        add_release(index, release, members, requires="beta" if name == "alpha" else "")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Index, directory=str(index)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://{USER}:{INDEX_PASSWORD}@127.0.0.1:{server.server_port}"
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environ = {
        **kept,
        **SECRETS,
        "HOME": str(home),
        "USER": USER,
        "LOGNAME": USER,
        "TMPDIR": str(_made(home / "tmp")),
        "UV_DEFAULT_INDEX": address,
        # Files on a page have no day, so an index of them is empty as of any day.
        "UV_FIND_LINKS": f"{address}/alpha/,{address}/beta/",
        "UV_CACHE_DIR": str(home / "uv-cache"),
        "UV_PYTHON": sys.executable,
        "PYTHONPATH": python_path(),
    }
    try:
        yield Planted(home=home, environ=environ)
    finally:
        server.shutdown()
        server.server_close()


def _record(release: str) -> dict[str, str]:
    name, version = release.split()
    home = f"{name}-{version}.dist-info"
    return {
        f"{home}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{home}/RECORD": "",
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _spill(home: Path) -> str:
    """Return the body of a probe that prints, stores, and raises every canary."""
    said = [*WORDS, f"{home}/secret.txt", f"https://{USER}:{INDEX_PASSWORD}@host/x"]
    return textwrap.dedent(
        f"""
        import os, sys
        said = {said!r}
        print(sorted(os.environ.items()))
        for each in said:
            print(each)
            print("x" * 300, each, file=sys.stderr)
        request["facts"]["said"] = said
        request["facts"][said[0]] = dict.fromkeys(said, said)
        if request["probe"].endswith("raises"):
            raise RuntimeError(" ".join(said))
        if request["probe"].endswith("lacks"):
            return {{"lacks": said}}
        return {{"condition": " ".join(said)}}
        """
    )


def _commands(planted: Planted, cell: str, python: str) -> list[list[str]]:
    """Return one command line or more of every verb."""
    home, root = planted.home, ["--root", str(planted.checkout.root)]
    log = planted.write("train.log", "\n".join([*WORDS, *(f"TOKEN={each}" for each in WORDS)]))
    log.write_text(
        log.read_text() + f"\nTraceback (most recent call last):\n"
        f'  File "{home}/train.py", line 1, in main\nImportError: {WORDS[0]} {home} '
        f"https://{USER}:{INDEX_PASSWORD}@host\n"
    )
    script = planted.write(
        "train.sh",
        "".join(f"export {name}='{value}'\n" for name, value in SECRETS.items())
        + f"python3 -m verl.trainer.main_ppo data.train_files={home}/x trainer.logger=wandb\n",
    )
    out = home / "out"
    records = planted.checkout.workspace.evidence / f"{cell}.jsonl"
    key = home / "inputs" / "key"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
    subprocess.run(words, check=True)
    allowed = planted.write("allowed", f"somebody {key.with_suffix('.pub').read_text()}")
    signers = ["--allowed-signers", str(allowed)]
    return [
        ["list", *root],
        ["lock", cell, *root],
        ["run", cell, *root, "--junit-xml", str(out / "j.xml"), "--ctrf", str(out / "c.json")],
        ["report", *root],
        ["report", "--format", "markdown", *root],
        ["ci-matrix", "--format", "github", "--untested", "cpu", *root],
        ["recipe", cell, "--output", str(out / "recipes"), *root],
        ["bisect", cell, "--axis", "beta", "--good", "1.0", "--probe", "spills_raises", *root],
        ["bundle", cell, "--out", str(out / "bundle"), "--compress", "gzip", *root],
        ["unbundle", str(out / "bundle"), "--into", str(out / "environments"), "--python", python],
        ["sign", "--key", str(key), str(records)],
        ["verify", str(records), *signers, *root],
        ["accept", str(records), *signers, *root],
        ["merge", str(records), *signers, *root],
        ["report", *root],
        ["explain", str(log)],
        ["explain", str(log), "--markdown"],
        ["explain", str(log), "--json"],
        ["launch", str(script), "--verl", "0.9.1"],
        ["launch-migrations", str(script.parent), "--to", "0.9.1", "--output", str(out / "m.json")],
        ["doctor", "--python", python, "--launch", str(script), "--json"],
        ["doctor", "--python", python, "--launch", str(script), "--markdown"],
        ["check", "alpha==1.0", "beta==1.0", "--evidence", str(out / "check.jsonl")],
        ["abi", "alpha==1.0", "--torch", "2.8.0"],
        ["resolve", "alpha==1.0", "--python", "3.12"],
        ["resolve", "missing==1.0", "--python", "3.12"],
        ["recommend", "--want", "alpha==1.0", *root],
        ["repair", "--python", python, *root],
        ["init", "github", "--root", str(out), "--install", "pip install ."],
        ["discover", *root, "--summary", str(out / "news.md")],
        ["space", *root],
        ["space-rungs", *root],
    ]


@dataclass(frozen=True)
class Found:
    """What was left behind."""

    files: int
    """That were looked through."""
    leaks: list[str]
    verbs: frozenset[str]
    """That were run."""
    hidden: int
    """Times that something was hidden in the records: the canaries did come that far."""
    status: int


def run_verbs(planted: Planted) -> Found:
    """Return what every verb, run once or more, left and printed."""
    checkout = planted.checkout
    checkout.declare_axes()
    for name in ("spills", "spills_raises", "spills_lacks"):
        checkout.write_probe(name, _spill(planted.home))
    cell = checkout.write_cell()
    venv = planted.home / "environments" / "patient"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    commands = _commands(planted, cell, str(venv / "bin" / "python"))
    listed = planted.write("commands.json", json.dumps(commands))
    printed = _made(planted.home / "printed")
    child = Path(__file__).with_name("canary_child.py")
    subprocess.run(
        [sys.executable, child, listed, printed, checkout.scripts],
        env=planted.environ,
        cwd=planted.home,
        check=True,
        timeout=300,
    )
    files, leaks = planted.find_leaks()
    return Found(
        files=files,
        leaks=leaks,
        verbs=frozenset(words[0].replace("-", "_") for words in commands),
        hidden=(checkout.workspace.evidence / f"{cell}.jsonl").read_text().count("<redacted>"),
        status=int((printed / "02-run.txt").read_text().split()[-1]),
    )


def run_pytest(planted: Planted) -> Found:
    """Return what ``pytest --verlcompat`` with every file it can write left and printed."""
    tests = _made(planted.home / "project")
    (tests / "test_own.py").write_text("def test_nothing() -> None:\n    assert True\n")
    scripts = planted.checkout.scripts
    for name in ("spills", "spills_raises", "spills_lacks"):
        planted.checkout.write_probe(name, _spill(planted.home), DISTRIBUTIONS=("pytest",))
    starter = planted.write(
        "start.py",
        "import sys\nfrom pathlib import Path\nimport pytest\n"
        "from pytest_verlcompat.probes import registry\n"
        f"registry.SCRIPTS = Path({str(scripts)!r})\nsys.exit(pytest.main(sys.argv[1:]))\n",
    )
    words = ["--verlcompat", "--verlcompat-evidence=e.jsonl", "--verlcompat-summary=s.md"]
    words += ["--verlcompat-badge=b.json", "--junitxml=j.xml", "-p", "no:xdist", "-v"]
    plugin = [] if _is_installed() else ["-p", "pytest_verlcompat.plugin"]
    ended = subprocess.run(
        [sys.executable, starter, *plugin, *words, str(tests)],
        env=planted.environ,
        cwd=tests,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (_made(planted.home / "printed") / "pytest.txt").write_text(ended.stdout + ended.stderr)
    files, leaks = planted.find_leaks()
    return Found(
        files=files,
        leaks=leaks,
        verbs=frozenset(),
        hidden=(tests / "e.jsonl").read_text().count("<redacted>"),
        status=ended.returncode,
    )


def _is_installed() -> bool:
    from importlib.metadata import entry_points  # noqa: PLC0415 -- of this one question

    return any(each.name == "verlcompat" for each in entry_points(group="pytest11"))
