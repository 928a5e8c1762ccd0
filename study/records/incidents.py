"""What happened to a study on the way, besides its results: `history.json` in its folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A run that was lost and begun again."""

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
class History:
    """How many processes a study took, which runs they lost, and when the database was away."""

    processes: int = 1
    """Processes that handed in a run of a shared study, or lost one."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """How often each run was lost with a process that died or hung, and begun again."""
    losses: tuple[Loss, ...] = ()
    """These losses one by one; there are none of histories from before they were written."""
    outages: tuple[Outage, ...] = ()

    @property
    def is_eventful(self) -> bool:
        """Tell whether there is something to tell."""
        return self.processes > 1 or bool(self.lost) or bool(self.outages)

    def with_loss(self, loss: Loss) -> History:
        """Return this history, with one more loss of a run."""
        lost = Counter(self.lost)
        lost[loss.key] += 1
        return replace(self, lost=dict(sorted(lost.items())), losses=(*self.losses, loss))

    def paragraphs(self) -> list[str]:
        """Tell a reader of the report; nothing where nothing happened."""
        text = []
        if self.processes > 1:
            text.append(
                f"{self.processes} processes shared the runs, through a PostgreSQL database."
            )
        if self.lost:
            runs = ", ".join(
                key if count == 1 else f"{key} ({count} times)" for key, count in self.lost.items()
            )
            text.append(
                "Runs that were lost with a process that died, hung or was ended, and begun "
                f"again: {runs}. No number of this report depends on it: a run's bits follow from "
                "its configuration."
            )
        events = [(loss.time, f"{loss.key} was lost: {loss.how}") for loss in self.losses]
        events += [
            (outage.began, f"a process waited for the database until {outage.ended}")
            for outage in self.outages
        ]
        listed = "\n".join(f"- {moment}: {event}" for moment, event in sorted(events))
        return [part for part in (" ".join(text), listed) if part]


NOTHING_HAPPENED = History()


def most_at_once(records: Collection[Mapping[str, Any]]) -> int | None:
    """Return how many runs were trained at the same time, at most; None where a record does not
    say when it began."""
    if any("started" not in record for record in records):
        return None
    events = []
    for record in records:
        began = datetime.fromisoformat(record["started"]).timestamp()
        events += [(began, 1), (began + record["seconds"], -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def read_history(file: Path) -> History:
    """Read a history; where there is no file, nothing happened."""
    if not file.exists():
        return NOTHING_HAPPENED
    try:
        values = json.loads(file.read_text())
        losses = tuple(Loss(**loss) for loss in values.pop("losses", ()))
        outages = tuple(Outage(**outage) for outage in values.pop("outages", ()))
        return History(**values, losses=losses, outages=outages)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is damaged ({error!r}); delete it, it changes no result"
        ) from error


def write_history(file: Path, history: History) -> None:
    """Write a history where there is something to tell, and remove an older one where not."""
    if history.is_eventful:
        write_json(file, asdict(history))
    else:
        file.unlink(missing_ok=True)
