"""What else the machine was doing: load, clock frequency, time stolen, switches, threads."""

import os
import resource
import threading
from pathlib import Path
from typing import Any

_CPU_INFO, _STAT, _TASKS = Path("/proc/cpuinfo"), Path("/proc/stat"), Path("/proc/self/task")
_STEAL_FIELD = 8
"""Of the line 'cpu' in /proc/stat (proc(5)): user nice system idle iowait irq softirq steal."""


def state() -> dict[str, Any]:
    """Return load, MHz, stolen and all time of the cores, switches, threads; None if unknown."""
    stolen, all_time = core_time(_read(_STAT)) or (None, None)
    return {
        "load_1_minute": load(),
        "megahertz": frequencies(_read(_CPU_INFO)),
        "steal_ticks": stolen,
        "all_ticks": all_time,
        "involuntary_switches": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        "threads": threads(),
    }


def core_time(stat: str) -> tuple[int, int] | None:
    """Return the ticks that the hypervisor took and all ticks, from the text of /proc/stat."""
    words = stat.partition("\n")[0].split()
    if words[:1] != ["cpu"] or len(words) <= _STEAL_FIELD:
        return None
    # What follows (guests) is counted in user and nice already.
    ticks = [int(word) for word in words[1 : _STEAL_FIELD + 1]]
    return ticks[-1], sum(ticks)


def threads() -> int:
    """Return this process's threads; Python's alone where the system does not show the others."""
    try:
        return len(list(_TASKS.iterdir()))
    except OSError:
        return threading.active_count()


def load() -> float | None:
    """Return the processes that wanted to run, averaged over a minute (this one included)."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def frequencies(cpu_info: str) -> list[float] | None:
    """Return the cores' clock frequencies in MHz, from the text of /proc/cpuinfo."""
    lines = [line for line in cpu_info.splitlines() if line.startswith("cpu MHz")]
    return [float(round(float(line.split(":", 1)[1]))) for line in lines] or None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
