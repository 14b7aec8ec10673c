"""Run one probe script in the interpreter under test and leave its reply as a file.

Called as ``python _runner.py SCRIPT CONTROL``: reads ``CONTROL/input.json``, writes
``CONTROL/output.json`` (aside first, then renamed). It imports nothing but the standard
library, because nothing of ours is installed where it runs. What the probe prints is a log.
"""

import faulthandler
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import traceback

_DETAIL_LINES = 40
_LINE_CHARACTERS = 500


def main(script, control):
    """Return 0 when a reply was left, whatever the probe found."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sys.path[:] = [
        entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))
    ]
    with open(os.path.join(control, "input.json"), encoding="utf-8") as handle:
        request = json.load(handle)
    facts = request.setdefault("facts", {})
    try:
        found = _load(script).probe(request) or {}
        reply = {
            "lacks": [str(each) for each in found.pop("lacks", ())],
            "condition": found.pop("condition", None),
            "facts": {**facts, **found},
        }
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: whatever the stack raises is the result
        traceback.print_exc()
        reply = {"facts": facts, "cause": _describe(error, script)}
    sys.stdout.flush()
    sys.stderr.flush()
    _write(control, reply)
    return 0


class _Fresh(importlib.machinery.SourceFileLoader):
    """Compiles the script as it is now; a cached form may be of an edit within the same second."""

    def get_code(self, fullname):  # noqa: ARG002 -- the loader's protocol
        return self.source_to_code(self.get_data(self.path), self.path)


def _load(script):
    name = "_verlcompat_probe"
    spec = importlib.util.spec_from_file_location(name, script, loader=_Fresh(name, script))
    module = importlib.util.module_from_spec(spec)
    # Ray and pickle look a function's module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _describe(error, script):
    """Say what was raised: the start of an explicit ``raise ... from`` chain, and how it ended."""
    root = error
    seen = set()
    while root.__cause__ is not None and id(root) not in seen:
        seen.add(id(root))
        root = root.__cause__
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    lines = [line[:_LINE_CHARACTERS] for line in trace.splitlines()[-_DETAIL_LINES:]]
    return {**_one(root, script), "detail": lines}


def _one(error, script):
    frames = traceback.extract_tb(error.__traceback__)
    own = (os.path.abspath(script), os.path.abspath(__file__))
    stack = [
        frame
        for frame in frames
        if os.path.abspath(frame.filename) not in own and not frame.filename.startswith("<frozen")
    ]
    last = (stack or frames or [None])[-1]
    try:
        lines = str(error).strip().splitlines() or [""]
    except Exception:  # an exception that cannot say itself is still that exception
        lines = [""]
    return {
        "kind": type(error).__name__,
        "first_line": lines[0][:_LINE_CHARACTERS],
        "frame": last
        and {
            "file": last.filename,
            "line": last.lineno,
            "function": last.name,
            "source": (last.line or "")[:300],
        },
    }


def _write(control, reply):
    aside = os.path.join(control, "output.json.new")
    with open(aside, "w", encoding="utf-8") as handle:
        json.dump(reply, handle, default=str)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, os.path.join(control, "output.json"))


if __name__ == "__main__":
    # The ordinary way out: a stack that hangs or crashes while it shuts down shall be seen.
    sys.exit(main(sys.argv[1], sys.argv[2]))
