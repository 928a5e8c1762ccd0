"""The machine side of a run: device, threads, deterministic algorithms, the allocator.

Call `prepare_process` once per process, before anything trains. It alone changes process-wide
settings.
"""

import os

import torch

from mnist_core.errors import UserError, require_known
from mnist_core.runtime.allocator import keep_freed_memory


def available_cores() -> int:
    """Count the processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_process(*, device: str = "cpu", threads: int | None = None) -> torch.device:
    """Set threads and determinism, and return the device.

    `threads` defaults to the available cores. Raises `UserError` for an unknown or absent device.
    """
    require_known("device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device 'cuda' asked for, but torch finds no CUDA device; use --device cpu"
        )
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
    keep_freed_memory()
    return torch.device(device)
