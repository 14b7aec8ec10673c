"""Write the pages of the site into a folder: ``python docs/generate FOLDER``.

What is written by hand under ``docs/`` is copied; each ``page_<name>.py`` of this folder renders
one page more from the package itself, which is read and, but for its parsers, not run.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent


def write_pages(folder: Path) -> list[Path]:
    """Return the pages in *folder*, which holds nothing else afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE.parent, folder, ignore=shutil.ignore_patterns(HERE.name, "__pycache__"))
    for path in sorted(HERE.glob("page_*.py")):
        page = importlib.import_module(path.stem)
        written = folder / page.PATH
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(page.render(), encoding="utf-8")
    return sorted(folder.rglob("*.md"))


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 -- the program and its one argument
        sys.exit("usage: python docs/generate FOLDER")
    print(f"{len(write_pages(Path(sys.argv[1])))} pages")  # noqa: T201 -- a script's answer
