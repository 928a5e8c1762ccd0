"""What happened to a study on the way, besides its results: `history.json` in its folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mnist_core.errors import UserError
from mnist_core.report import write_json


@dataclass(frozen=True, kw_only=True)
class History:
    """How many processes a study took, and which runs they lost."""

    processes: int = 1
    """Processes that shared the study; resumed ones count once."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """How often each run was lost with a process that died or hung, and begun again."""

    @property
    def is_eventful(self) -> bool:
        """Tell whether there is something to tell."""
        return self.processes > 1 or bool(self.lost)

    def with_loss(self, key: str) -> History:
        """Return this history, with one more loss of a run."""
        lost = Counter(self.lost)
        lost[key] += 1
        return History(processes=self.processes, lost=dict(sorted(lost.items())))


NOTHING_HAPPENED = History()


def read_history(file: Path) -> History:
    """Read a history; where there is no file, nothing happened."""
    if not file.exists():
        return NOTHING_HAPPENED
    try:
        return History(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} is damaged ({error!r}); delete it, it changes no result"
        ) from error


def write_history(file: Path, history: History) -> None:
    """Write a history where there is something to tell, and remove an older one where not."""
    if history.is_eventful:
        write_json(file, asdict(history))
    else:
        file.unlink(missing_ok=True)
