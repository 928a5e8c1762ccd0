"""The latencies of a study's architectures: `latency.json` in its folder, which the report stands
on. `study.execution.latency` measures them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mnist_core.models.architecture import Architecture
from mnist_core.runtime.atomic_files import write_json
from study.records.json_files import read_json_as
from study.stats.order_statistics import Median, median_estimate

FILE = "latency.json"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What latency.json holds."""

    environment: dict[str, Any]
    rounds: int
    calls: int
    """Calls of each architecture in a round."""
    warm_up_calls: int
    """Calls before them in each round, which are not counted."""
    round_medians: dict[Architecture, list[float]]
    """Median latency of each round, in microseconds."""

    def of(self, architecture: Architecture) -> Median | None:
        """Return an architecture's latency, the median over rounds of a round's median, in
        microseconds; None where it was not measured."""
        medians = self.round_medians.get(architecture)
        return None if medians is None else median_estimate(medians)

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Build a measurement from its JSON form."""
        known = dict(values)
        medians = {
            Architecture(**entry["architecture"]): [
                *map(float, entry["round_median_microseconds"])
            ]
            for entry in known.pop("architectures")
        }
        return cls(**known, round_medians=medians)


def write(folder: Path, measurement: Measurement) -> None:
    """Write a measurement into a study's folder."""
    entries = [
        {"architecture": asdict(architecture), "round_median_microseconds": medians}
        for architecture, medians in measurement.round_medians.items()
    ]
    values = {name: value for name, value in vars(measurement).items() if name != "round_medians"}
    write_json(folder / FILE, {**values, "architectures": entries})


def read(folder: Path) -> Measurement | None:
    """Read a study's measurement; None where there is none."""
    file = folder / FILE
    if not file.exists():
        return None
    return read_json_as(
        Measurement.from_dict, file, remedy="delete it, and --resume measures again"
    )
