"""The machine side of a run: device, threads, deterministic algorithms, the allocator.

Call `prepare` once per process, before anything trains. It changes process-wide settings on
purpose, and is the only place that does.
"""

from __future__ import annotations

import ctypes
import os
import platform

import torch

from mnist_core.errors import UserError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 1 << 30


def available_cores() -> int:
    """Count the processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare(*, device: str = "cpu", threads: int | None = None) -> torch.device:
    """Set threads and determinism, and return the device.

    `threads` defaults to the available cores. Raises `UserError` for an unknown or absent device.
    """
    resolved = _resolve_device(device)
    if threads is not None and threads < 1:
        raise UserError(f"threads must be >= 1, got {threads}")
    torch.set_num_threads(threads or available_cores())
    # cuBLAS is deterministic only with a fixed workspace (CUDA C++ API, cuBLAS, reproducibility).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As torch.use_deterministic_algorithms, which would import torch's compiler for a second.
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode would also fill every new tensor with NaN: a third of a step, to catch
    # reads of memory that nothing wrote, which no operation used here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    _keep_freed_memory()
    return resolved


def _resolve_device(name: str) -> torch.device:
    if name not in ("cpu", "cuda"):
        raise UserError(f"unknown device {name!r}; known: cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device 'cuda' asked for, but torch finds no CUDA device; use --device cpu"
        )
    return torch.device(name)


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed memory instead of returning it to the kernel.

    By default every activation above 32 MiB, and the heap's top above 128 KiB, goes back and is
    faulted in anew at the next step: 870 page faults a step at batch 64, a third of its time.
    Elsewhere than on Linux with glibc this does nothing.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
