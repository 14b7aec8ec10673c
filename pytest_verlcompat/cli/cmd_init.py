"""Write a workflow that judges this repository's verl stack on every change.

  verlcompat init github
  verlcompat init gitlab --gpu-label h100 --against 'vllm==0.12.0,0.13.0'
  verlcompat init nox

Probes that need no GPU run on every change, the others on a runner with a label. Records are
kept as artifacts, with a summary and a badge. Nothing is overwritten without --force.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from pytest_verlcompat.errors import UsageError

if TYPE_CHECKING:
    import argparse

PLACES = {
    "github": ".github/workflows/verlcompat.yml",
    "gitlab": ".gitlab/verlcompat.yml",
    "nox": "noxfile_verlcompat.py",
    "tox": "tox-verlcompat.ini",
}
_TEMPLATES = {
    "github": "github.yml.j2", "gitlab": "gitlab.yml.j2", "nox": "nox.py.j2", "tox": "tox.ini.j2",
}  # fmt: skip
ACTIONS = {
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/upload-artifact": ("v7.0.0", "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"),
    "astral-sh/setup-uv": ("v10.0.1", "20cfd1bf945f4377ade1205e4dbc17946fc9a30d"),
}
"""Release and commit of each action.

Source: the tags of the repositories of these names, read 2026-11-20.
"""

_WORD = re.compile(r"[\w.-]+")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", choices=tuple(PLACES), help="what to write")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository")
    parser.add_argument(
        "--install",
        default="uv pip install -e . 'pytest-verlcompat[cli]'",
        metavar="COMMAND",
        help="how the stack gets into the environment (default: %(default)s)",
    )
    parser.add_argument(
        "--against", action="append", default=[], metavar="RELEASES", help="as pytest takes it"
    )
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="default: %(default)s")
    parser.add_argument("--branch", default="main", help="default: %(default)s")
    parser.add_argument(
        "--gpu-label", default="gpu", metavar="LABEL", help="of the runner (default: %(default)s)"
    )
    parser.add_argument(
        "--image", default="python:3.12-slim", help="of GitLab jobs (default: %(default)s)"
    )
    parser.add_argument(
        "--tags", action="store_true", help="name actions by release and not by commit"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    parser.add_argument("--print", action="store_true", help="print it, write nothing")


def execute(args: argparse.Namespace) -> int:
    """Return 0 after writing one file."""
    for name in ("python", "branch", "gpu_label"):
        if not _WORD.fullmatch(getattr(args, name).replace("/", "-")):
            raise UsageError(f"{getattr(args, name)!r} is not one word", where=f"--{name}")
    text = render(args)
    if args.print:
        print(text, end="")
        return 0
    path = args.root / PLACES[args.kind]
    if path.exists() and not args.force:
        raise UsageError("is there already; overwrite it with --force", where=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {PLACES[args.kind]}")
    return 0


def render(args: argparse.Namespace) -> str:
    """Return the file that *args* ask for."""
    # What a forge itself fills in is written with braces, so the templates use others.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 -- no HTML; words are checked and commands are the caller's
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    command = " ".join(_pytest_words(args))
    return environment.get_template(_TEMPLATES[args.kind]).render(
        branch=args.branch,
        gpu_label=args.gpu_label,
        image=args.image,
        install=args.install,
        install_words=_python_words(shlex.split(args.install)),
        path=PLACES[args.kind],
        python=args.python,
        run=command,
        run_words=_python_words(shlex.split(command)),
        quoted=lambda text: json.dumps(text, ensure_ascii=False),
        uses=lambda name: _uses(name, tags=args.tags),
    )


def _pytest_words(args: argparse.Namespace) -> list[str]:
    """Return the command that judges; a forge's summary is a file it names by a variable."""
    words = ["pytest", "--verlcompat", "-m", "verlcompat"]
    words += ["--verlcompat-evidence=verlcompat.jsonl"]
    if args.kind in {"github", "gitlab"}:
        github = args.kind == "github"
        summary = '"$GITHUB_STEP_SUMMARY"' if github else "verlcompat-summary.md"
        words += [f"--verlcompat-summary={summary}", "--verlcompat-badge=verlcompat-badge.json"]
    return words + [f"--verlcompat-against={shlex.quote(each)}" for each in args.against]


def _python_words(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _uses(name: str, *, tags: bool) -> str:
    release, commit = ACTIONS[name]
    return f"{name}@{release}  # may change" if tags else f"{name}@{commit}  # {release}"
