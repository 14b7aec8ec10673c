"""Answer questions about one script in the interpreter under test, until there are no more.

Called as ``python _talk.py RUNNER SCRIPT QUESTIONS ANSWERS``; the last two are numbers of file
descriptors. A question is a line ``{"call": NAME, "with": {...}}``; the answer is a line
``{"answer": ...}`` or ``{"cause": ...}`` in the words of the probe runner. When the questions
end, the script's ``close`` is called. Standard library only: nothing of ours is installed here.
"""

import faulthandler
import importlib.util
import json
import os
import signal
import sys
import traceback


def main(runner, script, *, questions, answers):
    """Answer until the questions end."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    how = load_part(*os.path.split(runner.removesuffix(".py")))
    # The runner's own way, so that pickle finds functions by name.
    module = how._load(script)  # noqa: SLF001 -- scripts are of one family
    for number in (questions, answers):
        os.set_inheritable(number, False)  # noqa: FBT003 -- takes it by place alone
    with (
        os.fdopen(questions, encoding="utf-8") as lines,
        os.fdopen(answers, "w", encoding="utf-8") as replies,
    ):
        for line in lines:
            question = json.loads(line)
            replies.write(
                json.dumps(_answer(how, question, module=module, script=script), default=str) + "\n"
            )
            replies.flush()
    getattr(module, "close", lambda: None)()


def _answer(how, question, *, module, script):
    try:
        return {"answer": getattr(module, question["call"])(**question["with"])}
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: whatever the stack raises is the answer
        traceback.print_exc()
        return {"cause": how._describe(error, script)}  # noqa: SLF001 -- as above


def load_part(folder, name):
    """Return the module in the file *name* of *folder*, which is on no path; for the scripts."""
    path = os.path.join(folder, name + ".py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:3], questions=int(sys.argv[3]), answers=int(sys.argv[4]))
