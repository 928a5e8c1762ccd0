"""study.plans.space: equal shares of the unit interval; a space survives TOML, JSON and a plan."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.study_samples import run_task

from study.plans.optimizers import OptimizerPlan
from study.plans.space import (
    Dimension,
    SearchSpace,
    registry_space,
    space_from_table,
)
from study.plans.space_file import resolve, to_toml
from study.records.run_record import RunRecord


@pytest.mark.parametrize(
    ("dimension", "counts"),
    [
        (Dimension(name="x", choices=("a", (1, 2), None)), {"a": 4, (1, 2): 4, None: 4}),
        (Dimension(name="x", low=3, high=5, integer=True), {3: 4, 4: 4, 5: 4}),
        (Dimension(name="x", low=1, high=7, integer=True, log=True), {1: 4, 2: 2, 3: 2}),
    ],
)
def test_choices_and_integers_have_equal_shares_of_the_unit_interval(dimension, counts):
    found = Counter(dimension.at((place + 0.5) / 12) for place in range(12))
    assert {value: found[value] for value in counts} == counts
    assert sum(found.values()) == 12
    assert set(dimension.corners()) <= {dimension.at(0.0), *found, dimension.at(1 - 1e-12)}


FLOATS = st.floats(1e-6, 1e6)
RANGES = st.builds(
    lambda low, factor, log: {"low": low, "high": low * factor, "log": log},
    FLOATS,
    st.floats(1.001, 1e3),
    st.booleans(),
) | st.builds(
    lambda low, width, log: {"low": low, "high": low + width, "integer": True, "log": log},
    st.integers(1, 100),
    st.integers(1, 100),
    st.booleans(),
)
SCALARS = st.booleans() | st.integers(-9, 9) | FLOATS | st.text(max_size=4)
VALUES = SCALARS | st.lists(SCALARS, max_size=3)
CHOICES = st.builds(
    lambda values: {"choices": values}, st.lists(VALUES, min_size=1, max_size=4, unique_by=repr)
)
LABELS = st.text(max_size=8).filter(
    lambda text: text.strip() and text.isprintable() and "|" not in text
)
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "label": LABELS,
        "reason": st.text(max_size=8),
        "eps": RANGES | CHOICES | VALUES,
        "foreach": CHOICES | VALUES,
        "betas": CHOICES | st.just([0.9, 0.99]),
        "weight_decay": RANGES | CHOICES | VALUES,
        "batch_size": st.just({"low": 8, "high": 64, "integer": True}) | st.just(32),
        "rotation_degrees": st.just({"low": 0, "high": 180}) | st.just({"choices": [0, 10]}),
        "schedule": st.just("cosine") | st.just({"choices": ["constant", "cosine"]}),
    },
)


def with_text(table):
    """Write a table with the repository's own writer."""
    space = space_from_table("adam", {"label": "Adam", **table})
    return to_toml({"adam": space})


@settings(max_examples=60)
@given(TABLES)
def test_a_space_survives_toml_json_and_a_plan(tmp_path_factory, table):
    file = tmp_path_factory.mktemp("space") / "space.toml"
    file.write_text(with_text(table), encoding="utf-8")
    spaces = resolve(["adam"], file)
    again = file.with_name("again.toml")
    again.write_text(to_toml(spaces), encoding="utf-8")
    assert resolve(["adam"], again) == spaces
    table = json.loads(json.dumps(spaces["adam"].to_table()))
    assert space_from_table("adam", table) == spaces["adam"]
    plan = OptimizerPlan(optimizers=("adam",), trials=1, spaces=spaces)
    assert OptimizerPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@settings(max_examples=60)
@given(TABLES, st.lists(st.floats(0, 1, exclude_max=True), min_size=12, max_size=12))
def test_a_trials_parameters_are_read_back_from_its_configuration(table, units):
    space = registry_space("adam")
    refined = space_from_table("adam", {**space.to_table(), **table})
    plan = OptimizerPlan(
        optimizers=("adam",), trials=1, spaces={"adam": refined_with_defaults(refined)}
    )
    parameters = {
        entry.name: entry.at(unit) for entry, unit in zip(refined.dimensions, units, strict=False)
    }
    record = run_task(plan.trial_task("adam", 0, parameters), accuracy=0.9)
    written = json.loads(json.dumps(record.to_dict()))
    found = RunRecord.from_dict(written, key=record.key)
    assert found == record
    assert repr(found.parameters) == repr(parameters)
    for entry in refined.dimensions:
        if not entry.choices:
            low, high = entry.low * (1 - 1e-12), entry.high * (1 + 1e-12)
            assert low <= parameters[entry.name] <= high
            assert math.isfinite(parameters[entry.name])


def refined_with_defaults(space: SearchSpace) -> SearchSpace:
    """Give every dimension an untuned value: its first corner."""
    default = {entry.name: entry.corners()[0] for entry in space.dimensions}
    return SearchSpace(**{**vars(space), "default": default})
