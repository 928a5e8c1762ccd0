"""What happened to a study on the way, besides its results: `incidents.json` in its folder."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from mnist_core.runtime.atomic_files import write_json
from study.records.json_files import CHANGES_NO_RESULT, read_json_as, require_keys
from study.records.run_record import RunRecord

FILE = "incidents.json"


@dataclass(frozen=True, kw_only=True)
class LostRun:
    """A run that was lost and started again."""

    key: str
    time: str
    """In UTC, by the clock of the machine that noticed it."""
    how: str
    """How it ended, as far as anybody could see."""


@dataclass(frozen=True, kw_only=True)
class Outage:
    """A time in which a process waited for the database, in UTC by its own clock."""

    began: str
    ended: str


@dataclass(frozen=True, kw_only=True)
class Incidents:
    """How many processes a study took, which runs they lost, and when the database was away."""

    processes: int = 1
    """Processes that handed in a run of a shared study, or lost one."""
    lost_runs: tuple[LostRun, ...] = ()
    outages: tuple[Outage, ...] = ()

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """Build the incidents from their JSON form."""
        known: dict[str, Any] = require_keys(cls, values)
        lost_runs = tuple(LostRun(**lost) for lost in known["lost_runs"])
        outages = tuple(Outage(**outage) for outage in known["outages"])
        return cls(processes=known["processes"], lost_runs=lost_runs, outages=outages)

    @property
    def is_eventful(self) -> bool:
        """Tell whether there is something to report."""
        return self.processes > 1 or bool(self.lost_runs) or bool(self.outages)

    def with_lost_run(self, lost_run: LostRun) -> Self:
        """Return these incidents, and one more lost run."""
        return replace(self, lost_runs=(*self.lost_runs, lost_run))


NOTHING_HAPPENED = Incidents()


def max_at_once(records: Collection[RunRecord]) -> int | None:
    """Return how many runs were trained at the same time, at most; None where a record does not
    say when it began."""
    events = []
    for record in records:
        if record.started is None:
            return None
        began = datetime.fromisoformat(record.started).timestamp()
        events += [(began, 1), (began + record.seconds, -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def read_incidents(folder: Path) -> Incidents:
    """Read a study's incidents; where there is no file, nothing happened."""
    file = folder / FILE
    if not file.exists():
        return NOTHING_HAPPENED
    return read_json_as(Incidents.from_dict, file, remedy=CHANGES_NO_RESULT)


def write_incidents(folder: Path, incidents: Incidents) -> None:
    """Write incidents where there are any, and remove an older file where not."""
    if incidents.is_eventful:
        write_json(folder / FILE, asdict(incidents))
    else:
        (folder / FILE).unlink(missing_ok=True)
