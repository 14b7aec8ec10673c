"""What ``verlcompat abi`` prints for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_verlcompat.checks.abi_symbols import render_versions
from pytest_verlcompat.model.finding import Weight
from pytest_verlcompat.wheels.symbols import newest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN = 6


def print_result(result: dict[str, Any]) -> None:
    """Print the verdict on one target, its reasons, and what it cost."""
    known = result["known_torch"]
    fits = render_versions(result["fits"], known) or "none known here"
    verdict = "loads" if result["loads"] else "cannot load"
    if result["torch"] is None:
        print(f"{result['target']}: loads with torch {fits}")
    else:
        how = "" if result["torch_is_asked"] else " (its metadata pins it)"
        print(f"{result['target']} beside torch {result['torch']}{how}: {verdict}")
    print_findings(result["findings"])
    print(f"  locked to torch? {result['locked']}")
    if result["torch"] is not None:
        print(f"  loads with torch {fits}")
    for key, words in (
        ("allowed_in_vain", "metadata allows, symbols do not"),
        ("forbidden_in_vain", "symbols allow, metadata does not"),
    ):
        if result[key]:
            print(f"  {words}: torch {render_versions(result[key], known)}")
    if result["built_for"]:
        print(f"  built for torch {render_versions(result['built_for'], known)}, by {_by(result)}")
    for line in [*_render_needs(result["extensions"]), *render_gpu_code(result["gpu_code"])]:
        print(f"  {line}")
    for problem in result["problems"]:
        print(f"  not judged: {problem}")
    if result["fallback"]:
        print(f"  {result['fallback']}")
    cost = f"{result['bytes_read']} bytes in {result['requests']} requests"
    print(f"  read {cost}, {result['duration_s']:.1f} s")


def _render_needs(extensions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield lines on what else the loader has to find."""
    if not extensions:
        yield "has no shared object"
        return
    bindings = Counter(each["binding"] for each in extensions)
    yield "binds to " + ", ".join(f"{words}: {count}" for words, count in sorted(bindings.items()))
    floors = [
        f"{name} {floor}"
        for name, key in (("glibc", "glibc"), ("GLIBCXX", "glibcxx"))
        if (floor := newest((f"G{each[key]}" for each in extensions if each[key]), prefix="G"))
    ]
    majors = sorted({major for each in extensions for major in each["cuda"]})
    floors += [f"CUDA {major}" for major in majors]
    if floors:
        yield f"needs {', '.join(floors)}"
    for key, words in (("nccl", "names of NCCL"), ("driver", "names of the driver's libcuda")):
        names = sorted({name for each in extensions for name in each[key]})
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            yield f"needs {words}: {', '.join(names[:_SHOWN])}{more}"


def _by(result: Mapping[str, Any]) -> str:
    """Return what tells for which torch it was built."""
    pinned = result["torch_pin"] and tuple(result["built_for"]) != tuple(result["fits"])
    return "its symbols and its metadata" if pinned else "its symbols"


def render_gpu_code(code: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield lines that say for which GPUs there is code, objects with the same together."""
    if code is None:
        return
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, found in code["architectures"].items():
        if found:
            groups.setdefault(tuple(found), []).append(name)
    for found, names in sorted(groups.items(), key=lambda group: group[1]):
        yield f"GPU code for {', '.join(found)}: {', '.join(sorted(names))}"
    if code["unread"]:
        cost = sum(code["unread"].values())
        yield (
            f"GPU code unknown: {', '.join(sorted(code['unread']))} (it stands compressed; "
            f"--gpu-code reads {cost} bytes for it)"
        )
    for problem in code["problems"]:
        yield f"GPU code unknown: {problem}"


def print_findings(findings: list[dict[str, Any]]) -> None:
    """Print findings, those with one cause together."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for finding in findings:
        message = finding["cause"]["first_line"].partition(": ")[2]
        groups.setdefault((finding["code"], message), []).append(finding)
    for group in groups.values():
        print_finding(group[0])
        names = [each["cause"]["first_line"].partition(": ")[0] for each in group[1:]]
        if names:
            print(f"    the same: {', '.join(names)}")


def print_finding(finding: dict[str, Any]) -> None:
    """Print one finding, its detail indented."""
    cause = finding["cause"]
    mark = "unknown: " if finding["weight"] == Weight.UNKNOWN.value else ""
    if finding["code"] == "no-code-for-gpu":
        mark = f"{finding['consumer']}: "
    print(f"  {mark}{cause['first_line']}")
    for line in (cause["detail"] or "").splitlines():
        print(f"    {line}")
