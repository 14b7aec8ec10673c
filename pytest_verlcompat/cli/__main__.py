"""``python -m pytest_verlcompat.cli`` is the command ``verlcompat``."""

from __future__ import annotations

import sys

from pytest_verlcompat.cli import main

sys.exit(main())
