"""study.reporting.rule: how often simulated studies, drawn from real runs, separate what is equal
and find what is planted, as the report says."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from support import ROOT

from study.command_line import AUTO_SEEDS
from study.plans.optimizers import OptimizerPlan
from study.records.run_folder import RunFolder
from study.reporting import rule
from study.stats.comparisons import (
    Comparison,
    Floats,
    compare_at_looks,
    image_differences,
    undecided,
    widen_for_images,
)

AUTO = OptimizerPlan(confirm_seeds=AUTO_SEEDS[0], max_confirm_seeds=AUTO_SEEDS[1]).looks
METHOD = (ROOT / "docs" / "method.md").read_text()
STUDIES = 1500
DRAWN_FROM = "optimizers-20261125T232608Z"
"""The committed study on MNIST whose runs the simulated ones are drawn from."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of one tuned optimizer of a committed study."""

    spread: Floats
    """How far validation and test accuracy of each seed lay from their means [seeds, 2]."""
    misclassified: Floats
    """Test images that each seed's run misclassifies [seeds, images]."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A simulated confirmation."""

    table: list[list[Comparison]]
    """Of test accuracy, for other seeds."""
    counts: list[int]
    """Seeds that each arm was given."""
    misclassified: list[Floats]

    def verdict(self, i: int, j: int) -> Comparison:
        """Return what the verdict on two arms stands on. Images only ever widen an interval:
        what seeds do not separate needs none."""
        comparison = self.table[i][j]
        if not comparison.is_separated:
            return comparison
        return widen_for_images(
            comparison, image_differences(self.misclassified[i], self.misclassified[j])
        )


@functools.cache
def real_runs() -> tuple[Runs, ...]:
    """Return the runs of each tuned optimizer of a committed study."""
    root = ROOT / "results" / "mnist"
    arms: dict[str, list[tuple[float, float, list[int]]]] = {}
    for record in RunFolder(root / DRAWN_FROM).read_records().values():
        if record.variant == "tuned":
            arms.setdefault(record.arm, []).append(
                (
                    record.validation_accuracy,
                    record.score.accuracy,
                    list(record.score.misclassified),
                )
            )
    found = []
    for runs in arms.values():
        n = len(runs)
        accuracies = np.array([run[:2] for run in runs])
        misclassified = np.zeros((n, 10_000))
        for row, (_, _, images) in zip(misclassified, runs, strict=True):
            row[images] = 1.0
        spread = (accuracies - accuracies.mean(axis=0)) * (n / (n - 1)) ** 0.5
        found.append(Runs(spread=spread, misclassified=misclassified))
    assert len(found) >= 6
    return tuple(found)


def simulate(
    random: np.random.Generator, arms: Sequence[Runs], *, looks: Sequence[int], planted: float = 0
) -> Study:
    """Confirm arms whose runs are drawn from real ones, with the images that each misclassified;
    the first is better by `planted`.

    Arms draw independently: what a seed moves in all of them alike cancels in every comparison.
    """
    drawn = [random.integers(len(runs.spread), size=looks[-1]) for runs in arms]
    runs = np.stack([arm.spread[places] for arm, places in zip(arms, drawn, strict=True)])
    runs[0] += planted
    racing, counts = list(range(len(arms))), [looks[0]] * len(arms)
    for look, following in itertools.pairwise(looks):
        left = undecided(runs[racing, :look, 0], family=len(arms), looks=len(looks))
        racing = [racing[i] for i in left]
        for i in racing:
            counts[i] = following
        if not racing:
            break
    return Study(
        table=compare_at_looks(
            [runs[i, : counts[i], 1] for i in range(len(arms))], looks=len(looks)
        ),
        counts=counts,
        misclassified=[
            arm.misclassified[places[:count]]
            for arm, places, count in zip(arms, drawn, counts, strict=True)
        ],
    )


def found_in_percent(*, looks: Sequence[int], arms: int, studies: int = STUDIES) -> float:
    """Return in how many of 100 studies of copies of one optimizer, the first of which is better
    by three standard errors of the first look, it is separated from the second."""
    random = np.random.default_rng(2)
    found = 0
    for _ in range(studies):
        runs = real_runs()[random.integers(len(real_runs()))]
        error = runs.spread[:, 1].std() * (2 / looks[0]) ** 0.5
        study = simulate(random, [runs] * arms, looks=looks, planted=3 * error)
        found += study.verdict(0, 1).low > 0
    return 100 * found / studies


def test_the_table_knows_what_auto_looks_at():
    assert rule.AUTO == AUTO


@pytest.mark.parametrize("looks", [(3,), (5,), (10,), AUTO], ids=str)
def test_two_copies_of_one_optimizer_are_separated_in_at_most_5_per_cent(looks):
    random = np.random.default_rng(0)
    separated = 0
    for _ in range(STUDIES):
        runs = real_runs()[random.integers(len(real_runs()))]
        separated += simulate(random, [runs] * 2, looks=looks).verdict(0, 1).is_separated
    assert separated / STUDIES <= 0.05


def any_is_separated(study: Study) -> bool:
    pairs = itertools.combinations(range(len(study.counts)), 2)
    return any(study.table[i][j].is_separated for i, j in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("looks", [(5,), AUTO], ids=["fixed", "auto"])
def test_six_equal_optimizers_with_real_spreads_are_separated_in_at_most_5_per_cent(looks):
    random = np.random.default_rng(1)
    studies = [simulate(random, real_runs()[:6], looks=looks) for _ in range(600)]
    assert sum(map(any_is_separated, studies)) / len(studies) <= 0.05


def moved_on_validation(*, correlation: float, by: float) -> float:
    """Return in what share of studies two are separated that are equal on test images and differ
    on validation by a part of a run's deviation."""
    random = np.random.default_rng(3)
    separated = 0
    for _ in range(STUDIES):
        validation = random.normal(size=(2, AUTO[-1]))
        own = random.normal(size=validation.shape)
        test = correlation * validation + (1 - correlation**2) ** 0.5 * own
        validation[0] += by
        n = AUTO[0]
        for look, following in itertools.pairwise(AUTO):
            if not undecided(validation[:, :look], family=2, looks=len(AUTO)):
                break
            n = following
        table = compare_at_looks(list(test[:, :n]), looks=len(AUTO))
        separated += table[0][1].is_separated
    return separated / STUDIES


@pytest.mark.parametrize(("correlation", "stated"), [(0.90, 5), (1.0, 6)])
def test_equals_on_test_images_that_differ_on_validation_are_separated_as_docs_say(
    correlation, stated
):
    looks = METHOD.split("### Looks")[1].split("\n#")[0]
    assert f"{stated} % " in looks
    found = 100 * moved_on_validation(correlation=correlation, by=0.5)
    assert found <= stated + 0.75


def test_validation_and_test_correlate_at_most_as_the_rule_assumes():
    correlations = [np.corrcoef(runs.spread.T)[0, 1] for runs in real_runs()]
    assert max(correlations) < 0.905


FAST = [((5,), 2), ((5,), 6)]
SLOW = [(looks, arms) for looks in rule.FOUND for arms in rule.FOUND[looks]]


@pytest.mark.parametrize(
    ("looks", "arms"),
    [
        *FAST,
        *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW if case not in FAST),
    ],
    ids=str,
)
def test_a_difference_of_three_standard_errors_is_found_as_often_as_the_report_says(looks, arms):
    studies = STUDIES if arms == 2 else 500
    stated = rule.FOUND[looks][arms]
    error = 100 * (stated / 100 * (1 - stated / 100) / studies) ** 0.5
    found = found_in_percent(looks=looks, arms=arms, studies=studies)
    assert found == pytest.approx(stated, abs=0.5 + 3 * error)


def test_two_copies_with_a_difference_of_three_standard_errors_are_parted_in_9_of_10_studies():
    assert rule.FOUND[AUTO][2] >= 90
    assert all(rule.FOUND[looks][2] < 90 for looks in rule.FOUND if len(looks) == 1)


def test_docs_have_the_whole_table():
    section = METHOD.split("### How often a difference is found")[1].split("\n#")[0]
    rows = re.findall(r"^\| (\d[^|]*)\|(.*)\|$", section, flags=re.MULTILINE)
    stated = [[int(number) for number in cells.split("|")] for _, cells in rows]
    assert stated == [list(row.values()) for row in rule.FOUND.values()]
    assert re.search(r"\| seeds \| 2 arms \| 3 arms \| 4 arms \| 6 arms \|", section)
    for (seeds, _), looks in zip(rows, rule.FOUND, strict=True):
        numbers = [int(number) for number in re.findall(r"\d+", seeds)]
        assert numbers == list(dict.fromkeys((looks[0], looks[-1])))


def test_the_readme_says_what_is_found():
    readme = (ROOT / "README.md").read_text()
    auto, fixed = rule.FOUND[AUTO], rule.FOUND[(5,)]
    text = " ".join(readme.split())
    assert f"found in {auto[2]} % of simulated studies of two, {auto[6]} % of six" in text
    assert f"find it in {fixed[2]} % and {fixed[6]} %" in text


def test_a_large_difference_needs_no_more_than_the_first_look():
    random = np.random.default_rng(3)
    study = simulate(random, [real_runs()[0]] * 2, looks=AUTO, planted=0.05)
    assert study.counts == [AUTO[0]] * 2
    assert study.verdict(0, 1).low > 0.04


def test_undecided_ones_go_on_and_not_all_to_the_end():
    random, seeds = np.random.default_rng(4), 0
    for _ in range(300):
        runs = real_runs()[random.integers(len(real_runs()))]
        error = runs.spread[:, 1].std() * (2 / AUTO[0]) ** 0.5
        seeds += sum(simulate(random, [runs] * 2, looks=AUTO, planted=3 * error).counts)
    assert seeds / 300 < 1.5 * AUTO[1] * 2
