"""Which packages, modules and launch scripts are a repository's own; told by its folders alone.

Nothing heavy is imported, because a run that only collects asks this too.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_STACK = re.compile(rb"^\s*(?:from|import)\s+(?:verl|vllm|sglang)\b", re.MULTILINE)
_NOT_OURS = frozenset({"build", "dist", "node_modules", "site-packages", "venv"})
_NOT_MODULES = frozenset({"conftest.py", "noxfile.py", "setup.py"})
_MOST_FILES = 5000
_STARTS = b"verl.trainer"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSources:
    """The packages and modules of a repository."""

    name: str
    """Of the folder they lie in."""
    tops: tuple[Path, ...]
    """Each package's folder or module's file; what is beside them is not read."""

    def files(self) -> Iterator[Path]:
        """Yield the Python files, at most 5000."""
        left = _MOST_FILES
        for top in self.tops:
            for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
                if left == 0:
                    return
                left -= 1
                yield path

    @property
    def use_the_stack(self) -> bool:
        """Whether some file imports verl, vLLM or SGLang, as its text says."""
        return any(_STACK.search(path.read_bytes()) for path in self.files())


def find_sources(root: Path, declared: Sequence[Path] = ()) -> OwnSources:
    """Return the sources of the repository at *root*.

    Args:
        declared: Folders to look in; else ``src`` where it is, or *root* itself. A folder that
            is a package counts as one, of any other the packages and modules in it do.
    """
    source = root / "src"
    folders = tuple(declared) or ((source,) if source.is_dir() else (root,))
    tops: dict[str, Path] = {}
    for folder in folders:
        for top in [folder] if (folder / "__init__.py").is_file() else _tops(folder):
            tops.setdefault(top.stem, top)
    return OwnSources(name=root.resolve().name, tops=tuple(tops.values()))


def _tops(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.name
        if name.startswith((".", "_")) or name in _NOT_OURS | _NOT_MODULES:
            continue
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.is_file()):
            yield path


def find_scripts(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files of *patterns* below *root* that start a trainer of verl, in name order."""
    found = {path for pattern in patterns for path in root.glob(pattern) if path.is_file()}
    return sorted(path for path in found if _STARTS in path.read_bytes()[:_MOST_BYTES])


def sources_sha256(sources: OwnSources) -> str:
    """Return the digest of all files, by which a record knows what it judged."""
    digest = hashlib.sha256()
    for path in sources.files():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find_shadowed(sources: OwnSources, folders: Iterable[Path]) -> list[str]:
    """Return own top-level names that something installed has too, ``tests (verl)`` each.

    Which of the two an import gives depends on the order of ``sys.path``.
    """
    names = {top.stem for top in sources.tops}
    found = []
    for folder in folders:
        for metadata in sorted(folder.glob("*.dist-info")):
            owner = metadata.name.partition("-")[0]
            found += [f"{name} ({owner})" for name in sorted(names & _installed_tops(metadata))]
    return found


def _installed_tops(metadata: Path) -> set[str]:
    try:
        lines = (metadata / "RECORD").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    if any(line.startswith("__editable__") for line in lines):
        return set()  # these are the repository's own
    return {line.partition(",")[0].partition("/")[0].removesuffix(".py") for line in lines}
