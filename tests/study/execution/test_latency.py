"""study.execution.latency: the instrument on known times, and the file that it leaves."""

from __future__ import annotations

import itertools

import pytest
from support.study_samples import ENVIRONMENT, make_architecture_plan, make_plan, write_study

from mnist_core.errors import UserError
from mnist_core.models.registry import NETWORKS
from study.execution import latency
from study.plans.families import Limits
from study.records.latency import FILE, Measurement, read, write
from study.records.run_folder import RunFolder


class Clock:
    """A clock that calls move on, so that what is measured is known."""

    def __init__(self):
        self.nanoseconds = 0
        self.order = []

    def __call__(self):
        return self.nanoseconds

    def call(self, name, durations):
        remaining = itertools.cycle(durations)

        def run():
            self.order.append(name)
            self.nanoseconds += next(remaining)

        return run


def test_calls_take_turns_and_every_round_keeps_its_median():
    clock = Clock()
    # Three calls a round, the first not counted: of the others, 2 and 4 µs, then 6 and 8.
    slow = clock.call("slow", [900_000, 2_000, 4_000, 900_000, 6_000, 8_000])
    found = latency.round_medians(
        [slow, clock.call("fast", [1_000])],
        rounds=2,
        calls_per_round=2,
        warm_up_calls=1,
        clock=clock,
    )
    assert found == [[3.0, 7.0], [1.0, 1.0]]
    assert clock.order == (["slow"] * 3 + ["fast"] * 3) * 2


def test_networks_are_measured_and_the_file_gives_back_what_was_written(tmp_path, monkeypatch):
    for name, value in (("ROUNDS", 2), ("CALLS", 3), ("WARM_UP_CALLS", 1)):
        monkeypatch.setattr(latency, name, value)
    wanted = [spec.architecture for spec in NETWORKS.values()]
    found = latency.measure(wanted, Limits(parameters=10**6, shape=(3, 32, 32), classes=7))
    assert set(found.round_medians) == set(wanted)
    assert all(len(each) == 2 and min(each) > 0 for each in found.round_medians.values())
    assert found.environment["threads"] == 1
    write(tmp_path, found)
    assert read(tmp_path) == found


def fake_measure(architectures):
    return Measurement(
        environment=ENVIRONMENT,
        rounds=3,
        calls=2,
        warm_up_calls=1,
        round_medians={one: [100.0, 110.0, 90.0] for one in architectures},
    )


def test_architectures_are_measured_once_and_all_again_when_one_is_new(tmp_path, monkeypatch):
    plan = make_architecture_plan()
    records = RunFolder(write_study(tmp_path / "run", plan).path).read_records()
    measured = []
    monkeypatch.setattr(
        latency, "measure", lambda wanted, _: measured.append(len(wanted)) or fake_measure(wanted)
    )
    trials = {key: value for key, value in records.items() if key.startswith("trial")}
    latency.measure_once(tmp_path, plan, trials)
    latency.measure_once(tmp_path, plan, trials)
    assert measured == [len(latency.architectures_of(trials.values()))]
    latency.measure_once(tmp_path, plan, records)
    assert measured[1:] == [len(latency.architectures_of(records.values()))]
    assert measured[1] > measured[0]


def test_studies_of_optimizers_measure_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "measure", None)
    folder = write_study(tmp_path / "run", make_plan())
    latency.measure_once(folder.path, make_plan(), folder.read_records())
    assert not (folder.path / FILE).exists()


def test_a_damaged_file_is_named_with_a_way_out(tmp_path):
    (tmp_path / FILE).write_text('{"rounds": 3}')
    with pytest.raises(UserError, match=r"latency\.json is damaged .* delete it, and --resume"):
        read(tmp_path)
