"""What glibc does with freed memory, and the size of the pages that hold it.

Only on Linux with glibc; elsewhere `keep_freed_memory` does nothing. No result depends on it.
"""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MADV_HUGEPAGE = 14
_KEEP_BYTES = 1 << 30
_HEAP_BYTES = _KEEP_BYTES // 2
_HUGE_PAGE_BYTES = 2 << 20


def keep_freed_memory() -> None:
    """Keep freed memory instead of returning it to the kernel, in huge pages where Linux may.

    By default every activation above 32 MiB, and the heap's top above 128 KiB, goes back and is
    faulted in anew at the next step: 870 page faults a step at batch 64, a third of its time.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    _ask_for_huge_pages(libc)


def _ask_for_huge_pages(libc: ctypes.CDLL) -> None:
    """Grow the heap once and ask for huge pages there; memory is taken only where it is touched.

    The activations of a step lie on thousands of small pages, more than the processor holds the
    addresses of. glibc's own setting (glibc.malloc.hugetlb=1) is read only before a process
    starts. Where the kernel refuses, the pages stay small.
    """
    malloc, free, madvise = libc.malloc, libc.free, libc.madvise
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.argtypes = [ctypes.c_void_p]
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    start = malloc(_HEAP_BYTES)
    if start is None:  # a limit of the process's address space
        return
    first = -(-start // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
    madvise(first, start + _HEAP_BYTES - first, _MADV_HUGEPAGE)
    free(start)
