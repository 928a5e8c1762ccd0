"""The folder of a study: its plan, one JSON file per finished run, the environments they ran in.

    RUN/plan.json            what was asked, the registry's entries or sources, the data
    RUN/records/KEY.json     one finished run each, written whole or not at all
    RUN/environments/*.json  versions, processor, threads; records name theirs
    RUN/study.db             Optuna's storage, for its dashboard; rebuilt from the records
    RUN/checkpoints/         of runs in flight; removed as they finish
    RUN/latency.json         of a study of architectures: how long one image takes each
    RUN/sessions.json        how long each session's runs took on the clock
    RUN/incidents.json       what was lost on the way, and when, where anything was
    RUN/replay.json, .md     with `study.replay --all --keep`: what came of training it again

The records are the truth: the report and Optuna's storage are views of them.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.output_folder import locked
from study.plans.base import StudyPlan
from study.plans.kinds import Plan, plan_from_dict
from study.plans.task import Kind
from study.records.json_files import read_json_as
from study.records.run_record import ReferenceRecord, RunRecord

R = TypeVar("R", RunRecord, ReferenceRecord)
SCHEMA = 1
RULE_VERSION = 3
"""Of the rule of comparison (`study.stats.comparisons`), which plan.json records when a study
begins; 3: a pair is held to its own degrees of freedom, and intervals are for other test images
too. Studies before it recorded none."""
Row = tuple[Kind, int, RunRecord]
"""A finished run: its kind, its number, counted from 1 for each kind, and its record."""


def changed_sources(header: Mapping[str, Any], *, arm: str | None = None) -> list[str]:
    """Say what a study, or one arm of it, stands on that is no longer what it was when it
    began."""
    plan = header["plan"]
    if not isinstance(plan, StudyPlan):
        return []
    entries = header[plan.ARMS]
    return plan.changes(entries if arm is None else {arm: entries[arm]})


def numbered(plan: Plan, records: Mapping[str, RunRecord]) -> list[Row]:
    """List the finished runs. A number belongs to a place in the plan, whatever has finished."""
    return [
        (kind, number, records[key])
        for kind, keys in plan.run_keys().items()
        for number, key in enumerate(keys, start=1)
        if key in records
    ]


def plan_header(plan: Plan, *, data: Mapping[str, Any], started: str) -> dict[str, Any]:
    """Return what plan.json says: of a study also the rule of comparison, and what its arms
    must still be when it is continued."""
    header = {"schema": SCHEMA, "started": started, "plan": plan.to_dict(), "data": data}
    if isinstance(plan, StudyPlan):
        arms = {name: plan.arm_entry(name) for name in plan.arms}
        header |= {"rule": RULE_VERSION, plan.ARMS: arms}
    return header


def _header(values: Any) -> dict[str, Any]:
    if values["schema"] != SCHEMA:
        raise ValueError(f"it must have schema {SCHEMA}, got {values['schema']!r}")
    return {**values, "plan": plan_from_dict(values["plan"])}


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

    def record_file(self, key: str) -> Path:
        """Return where a run's record is, or will be."""
        return self.path / "records" / f"{key}.json"

    def checkpoint_file(self, key: str) -> Path:
        """Return where a run in flight keeps its checkpoint."""
        return self.path / "checkpoints" / f"{key}.pt"

    def begin(self, plan: Plan, *, data: Mapping[str, Any], started: str) -> None:
        """Make the folders and write the plan; an existing run is never touched."""
        if self.plan_file.exists():
            raise UserError(
                f"{self.path} already holds a run; continue it with --resume, or name another "
                "--output"
            )
        self.make_folders()
        write_json(self.plan_file, plan_header(plan, data=data, started=started))

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
        return read_json_as(
            _header,
            self.plan_file,
            remedy="put it back from a copy, or start anew in another --output: the records "
            "beside it mean nothing without it",
        )

    def read_records(self) -> dict[str, RunRecord]:
        """Read all finished runs, by key."""
        return self._read_by_key(RunRecord, is_reference=False)

    def read_references(self) -> dict[str, ReferenceRecord]:
        """Read what other people's code took, by key."""
        return self._read_by_key(ReferenceRecord, is_reference=True)

    def _read_by_key(self, kind: type[R], *, is_reference: bool) -> dict[str, R]:
        """Read the records of a kind, each of which must name itself as its file does."""
        records = {}
        for file in sorted((self.path / "records").glob("*.json")):
            if file.stem.startswith("reference-") == is_reference:
                build = functools.partial(kind.from_dict, key=file.stem)
                remedy = "delete it, and --resume runs it again"
                records[file.stem] = read_json_as(build, file, remedy=remedy)
        return records

    def numbered_rows(self) -> list[Row]:
        """List the finished runs as the report counts them."""
        return numbered(self.read_header()["plan"], self.read_records())

    def read_environments(self) -> dict[str, dict[str, Any]]:
        """Read the environments that records name."""
        remedy = "delete it and the records that name it, and --resume runs them again"
        return {
            file.stem: read_json_as(dict, file, remedy=remedy)
            for file in sorted((self.path / "environments").glob("*.json"))
        }

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; a second process at the same time is a `UserError`."""
        with locked(
            self.path / "study.lock",
            refusal=f"another process is running the study in {self.path}; wait for it, or name "
            "another --output",
        ):
            yield
