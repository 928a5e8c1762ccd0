"""The folder of a study: its plan, one JSON file per finished run, the environments they ran in.

    RUN/plan.json            what was asked, the registry's entries or sources, the data
    RUN/records/KEY.json     one finished run each, written whole or not at all
    RUN/environments/*.json  versions, processor, threads; records name theirs
    RUN/study.db             Optuna's storage, for its dashboard; rebuilt from the records
    RUN/checkpoints/         of runs in flight; removed as they finish
    RUN/latency.json         of a study of architectures: how long one image takes each
    RUN/sessions.json        how long each session's runs took on the clock
    RUN/history.json         what was lost on the way, and when, where anything was
    RUN/replay.json, .md     with `study.replay --all --keep`: what came of training it again

The records are the truth: the report and Optuna's storage are views of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mnist_core.errors import UserError, unknown_name
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.output_folder import held
from study.plans.architectures import ArchitecturePlan
from study.plans.base import RULE_VERSION, VARIANTS, StudyPlan, Variant
from study.plans.optimizers import OptimizerPlan
from study.plans.space import recorded_space

SCHEMA = 1
KINDS: tuple[type[StudyPlan], ...] = (OptimizerPlan, ArchitecturePlan)
Record = dict[str, Any]
RUN_KEYS = (
    *("key", "kind", "arm", "variant", "index", "config", "environment", "status", "epochs"),
    *("validation_accuracy", "weights_sha256", "images_per_second", "seconds"),
)
"""What every record of a run has."""
REFERENCE_KEYS = ("key", "name", "seconds", "test")
"""What a record of other people's recipe has."""
Row = tuple[Literal["trial", "confirmation"], int, Record]
"""A finished run: its kind, its number, counted from 1 for each kind, and its record."""


def trial_key(arm: str, index: int) -> str:
    """Name the record of a trial."""
    return f"trial-{_file_name(arm)}-{index:03d}"


def confirmation_key(arm: str, variant: Variant, index: int) -> str:
    """Name the record of a confirmation run."""
    return f"confirm-{_file_name(arm)}-{variant}-{index:02d}"


def _file_name(arm: str) -> str:
    """Spare files the colon of package.module:Class, which not every file system takes."""
    return arm.replace(":", ".")


def _require_whole(record: Any, *, key: str) -> None:
    """Raise `ValueError` where a record is not that of `key`, or lacks what every one has."""
    if not isinstance(record, dict):
        raise ValueError("it holds no JSON object")
    if record.get("key") != key:
        raise ValueError(f"it is the record of {record.get('key')!r}")
    required = REFERENCE_KEYS if key.startswith("reference-") else RUN_KEYS
    lacking = [name for name in required if name not in with_arm(record)]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")


def damaged_plan(file: Path, error: Exception) -> UserError:
    """Build the error for a plan.json that cannot be read."""
    return UserError(
        f"{file} is damaged ({_reason(error)}). Put it back from a copy, or start anew in another "
        "--output: the records beside it mean nothing without it"
    )


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def changed_sources(header: Mapping[str, Any], *, arm: str | None = None) -> list[str]:
    """Say what a study, or one arm of it, stands on that is no longer what it was when it
    began."""
    plan = header["plan"]
    if not isinstance(plan, StudyPlan):
        return []
    entries = header[plan.ARMS]
    return plan.changes(entries if arm is None else {arm: entries[arm]})


def plan_from_dict(values: Mapping[str, Any]) -> StudyPlan:
    """Build the plan of any kind of study from its `to_dict`."""
    for kind in KINDS:
        if kind.ARMS in values:
            return kind.from_dict(values)
    raise unknown_name("kind of study with the keys", list(values), [k.ARMS for k in KINDS])


def _plan(header: dict[str, Any]) -> StudyPlan:
    """Return a header's plan. Before there were search spaces, the registry's entries said what
    is searched."""
    values = header["plan"]
    if "spaces" not in values:
        entries = header["optimizers"].values()
        spaces = {entry["name"]: recorded_space(entry).to_table() for entry in entries}
        values = {**values, "spaces": spaces}
    return plan_from_dict(values)


def with_arm(record: Record) -> Record:
    """Return a record as it is written today: before studies compared anything but optimizers,
    its arm stood under `optimizer`."""
    if "arm" in record:
        return record
    return {"arm" if key == "optimizer" else key: value for key, value in record.items()}


def run_seconds(record: Record) -> float:
    """Return how long a run took, all its sessions together: records of resumed runs once counted
    the last session alone, but all epochs."""
    epochs = record["epochs"]
    return max(
        float(record["seconds"]),
        sum(float(epoch["train_seconds"] + epoch["evaluation_seconds"]) for epoch in epochs),
    )


def numbered(plan: StudyPlan, records: dict[str, Record]) -> list[Row]:
    """List the finished runs. A number belongs to a place in the plan, whatever has finished."""
    trials = (trial_key(arm, index) for index in range(plan.trials_each) for arm in plan.arms)
    confirmations = (
        confirmation_key(arm, variant, index)
        for variant in VARIANTS
        for arm in plan.arms
        for index in range(plan.looks[-1])
    )
    return [
        *(("trial", n, records[key]) for n, key in enumerate(trials, 1) if key in records),
        *(
            ("confirmation", n, records[key])
            for n, key in enumerate(confirmations, 1)
            if key in records
        ),
    ]


def study_header(plan: StudyPlan, *, data: dict[str, Any], started: str) -> dict[str, Any]:
    """Return what plan.json says of a study."""
    return {
        "schema": SCHEMA,
        "started": started,
        "rule": RULE_VERSION,
        "plan": plan.to_dict(),
        "data": data,
        plan.ARMS: {name: plan.arm_entry(name) for name in plan.arms},
    }


@dataclass(frozen=True)
class RunFolder:
    """The files of one study."""

    path: Path

    @property
    def plan_file(self) -> Path:
        """Return where the plan is."""
        return self.path / "plan.json"

    @property
    def storage_url(self) -> str:
        """Return the URL of Optuna's storage."""
        return f"sqlite:///{self.path / 'study.db'}"

    @property
    def history_file(self) -> Path:
        """Return where the history is, if anything happened."""
        return self.path / "history.json"

    def record_file(self, key: str) -> Path:
        """Return where a run's record is, or will be."""
        return self.path / "records" / f"{key}.json"

    def checkpoint_file(self, key: str) -> Path:
        """Return where a run in flight keeps its checkpoint."""
        return self.path / "checkpoints" / f"{key}.pt"

    def network_file(self, key: str) -> Path:
        """Return where a run leaves its network, if it is kept."""
        return self.path / f"{key}.safetensors"

    def create(self, plan: StudyPlan, *, data: dict[str, Any], started: str) -> None:
        """Make the folders and write the plan; an existing run is never touched."""
        if self.plan_file.exists():
            raise UserError(
                f"{self.path} already holds a run; continue it with --resume, or name another "
                "--output"
            )
        self.make_folders()
        write_json(self.plan_file, study_header(plan, data=data, started=started))

    def make_folders(self) -> None:
        """Make the folders of a run where they are missing."""
        try:
            for name in ("records", "environments", "checkpoints"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot create the output folder {self.path}: {error.strerror}; name another "
                "--output"
            ) from error

    def read_header(self) -> dict[str, Any]:
        """Read plan.json: its plan, data, start and registry entries."""
        if not self.plan_file.exists():
            raise UserError(f"{self.path} holds no study: it has no plan.json")
        try:
            header: dict[str, Any] = json.loads(self.plan_file.read_text())
            if header["schema"] != SCHEMA:
                raise UserError(
                    f"{self.plan_file} must have schema {SCHEMA}, got {header['schema']!r}"
                )
            header["plan"] = _plan(header)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged_plan(self.plan_file, error) from error
        return header

    def read_records(self) -> dict[str, Record]:
        """Read all finished runs, by key."""
        records = {}
        for file in sorted((self.path / "records").glob("*.json")):
            try:
                record: Record = json.loads(file.read_text())
                _require_whole(record, key=file.stem)
                records[file.stem] = with_arm(record)
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{file} is damaged ({_reason(error)}); delete it, and --resume runs it again"
                ) from error
        return records

    def numbered_rows(self) -> list[Row]:
        """List the finished runs as the report counts them."""
        return numbered(self.read_header()["plan"], self.read_records())

    def read_environments(self) -> dict[str, dict[str, Any]]:
        """Read the environments that records name."""
        environments = {}
        for file in sorted((self.path / "environments").glob("*.json")):
            try:
                environments[file.stem] = json.loads(file.read_text())
            except (OSError, ValueError) as error:
                raise UserError(
                    f"{file} is damaged ({_reason(error)}); delete it and the records that name "
                    "it, and --resume runs them again"
                ) from error
        return environments

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; a second process at the same time is a `UserError`."""
        with held(
            self.path / "study.lock",
            refusal=f"another process is running the study in {self.path}; wait for it, or name "
            "another --output",
        ):
            yield
