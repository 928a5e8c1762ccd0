"""study.reporting.published: claims of the original README, beside what was measured."""

from __future__ import annotations

import json

import pytest
from scipy import stats
from support.study_pages import BEST, CLOSE, FAR, SEEDS, summary_of
from support.study_samples import MNIST, make_plan, write_study

from mnist_core.runtime.atomic_files import write_json
from study.reporting import published
from study.reporting.page import points
from study.reporting.study import page

PLAN = {"dataset": "mnist", "epochs": 15, "confirm_seeds": SEEDS}


@pytest.fixture
def study(tmp_path):
    """Write a study of SGD and Adam with test accuracies of SGD tuned and at its default, and of
    Adam in both; return its folder."""

    def make(tuned=CLOSE, default=FAR, adam=BEST, **plan):
        accuracies = {
            ("sgd", "tuned"): tuned,
            ("sgd", "default"): default,
            ("adam", "tuned"): adam,
            ("adam", "default"): adam,
        }
        return write_study(
            tmp_path / "study", make_plan(**{**PLAN, **plan}), data=MNIST, accuracies=accuracies
        )

    return make


def rows_of(folder):
    """Return what was measured of each claim, and whether it holds."""
    rows = published.claims(summary_of(folder))
    return {claim: (measured, holds) for claim, measured, holds in rows}


def rewrite(folder, configuration, change):
    """Change the record of every run of a configuration, given with its place."""
    for index in range(SEEDS):
        file = folder.record_file(f"confirm-{configuration}-{index:02d}")
        record = json.loads(file.read_text())
        change(record, index)
        write_json(file, record)


def paired(first, second):
    """Return the difference of two means with its Student t interval, as a report has them."""
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    means = (first - second).mean(), expected.low, expected.high
    return "{:+.2f} ({:+.2f} to {:+.2f})".format(*(100 * value for value in means))


@pytest.mark.parametrize(
    "plan",
    [{"optimizers": ("adam", "nadam")}, {"epochs": 14}, {"dataset": "digits"}],
    ids=["another optimizer", "shorter", "other data"],
)
def test_other_studies_have_no_such_section(study, plan):
    folder = study(**plan)
    assert published.claims(summary_of(folder)) == []
    assert "published accuracies" not in page(summary_of(folder), [])


def test_both_must_be_confirmed_tuned_and_at_their_defaults(study):
    folder = study()
    folder.record_file("confirm-adam-default-00").unlink()
    assert published.claims(summary_of(folder)) == []


def test_the_section_has_a_row_for_each_claim(study):
    folder = study(default=[0.5, 0.51, 0.49, 0.5])
    found, rows = summary_of(folder), rows_of(folder)
    assert "## The published accuracies, measured" in page(found, [])
    assert rows["SGD reaches about 96 %: library default"][1] == "lower"
    assert rows["SGD reaches about 96 %: tuned"][1] == "higher"
    assert rows["Adam reaches about 98 %: tuned"][1] == "yes"
    tuned = [found.find(name, "tuned").accuracies for name in ("adam", "sgd")]
    assert rows["Adam is better: tuned"] == (f"{paired(*tuned)} points", "not separated")
    assert rows["Adam is better: library default"][1] == "yes"
    gain = points(found.tuning_gains["sgd"])
    assert rows["SGD needs careful tuning"] == (f"tuning gains {gain} points", "yes")


def test_a_gain_whose_interval_includes_zero_is_not_separated(study):
    folder = study(tuned=FAR, default=FAR)
    assert rows_of(folder)["SGD needs careful tuning"][1] == "not separated"


def test_a_worse_adam_is_said_not_to_be_better(study):
    assert rows_of(study(tuned=BEST, adam=FAR))["Adam is better: tuned"][1] == "no"


def test_convergence_is_counted_in_epochs_of_the_median_run(study):
    def accuracies(*values):
        def change(record, index):
            record["epochs"] = [
                {**record["epochs"][0], "validation_accuracy": value(index)} for value in values
            ]

        return change

    folder = study()
    slow = accuracies(lambda index: 0.9, lambda index: 0.5, lambda index: 0.98 * (index > 2))
    fast = accuracies(lambda index: 0.9, lambda index: 0.97 + 0.01 * (index > 0))
    rewrite(folder, "sgd-default", slow)
    rewrite(folder, "adam-default", fast)
    assert rows_of(folder)["Adam converges faster: library default"] == (
        "to 98 % of the validation images: 2 epochs, SGD not reached (median)",
        "on 3 of 4 seeds",
    )


def test_a_difference_needs_other_images_too(study):
    """Seeds separate the two by 1 point, images do not: they misclassify 50 and 55 others."""

    def misclassify(images):
        def change(record, index):
            count = len(images)
            record["test"]["misclassified"] = {str(image): 0 for image in images}
            record["test"] |= {"count": 500, "correct": 500 - count}

        return change

    folder = study()
    for variant in ("tuned", "default"):
        rewrite(folder, f"adam-{variant}", misclassify(range(50)))
        rewrite(folder, f"sgd-{variant}", misclassify(range(100, 155)))
    for place in ("tuned", "library default"):
        assert rows_of(folder)[f"Adam is better: {place}"][1] == "not separated"
