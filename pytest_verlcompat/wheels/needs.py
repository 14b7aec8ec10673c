"""Reads what the extensions of a wheel or an installed distribution need at load time.

Of a wheel, only the first kilobytes of each shared object are fetched where a linker left
them as they were; small ones and edited ones are read whole. The result is kept in the
cache under the wheel's digest. One unreadable object is told, the rest is judged.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement

from pytest_verlcompat.errors import ElfFormatError, WheelFormatError
from pytest_verlcompat.wheels.elf import SharedObject, parse_shared_object
from pytest_verlcompat.wheels.ends import EndsImage, EndUnreadableError, Packed
from pytest_verlcompat.wheels.front import NotInFrontError, parse_front
from pytest_verlcompat.wheels.gpu_code import read_image
from pytest_verlcompat.wheels.images import FileImage, SparseImage, keep_loaded_parts
from pytest_verlcompat.wheels.symbols import Binding, ExtensionNeeds, classify_needs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_verlcompat.wheels.archive import FileTree, InstalledTree
    from pytest_verlcompat.wheels.cache import MemberCache

_KEY = "\0needs.3"
_LIBRARY = re.compile(r"\.so(\.\d+)*$")
_WHOLE_BYTES = 3 << 20
_FRONT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelNeeds:
    """What one distribution's extensions need."""

    label: str
    """Wheel file name, or what else the tree is called."""
    extensions: tuple[ExtensionNeeds, ...]
    torch_pin: str | None
    """Specifier its metadata puts on torch; empty for any, None for no requirement."""
    problems: tuple[str, ...]
    """Shared objects that could not be read, each with the reason."""
    fallback: str | None = None
    """Why more than the needed ranges was read."""


def read_needs(tree: FileTree, *, cache: MemberCache | None = None) -> WheelNeeds:
    """Return what every shared object in *tree* needs.

    Raises:
        WheelFormatError: If the tree itself cannot be read.
        IndexUnavailableError: If it is remote and the server fails.
    """
    digest = tree.digest if cache else None
    if cache and digest:
        known = cache.load(digest, _KEY)
        if known is not None:
            return decode_needs(known)
    names = list(tree.names())
    objects: dict[str, SharedObject] = {}
    problems: list[str] = []
    for name in filter(_LIBRARY.search, names):
        try:
            objects[name] = read_object(tree, name)
        except (ElfFormatError, WheelFormatError) as error:
            problems.append(f"{name}: {error.message}")
    wheel = WheelNeeds(
        label=tree.label,
        extensions=tuple(_classify(objects)),
        torch_pin=_torch_pin(tree, names),
        problems=tuple(problems),
        fallback=getattr(tree, "fallback", None),
    )
    if cache and digest:
        cache.save(digest, {_KEY: encode_needs(wheel)})
    return wheel


def _classify(objects: dict[str, SharedObject]) -> Iterator[ExtensionNeeds]:
    """Yield what each object needs beyond the others, which may define names for it."""
    files = {name.rpartition("/")[2]: found for name, found in objects.items()}
    for name, found in objects.items():
        siblings = [files[soname] for soname in found.needed if soname in files]
        given = frozenset(symbol for each in siblings for symbol in each.exported)
        yield classify_needs(found, name=name, siblings=given)


def read_object(tree: FileTree, name: str) -> SharedObject:
    """Return the shared object *name*, reading as little of *tree* as its layout allows.

    Raises:
        ElfFormatError: If it is no shared object, or is damaged.
        WheelFormatError: If the tree cannot give it.
        IndexUnavailableError: If the tree is remote and the server fails.
    """
    label = f"{tree.label}: {name}"
    size = tree.size_bytes(name)
    if size <= _FRONT_BYTES:
        return parse_shared_object(
            SparseImage([(0, tree.read_prefix(name, size))], label=label), exports=True
        )
    try:
        return parse_front(lambda wanted: tree.read_prefix(name, wanted), label=label)
    except NotInFrontError:
        if size <= _WHOLE_BYTES:
            image = SparseImage([(0, tree.read_prefix(name, size))], label=label)
            return parse_shared_object(image, exports=True)
        return _read_edited(tree, name, label=label)


def _read_edited(tree: FileTree, name: str, *, label: str) -> SharedObject:
    """Return a big object whose tables were moved to its end, by its ends or else whole."""
    if isinstance(tree, Packed):
        try:
            return parse_shared_object(EndsImage(tree, name), exports=True)
        except EndUnreadableError:
            pass  # it is read whole below
    return parse_shared_object(keep_loaded_parts(tree.stream(name), label=label), exports=True)


def read_file_needs(path: Path, *, name: str | None = None) -> ExtensionNeeds:
    """Return what the shared object at *path* needs, GPU architectures included.

    Raises:
        ElfFormatError: If it cannot be read.
    """
    with FileImage(path) as image:
        found = parse_shared_object(image)
        return classify_needs(found, name=name or path.name, architectures=read_image(image))


def read_installed_needs(tree: InstalledTree) -> WheelNeeds:
    """Return what the shared objects of an installed distribution need, from mapped files."""
    problems: list[str] = []
    objects: dict[str, SharedObject] = {}
    for name in filter(_LIBRARY.search, tree.names()):
        try:
            with FileImage(tree.path_of(name), label=name) as image:
                objects[name] = parse_shared_object(image, exports=True)
        except ElfFormatError as error:
            problems.append(f"{name}: {error.message}")
    return WheelNeeds(
        label=tree.label,
        extensions=tuple(_classify(objects)),
        torch_pin=_torch_pin(tree, tree.names()),
        problems=tuple(problems),
    )


def _torch_pin(tree: FileTree, names: Iterable[str]) -> str | None:
    for name in names:
        if name.endswith(".dist-info/METADATA") and name.count("/") == 1:
            try:
                return parse_torch_pin(tree.read(name))
            except WheelFormatError:
                return None
    return None


def parse_torch_pin(metadata: bytes) -> str | None:
    """Return the specifier on torch in core *metadata*, None where it requires none."""
    for line in parse_email(metadata)[0].get("requires_dist", ()):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        optional = requirement.marker is not None and "extra" in str(requirement.marker)
        if requirement.name.lower() == "torch" and not optional:
            return str(requirement.specifier)
    return None


def encode_needs(wheel: WheelNeeds) -> bytes:
    """Return *wheel* as JSON."""
    body = asdict(wheel)
    for extension in body["extensions"]:
        extension["binding"] = extension["binding"].value
    return json.dumps(body, sort_keys=True).encode()


def decode_needs(body: bytes) -> WheelNeeds:
    """Return what :func:`encode_needs` wrote."""
    fields: dict[str, Any] = json.loads(body)
    extensions = tuple(map(_decode_extension, fields.pop("extensions")))
    problems = tuple(fields.pop("problems"))
    return WheelNeeds(**fields, extensions=extensions, problems=problems)


def _decode_extension(fields: dict[str, Any]) -> ExtensionNeeds:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    values["binding"] = Binding(values["binding"])
    values["versions"] = {key: tuple(names) for key, names in values["versions"].items()}
    return ExtensionNeeds(**values)
