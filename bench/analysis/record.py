"""The record of a run: every raw timing, what was timed and on what. Reports are views of it.

Timings are whole numbers of a power of ten of nanoseconds, chosen per case so that the shortest
keeps four digits. A record of another schema is refused.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.workloads.workload import Workload
from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_atomically

SCHEMA = "compact-mnist bench 1"
FILE_NAME = "record.json"
_DIGITS = 4
_ENVIRONMENT = ("code", "python", "packages", "system", "processor", "cores", "device", "threads")
"""What a report says of where it ran."""


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """One case: what was done in a call, how it was timed, and the times."""

    workload: Workload
    asked: bool
    """False for a companion: a limit, a twin, a reference that was not selected."""
    images: int
    flops: int
    bytes: int
    iterations: int
    """Calls in a datum of the blocks; a latency has 1."""
    steady: bool
    warm_up_seconds: tuple[float, ...]
    alone_seconds: tuple[float, ...]
    """What pytest-benchmark timed, case by case."""
    blocks: tuple[tuple[float, ...], ...]
    """What was timed interleaved with the group: seconds a call, by block."""

    def block_seconds(self) -> list[float]:
        """Return the median of each block."""
        import statistics

        return [statistics.median(block) for block in self.blocks]

    def samples(self) -> list[float]:
        """Return all interleaved data."""
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
        return self.name.partition(": ")[2]

    def case(self, name: str) -> CaseRecord | None:
        """Return a case by its name, or None."""
        return next((case for case in self.cases if case.workload.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run on one device."""

    created_utc: str
    """When the run started; in the first records, when its timing ended."""
    device: str
    complete: bool
    """Whether every case was measured or could not be on this machine."""
    command: str
    seconds: float
    """Of the whole run; in the first records, without its profiles."""
    environment: dict[str, Any]
    dataset: dict[str, Any]
    groups: tuple[GroupRecord, ...]
    skipped: dict[str, str]
    profiles: list[dict[str, Any]] = field(default_factory=list)
    trace_folder: str | None = None
    """Relative to the repository."""

    def groups_of(self, word: str) -> list[GroupRecord]:
        """Return the groups that have a word in their names."""
        return [group for group in self.groups if word in group.name]

    def group(self, name: str) -> GroupRecord | None:
        """Return a group by its name, or None."""
        return next((group for group in self.groups if group.name == name), None)


def _pack(values: Any, unit_nanoseconds: int) -> Any:
    if isinstance(values, (tuple, list)):
        return [_pack(value, unit_nanoseconds) for value in values]
    return round(values * 1e9 / unit_nanoseconds)


def _unpack(values: Any, unit_nanoseconds: int) -> Any:
    if isinstance(values, list):
        return tuple(_unpack(value, unit_nanoseconds) for value in values)
    return values * unit_nanoseconds / 1e9


_TIMES = ("warm_up_seconds", "alone_seconds", "blocks")


def _unit(case: CaseRecord) -> int:
    shortest = min(case.samples(), default=1.0)
    return int(10 ** max(0, math.floor(math.log10(max(shortest * 1e9, 1.0))) - _DIGITS + 1))


def _case_to_dict(case: CaseRecord) -> dict[str, Any]:
    values = asdict(case)
    unit = _unit(case)
    for key in _TIMES:
        values[key] = _pack(values[key], unit)
    return {**values, "unit_nanoseconds": unit}


def _case_from_dict(values: dict[str, Any]) -> CaseRecord:
    values = dict(values)
    unit = values.pop("unit_nanoseconds")
    values["workload"] = Workload.from_dict(values["workload"])
    for key in _TIMES:
        values[key] = _unpack(values[key], unit)
    return CaseRecord(**values)


def to_json(record: Record) -> str:
    """Return the record as JSON: one line a case, so that a file of many numbers stays small."""
    values = {
        "schema": SCHEMA,
        **{
            key: value
            for key, value in asdict(record).items()
            if key not in ("groups", "profiles")
        },
        "profiles": record.profiles,
    }
    head = json.dumps(values, indent=1, allow_nan=False).removesuffix("\n}")
    groups = []
    for group in record.groups:
        described = {key: value for key, value in vars(group).items() if key != "cases"}
        cases = ",\n".join(
            json.dumps(_case_to_dict(case), allow_nan=False, separators=(",", ":"))
            for case in group.cases
        )
        opened = json.dumps(described, allow_nan=False).removesuffix("}")
        groups.append(f'{opened}, "cases": [\n{cases}\n]}}')
    return head + ',\n "groups": [\n' + ",\n".join(groups) + "\n]\n}\n"


def _require(values: dict[str, Any], keys: tuple[str, ...], name: str) -> None:
    missing = [key for key in keys if key not in values]
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}")


def _require_whole(group: GroupRecord) -> None:
    """Refuse what no run leaves: groups without cases or states, blocks without times."""
    if not group.name.startswith(f"{group.device}: ") or not group.cases:
        raise ValueError(f"group {group.name!r} is nameless or empty")
    for state in (group.host_before, group.host_after):
        _require(state, ("load_1_minute", "megahertz"), f"the host's state of {group.name}")
    for case in group.cases:
        if len(case.blocks) != len(group.cases[0].blocks) or not all(case.blocks):
            raise ValueError(f"{case.workload.id} has not as many blocks as the others")
        if not all(0.0 < seconds < math.inf for seconds in case.samples()):
            raise ValueError(f"{case.workload.id} has times that are not above 0")


def from_json(text: str, *, where: str) -> Record:
    """Read a record. Anything else is a `UserError` that names `where` it came from."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} is not JSON ({error})") from error
    schema = values.pop("schema", None) if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise UserError(f"{where} must have the schema {SCHEMA!r}, got {schema!r}")
    try:
        groups = tuple(
            GroupRecord(**{**group, "cases": tuple(map(_case_from_dict, group["cases"]))})
            for group in values.pop("groups")
        )
        made = Record(**values, groups=groups)
        _require(made.environment, _ENVIRONMENT, "environment")
        _require(made.environment["code"], ("commit", "dirty"), "environment's code")
        _require(made.environment["packages"], ("torch",), "environment's packages")
        _require(made.dataset, ("label",), "dataset")
        for group in made.groups:
            _require_whole(group)
        return made
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{where} is not a whole record: {error!r}") from error


def read(path: Path) -> Record:
    """Read a record from its file, or from the folder that it is in."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UserError(f"cannot read the record {file}: {reason}") from error
    return from_json(text, where=str(file))


def write(folder: Path, record: Record) -> None:
    """Write the record into a folder, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE_NAME, to_json(record))
