"""What the original README says of SGD and Adam, beside what a study measured."""

import math
import statistics

from study.analysis.summary import Confirmed, Summary, misclassified_marks
from study.plans.task import Variant
from study.records.run_record import RunRecord
from study.reporting.page import accuracy, points
from study.stats.comparisons import compare_at_looks, image_differences, widen_for_images

EPOCHS = 15
"""Length of the published runs. Shorter ones say nothing about the accuracies of those."""
FAST = 0.98
"""Validation accuracy to which convergence is counted: the one published for Adam."""
_PLACES: dict[Variant, str] = {"default": "library default", "tuned": "tuned"}


def claims(summary: Summary) -> list[tuple[str, str, str]]:
    """Return claim, measured, and whether it holds; nothing of a study that does not confirm both
    optimizers, tuned and at their defaults, on MNIST over `EPOCHS` or more."""
    plan = summary.plan
    if plan.dataset != "mnist" or plan.epochs < EPOCHS:
        return []
    of_accuracy, of_order, of_speed = [], [], []
    for variant, place in _PLACES.items():
        sgd, adam = (summary.find(name, variant) for name in ("sgd", "adam"))
        if sgd is None or adam is None:
            return []
        for entry, claim in ((sgd, 0.96), (adam, 0.98)):
            title = f"{entry.label} reaches about {100 * claim:.0f} %: {place}"
            of_accuracy.append((title, accuracy(entry.estimate), _holds(entry, claim)))
        of_order.append((f"Adam is better: {place}", *_gap(adam, sgd, looks=len(plan.looks))))
        of_speed.append((f"Adam converges faster: {place}", *_convergence(adam, sgd)))
    gain = summary.tuning_gains["sgd"]
    verdict = "yes" if gain.low > 0 else "not separated"
    of_tuning = [("SGD needs careful tuning", f"tuning gains {points(gain)} points", verdict)]
    return [*of_accuracy, *of_order, *of_speed, *of_tuning]


def _holds(entry: Confirmed, claim: float) -> str:
    """Say on which side of a published accuracy an interval lies."""
    if entry.estimate.low > claim:
        return "higher"
    return "lower" if entry.estimate.high < claim else "yes"


def _gap(adam: Confirmed, sgd: Confirmed, *, looks: int) -> tuple[str, str]:
    """Compare the two by the rule of the ranking; the pair was named before any data, and so
    stands alone."""
    of_seeds = compare_at_looks([adam.accuracies, sgd.accuracies], looks=looks)[0][1]
    marks = misclassified_marks(adam.runs), misclassified_marks(sgd.runs)
    gap = widen_for_images(of_seeds, image_differences(*marks))
    verdict = "yes" if gap.low > 0 else "no" if gap.high < 0 else "not separated"
    return f"{points(gap)} points", verdict


def _convergence(adam: Confirmed, sgd: Confirmed) -> tuple[str, str]:
    """Count the epochs to `FAST`: the median, and on how many seeds Adam needs fewer."""
    needed = [[_epochs_until_fast(run) for run in entry.runs] for entry in (adam, sgd)]
    sooner = [first < second for first, second in zip(*needed, strict=False)]
    median, other = (
        "not reached" if math.isinf(middle) else f"{middle:g} epochs"
        for middle in map(statistics.median, needed)
    )
    text = f"to {100 * FAST:.0f} % of the validation images: {median}, SGD {other} (median)"
    return text, f"on {sum(sooner)} of {len(sooner)} seeds"


def _epochs_until_fast(run: RunRecord) -> float:
    """Return the number of the first epoch with an accuracy of `FAST`; infinity without one."""
    for number, epoch in enumerate(run.epochs, start=1):
        if epoch.validation_accuracy >= FAST:
            return number
    return math.inf
