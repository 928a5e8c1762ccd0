"""The run queue of a study that several processes, on any number of machines, work on together.

Optuna's storage in a PostgreSQL database is the truth: one Optuna study for each arm and one
for the confirmation, NAME/OPTIMIZER and NAME/confirmation, a trial for each run that was started,
the whole record in an attribute of each finished one. A run is started, handed in or given up in
an exclusive section. What is left to do follows from the records and from what is running, so that
nothing can be queued twice or be forgotten.

A run's heartbeat says that it makes progress. Where it stops, whoever looks next fails the trial,
and the run is free again; if its process was only stopped and comes back, its record is void.
Heartbeats are written and compared by the database's clock alone.
"""

import json
import time
import uuid
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from study.execution.distributed.incidents import SharedIncidents
from study.execution.distributed.join_check import require_same
from study.execution.distributed.postgres import Database, LockLost
from study.execution.run_queue import proposed_trial
from study.plans.base import StudyPlan
from study.plans.task import Task, trial_key
from study.records.incidents import Incidents
from study.records.run_folder import RunFolder
from study.records.run_record import RunRecord
from study.search.confirmation import due, missing_trials
from study.search.optuna_trials import distributions, to_optuna, trial_value

CONFIRMATION = "confirmation"
_POLL_SECONDS = 1.0
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class SharedQueue:
    """One process's view of a shared study; use as a context manager, which gives back what this
    process has started and not finished."""

    how_to_resume = "What was finished is in the database: the same command joins the study again"

    def __init__(
        self,
        database: Database,
        plan: StudyPlan,
        *,
        name: str,
        header: Mapping[str, Any],
        scratch: RunFolder,
        stale_after_seconds: int,
    ) -> None:
        self.header = json.loads(json.dumps(header))
        self.records: dict[str, RunRecord] = {}
        self.is_done = False
        self.finished_last = False
        """Whether the study was done when this process handed in a run."""
        self._plan = plan
        self._database = database
        self._storage = database.storage
        self._name = name
        self._scratch = scratch
        self._heartbeat_seconds = min(15.0, stale_after_seconds / 4)
        self._process = uuid.uuid4().hex[:12]
        self._claimed: dict[str, int] = {}
        """Optuna's trial of each run that this process has started."""
        self._open: dict[str, FrozenTrial] = {}
        """The trials of all processes that wait or run, by the key of their run."""
        self._proposed: dict[str, Task] = {}
        """The trials that this process has proposed."""
        self._moved: set[str] = set()
        self._stale_after_seconds = stale_after_seconds
        self._next_heartbeat = self._next_look = self._next_stale_check = 0.0
        database.patiently(self._join)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            for key, trial_id in self._claimed.items():
                self._fail(trial_id, key, how="its process ended before it")
        except (StorageInternalError, SQLAlchemyError, LockLost):
            pass  # without the server they go stale, later

    def claim(self) -> Task | None:
        """Return the next run to do here; None where others run all that can start now."""
        if time.monotonic() < self._next_look:
            return None
        claimed = self._database.patiently(self._claim)
        if claimed is None:
            self._next_look = time.monotonic() + _POLL_SECONDS
            return None
        task, self._claimed[task.key] = claimed
        return task

    def finish(self, task: Task, record: RunRecord) -> bool:
        """Hand in a record; False where the run had been given to another process."""
        is_ours = self._database.patiently(lambda: self._finish(task, record))
        self._claimed.pop(task.key)
        self._next_look = 0.0
        self.finished_last = is_ours and self.is_done
        return is_ours

    def requeue(self, task: Task, *, how: str) -> None:
        """Give up a run whose worker was lost."""
        trial_id = self._claimed.pop(task.key)
        self._database.patiently(lambda: self._fail(trial_id, task.key, how=how))
        self._next_look = 0.0

    def heartbeat(self, keys: Collection[str]) -> None:
        """Write heartbeats, every now and then, for the runs that have made progress since."""
        self._moved |= set(keys)
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + self._heartbeat_seconds
        try:
            for key in self._moved & self._claimed.keys():
                self._storage.record_heartbeat(self._claimed[key])
            self._moved.clear()
        except (StorageInternalError, SQLAlchemyError):
            pass  # the next hand-in waits for the server, and says so

    def environments(self) -> dict[str, dict[str, Any]]:
        """Return the environments that the records name."""
        notes, kind = self._notes(), "environment-"
        return {key.removeprefix(kind): notes[key] for key in notes if key.startswith(kind)}

    def incidents(self) -> Incidents:
        """Return what happened on the way. It is the same whoever asks, once all is done."""
        return self._incidents.read(
            trial for study in self._studies.values() for trial in study.get_trials(deepcopy=False)
        )

    def reported(self) -> str | None:
        """Return the folder in which a process wrote the report, as it named it."""
        place: str | None = self._notes().get("report")
        return place

    def set_reported(self, place: str) -> None:
        """Note where the report is."""
        self._studies[CONFIRMATION].set_user_attr("report", place)

    def _join(self) -> None:
        """Create what of the study is missing, or make sure that it is the one asked for."""
        with self._database.exclusive():
            self._studies = {
                study: optuna.create_study(
                    study_name=f"{self._name}/{study}",
                    storage=self._storage,
                    direction="maximize",
                    sampler=optuna.samplers.RandomSampler(),
                    pruner=optuna.pruners.NopPruner(),
                    load_if_exists=True,
                )
                for study in (CONFIRMATION, *self._plan.arms)
            }
            self._incidents = SharedIncidents(self._studies[CONFIRMATION], process=self._process)
            study, notes = self._studies[CONFIRMATION], self._notes()
            asked = {"header": self.header, "stale_after_seconds": self._stale_after_seconds}
            for key, value in asked.items():
                if key not in notes:
                    study.set_user_attr(key, value)
            known = {**asked, **notes}
            require_same(self._name, known, asked)
            self.header = known["header"]
            self._look()

    def _notes(self) -> dict[str, Any]:
        return self._studies[CONFIRMATION].user_attrs

    def _look(self) -> None:
        """Read what is finished and what is open; only in an exclusive section."""
        self._open.clear()
        if time.monotonic() >= self._next_stale_check:
            self._fail_stale()
            self._next_stale_check = time.monotonic() + self._heartbeat_seconds
        seconds = self._stale_after_seconds
        how = f"no progress for {seconds} s: its process died, was stopped or was cut off"
        for study in self._studies.values():
            for trial in study.get_trials(deepcopy=False):
                key = trial.user_attrs["key"]
                if trial.state == TrialState.FAIL:
                    self._incidents.note_lost(trial._trial_id, key=key, how=how)
                elif trial.state in _FINISHED:
                    self.records[key] = RunRecord.from_dict(trial.user_attrs["record"], key=key)
                elif not trial.state.is_finished():
                    self._open[key] = trial
        has_open = any(trial.state == TrialState.RUNNING for trial in self._open.values())
        self.is_done = not has_open and next(self._tasks(), None) is None
        if not self.is_done:  # nothing changes what a report tells of a study that is done
            self._incidents.note_outages(self._database.outages)

    def _fail_stale(self) -> None:
        for study in self._studies.values():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna.storages.fail_stale_trials(study)

    def _tasks(self) -> Iterator[Task]:
        """Yield the runs that can begin, most useful first."""
        plan = self._plan
        missing = {name: missing_trials(plan, self.records, name) for name in plan.arms}
        for index in range(plan.trials_each):
            for arm in plan.arms:
                waits = plan.is_sequential and missing[arm][:1] != [index]
                key = trial_key(arm, index)
                if index in missing[arm] and not waits and self._is_free(key):
                    if key not in self._proposed:
                        self._proposed[key] = proposed_trial(plan, arm, index, self.records)
                    yield self._proposed[key]
        for task in due(plan, self.records):
            if self._is_free(task.key):
                yield task

    def _is_free(self, key: str) -> bool:
        """Tell whether nobody runs this. A trial that waits was left by a process that ended as
        it began it, a running one of our own by the server's going away at that moment."""
        trial = self._open.get(key)
        return (
            trial is None
            or trial.state == TrialState.WAITING
            or (trial.user_attrs.get("process") == self._process and key not in self._claimed)
        )

    def _claim(self) -> tuple[Task, int] | None:
        """Return a run that begins here, and its trial."""
        with self._database.exclusive():
            self._look()
            task = next(self._tasks(), None)
            return None if task is None else (task, self._begin(task))

    def _begin(self, task: Task) -> int:
        """Return the trial of a run that begins. It has a heartbeat before it is running, so that
        whatever ends this process now, the trial can be started again or goes stale."""
        if task.key in self._open:
            trial_id: int = self._open[task.key]._trial_id
        else:
            plan, is_trial = self._plan, task.kind == "trial"
            template = create_trial(
                state=TrialState.WAITING,
                params=to_optuna(plan, task.arm, task.parameters) if is_trial else {},
                distributions=distributions(plan, task.arm) if is_trial else {},
                user_attrs={"key": task.key},
            )
            study = task.arm if is_trial else CONFIRMATION
            study_id = self._storage.get_study_id_from_name(f"{self._name}/{study}")
            trial_id = self._storage.create_new_trial(study_id, template_trial=template)
        self._storage.record_heartbeat(trial_id)
        self._storage.set_trial_user_attr(trial_id, "process", self._process)
        self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        return trial_id

    def _finish(self, task: Task, record: RunRecord) -> bool:
        trial_id = self._claimed[task.key]
        with self._database.exclusive():
            state = self._storage.get_trial(trial_id).state
            if state == TrialState.RUNNING:
                self._write(trial_id, record)
            self._look()
        # This trial is ours: if it has a result, then it is this one, handed in as the server
        # went away.
        return state == TrialState.RUNNING or state in _FINISHED

    def _write(self, trial_id: int, record: RunRecord) -> None:
        """Store a record, and the environment that it names, before the trial counts as ended."""
        digest = record.environment
        if f"environment-{digest}" not in self._notes():
            environment = self._scratch.read_environments()[digest]
            self._studies[CONFIRMATION].set_user_attr(f"environment-{digest}", environment)
        for epoch in record.epochs:
            self._storage.set_trial_intermediate_value(
                trial_id, epoch.epoch, epoch.validation_accuracy
            )
        self._storage.set_trial_user_attr(trial_id, "record", record.to_dict())
        if record.status == "pruned":
            self._storage.set_trial_state_values(trial_id, TrialState.PRUNED)
        else:
            self._storage.set_trial_state_values(
                trial_id, TrialState.COMPLETE, [trial_value(record)]
            )

    def _fail(self, trial_id: int, key: str, *, how: str) -> None:
        with self._database.exclusive():
            if self._storage.get_trial(trial_id).state == TrialState.RUNNING:
                self._incidents.note_lost(trial_id, key=key, how=how)
                self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
