"""study.search.confirmation: which runs are due, for any state that a study can be in."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.study_samples import make_plan, run_task

from study.records.run_folder import numbered
from study.search.confirmation import due, remaining, seeds_due

OPTIMIZERS = ("sgd", "adam", "nadam")


def searched(plan):
    """Return the records of a complete search."""
    return {
        task.key: run_task(task)
        for optimizer in plan.optimizers
        for index in range(plan.trials_each)
        for task in [plan.trial_task(optimizer, index, {"learning_rate": 0.001 * (index + 1)})]
    }


def finish(plan, records, *, accuracies, status=lambda task: "completed", limit=None):
    """Run what is due, and what then comes due, until nothing is; return the order of the keys."""
    order = []
    while tasks := list(due(plan, records)):
        for task in tasks:
            if limit is not None and len(order) >= limit:
                return order
            spread = 1e-4 * (unevenness(task.index, task.arm) % 7 - 3)
            record = run_task(task, accuracy=accuracies[task.arm] + spread, status=status(task))
            records[task.key] = record
            order.append(task.key)
    return order


def unevenness(index, optimizer):
    return index * 5 + OPTIMIZERS.index(optimizer) * 3


def auto_plan(**changes):
    values = {"optimizers": OPTIMIZERS, "trials": 6, "confirm_seeds": 5, "max_confirm_seeds": 20}
    return make_plan(**{**values, **changes})


@pytest.mark.parametrize(
    ("first", "most", "looks"),
    [
        (3, 0, (3,)),
        (5, 5, (5,)),
        (5, 20, (5, 10, 15, 20)),
        (5, 12, (5, 10, 12)),
        (4, 5, (4, 5)),
    ],
)
def test_looks_go_up_in_steps_of_the_first_to_the_most(first, most, looks):
    assert make_plan(confirm_seeds=first, max_confirm_seeds=most).looks == looks


def test_undecided_optimizers_get_more_seeds_and_decided_ones_do_not():
    plan = auto_plan()
    records = searched(plan)
    finish(plan, records, accuracies={"sgd": 0.90, "adam": 0.98, "nadam": 0.98})
    assert seeds_due(plan, records) == {"sgd": 5, "adam": 20, "nadam": 20}
    assert remaining(plan, records) == 0


def test_a_clear_winner_ends_the_confirmation_at_the_first_look():
    plan = auto_plan()
    records = searched(plan)
    finish(plan, records, accuracies={"sgd": 0.90, "adam": 0.98, "nadam": 0.94})
    assert seeds_due(plan, records) == dict.fromkeys(OPTIMIZERS, 5)


def test_library_defaults_never_get_more_than_the_first_look():
    plan = auto_plan()
    records = searched(plan)
    finish(plan, records, accuracies=dict.fromkeys(OPTIMIZERS, 0.98))
    defaults = [record for record in records.values() if record.variant == "default"]
    assert len(defaults) == 5 * len(OPTIMIZERS)


def test_nothing_goes_on_before_every_optimizer_stands_at_the_look():
    plan = auto_plan()
    records = searched(plan)
    finish(plan, records, accuracies=dict.fromkeys(OPTIMIZERS, 0.98), limit=14)
    assert seeds_due(plan, records) == dict.fromkeys(OPTIMIZERS, 5)
    assert all(task.index < 5 for task in due(plan, records))


def test_the_test_split_has_no_say():
    plan = auto_plan()
    records = searched(plan)
    finish(plan, records, accuracies=dict.fromkeys(OPTIMIZERS, 0.98), limit=30)
    before = seeds_due(plan, records)
    for key, record in records.items():
        if record.test is not None:
            test = replace(record.test, correct=0 if record.arm == "adam" else 500)
            records[key] = replace(record, test=test)
    assert seeds_due(plan, records) == before


def test_a_diverged_confirmation_leaves_the_race_and_the_others_go_on():
    plan = auto_plan()
    records = searched(plan)
    finish(
        plan,
        records,
        accuracies=dict.fromkeys(OPTIMIZERS, 0.98),
        status=lambda task: (
            "diverged"
            if (task.arm, task.variant, task.index) == ("sgd", "tuned", 2)
            else "completed"
        ),
    )
    assert seeds_due(plan, records) == {"sgd": 5, "adam": 20, "nadam": 20}
    assert remaining(plan, records) == 0


def test_an_optimizer_without_a_best_holds_nobody_up():
    plan = auto_plan()
    records = searched(plan)
    for key, record in records.items():
        if record.arm == "sgd":
            records[key] = replace(record, status="diverged", validation_accuracy=None)
    finish(plan, records, accuracies=dict.fromkeys(OPTIMIZERS, 0.98))
    assert seeds_due(plan, records) == {"sgd": 5, "adam": 20, "nadam": 20}
    assert not any(r.arm == "sgd" and r.variant == "tuned" for r in records.values())


@settings(max_examples=60, deadline=None)
@given(
    accuracies=st.lists(st.sampled_from([0.90, 0.979, 0.98]), min_size=3, max_size=3),
    cuts=st.lists(st.integers(0, 80), max_size=4),
)
def test_interruptions_change_neither_the_runs_nor_their_configurations(accuracies, cuts):
    plan = auto_plan()
    values = dict(zip(OPTIMIZERS, accuracies, strict=True))
    undisturbed, interrupted = searched(plan), searched(plan)
    finish(plan, undisturbed, accuracies=values)
    for limit in cuts:
        finish(plan, interrupted, accuracies=values, limit=limit)
    finish(plan, interrupted, accuracies=values)
    assert interrupted == undisturbed


def test_numbers_of_rows_do_not_move_when_more_runs_come_due():
    plan = auto_plan()
    records = searched(plan)
    numbers = []
    for limit in (10, 20, 200):
        finish(plan, records, accuracies=dict.fromkeys(OPTIMIZERS, 0.98), limit=limit)
        numbers.append({record.key: number for _, number, record in numbered(plan, records)})
    for before, after in pairwise(numbers):
        assert before.items() <= after.items()


def test_what_remains_counts_what_is_known():
    plan = auto_plan()
    assert remaining(plan, {}) == plan.rows == 6 + 3 * 2 * 5
    records = searched(plan)
    assert remaining(plan, records) == 3 * 2 * 5
