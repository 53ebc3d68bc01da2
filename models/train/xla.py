"""Process settings that make training on a CPU several times faster."""

from __future__ import annotations

import os
import sys

KEEP_BARRIERS = "--xla_disable_hlo_passes=cse_barrier_expander,optimization-barrier-expander"
"""Keeps optimisation barriers to the end: without them XLA on a CPU fuses the chain of batch norm,
shortcuts, DPReLU and SE into each of its consumers and computes it again in every one."""

ALLOCATOR = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "536870912",
}
"""Lets the C library keep XLA's temporary buffers between steps, in huge pages: a step of the
Fashion-MNIST network took 349 ms without and 196 ms with these (two cores). glibc reads them only
when a process starts."""


def environment() -> dict[str, str]:
    """The settings as environment variables, on top of those of this process."""
    flags = os.environ.get("XLA_FLAGS", "")
    if KEEP_BARRIERS not in flags:
        flags = f"{flags} {KEEP_BARRIERS}".strip()
    return {**ALLOCATOR, **os.environ, "XLA_FLAGS": flags}


def restart_with_settings(module: str) -> None:
    """Replaces this process by `python -m module` with the settings, unless it has them."""
    wanted = environment()
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], wanted)
