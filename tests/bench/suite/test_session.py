"""bench.suite.session: what a group is timed with, and when a run is complete."""

from __future__ import annotations

import pytest

from bench.suite import session, write_results
from bench.suite.session import Suite
from bench.timing.measure import Call, WarmUp
from bench.workloads import prepare
from bench.workloads.prepared import Prepared
from bench.workloads.registry import WORKLOADS, group_of
from bench.workloads.workload import Workload


def case(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.id == name)


def measured(monkeypatch: pytest.MonkeyPatch, *names: str) -> Suite:
    """Return a suite in which cases of one group were measured, each of them doing nothing."""
    nothing = Prepared(call=Call(call=lambda: None))
    monkeypatch.setattr(prepare, "prepare", lambda workload, **_: nothing)
    warm = WarmUp(steady=True, window_seconds=(1e-4,) * 3)
    monkeypatch.setattr(Suite, "warm_up", lambda *_: warm)
    suite = Suite(dataset_name="digits")
    for name in names:
        suite.add(case(name), nothing, warm_up=warm)
    suite.finish_group(case(names[0]).group)
    return suite


def test_what_is_timed_beside_the_selected_cases_has_a_role_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite = measured(monkeypatch, "cpu: optimizer step/SGD", "cpu: optimizer step/Adam")
    (group,) = suite.groups
    reference = group_of(group.name)[0].name
    assert {found.workload.name: found.workload.role for found in group.cases} == {
        "SGD": "case",
        "Adam": "case",
        reference: "control",
        "whole step: Adam, float32, batch 64": "control",
        "Adam, A/A test": "a-a",
        "limit: memory copy": "limit",
    }
    assert all(len(found.blocks) == session.BLOCKS for found in group.cases)


def test_a_run_is_complete_once_every_case_was_selected_or_cannot_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [workload.id for workload in WORKLOADS if workload.device == "cpu"]
    copies = [name for name in names if "limits/copy" in name]
    assert not write_results.is_complete(Suite(dataset_name="digits"), "cpu")
    suite = measured(monkeypatch, *copies)
    suite.skipped.update({name: "no reason" for name in names if name not in copies})
    assert write_results.is_complete(suite, "cpu")
    del suite.skipped[next(iter(suite.skipped))]
    assert not write_results.is_complete(suite, "cpu")


def test_a_control_makes_no_run_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = measured(monkeypatch, "cpu: optimizer step/SGD")
    reference = group_of("cpu: optimizer step")[0].id
    suite.skipped.update(
        {w.id: "no reason" for w in WORKLOADS if w.device == "cpu" and w.id != reference}
    )
    assert not write_results.is_complete(suite, "cpu")
