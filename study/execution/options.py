"""RunOptions: where and how a command runs. No result depends on it. Importing it is cheap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_core.runtime.output_folder import folder_for
from mnist_core.runtime.results_index import RESULTS
from study.plans.kinds import Plan

if TYPE_CHECKING:
    from mnist_core.data.splits import Dataset


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a command was asked besides its plan."""

    data_dir: Path | None = None
    workers: int | None = None
    """Processes that train at the same time; None: as many as fill the machine."""
    output: Path | None = None
    resume: bool = False
    stale_after_seconds: int = 120
    storage: str | None = None
    """Of a shared study: the URL of its database."""
    study_name: str | None = None
    """Of a shared study; None: made from the data and the plan."""

    def workers_for(self, plan: Plan) -> int:
        """Return how many workers train a plan's runs."""
        from mnist_core.runtime.device import available_cores

        if self.workers is not None:
            return self.workers
        return 1 if plan.device == "cuda" else max(1, available_cores() // plan.threads)

    def load(self, name: str, *, device: str) -> Dataset:
        """Load the data set of a name, and say so where it is another one."""
        from mnist_core.data.load import load
        from mnist_core.runtime.device import prepare_process

        resolved = prepare_process(device=device, threads=1)
        dataset = load(name, data_dir=self.data_dir, device=resolved)
        if dataset.notice:
            print(f"note: {dataset.notice}", flush=True)
        return dataset

    def folder_for(self, dataset: Dataset, *, name: str) -> Path:
        """Return the folder that was asked for, or that of a name among the results."""
        if self.output is None:
            return RESULTS / dataset.name / name
        return folder_for(self.output, notice=dataset.notice, name=dataset.name)


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """Return what plan.json says of the data."""
    return {
        "name": dataset.name,
        "label": dataset.label,
        "sha256": dataset.sha256,
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": len(dataset.test),
    }


def stamped(name: str, *, started: str) -> str:
    """Return a folder's name that tells when its run started."""
    return f"{name}-{started.replace('-', '').replace(':', '')}"
