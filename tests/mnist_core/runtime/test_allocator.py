"""Memory that stays with the process, in huge pages where Linux may give them."""

from __future__ import annotations

import platform

import pytest

from mnist_core.runtime import allocator

pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or platform.libc_ver()[0] != "glibc",
    reason="the allocator's settings are glibc's",
)
_COUNT_FAULTS = """
import resource, torch
from mnist_core.runtime.device import prepare_process
def touch(times):
    for _ in range(times):
        torch.ones(16 << 20)  # 64 MiB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.set_num_threads(1)
print(-touch(10) + touch(10))
prepare_process(threads=1)
print(-touch(10) + touch(10))
"""
_SHOW_PAGES = """
import resource, sys, torch
from mnist_core.runtime.device import prepare_process
if sys.argv[1:]:
    status = dict(line.split(":") for line in open("/proc/self/status"))
    limit = 1024 * int(status["VmData"].split()[0]) + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
prepare_process(threads=1)
tensor = torch.ones(4 << 20)
last_byte = tensor.data_ptr() + (16 << 20) - 1
for line in open("/proc/self/smaps"):
    key, *rest = line.split()
    if not key.endswith(":"):
        first, end = (int(edge, 16) for edge in key.split("-"))
    elif key == "VmFlags:" and first <= last_byte < end:
        print("huge" if "hg" in rest else "small")
"""


def test_freed_memory_is_kept_instead_of_being_faulted_in_again(run_python):
    bare, prepared = map(int, run_python("-c", _COUNT_FAULTS).stdout.split())
    assert prepared < bare / 4


def test_an_older_glibc_that_keeps_no_large_blocks_gets_pieces_that_it_keeps(monkeypatch):
    calls = []

    class Glibc:
        def mallopt(self, parameter, value):
            return int(parameter != -3 or value <= 32 << 20)

        def __getattr__(self, name):
            def call(*arguments):
                calls.append((name, *arguments))
                return len(calls) << 30  # malloc's blocks, at multiples of a huge page

            setattr(self, name, call)
            return call

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: Glibc())
    allocator.keep_freed_memory()
    assert {call[1] for call in calls if call[0] == "malloc"} == {16 << 20}
    asked = [call for call in calls if call[0] == "madvise"]
    assert sum(length for _, _, length, _ in asked) == 512 << 20
    assert [call[0] for call in calls].count("free") == len(asked) == 32


def test_tensors_lie_where_huge_pages_were_asked_for(run_python):
    assert run_python("-c", _SHOW_PAGES).stdout == "huge\n"


def test_a_process_that_may_not_grow_so_far_works_with_small_pages(run_python):
    more_bytes = 256 << 20
    assert run_python("-c", _SHOW_PAGES, more_bytes).stdout == "small\n"
