#!/usr/bin/env bash
# usage: bash install.sh [--with uv|pip|conda] [--flash-attn yes|no|VERSION] PREFIX
#
#   PREFIX        folder of the new environment; it must not exist yet
#   --with        what installs; uv where it is there, else pip
#   --flash-attn  build flash-attn last, against the torch that is there; @FLASH_DEFAULT@ by default
#
# Your own index is used: uv and pip read their settings (UV_*, PIP_*, uv.toml, pip.conf), and
# nothing here names one. Nothing outside PREFIX is changed, so no --break-system-packages.
set -euo pipefail

readonly PYTHON_MINOR=@PYTHON@
readonly ARCHITECTURE=@ARCHITECTURE@
readonly GLIBC=@GLIBC@
readonly FLASH_ATTN=@FLASH_ATTN@
readonly TORCH=@TORCH@
readonly NEEDS_GIB=@NEEDS_GIB@

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

at_least() { # at_least 2.36 2.35: is the first version not lower?
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

with=""
flash_attn="@FLASH_DEFAULT@"
prefix=""
while [ "$#" -gt 0 ]; do
  case "$1" in
    --with) with="${2:?--with needs uv, pip or conda}"; shift 2 ;;
    --flash-attn) flash_attn="${2:?--flash-attn needs yes, no or a version}"; shift 2 ;;
    -h | --help) sed -n '/^# usage:/,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    -*) die "unknown option $1; see --help" ;;
    *) [ -z "$prefix" ] || die "one PREFIX, not also $1"; prefix="$1"; shift ;;
  esac
done
[ -n "$prefix" ] || die "name the folder of the new environment; see --help"
[ ! -e "$prefix" ] || die "$prefix exists; name a folder that does not, or remove it"
[[ "$flash_attn" =~ ^(yes|no|[0-9]+(\.[a-z0-9]+)*)$ ]] || die "--flash-attn $flash_attn is no version"
if [ -z "$with" ]; then
  if command -v uv >/dev/null; then with=uv; else with=pip; fi
fi

# 1. The machine. Wheels of the lock are for one architecture and C library; on another one the
#    installer would say only that a hash does not match.
[ "$(uname -s)" = Linux ] || die "this lock is for Linux"
[ "$(uname -m)" = "$ARCHITECTURE" ] || die "this lock is for $ARCHITECTURE, this machine is $(uname -m)"
libc="$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2 || true)"
[ -n "$libc" ] || die "this lock is for glibc $GLIBC or newer, and this machine has another C library"
at_least "$libc" "$GLIBC" || die "this lock is for glibc $GLIBC or newer, this machine has $libc"
free_gib="$(df -Pk "$(dirname -- "$prefix")" | awk 'NR == 2 { print int($4 / 1048576) }')"
[ "$free_gib" -ge "$NEEDS_GIB" ] ||
  printf 'install.sh: %s GiB are free; this takes up to %s GiB where the cache has none of it\n' \
    "$free_gib" "$NEEDS_GIB" >&2

# 2. An environment of its own, with the Python the lock is for.
whole=no
work="$(mktemp -d)"
cleanup() {
  rm -rf -- "$work"
  if [ "$whole" = no ]; then rm -rf -- "$prefix"; fi # half an environment is none
}
trap cleanup EXIT
export PYTHONNOUSERSITE=1 # ~/.local stands before what is installed here
unset PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX
python="$prefix/bin/python"
case "$with" in
  uv)
    command -v uv >/dev/null || die "uv is not on PATH; use --with pip, or install uv"
    uv venv --no-project --python "${PYTHON:-$PYTHON_MINOR}" "$prefix"
    ;;
  pip)
    base="${PYTHON:-python$PYTHON_MINOR}"
    command -v "$base" >/dev/null ||
      die "there is no $base; install it, name one in PYTHON=..., or use --with uv (which can fetch it)"
    "$base" -m venv "$prefix"
    ;;
  conda)
    command -v conda >/dev/null || die "conda is not on PATH; use --with uv or pip"
    conda create --yes --prefix "$prefix" "python=$PYTHON_MINOR" pip
    ;;
  *) die "--with $with: there are uv, pip and conda" ;;
esac
minor="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
[ "$minor" = "$PYTHON_MINOR" ] || die "this lock is for Python $PYTHON_MINOR, $python is $minor"

# 3. Everything of the lock at once, torch included: one file a distribution, by hash. Nothing is
#    solved again (--no-deps), so the order inside does not matter and nothing can move.
cat >"$work/requirements.txt" <<'LOCK'
@LOCK@
LOCK
if [ "$with" = uv ]; then
  uv pip install --python "$python" --no-deps @REQUIRE_HASHES@-r "$work/requirements.txt"
else
  "$python" -m pip install --no-input --no-deps @REQUIRE_HASHES@-r "$work/requirements.txt"
fi

# 4. flash-attn last: its build imports the torch that is there, and is only good for that one.
#    Each compiler takes about 8 GiB, so jobs are bounded by memory as well as by cores.
if [ "$flash_attn" != no ]; then
  [ "$flash_attn" != yes ] || flash_attn="$FLASH_ATTN"
  [ -n "$flash_attn" ] || die "no flash-attn is known for torch $TORCH; name a version"
  there="$("$python" -c 'import torch; print(torch.__version__.partition("+")[0])')" ||
    die "torch does not import, so flash-attn cannot be built against it"
  [ "$there" = "$TORCH" ] || die "torch $there is installed, the lock has $TORCH"
  command -v "${CUDA_HOME:+$CUDA_HOME/bin/}nvcc" >/dev/null ||
    die "there is no nvcc to build flash-attn with; install the CUDA toolkit, or use --flash-attn no"
  memory_gib="$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)"
  for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    bytes="$(cat "$limit" 2>/dev/null || true)"
    if [[ "$bytes" =~ ^[0-9]{1,15}$ ]] && [ "$((bytes >> 30))" -lt "$memory_gib" ]; then
      memory_gib="$((bytes >> 30))"
    fi
  done
  jobs="$((memory_gib / 8))"
  [ "$jobs" -le "$(nproc)" ] || jobs="$(nproc)"
  [ "$jobs" -ge 1 ] || jobs=1
  export MAX_JOBS="${MAX_JOBS:-$jobs}" NVCC_THREADS="${NVCC_THREADS:-1}"
  printf 'install.sh: building flash-attn %s with %s jobs\n' "$flash_attn" "$MAX_JOBS" >&2
  sed -n 's/^\([^# ]*\) .*/\1/p' "$work/requirements.txt" >"$work/constraints.txt"
  tools=(-c "$work/constraints.txt" ninja packaging psutil setuptools wheel) # isolation brings none
  if [ "$with" = uv ]; then
    uv pip install --python "$python" "${tools[@]}"
    uv pip install --python "$python" --no-deps --no-build-isolation "flash-attn==$flash_attn"
  else
    "$python" -m pip install --no-input "${tools[@]}"
    "$python" -m pip install --no-input --no-deps --no-build-isolation "flash-attn==$flash_attn"
  fi
fi

# 5. Is what is installed what the lock says? Read from metadata; nothing of the stack is imported.
"$python" - "$work/requirements.txt" <<'CHECK'
import importlib.metadata, sys

wrong = []
for line in open(sys.argv[1], encoding="utf-8"):
    pin = line.split()[0] if line.strip() and not line.startswith("#") else ""
    name, _, wanted = pin.partition("==")
    try:
        found = importlib.metadata.version(name) if name else wanted
    except importlib.metadata.PackageNotFoundError:
        found = "nothing"
    if found != wanted and found.partition("+")[0] != wanted:
        wrong.append(f"{name}: locked {wanted}, installed {found}")
sys.exit("\n".join(wrong) or 0)
CHECK
whole=yes
if [ "$with" = uv ]; then
  uv pip check --python "$python" || complained=yes
else
  "$python" -m pip check || complained=yes
fi
@COMPLAINTS@
printf 'install.sh: done. Before Ray is started: . ./env.sh; then use %s\n' "$python"
