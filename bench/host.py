"""What else the machine was doing: load, clock frequency, and the threads that there are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_CPU_INFO = Path("/proc/cpuinfo")


def state() -> dict[str, Any]:
    """Return the load over the last minute and each core's MHz; None where not readable."""
    return {"load_1_minute": load(), "megahertz": frequencies(_read(_CPU_INFO))}


def load() -> float | None:
    """Return the processes that wanted to run, averaged over a minute (this one included)."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def frequencies(cpu_info: str) -> list[float] | None:
    """Return the cores' clock frequencies in MHz, from the text of /proc/cpuinfo."""
    found = [
        round(float(line.split(":", 1)[1]))
        for line in cpu_info.splitlines()
        if line.startswith("cpu MHz")
    ]
    return [float(value) for value in found] or None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
