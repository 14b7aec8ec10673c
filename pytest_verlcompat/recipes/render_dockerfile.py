"""An image with the stack on a CUDA base; wants install.sh and env.sh beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_verlcompat.errors import LockError
from pytest_verlcompat.recipes.stack import cuda_of, image_of, least_driver, target_of
from pytest_verlcompat.recipes.words import comment

if TYPE_CHECKING:
    from pytest_verlcompat.model.cell import Cell
    from pytest_verlcompat.resolve.lock import Lock

FILENAME = "Dockerfile"
PUBLISHED = True
_UV = re.compile(r"uv (?P<version>\d+\.\d+\.\d+)")


def render(cell: Cell, lock: Lock) -> str:
    """Return the Dockerfile.

    Raises:
        LockError: If no base image is known for the CUDA of the locked torch.
    """
    target = target_of(cell)
    cuda = cuda_of(lock.versions)
    image = image_of(cuda)
    if image is None:
        raise LockError(
            f"no base image is known for CUDA {cuda or '(no torch is locked)'}; add it to "
            "recipes/stack.toml",
            where=cell.id,
        )
    driver = least_driver(cuda)
    lines = [
        "# syntax=docker/dockerfile:1",
        *comment(
            "docker build -t verl-stack . (with install.sh and env.sh beside this file); settings "
            "of your own index, if it needs any, come as secrets and stay out of the image: "
            "--secret id=pip_conf,src=$HOME/.config/pip/pip.conf --secret id=uv_toml,src=uv.toml"
        ),
        *comment("docker run --gpus all --shm-size=16g --ulimit nofile=65535:65535 -it verl-stack"),
        *comment(
            f"The toolkit is that of the locked torch (CUDA {cuda}), for what compiles when it "
            "runs (Triton, FlashInfer) or is built last (flash-attn). "
            f"The host needs an NVIDIA driver of {driver} or newer."
        ),
        f"FROM {image}",
        'SHELL ["/bin/bash", "-o", "pipefail", "-c"]',
        *_system(),
        *_installer(lock),
        "WORKDIR /opt/verl",
        "COPY install.sh env.sh ./",
        *_stack(target.python),
    ]
    return "\n".join(lines) + "\n"


def _system() -> list[str]:
    return [
        *comment("A compiler for Triton, libnuma for SGLang, in the versions of the base image."),
        "# hadolint ignore=DL3008",
        "RUN apt-get update \\",
        " && apt-get install -y --no-install-recommends \\",
        "    build-essential ca-certificates git libnuma1 python3-pip python3-venv \\",
        " && rm -rf /var/lib/apt/lists/*",
    ]


def _installer(lock: Lock) -> list[str]:
    match = _UV.search(lock.resolver)
    pinned = f"uv=={match['version']}" if match else "uv"
    ignore = [] if match else ["# hadolint ignore=DL3013"]
    return [
        *comment("The uv that made the lock, in a place of its own; it also fetches the Python."),
        *ignore,
        "RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \\",
        "    python3 -m venv /opt/uv \\",
        f" && /opt/uv/bin/pip install --no-cache-dir {pinned}",
        "ENV PATH=/opt/verl/env/bin:/opt/uv/bin:$PATH",
    ]


def _stack(python: str) -> list[str]:
    return [
        *comment(f"Python {python} and the lock, in one layer; see install.sh for the order."),
        *comment("--build-arg FLASH_ATTN=yes builds it last, with the toolkit of this image."),
        "ARG FLASH_ATTN=no",
        "RUN --mount=type=cache,target=/var/cache/uv \\",
        "    --mount=type=secret,id=uv_toml,target=/etc/uv/uv.toml \\",
        "    UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_PYTHON_INSTALL_DIR=/opt/python \\",
        '    bash install.sh --with uv --flash-attn "$FLASH_ATTN" /opt/verl/env',
        *comment("env.sh is sourced before whatever is started; limits come from docker run."),
        'ENTRYPOINT ["/bin/bash", "-c", ". /opt/verl/env.sh && exec \\"$@\\"", "--"]',
        'CMD ["bash"]',
    ]
