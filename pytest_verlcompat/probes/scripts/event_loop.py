"""Establish that the calls by which this stack gets an event loop work in a Ray worker.

Ray installs uvloop's policy in the main thread of every worker; since uvloop 0.22 that
policy no longer creates a loop when none is set, so ``asyncio.get_event_loop()`` raises
RuntimeError there. Whether that matters depends on what the installed verl and engine call.

The probe reads the installed sources. From verl's entry point, workers and the rollout folder
of each installed engine it follows imports inside verl, and finds every call that gets an
event loop. A call counts as *driving* when a function that is not a coroutine runs its result
with ``run_until_complete``: such a call is made where no loop runs. A loop helper of verl's
counts like the call it wraps. Then, as a worker would, it installs Ray's choice of policy and
really makes the driving calls of ``verl/workers`` one after the other in the main thread,
compiled under their own file and line; Ray's own functions are called too. Driving calls
elsewhere in verl serve options (tools) and are recorded, not made. SGLang sets uvloop's
policy itself when imported, and its engine sets a loop when constructed: both are looked for in
its source and done likewise.

Passed: every call returned a loop. Conditional: they fail, but succeed with RAY_USE_UVLOOP=0,
which the installed Ray obeys. Failed: otherwise, with the file and line of verl's call.

Source: MagicStack/uvloop#702, ray-project/ray#57992, verl-project/verl#3803 and #3828 (read
2026-11-20); behaviour checked with uvloop 0.21.0, 0.22.1 and 0.23.0.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import importlib.util
import inspect
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "the calls of verl, Ray and the engine that get an event loop work under uvloop"
RUNG = "cpu"
DISTRIBUTIONS = ("verl", "ray")
GPUS = 0
TIMEOUT_S = 240.0

ENGINES = ("vllm", "sglang")
OTHER_BACKENDS = re.compile(
    r"megatron|mcore|mindspeed|npu|ascend|trtllm|tensorrt|veomni|torchtitan|automodel"
)
ENGINE_FILES = (
    "sglang/srt/entrypoints/engine.py",
    "sglang/srt/entrypoints/http_server.py",
    "sglang/srt/managers/tokenizer_manager.py",
    "vllm/entrypoints/openai/api_server.py",
    "vllm/v1/engine/async_llm.py",
    "vllm/v1/engine/core_client.py",
)
"""Where the engines run coroutines; verl awaits these, so that a loop runs by then."""
GETTERS = ("get_event_loop", "get_or_create_event_loop")
RUNNERS = ("run_until_complete", "run_forever")
SWITCH = "RAY_USE_UVLOOP"


class Site(NamedTuple):
    """One call that gets an event loop."""

    path: str
    """Relative to the folder that holds the packages."""
    line: int
    function: str
    """Qualified name of the innermost function, or ``<module>``."""
    call: str
    """Source of the call without arguments: ``asyncio.get_event_loop``, ``get_event_loop``."""
    kind: str
    """``coroutine``, ``guarded`` (RuntimeError is caught), ``driving`` or ``kept``."""


def probe(request: dict[str, Any]) -> dict[str, Any]:
    """Return the call sites found, the policies, and what each executed call answered."""
    facts = request["facts"]
    root = _packages_folder()
    engines = [engine for engine in ENGINES if engine in request["versions"]]
    files = list(reached_files(root, engines))
    sites = [site for file in files for site in find_sites(root / file, file)]
    facts.update(
        engines=engines,
        uvloop=request["versions"].get("uvloop"),
        files_read=len(files),
        sites=[_describe(site) for site in sites],
        engine_sites=[
            _describe(site)
            for file in ENGINE_FILES
            if file.partition("/")[0] in engines and (root / file).is_file()
            for site in find_sites(root / file, file)
        ],
        policies={},
        calls={},
    )
    engine_sets_loop = "sglang" in engines and _sglang_sets_loop(root)
    facts["engine_sets_loop"] = engine_sets_loop
    driving = [site for site in sites if site.kind == "driving" and "verl/workers/" in site.path]
    driving.sort(key=lambda site: ("/rollout/" in site.path, site.path, site.line))
    _call_ray(facts)
    try:
        _act_worker(root, driving, facts=facts, role="worker")
    except RuntimeError as error:
        _act_without_uvloop(root, driving, facts=facts, error=error)
        return {
            **facts,
            "condition": f"set {SWITCH}=0 for Ray's workers: under uvloop {facts['uvloop']}, "
            f"{facts['failing_call']} raises {error}",
        }
    return dict(facts)


def _describe(site: Site) -> str:
    return f"{site.path}:{site.line} {site.call} {site.kind}"


def _packages_folder() -> Path:
    """Return the folder that holds the installed ``verl``, without importing it."""
    spec = importlib.util.find_spec("verl")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'verl'", name="verl")
    return Path(spec.origin).parent.parent


def reached_files(root: Path, engines: list[str]) -> Iterator[str]:
    """Yield, relative to *root*, the files of verl that an FSDP run with *engines* can reach.

    Imports are followed inside ``verl`` only, those in functions too; modules of other
    backends and of engines that are not installed are left out.
    """
    absent = [engine for engine in ENGINES if engine not in engines]
    queue = ["verl.trainer.main_ppo", "verl.workers.fsdp_workers", "verl.workers.engine_workers"]
    for engine in engines:
        folder = root / "verl" / "workers" / "rollout" / f"{engine}_rollout"
        queue += [
            f"verl.workers.rollout.{folder.name}.{p.stem}" for p in sorted(folder.glob("*.py"))
        ]
    seen: set[str] = set()
    while queue:
        name = queue.pop(0)
        if OTHER_BACKENDS.search(name) or any(engine in name for engine in absent):
            continue
        file = _module_file(root, name)
        if file is None or file in seen:
            continue
        seen.add(file)
        queue += _imported_names(root / file, name, is_package=file.endswith("__init__.py"))
    yield from sorted(seen)


def _module_file(root: Path, name: str) -> str | None:
    """Return the source file of module *name* relative to *root*, or None."""
    stem = name.replace(".", "/")
    for file in (f"{stem}.py", f"{stem}/__init__.py"):
        if (root / file).is_file():
            return file
    return None


def _imported_names(path: Path, name: str, *, is_package: bool) -> list[str]:
    """Return dotted names under ``verl`` that *path* imports, modules or members of them."""
    found = []
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [item for item in found if item.startswith("verl.")]


def find_sites(path: Path, label: str) -> Iterator[Site]:
    """Yield every call in *path* that gets an event loop, in the order of the file."""
    text = path.read_text(encoding="utf-8")
    if "event_loop" not in text:
        return
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        call = ast.unparse(node.func)
        if call.rpartition(".")[2] in GETTERS:
            function, kind = _context(node, parents)
            yield Site(label, node.lineno, function, call, kind)


def _context(node: ast.Call, parents: dict[ast.AST, ast.AST]) -> tuple[str, str]:
    """Return the qualified name of the function around *node*, and the kind of the call."""
    names: list[str] = []
    function: ast.AST | None = None
    guarded = False
    child: ast.AST = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.Try) and function is None and child in parent.body:
            guarded |= any(_catches_runtime_error(handler) for handler in parent.handlers)
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.insert(0, parent.name)
            if function is None and not isinstance(parent, ast.ClassDef):
                function = parent
        child = parent
    label = ".".join(names) or "<module>"
    if isinstance(function, ast.AsyncFunctionDef):
        return label, "coroutine"
    if guarded:
        return label, "guarded"
    return label, "driving" if _drives(node, parents, function) else "kept"


def _catches_runtime_error(handler: ast.ExceptHandler) -> bool:
    """Return whether *handler* catches RuntimeError."""
    if handler.type is None:
        return True
    names = {ast.unparse(item) for item in ast.walk(handler.type) if isinstance(item, ast.expr)}
    return bool(names & {"RuntimeError", "Exception", "BaseException"})


def _drives(node: ast.Call, parents: dict[ast.AST, ast.AST], function: ast.AST | None) -> bool:
    """Return whether the loop that *node* gets is run to completion in the same function."""
    parent = parents[node]
    if isinstance(parent, ast.Attribute):
        return parent.attr in RUNNERS
    if function is None or not isinstance(parent, ast.Assign):
        return False
    targets = {ast.unparse(target) for target in parent.targets}
    return any(
        isinstance(item, ast.Attribute)
        and item.attr in RUNNERS
        and ast.unparse(item.value) in targets
        for item in ast.walk(function)
    )


def _sglang_sets_loop(root: Path) -> bool:
    """Return whether SGLang's engine sets a loop for its thread when it is constructed."""
    path = root / "sglang" / "srt" / "entrypoints" / "engine.py"
    if not path.is_file():
        return False
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.set_event_loop"
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for node in ast.walk(function)
    )


def _sglang_sets_policy(root: Path) -> bool:
    """Return whether importing SGLang's engine makes uvloop's policy the process's."""
    path = root / "sglang" / "srt" / "entrypoints" / "engine.py"
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any("set_event_loop_policy" in ast.unparse(node) for node in tree.body)


def _call_ray(facts: dict[str, Any]) -> None:
    """Call Ray's own functions where Ray calls them; raise what they raise.

    Agents get their loop before any policy is installed; a worker gets a new loop for its
    coroutines, and inside one the running loop.
    """
    compat = importlib.import_module("ray._private.async_compat")
    getter = _ray_getter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        facts["calls"]["ray agent: get_or_create_event_loop"] = _name(getter())
    loop = compat.get_new_event_loop()
    facts["calls"]["ray worker: get_new_event_loop"] = _name(loop)

    async def running() -> str:
        return _name(getter())

    try:
        answer = loop.run_until_complete(running())
    finally:
        loop.close()
    facts["calls"]["ray coroutine: get_or_create_event_loop"] = answer


def _ray_getter() -> Any:
    """Return Ray's get_or_create_event_loop; older releases have no ``ray._common``."""
    for name in ("ray._common.utils", "ray._private.utils"):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("ray."):
                raise
        else:
            if hasattr(module, "get_or_create_event_loop"):
                return module.get_or_create_event_loop
    raise ImportError("Ray has get_or_create_event_loop in neither module this probe knows")


def _act_worker(root: Path, driving: list[Site], *, facts: dict[str, Any], role: str) -> None:
    """Make the driving calls in the main thread as one of Ray's workers would.

    Raises:
        RuntimeError: What the first failing call raised; ``facts["failing_call"]`` names it.
    """
    compat = importlib.import_module("ray._private.async_compat")
    _reset_policy()
    compat.try_install_uvloop()
    if "sglang" in facts["engines"] and _sglang_sets_policy(root):
        uvloop = importlib.import_module("uvloop")
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    policy = type(asyncio.get_event_loop_policy())
    facts["policies"][role] = f"{policy.__module__}.{policy.__qualname__}"
    loops = []
    try:
        if facts["engine_sets_loop"]:
            loops.append(asyncio.new_event_loop())
            asyncio.set_event_loop(loops[-1])
        for site in driving:
            label = f"{role}: {site.path}:{site.line} {site.function}"
            facts["failing_call"] = f"{site.path}:{site.line}"
            loops.append(_make_call(root, site))
            facts["calls"][label] = _name(loops[-1])
        facts.pop("failing_call", None)
    finally:
        for loop in loops:
            loop.close()
        _reset_policy()


def _reset_policy() -> None:
    """Give the process asyncio's default policy, with no loop set."""
    asyncio.set_event_loop_policy(None)


def _make_call(root: Path, site: Site) -> Any:
    """Return what the call at *site* returns, made under its own file name and line."""
    names = _globals(site.path)
    first = site.call.partition(".")[0]
    if first != "asyncio":
        names[first] = _resolve(root, site, first)
    expression = ast.parse(f"{site.call}()", mode="eval")
    for node in ast.walk(expression):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = site.line
    code = compile(expression, str(root / site.path), "eval")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return eval(code, names)  # noqa: S307  the very call that the installed source makes


def _globals(file: str) -> dict[str, Any]:
    """Return the globals for code of *file*; asyncio looks at its callers' ``__name__``."""
    return {"asyncio": asyncio, "__name__": file.removesuffix(".py").replace("/", ".")}


def _resolve(root: Path, site: Site, name: str) -> Any:
    """Return verl's helper called *name* in the file of *site*, built from its own source.

    The module that holds it is not imported: a failing import is another probe's finding.
    """
    holder = None
    for node in ast.walk(ast.parse((root / site.path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            holder = node.module if name in {a.asname or a.name for a in node.names} else holder
    file = site.path if holder is None else _module_file(root, holder)
    if file is None:
        raise ImportError(f"{site.path} gets {name} from {holder}, which is not in this verl")
    path = root / file
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            names = _globals(file)
            module = ast.Module(body=[node], type_ignores=[])
            exec(compile(module, str(path), "exec"), names)  # noqa: S102  verl's own function
            return names[name]
    raise ImportError(f"{file} has no function {name}, which {site.path} calls")


def _act_without_uvloop(
    root: Path, driving: list[Site], *, facts: dict[str, Any], error: RuntimeError
) -> None:
    """Return if the calls work when Ray is told not to install uvloop; else raise *error*."""
    failing = facts.pop("failing_call")
    compat = importlib.import_module("ray._private.async_compat")
    if SWITCH not in inspect.getsource(compat):
        facts["failing_call"] = failing
        raise error
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "0"
    try:
        _act_worker(root, driving, facts=facts, role=f"worker with {SWITCH}=0")
    except RuntimeError:
        raise error from None
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before
        facts["failing_call"] = failing


def _name(loop: Any) -> str:
    return f"{type(loop).__module__}.{type(loop).__qualname__}"
