"""Summaries of synthetic studies, and the pages that are made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.analysis.summary import Summary, summarise
from study.records.run_folder import RunFolder
from study.reporting.study import page
from support.study_samples import change_record, make_plan, write_study

SEEDS = 4
BEST = [0.98, 0.982, 0.981, 0.979]
CLOSE = [0.979, 0.983, 0.98, 0.98]
FAR = [0.9, 0.903, 0.902, 0.899]


def summary_of(folder: RunFolder) -> Summary:
    """Summarise a study."""
    return summarise(folder.read_header(), folder.read_records(), folder.read_environments())


def summary_maker(path: Path) -> Callable[..., Summary]:
    """Return a function that writes a study of three optimizers below a path and summarises it;
    it takes the tuned test accuracies in their order."""

    def make(
        *tuned: Sequence[float],
        optimizers: Sequence[str] = ("sgd", "adam", "nadam"),
        trials: int = 30,
        defaults: Sequence[float] = FAR,
        spaces: Any = None,
        **keywords: Any,
    ) -> Summary:
        plan = make_plan(
            optimizers=optimizers, trials=trials, confirm_seeds=SEEDS, spaces=dict(spaces or {})
        )
        accuracies = {
            (name, variant): values
            for name, own in zip(optimizers, tuned or [BEST] * len(optimizers), strict=True)
            for variant, values in (("tuned", own), ("default", defaults))
        }
        return summary_of(write_study(path / "study", plan, accuracies=accuracies, **keywords))

    return make


def section(summary: Summary, title: str) -> str:
    """Return a section of a study's page, without its heading."""
    return page(summary, []).split(f"## {title}\n")[1].split("\n## ")[0]


def misclassified_always(folder: RunFolder, configuration: str, images: Sequence[int]) -> None:
    """Have every run of a configuration misclassified these test images, and no others."""
    for index in range(SEEDS):
        key = f"confirm-{configuration}-{index:02d}"
        test = folder.read_records()[key].score
        change_record(folder, key, test=replace(test, misclassified=dict.fromkeys(images, 0)))
