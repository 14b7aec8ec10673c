"""A real shared object that answers as NVML does, from a file the test writes."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

MEBIBYTE = 1 << 20
TOTAL_MIB = 81920
RESERVED_MIB = 600

# One line a GPU in the file: status, uuid, MiB in use, and its MIG instances as
# "gpu/compute:uuid:MiB". The line "init N" makes nvmlInit_v2 return N, "hang" never return.
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory2;
typedef struct { unsigned long long total, free, used; } memory1;
typedef struct { int status, gpu, compute; char uuid[96]; long used; char mig[512]; } row;

static row rows[64];
static row instances[64];
static int count, init;

static void load(void) {
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    char line[1024];
    count = init = 0;
    while (file && fgets(line, sizeof line, file)) {
        row *each = &rows[count];
        memset(each, 0, sizeof *each);
        if (!strncmp(line, "hang", 4)) sleep(600);
        if (sscanf(line, "init %d", &init) == 1) continue;
        int found = sscanf(line, "%d %95s %ld %511s", &each->status, each->uuid, &each->used,
                           each->mig);
        count += found >= 3;
    }
    if (file) fclose(file);
}

int nvmlInit_v2(void) { load(); return init; }
int nvmlDeviceGetCount_v2(unsigned *number) { *number = count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = &rows[index];
    return rows[index].status;
}
int nvmlDeviceGetUUID(row *device, char *text, unsigned size) {
    snprintf(text, size, "%s", device->uuid);
    return 0;
}
int nvmlDeviceGetName(row *device, char *text, unsigned size) {
    snprintf(text, size, "Fake H200");
    return 0;
}
int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    snprintf(text, size, "580.65.06");
    return 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int *number) { *number = 13000; return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetMemoryInfo(row *device, memory1 *memory) {
    memory->total = 81920ull << 20;
    memory->used = (unsigned long long)device->used << 20;
    memory->free = memory->total - memory->used;
    return 0;
}
#ifndef OLD
int nvmlDeviceGetCudaComputeCapability(row *device, int *major, int *minor) {
    *major = 9;
    *minor = 0;
    return 0;
}
int nvmlDeviceGetMemoryInfo_v2(row *device, memory2 *memory) {
    if (memory->version != (sizeof *memory | 2 << 24)) return 2;
    memory->total = 81920ull << 20;
    memory->reserved = 600ull << 20;
    memory->used = (unsigned long long)device->used << 20;
    memory->free = memory->total - memory->reserved - memory->used;
    return 0;
}
#endif
int nvmlDeviceGetMigMode(row *device, unsigned *mode, unsigned *pending) {
    *mode = *pending = device->mig[0] != 0;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(row *device, unsigned *number) { *number = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(row *device, unsigned index, row **handle) {
    char copy[512], *save, *word;
    strcpy(copy, device->mig);
    word = strtok_r(copy, ",", &save);
    while (index-- && word) word = strtok_r(NULL, ",", &save);
    if (!word) return 6;
    *handle = &instances[(device - rows) * 7 + (word - copy) % 7];
    memset(*handle, 0, sizeof **handle);
    sscanf(word, "%d/%d:%95[^:]:%ld", &(*handle)->gpu, &(*handle)->compute, (*handle)->uuid,
           &(*handle)->used);
    return 0;
}
int nvmlDeviceGetGpuInstanceId(row *device, unsigned *number) { *number = device->gpu; return 0; }
int nvmlDeviceGetComputeInstanceId(row *device, unsigned *number) {
    *number = device->compute;
    return 0;
}
"""


@dataclass(frozen=True)
class FakeNvml:
    """What the fake library reads; every process started from now on is answered by it."""

    path: Path

    def set(self, *lines: str) -> None:
        """Answer with one line a GPU from now on."""
        written = self.path.with_suffix(".new")
        written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        written.replace(self.path)

    def gpus(self, *used_mib: int, status: Sequence[int] = ()) -> None:
        """Answer with one whole GPU a number, of which so many MiB are in use."""
        states = [*status, *[0] * len(used_mib)]
        self.set(*(f"{states[i]} {uuid(i)} {used}" for i, used in enumerate(used_mib)))


def uuid(index: int) -> str:
    """Return the UUID of the fake GPU *index*; the first two characters differ."""
    return f"GPU-{index}a{index}b{index}c{index}d-0000-4000-8000-00000000000{index}"


def install_fake_nvml(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, old: bool = False
) -> FakeNvml:
    """Put the fake library in front of any other, for processes this test starts."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not on PATH; the fake NVML is a real shared object")
    fake = FakeNvml(path=folder / "fake-nvml.txt")
    fake.set()
    monkeypatch.setenv("FAKE_NVML", str(fake.path))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(_library(old=old)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))  # locks of this test alone
    monkeypatch.setenv("TMPDIR", str(folder))
    return fake


@functools.cache
def _library(*, old: bool) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fake-nvml-"))
    source = folder / "nvml.c"
    source.write_text(SOURCE, encoding="utf-8")
    words = ["gcc", "-shared", "-fPIC", "-w", *(["-DOLD"] if old else []), "-o"]
    subprocess.run(
        [*words, os.fspath(folder / "libnvidia-ml.so.1"), os.fspath(source)], check=True, timeout=60
    )
    return folder
