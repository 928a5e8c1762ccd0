"""The record of a run: every raw timing, what was timed and on what. Reports are views of it.

`bench.analysis.record_file` writes and reads it.
"""

import statistics
from dataclasses import dataclass, field
from typing import Any

from bench.workloads.workload import GroupKind, Metric, Workload


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """One case: what was done in a call, how it was timed, and the times."""

    workload: Workload
    images: int
    flops: int
    bytes: int
    iterations: int
    """Calls of which a sample is the mean; a latency has 1."""
    steady: bool
    """Whether its timings were steady at the end of the warm-up."""
    blocks: tuple[tuple[float, ...], ...]
    """The samples, timed interleaved with the group: seconds a call, by block."""

    def block_seconds(self) -> list[float]:
        """Return the median of each block."""
        return [statistics.median(block) for block in self.blocks]

    def item_seconds(self) -> list[float]:
        """Return each block's seconds an image, or a call where the case has no images."""
        return [seconds / (self.images or 1) for seconds in self.block_seconds()]

    def samples(self) -> list[float]:
        """Return the samples of all blocks."""
        return [value for block in self.blocks for value in block]


@dataclass(frozen=True, kw_only=True)
class GroupRecord:
    """Cases that were timed interleaved."""

    name: str
    device: str
    host_before: dict[str, Any]
    host_after: dict[str, Any]
    cases: tuple[CaseRecord, ...]

    @property
    def label(self) -> str:
        """Return the name without its device."""
        return self.name.removeprefix(f"{self.device}: ")

    @property
    def kind(self) -> GroupKind:
        """Return the kind of question that the cases answer."""
        return self.cases[0].workload.group_kind

    @property
    def metric(self) -> Metric:
        """Return what counts in the group; limits beside a latency have a throughput."""
        return self.cases[0].workload.metric


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run on one device."""

    created_utc: str
    """When the run started."""
    device: str
    complete: bool
    """Whether every case was measured or could not be on this machine."""
    command: str
    seconds: float
    """Of the whole run."""
    environment: dict[str, Any]
    dataset: dict[str, Any]
    groups: tuple[GroupRecord, ...]
    skipped: dict[str, str]
    profiles: list[dict[str, Any]] = field(default_factory=list)
    trace_folder: str | None = None
    """Relative to the repository."""
