"""What glibc does with freed memory, and the size of the pages that hold it.

Elsewhere than on Linux with glibc `keep_freed_memory` does nothing. No result depends on it.
"""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MADV_HUGEPAGE = 14
_KEEP_BYTES = 1 << 30
_MOST_BYTES = 32 << 20
"""What older versions of glibc accept as M_MMAP_THRESHOLD on 64 bits (mallopt(3))."""
_HEAP_BYTES = 512 << 20
_HUGE_PAGE_BYTES = 2 << 20


def keep_freed_memory() -> None:
    """Keep freed memory instead of returning it to the kernel, in huge pages where Linux may.

    Call it from the main thread: it sets up that thread's heap.
    By default every activation above 32 MiB, and the heap's top above 128 KiB, is returned and
    faulted in again at the next step: 870 page faults a step at batch 64, a third of its time.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    piece_bytes = _HEAP_BYTES
    if not libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES):
        libc.mallopt(_M_MMAP_THRESHOLD, _MOST_BYTES)
        piece_bytes = _MOST_BYTES // 2
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    _ask_for_huge_pages(libc, piece_bytes=piece_bytes)


def _ask_for_huge_pages(libc: ctypes.CDLL, *, piece_bytes: int) -> None:
    """Grow the heap once and ask for huge pages there; memory is taken only where it is touched.

    It grows by pieces that are small enough for glibc to take them from the heap.

    The activations of a step lie on thousands of small pages, more than the processor holds the
    addresses of. glibc's own setting (glibc.malloc.hugetlb=1) is read only before a process
    starts. Where the kernel refuses, the pages stay small.
    """
    malloc, free, madvise = libc.malloc, libc.free, libc.madvise
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.argtypes = [ctypes.c_void_p]
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    pieces = [malloc(piece_bytes) for _ in range(_HEAP_BYTES // piece_bytes)]
    for start in filter(None, pieces):  # None: a limit of the process's address space
        first = -(-start // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
        madvise(first, start + piece_bytes - first, _MADV_HUGEPAGE)
    for start in pieces:
        free(start)
