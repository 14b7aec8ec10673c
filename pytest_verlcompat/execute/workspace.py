"""Where a checkout keeps things: declared, published, and local."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folders of one checkout."""

    root: Path
    shared: Path | None = None
    """Where what is local lies, if not below the root: several roots share its environments."""

    @property
    def matrix(self) -> Path:
        """Declared axes, cells and locks."""
        return self.root / "matrix"

    @property
    def locks(self) -> Path:
        """One folder a cell."""
        return self.matrix / "locks"

    @property
    def reports(self) -> Path:
        """What is published."""
        return self.root / "reports"

    @property
    def evidence(self) -> Path:
        """One JSON Lines file a cell."""
        return self.reports / "evidence"

    @property
    def local(self) -> Path:
        """What stays on this machine: environments, logs, locks of running processes."""
        return (self.shared or self.root) / ".verlcompat"

    @property
    def environments(self) -> Path:
        """One folder a lock."""
        return self.local / "environments"

    @property
    def logs(self) -> Path:
        """One file a log, named by its digest."""
        return self.local / "logs"

    def checkout_id(self) -> str:
        """Return an id drawn once for this checkout; it marks what was tried here."""
        path = self.local / "checkout-id"
        try:
            return path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn = uuid.uuid4().hex
            aside = path.with_name(f".{drawn}.new")
            aside.write_text(f"{drawn}\n", encoding="utf-8")
            with contextlib.suppress(FileExistsError):  # of two runs at once the first one draws
                path.hardlink_to(aside)
            aside.unlink()
            return self.checkout_id()


def find_workspace(start: Path) -> Workspace:
    """Return the checkout that *start* lies in, or the one at *start* itself if none is found."""
    for folder in (start, *start.parents):
        if (folder / "matrix" / "axes").is_dir():
            return Workspace(root=folder)
    return Workspace(root=start)
