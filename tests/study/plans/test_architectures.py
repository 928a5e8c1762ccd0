"""study.plans.architectures and the command: what is refused, and what a plan's runs are."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support.study_samples import make_architecture_plan, make_plan, write_study

from mnist_core.errors import UserError
from mnist_core.models import registry as networks
from study import architectures
from study.plans.architectures import ArchitecturePlan
from study.plans.families import FAMILIES
from study.plans.kinds import plan_from_dict
from study.records.run_folder import plan_header
from study.search.samplers import designed_parameters

REFUSED = {
    "an unknown family": (
        {"families": ("baseline", "wide")},
        "unknown family 'wide'; known: baseline, batch-norm, deep, dropout",
    ),
    "a family twice": ({"families": ("baseline", "baseline")}, "one or more different names"),
    "too few trials": ({"trials": 1}, "trials must be >= 2, one for each family, got 1"),
    "an adaptive sampler": ({"sampler": "tpe"}, "sampler must be qmc or random in a study of"),
    "a Latin square": ({"sampler": "lhs"}, "cannot pass over what the limits forbid, got 'lhs'"),
    "an unknown sampler": ({"sampler": "sobol"}, "unknown sampler 'sobol'; known: qmc, random"),
    "an unknown optimizer": ({"optimizer": "adma"}, "unknown optimizer 'adma'"),
    "no parameters": ({"max_parameters": 0}, "max_parameters must be >= 1, got 0"),
    "negative FLOPs": ({"max_flops": -1}, "max_flops must be >= 1, or 0 for no limit, got -1"),
    "a limit below the baseline's": (
        {"max_parameters": 23_353},
        "no architecture of the family 'baseline' has at most 23,353 parameters: its smallest has "
        "23,354 parameters. Raise --max-parameters, or leave it out of --families",
    ),
    "a limit below the smallest": (
        {"families": ("deep",), "max_parameters": 2_000},
        "no architecture of the family 'deep' has at most 2,000 parameters: its smallest has "
        "2,366 parameters",
    ),
    "a limit of FLOPs below the smallest": (
        {"families": ("deep",), "max_flops": 100_000},
        "Raise --max-parameters or --max-flops, or leave it out of --families",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_refused_with_rule_value_and_way_out(case):
    changes, message = REFUSED[case]
    with pytest.raises(UserError) as caught:
        make_architecture_plan(**changes)
    assert message in str(caught.value)


def test_the_default_plan_gives_every_family_the_same_budget():
    plan = ArchitecturePlan()
    assert (plan.arms, plan.trials_each, plan.max_parameters) == (FAMILIES, 6, 23_354)
    assert not plan.is_sequential
    for arm in plan.arms:
        config = plan.default_config(arm)
        assert (config.network, config.network_options) == (arm, {})
        assert (config.optimizer, config.learning_rate) == ("adam", 1e-3)


def test_a_plan_survives_its_way_through_json():
    plan = ArchitecturePlan(
        max_flops=9_000_000, optimizer="rmsprop", families=("deep", "baseline")
    )
    assert plan_from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_the_reader_tells_kinds_of_studies_apart():
    for plan in (make_plan(), make_architecture_plan()):
        assert type(plan_from_dict(plan.to_dict())) is type(plan)
    with pytest.raises(UserError, match="unknown plan with the keys"):
        plan_from_dict({"trials": 3})


def test_a_trial_states_its_whole_architecture(monkeypatch):
    plan = make_architecture_plan()
    config = plan.trial_config("deep", plan.parameters_at("deep", [0.5] * 7))
    fields = {entry.name for entry in dataclasses.fields(networks.Architecture)}
    assert set(config.network_options) == fields - {"views"}  # of evaluation, not searched
    before = config.architecture()
    other = dataclasses.replace(networks.NETWORKS["deep"], architecture=before)
    monkeypatch.setitem(networks.NETWORKS, "deep", other)
    assert config.architecture() == before


def test_a_registry_that_changed_under_a_study_is_noticed(monkeypatch):
    plan = make_architecture_plan()
    header = json.loads(json.dumps(plan_header(plan, data={}, started="")))
    assert plan.changes(header["families"]) == []
    wider = networks.NETWORKS["deep"].architecture.with_options({"layers": (13, "pool")})
    monkeypatch.setitem(
        networks.NETWORKS,
        "deep",
        dataclasses.replace(networks.NETWORKS["deep"], architecture=wider),
    )
    (change,) = plan.changes(header["families"])
    assert "the registry's network 'deep' differs" in change


def test_a_study_of_optimizers_is_not_resumed_as_one_of_architectures(
    tmp_path, capsys, monkeypatch, without_mnist
):
    monkeypatch.delenv("STUDY_STORAGE", raising=False)
    write_study(tmp_path / "run", make_plan())
    assert architectures.main(["--resume", "--output", str(tmp_path / "run")]) == 2
    assert "holds a study of optimizers; continue it with python -m study.optimizers" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-parameters", "900"), "no architecture of the family 'baseline'"),
        (("--sampler", "gp"), "sampler must be qmc or random"),
        (("--families", "baseline,"), None),
        (("--trials", "3"), "one for each family"),
    ],
)
def test_the_command_refuses_before_anything_is_loaded(arguments, message, capsys, monkeypatch):
    monkeypatch.delenv("STUDY_STORAGE", raising=False)
    monkeypatch.setattr("study.execution.session.start", lambda *_: 0)
    assert architectures.main(arguments) == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err


def test_limits_are_counted_for_the_data_sets_images():
    plan = ArchitecturePlan(dataset="cifar10", families=("deep",), trials=6, max_flops=20_000_000)
    for parameters in designed_parameters(plan, "deep"):
        config = plan.trial_config("deep", parameters)
        spec = config.dataset_spec
        costs = (spec.shape, len(spec.classes))
        assert config.parameters() <= plan.max_parameters
        assert config.architecture().forward_flops(*costs) <= plan.max_flops
        assert config.architecture().parameters() < config.parameters()
    with pytest.raises(
        UserError, match="no architecture of the family 'baseline' has at most 23,354"
    ):
        ArchitecturePlan(dataset="cifar10")
