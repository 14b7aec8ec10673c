"""What the files of a site-packages say of its distributions, as far as loading goes.

Text of metadata, records and of torch's own modules; nothing of it is imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PRELOADED = re.compile(r"\"([a-z0-9_]+)\"[,:] *\"(lib[A-Za-z_-]+\.so\.\*\[0-9\])\"")
_FOR_TORCH = re.compile(r"torch[_-]?(\d)\.?(\d{1,2})(?!\d)")
_LABEL = re.compile(r"\+[a-z0-9.]*?torch(\d+\.\d+)")
_RECORDED = re.compile(rb"^\"?([^,\"\n]+\.so(?:\.\d+)*)\"?,", re.MULTILINE)


def torch_version(root: Path) -> str | None:
    """Return the version of torch with its local label, as torch itself tells it."""
    try:
        text = (root / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    told = re.search(r"^__version__ *(?:: *\w+ *)?= *['\"]([^'\"]+)", text, re.MULTILINE)
    return told[1] if told else None


def is_for_another_torch(name: str, torch: str) -> bool:
    """Return whether the file *name* says that it was built for another release than *torch*.

    Some distributions carry one build a release of torch and load the one whose name fits.

    Source: ``core.py`` of torch-c-dlpack-ext 0.1.5, read 2026-11-20.
    """
    tagged = _FOR_TORCH.search(name.rpartition("/")[2])
    if tagged is None:
        return False
    return [tagged[1], tagged[2]] != torch.partition("+")[0].split(".")[:2]


def labelled_torch(text: str) -> str | None:
    """Return the minor release of torch that a local version in *text* names, None for none.

    Source: ``setup.py`` of flash-attn 2.8.3, whose builds are called
    ``2.8.3+cu12torch2.8cxx11abiTRUE``, read 2026-11-20.
    """
    found = _LABEL.search(text)
    return found[1] if found else None


def exact_pin(root: Path, owner: str) -> str | None:
    """Return the release of torch that *owner* pins or is labelled for, None for neither."""
    try:
        path = root / f"{owner.replace(' ', '-')}.dist-info" / "METADATA"
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return labelled_torch(owner)
    pin = re.search(r"^Requires-Dist: torch *\(? *== *([0-9][0-9.]*)\)? *$", text, re.MULTILINE)
    return pin[1] if pin else labelled_torch(owner)


def recorded_objects(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield name and version of each distribution, with its shared objects inside of *root*."""
    for record in sorted(root.glob("*.dist-info/RECORD")):
        name, _, version = record.parent.name.removesuffix(".dist-info").rpartition("-")
        if name == "torch" or name.startswith(("nvidia_", "triton")):
            continue
        try:
            body = record.read_bytes()
        except OSError:
            continue
        paths = [match[1].decode("utf-8", "replace") for match in _RECORDED.finditer(body)]
        inside = [path for path in paths if ".." not in path.split("/") and path[0] != "/"]
        if inside:
            yield f"{name} {version}", inside


def preloaded(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield soname and file of the CUDA libraries that ``import torch`` opens by name.

    torch names them in its ``__init__``: those that libraries of wheels need and have no path
    to, such as NVRTC, which nothing of torch itself links to.

    Source: ``_load_global_deps`` in ``torch/__init__.py`` of torch 2.8.0 and 2.11.0, read
    2026-11-20.
    """
    try:
        text = (root / "torch" / "__init__.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for folder, pattern in _PRELOADED.findall(text):
        for path in sorted(root.glob(f"nvidia/*/lib/{pattern}")):
            if path.parts[-3] == folder or path.parts[-3].startswith("cu1"):
                yield path.name, path
