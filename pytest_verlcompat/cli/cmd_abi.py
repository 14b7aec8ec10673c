"""Say whether compiled extensions would load beside a torch, without a GPU.

  verlcompat abi 'vllm==0.11.0' --torch 2.9.1    a release on the index
  verlcompat abi build/_C.so --torch 2.8.0       a shared object, or a wheel on disk
  verlcompat abi --python .venv/bin/python       everything installed in an environment
  verlcompat abi --table --output FOLDER         every known extension against every torch
  verlcompat abi --index-torch 2.8.0             learn what a torch release exports

Exit status: 0 it loads, 1 it does not, any other: see the message.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pytest_verlcompat.checks.abi_live import check_installed
from pytest_verlcompat.checks.abi_load import (
    build_driver_stub,
    find_driver_names,
    has_driver,
    load_libraries,
)
from pytest_verlcompat.checks.abi_symbols import (
    OTHER_CUDA,
    check,
    find_abi_range,
    find_crashes,
    find_pin_mismatch,
    is_locked,
)
from pytest_verlcompat.checks.abi_table import find_wheels, make_table, render_table
from pytest_verlcompat.cli.abi_output import print_finding, print_result
from pytest_verlcompat.errors import ElfFormatError, UsageError
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.wheels.archive import InstalledTree, open_wheel
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.exports import (
    load_exports,
    merge_exports,
    parse_exports,
    read_release,
    render_exports,
)
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.needs import WheelNeeds, read_file_needs, read_needs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from pytest_verlcompat.wheels.exports import ReleaseExports, TorchExports

_DATA = Path(__file__).parent.parent / "wheels" / "data" / "torch_exports.xz"
_TABLE_COMMAND = "verlcompat abi --table --output FOLDER"
_FIRST_TORCH = Version("2.4")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "target", nargs="*", help="NAME==VERSION on the index, a .whl, a .so or a folder"
    )
    parser.add_argument(
        "--torch", help="release of torch to judge beside, such as 2.8.0 or 2.8.0+cu126"
    )
    parser.add_argument("--python", type=Path, help="interpreter (or site-packages) to judge")
    parser.add_argument("--load", action="store_true", help="with --python: also load for real")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--python-version", default="3.12", help="which wheels of an index to take")
    parser.add_argument("--platform", default="manylinux_2_39_x86_64", help="newest tag to accept")
    parser.add_argument("--no-cache", action="store_true", help="read everything anew")
    parser.add_argument("--table", action="store_true", help="judge every known extension")
    parser.add_argument("--index-torch", nargs="+", metavar="VERSION", help="or 'all'")
    parser.add_argument("--output", type=Path, help="where --table and --index-torch write")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when everything that was asked for would load, 1 when something would not.

    Raises:
        UsageError: If the arguments ask for nothing, or for too much at once.
    """
    if args.index_torch:
        return _index_torch(args)
    if args.table:
        return _make_table(args)
    if args.python is not None:
        return _judge_installed(args)
    if not args.target:
        raise UsageError("name a target, --python, --table or --index-torch")
    cache = None if args.no_cache else MemberCache(default_cache_folder())
    exports = load_exports()
    results = [_judge(target, args, exports=exports, cache=cache) for target in args.target]
    if args.json:
        print(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    else:
        for result in results:
            print_result(result, exports=exports)
    return 0 if all(result["loads"] for result in results) else 1


def _judge(
    target: str, args: argparse.Namespace, *, exports: TorchExports, cache: MemberCache | None
) -> dict[str, Any]:
    """Return the verdict on one target as plain values."""
    started = time.monotonic()
    needs, consumer, read = _read_target(target, args, cache=cache)
    if needs.problems and not needs.extensions:
        raise ElfFormatError("; ".join(needs.problems), where=target)
    bound = [each for each in needs.extensions if each.torch]
    crashes = find_crashes(needs, exports=exports)
    known = find_abi_range(bound, exports=exports)
    fits = tuple(version for version in known if version not in crashes)
    torch = args.torch or _pinned(needs.torch_pin, exports=exports)
    findings: tuple[Finding, ...] = ()
    if torch is not None:
        findings = tuple(check(needs, exports=exports, torch=torch, consumer=consumer))
    broken = any(each.weight is Weight.BROKEN or each.code == OTHER_CUDA for each in findings)
    too_wide, too_narrow = find_pin_mismatch(needs.torch_pin, fits=fits, known=exports.versions)
    return {
        "target": consumer,
        "wheel": needs.label,
        "torch": torch,
        "torch_is_asked": args.torch is not None,
        "loads": not broken if torch is not None else bool(fits) or not bound,
        "findings": encode(findings),
        "fits": fits,
        "crashes": crashes,
        "locked": is_locked(needs.extensions, fits=fits, known=exports.versions),
        "torch_pin": needs.torch_pin,
        "allowed_in_vain": too_wide if bound else (),
        "forbidden_in_vain": too_narrow if bound else (),
        "extensions": [
            {**asdict(each), "binding": each.binding.value} for each in needs.extensions
        ],
        "problems": needs.problems,
        "fallback": needs.fallback,
        "bytes_read": read[0],
        "requests": read[1],
        "duration_s": round(time.monotonic() - started, 3),
    }


def _pinned(pin: str | None, *, exports: TorchExports) -> str | None:
    """Return the one known release that metadata pins, None where it is not one."""
    if not pin:
        return None
    chosen = [version for version in exports.versions if version in SpecifierSet(pin)]
    return chosen[0] if len(chosen) == 1 else None


def _read_target(
    target: str, args: argparse.Namespace, *, cache: MemberCache | None
) -> tuple[WheelNeeds, str, tuple[int, int]]:
    """Return needs, name, and bytes and requests that they cost."""
    path = Path(target)
    if path.is_dir():
        with InstalledTree(path) as tree:
            return read_needs(tree), target, (0, 0)
    if path.is_file() and path.suffix == ".whl":
        with open_wheel(path) as wheel:
            return read_needs(wheel), target, (0, 0)
    if path.is_file():
        extension = read_file_needs(path)
        needs = WheelNeeds(label=path.name, extensions=(extension,), torch_pin=None, problems=())
        return needs, target, (0, 0)
    file = _find_file(target, args)
    with open_wheel(file.url, digest=file.sha256, cache=cache) as remote:
        found = read_needs(remote, cache=cache)
        cost = (remote.bytes_read, remote.requests_sent)
        return found, f"{file.project} {file.version}", cost


def _find_file(target: str, args: argparse.Namespace) -> IndexFile:
    """Return the wheel on the index that *target* names.

    Raises:
        UsageError: If it is neither a file nor a requirement with ``==``, or has no wheel.
    """
    try:
        requirement = Requirement(target)
    except InvalidRequirement as error:
        raise UsageError(f"{target!r} is neither a file nor a requirement") from error
    pins = [each.version for each in requirement.specifier if each.operator == "=="]
    if len(pins) != 1:
        raise UsageError(f"{target!r} names no single release; write {requirement.name}==VERSION")
    files = IndexClient.configured().releases(requirement.name)
    if not files:
        raise UsageError(f"no index that is configured knows {requirement.name!r}")
    chosen = choose_wheel(
        files, version=pins[0], python=args.python_version, platform=args.platform
    )
    if chosen is None:
        there = sorted({file.version for file in files if file.is_wheel})
        near = ", ".join(str(version) for version in there[-5:]) or "none"
        raise UsageError(
            f"{target!r} has no wheel for Python {args.python_version} and {args.platform}; "
            f"newest releases with wheels: {near}. A source distribution is built against the "
            "torch at hand: judge the .so that it gave"
        )
    return chosen


def _judge_installed(args: argparse.Namespace) -> int:
    started = time.monotonic()
    root = find_site_packages(args.python)
    report = check_installed(root)
    duration_s = time.monotonic() - started
    loaded = _load(args, root, report.judged) if args.load else None
    broken = any(each.weight is Weight.BROKEN for each in report.findings)
    if args.json:
        body = {**encode(report), "duration_s": round(duration_s, 3), "loaded": loaded}
        print(json.dumps(body, indent=2))
    else:
        verdict = "nothing of it" if report.torch is None else f"torch {report.torch}"
        count = len(report.judged)
        print(f"installed: {verdict}; {count} of {report.scanned} shared objects link to torch")
        for finding in report.findings:
            print(f"{finding.consumer} beside {finding.provider}:")
            print_finding(encode(finding))
        for line in loaded or ():
            print(f"  loaded for real: {line}")
        end = "something would not load" if broken else "nothing of torch is missing"
        print(f"{end}, {duration_s:.2f} s")
    return 1 if broken else 0


def _load(args: argparse.Namespace, root: Path, names: Iterable[str]) -> list[str]:
    """Return a line for each extension that was loaded for real, and what that proves."""
    libraries = [root / name for name in names]
    with tempfile.TemporaryDirectory(prefix="verlcompat-load-") as scratch:
        folder = Path(scratch)
        stub = None
        proves = "with this machine's driver"
        if not has_driver():
            wanted = find_driver_names(libraries)
            stub = build_driver_stub(folder, names=wanted)
            proves = f"with a stub libcuda.so.1 ({len(wanted)} names): says nothing of a driver"
        results = load_libraries(args.python, libraries, folder=folder, stub=stub)
    lines = [f"{Path(each.library).name}: {each.error or 'loads'}" for each in results]
    return [proves, *lines]


def find_site_packages(python: Path) -> Path:
    """Return the site-packages of *python*: an interpreter, its environment, or that folder.

    Raises:
        UsageError: If there is none.
    """
    if python.is_dir():
        found = sorted(python.glob("lib/python3*/site-packages"))
        return found[0] if found else python
    environment = python.parent.parent
    found = sorted(environment.glob("lib/python3*/site-packages"))
    if (environment / "pyvenv.cfg").is_file() and len(found) == 1:
        return found[0]
    if not python.is_file():
        raise UsageError(f"{str(python)!r} is neither an interpreter nor a folder")
    with tempfile.TemporaryDirectory(prefix="verlcompat-python-") as scratch:
        told = Path(scratch, "told")
        run(
            [python, "-I", "-c", "import sysconfig; print(sysconfig.get_paths()['platlib'])"],
            env={"PATH": os.environ.get("PATH", "")},
            cwd=Path(scratch),
            limits=Limits(timeout_s=30),
            output=told,
        )
        text = told.read_text().strip()
    if not text or not Path(text).is_dir():
        raise UsageError(f"{str(python)!r} does not say where its packages are")
    return Path(text)


def _make_table(args: argparse.Namespace) -> int:
    started = time.monotonic()
    cache = None if args.no_cache else MemberCache(default_cache_folder())
    exports = load_exports()
    files = list(find_wheels(IndexClient.configured()))
    rows = make_table(files, exports=exports, cache=cache, told=_tell)
    duration_s = time.monotonic() - started
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
        body = {
            "title": "Extension wheels against torch releases, by symbols",
            "command": _TABLE_COMMAND,
            "torch": exports.versions,
            "rows": [
                {key: value for key, value in asdict(row).items() if key not in _MEASURED}
                for row in rows
            ],
        }
        text = json.dumps(body, indent=1)
        (args.output / "abi_table.json").write_text(text + "\n", encoding="utf-8")
        markdown = render_table(rows, exports=exports, command=_TABLE_COMMAND)
        (args.output / "abi_table.md").write_text(markdown, encoding="utf-8")
    read = sum(row.bytes_read for row in rows)
    against = f"{len(rows)} wheels against {len(exports.releases)} torch releases"
    _tell(f"{against}, {read} bytes read, {duration_s:.1f} s")
    return 0


_MEASURED = frozenset({"bytes_read", "duration_s"})
"""Columns that differ from run to run and say nothing about a wheel."""


def _index_torch(args: argparse.Namespace) -> int:
    target = args.output or _DATA
    exports = parse_exports(target.read_bytes()) if target.is_file() else load_exports()
    client = IndexClient.configured()
    files = client.releases("torch")
    wanted = args.index_torch
    if wanted == ["all"]:
        versions = {f.version for f in files if f.version >= _FIRST_TORCH}
        wanted = [str(v) for v in sorted(versions) if not v.is_prerelease]
    added: list[ReleaseExports] = []
    try:
        for version in wanted:
            file = choose_wheel(
                files, version=version, python=args.python_version, platform=args.platform
            )
            if file is None:
                raise UsageError(f"torch {version} has no wheel for Python {args.python_version}")
            added.append(_read_torch(file, client=client))
    finally:
        # A wheel that cannot be read must not cost those that were.
        if added:
            _write_exports(merge_exports(exports, added), target=target)
    return 0


def _read_torch(file: IndexFile, *, client: IndexClient) -> ReleaseExports:
    started = time.monotonic()
    with open_wheel(file.url, digest=file.sha256, transport=client.transport) as wheel:
        found = read_release(wheel, version=str(file.version), sha256=file.sha256)
        cost = wheel.bytes_read
    count = sum(map(len, found.names.values()))
    duration_s = time.monotonic() - started
    _tell(f"torch {file.version}: {count} names, {cost} bytes read, {duration_s:.1f} s")
    return found


def _write_exports(exports: TorchExports, *, target: Path) -> None:
    body = render_exports(exports)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    each = len(body) // len(exports.releases)
    _tell(f"{target.name}: {len(exports.releases)} releases, {len(body)} bytes, {each} for each")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
