"""What environment markers are compared with: CPython on x86-64 Linux."""

from __future__ import annotations


def linux_environment(*, python: str, extra: str) -> dict[str, str]:
    """Return the values of all markers that matter here, for Python *python* (``3.12``)."""
    return {
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": python,
        "python_full_version": f"{python}.9",
        "extra": extra,
    }
