"""Say whether compiled extensions would load beside a torch, without a GPU.

  verlcompat abi 'vllm==0.11.0' --torch 2.9.1    a release on the index
  verlcompat abi build/_C.so --torch 2.8.0       a shared object, or a wheel on disk
  verlcompat abi --python .venv/bin/python       everything installed in an environment
  verlcompat abi --table --output FOLDER         every known extension against every torch
  verlcompat abi --index-torch 2.8.0             learn what a torch release exports
  verlcompat abi --index-torch all --check       read them again and compare

Exit status: 0 it loads, 1 it does not, any other: see the message.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from pytest_verlcompat.checks.abi_gpu import check_gpu_code, parse_capability
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
    find_built_for,
    find_crashes,
    find_pin_mismatch,
    is_locked,
)
from pytest_verlcompat.cli.abi_index import index_torch, write_table
from pytest_verlcompat.cli.abi_output import print_finding, print_result, render_gpu_code
from pytest_verlcompat.errors import ElfFormatError, UsageError
from pytest_verlcompat.model.codec import encode
from pytest_verlcompat.model.finding import Finding, Weight
from pytest_verlcompat.process.inventory import describe_machine
from pytest_verlcompat.process.run import Limits, run
from pytest_verlcompat.wheels.archive import InstalledTree, open_wheel
from pytest_verlcompat.wheels.cache import MemberCache, default_cache_folder
from pytest_verlcompat.wheels.exports import DEFAULT_MACHINE, TorchExports, load_tables
from pytest_verlcompat.wheels.gpu_code import REMOTE_BYTES, GpuCode, read_gpu_code
from pytest_verlcompat.wheels.index import IndexClient, IndexFile, choose_wheel
from pytest_verlcompat.wheels.needs import WheelNeeds, read_file_needs, read_needs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_verlcompat.wheels.symbols import ExtensionNeeds


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
    parser.add_argument(
        "--platform",
        default="manylinux_2_39_x86_64",
        help="newest tag to accept, such as manylinux_2_39_aarch64",
    )
    parser.add_argument("--no-cache", action="store_true", help="read everything anew")
    parser.add_argument(
        "--gpu",
        metavar="MAJOR.MINOR",
        action="append",
        help="compute capability to look for code for; default: this machine's GPUs",
    )
    parser.add_argument(
        "--gpu-code",
        action="store_true",
        help="read the GPU code of every object, though it costs the whole wheel",
    )
    parser.add_argument("--table", action="store_true", help="judge every known extension")
    parser.add_argument("--index-torch", nargs="+", metavar="VERSION", help="or 'all'")
    parser.add_argument(
        "--check", action="store_true", help="with --index-torch: compare, and write nothing"
    )
    parser.add_argument("--output", type=Path, help="where --table and --index-torch write")


def execute(args: argparse.Namespace) -> int:
    """Return 0 when everything that was asked for would load, 1 when something would not.

    Raises:
        UsageError: If the arguments ask for nothing, or for too much at once.
    """
    if args.index_torch:
        return index_torch(args)
    if args.table:
        return write_table(args)
    if args.python is not None:
        return _judge_installed(args)
    if not args.target:
        raise UsageError("name a target, --python, --table or --index-torch")
    cache = None if args.no_cache else MemberCache(default_cache_folder())
    tables = load_tables()
    devices = _devices(args)
    results = [
        _judge(target, args, tables=tables, cache=cache, devices=devices) for target in args.target
    ]
    if args.json:
        print(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    else:
        for result in results:
            print_result(result)
    return 0 if all(result["loads"] for result in results) else 1


def _devices(args: argparse.Namespace) -> tuple[tuple[int, int], ...]:
    """Return the compute capabilities that were asked for, or those of this machine."""
    told = args.gpu or [gpu.compute_capability for gpu in describe_machine().gpus]
    return tuple(sorted({parse_capability(text) for text in told if text}))


def _judge(
    target: str,
    args: argparse.Namespace,
    *,
    tables: Mapping[str, TorchExports],
    cache: MemberCache | None,
    devices: Iterable[tuple[int, int]],
) -> dict[str, Any]:
    """Return the verdict on one target as plain values."""
    started = time.monotonic()
    needs, gpu_code, consumer, read = _read_target(target, args, cache=cache)
    if needs.problems and not needs.extensions:
        raise ElfFormatError("; ".join(needs.problems), where=target)
    bound = [each for each in needs.extensions if each.torch]
    exports = _choose_table(bound, tables)
    crashes = find_crashes(needs, exports=exports)
    known = find_abi_range(bound, exports=exports)
    fits = tuple(version for version in known if version not in crashes)
    torch = args.torch or _pinned(needs.torch_pin, exports=exports)
    findings: tuple[Finding, ...] = ()
    if torch is not None:
        findings = tuple(check(needs, exports=exports, torch=torch, consumer=consumer))
    broken = any(each.weight is Weight.BROKEN or each.code == OTHER_CUDA for each in findings)
    findings += tuple(
        _check_devices(gpu_code, devices=devices, consumer=consumer, exports=exports, torch=torch)
    )
    too_wide, too_narrow = find_pin_mismatch(needs.torch_pin, fits=fits, known=exports.versions)
    return {
        "target": consumer,
        "wheel": needs.label,
        "machine": exports.machine,
        "torch": torch,
        "torch_is_asked": args.torch is not None,
        "loads": not broken if torch is not None else bool(fits) or not bound,
        "findings": encode(findings),
        "known_torch": exports.versions,
        "fits": fits,
        "built_for": find_built_for(needs, exports=exports) if bound else (),
        "crashes": crashes,
        "locked": is_locked(needs.extensions, fits=fits, known=exports.versions),
        "torch_pin": needs.torch_pin,
        "allowed_in_vain": too_wide if bound else (),
        "forbidden_in_vain": too_narrow if bound else (),
        "gpu_code": encode(gpu_code),
        "extensions": [
            {**asdict(each), "binding": each.binding.value} for each in needs.extensions
        ],
        "problems": needs.problems,
        "fallback": needs.fallback,
        "bytes_read": read[0],
        "requests": read[1],
        "duration_s": round(time.monotonic() - started, 3),
    }


def _check_devices(
    gpu_code: GpuCode,
    *,
    devices: Iterable[tuple[int, int]],
    consumer: str,
    exports: TorchExports,
    torch: str | None,
) -> Iterator[Finding]:
    """Yield who has no code for a device: the torch it stands beside, and the target itself."""
    listed = exports.release(torch).architectures if torch is not None else ()
    for device in devices:
        yield from check_gpu_code(
            {"its list of architectures": listed}, capability=device, consumer=f"torch {torch}"
        )
        if gpu_code.is_whole:  # what was not read may hold the code that is looked for
            yield from check_gpu_code(gpu_code.architectures, capability=device, consumer=consumer)


def _choose_table(
    bound: Sequence[ExtensionNeeds], tables: Mapping[str, TorchExports]
) -> TorchExports:
    """Return what is known of torch on the machine that the extensions are for."""
    machine = bound[0].machine if bound else DEFAULT_MACHINE
    return tables.get(machine) or TorchExports((), names=(), places=(), machine=machine)


def _pinned(pin: str | None, *, exports: TorchExports) -> str | None:
    """Return the one known release that metadata pins, None where it is not one."""
    if not pin:
        return None
    chosen = [version for version in exports.versions if version in SpecifierSet(pin)]
    return chosen[0] if len(chosen) == 1 else None


def _read_target(
    target: str, args: argparse.Namespace, *, cache: MemberCache | None
) -> tuple[WheelNeeds, GpuCode, str, tuple[int, int]]:
    """Return needs, GPU code and name, and bytes and requests that they cost."""
    path = Path(target)
    if path.is_dir():
        with InstalledTree(path) as tree:
            return read_needs(tree), read_gpu_code(tree), target, (0, 0)
    if path.is_file() and path.suffix == ".whl":
        with open_wheel(path) as wheel:
            return read_needs(wheel), read_gpu_code(wheel), target, (0, 0)
    if path.is_file():
        extension = read_file_needs(path)
        needs = WheelNeeds(label=path.name, extensions=(extension,), torch_pin=None, problems=())
        code = GpuCode(architectures={path.name: extension.architectures or ()})
        return needs, code, target, (0, 0)
    file = _find_file(target, args)
    limit = None if args.gpu_code else REMOTE_BYTES
    with open_wheel(file.url, digest=file.sha256, cache=cache) as remote:
        found = read_needs(remote, cache=cache)
        code = read_gpu_code(remote, limit_bytes=limit, cache=cache)
        cost = (remote.bytes_read, remote.requests_sent)
        return found, code, f"{file.project} {file.version}", cost


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
    report = check_installed(root, capabilities=_devices(args))
    duration_s = time.monotonic() - started
    loaded = _load(args, root, report.judged) if args.load else None
    code = read_gpu_code(InstalledTree(root)) if args.gpu_code else None
    broken = any(each.weight is Weight.BROKEN for each in report.findings)
    if args.json:
        body = {
            **encode(report),
            "duration_s": round(duration_s, 3),
            "loaded": loaded,
            "gpu_code": None if code is None else encode(code),
        }
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
        for line in render_gpu_code(None if code is None else encode(code)):
            print(f"  {line}")
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
