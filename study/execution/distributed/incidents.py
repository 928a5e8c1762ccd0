"""What happens to a shared study on the way, kept as attributes of one of its Optuna studies."""

from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from mnist_core.runtime.provenance import utc_now
from study.records.incidents import Incidents, LostRun, Outage


class SharedIncidents:
    """Notes lost runs and outages, each once; only in an exclusive section."""

    def __init__(self, study: optuna.Study, *, process: str) -> None:
        self._study = study
        self._process = process
        self._noted_trials: set[int] = set()
        self._noted_outages = 0

    def note_lost(self, trial_id: int, *, key: str, how: str) -> None:
        """Note how a run was lost, unless that is noted already."""
        name = f"lost-{trial_id}"
        if trial_id not in self._noted_trials and name not in self._study.user_attrs:
            self._study.set_user_attr(name, {"key": key, "time": utc_now(), "how": how})
        self._noted_trials.add(trial_id)

    def note_outages(self, outages: Sequence[tuple[str, str]]) -> None:
        """Note when this process had to wait for the database; `outages` are all so far."""
        for number in range(self._noted_outages, len(outages)):
            self._study.set_user_attr(f"outage-{self._process}-{number}", list(outages[number]))
        self._noted_outages = len(outages)

    def read(self, trials: Iterable[FrozenTrial]) -> Incidents:
        """Return how many processes took part in the trials of the study, what they lost, and
        when they had to wait."""
        lost_runs = [LostRun(**lost) for lost in self._noted("lost")]
        outages = [Outage(began=began, ended=end) for began, end in self._noted("outage")]
        return Incidents(
            processes=len({t.user_attrs["process"] for t in trials if t.state.is_finished()}),
            lost_runs=tuple(sorted(lost_runs, key=lambda lost: (lost.time, lost.key))),
            outages=tuple(sorted(outages, key=lambda outage: (outage.began, outage.ended))),
        )

    def _noted(self, kind: str) -> list[Any]:
        notes = self._study.user_attrs
        return [value for name, value in notes.items() if name.startswith(f"{kind}-")]
