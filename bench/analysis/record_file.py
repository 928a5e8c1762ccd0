"""record.json: a record as JSON. One of another schema is refused.

Timings are whole numbers of a power of ten of nanoseconds, chosen per case so that the shortest
keeps four digits.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.analysis.record import CaseRecord, GroupRecord, Record
from bench.workloads.workload import Workload
from mnist_core.errors import UserError, from_mapping
from mnist_core.runtime.atomic_files import write_atomically

SCHEMA = "compact-mnist bench 2"
FILE_NAME = "record.json"
_DIGITS = 4
_ENVIRONMENT = ("code", "python", "packages", "system", "processor", "cores", "device", "threads")
"""What a report says of where it ran."""


def _case_to_dict(case: CaseRecord) -> dict[str, Any]:
    shortest = max(min(case.samples(), default=1.0) * 1e9, 1.0)
    unit = int(10 ** max(0, math.floor(math.log10(shortest)) - _DIGITS + 1))
    blocks = [[round(seconds * 1e9 / unit) for seconds in block] for block in case.blocks]
    return {**asdict(case), "blocks": blocks, "unit_nanoseconds": unit}


def _case_from_dict(values: dict[str, Any]) -> CaseRecord:
    unit = values.pop("unit_nanoseconds")
    workload = from_mapping(Workload, values["workload"], kind="workload key")
    blocks = tuple(tuple(time * unit / 1e9 for time in block) for block in values["blocks"])
    return CaseRecord(**{**values, "workload": workload, "blocks": blocks})


def to_json(record: Record) -> str:
    """Return the record as JSON: one line a case, so that a file of many numbers stays small."""
    whole = {key: value for key, value in vars(record).items() if key != "groups"}
    values = {"schema": SCHEMA, **whole}
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
