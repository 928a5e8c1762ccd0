"""What the runs of a recipe show, as values."""

from collections.abc import Sequence

import numpy as np

from study.records.run_record import ReferenceRecord, RunRecord
from study.stats.comparisons import Estimate, mean_estimate


def accuracies_of(runs: Sequence[RunRecord | ReferenceRecord]) -> list[float]:
    """Return the test accuracies of the runs that have one."""
    return [run.test.accuracy for run in runs if run.test is not None]


def estimate_of(runs: Sequence[RunRecord | ReferenceRecord]) -> Estimate | None:
    """Return the mean test accuracy and its interval; None for fewer than two runs."""
    accuracies = accuracies_of(runs)
    return mean_estimate(np.array(accuracies)) if len(accuracies) > 1 else None


def misclassified_counts(runs: Sequence[RunRecord]) -> tuple[int, int] | None:
    """Return how many test images every run misclassifies, and how many at least one; None for
    fewer than two runs."""
    images = [set(run.test.misclassified) for run in runs if run.test is not None]
    if len(images) < 2:
        return None
    return len(set.intersection(*images)), len(set.union(*images))
