"""study.plans.space_file: what a file of search spaces means, and what it is refused for."""

from __future__ import annotations

import json

import pytest
from support.custom_optimizers import LION, PLAIN, importable
from support.study_samples import make_plan

from mnist_core.errors import UserError
from mnist_core.optim.registry import OPTIMIZERS
from study.plans.optimizers import OptimizerPlan
from study.plans.space import (
    Dimension,
    registry_space,
)
from study.plans.space_file import resolve


@pytest.fixture
def lion(tmp_path, monkeypatch):
    return importable(tmp_path, monkeypatch, LION, "Lion")


@pytest.fixture
def resolved(tmp_path):
    """Resolve the text of a file for optimizers."""

    def of(text, *names):
        file = tmp_path / "space.toml"
        file.write_text(text)
        return resolve(names or ("adam",), file)

    return of


def refusal(tmp_path, resolved, text, *names):
    with pytest.raises(UserError) as caught:
        resolved(text, *names)
    return str(caught.value).replace(str(tmp_path / "space.toml"), "FILE")


def test_without_a_file_the_registrys_learning_rates_are_searched():
    for name, spec in OPTIMIZERS.items():
        space = resolve([name], None)[name]
        assert space == registry_space(name)
        assert space.learning_rate_range == spec.learning_rate_range
        assert space.default == {"learning_rate": spec.default_learning_rate}
        assert (space.label, space.reason) == (spec.label, spec.reason)
        assert space.is_learning_rate_alone


def test_without_a_file_a_class_is_searched_a_decade_either_side_of_its_signature(lion):
    space = resolve([lion], None)[lion]
    assert space.dimensions == (Dimension(name="learning_rate", low=1e-4, high=1e-2, log=True),)
    assert (space.label, dict(space.default)) == ("Lion", {"learning_rate": 1e-3})
    assert space.reason == f"a decade either side of 0.001, the default in the signature of {lion}"


def test_a_class_without_a_default_rate_needs_a_file(tmp_path, monkeypatch, resolved):
    name = importable(tmp_path, monkeypatch, LION.replace("lr=1e-3", "lr"), "Lion")
    with pytest.raises(UserError) as caught:
        resolve([name], None)
    assert str(caught.value) == (
        f"{name} has no default for lr in its signature, around which to search: give its range "
        "in a file of --space, as learning_rate = { low = …, high = …, log = true }"
    )
    table = f'["{name}"]\nlearning_rate = {{ low = 1e-4, high = 1e-2, log = true }}\n'
    with pytest.raises(UserError, match="say what untuned means, as default = "):
        resolved(table, name)
    space = resolved(f"{table}default = {{ learning_rate = 3e-4 }}", name)[name]
    assert space.default == {"learning_rate": 3e-4}


def test_a_class_with_the_label_of_the_registry_has_its_name(tmp_path, monkeypatch):
    source = LION.replace("class Lion", "class Adam")
    name = importable(tmp_path, monkeypatch, source, "Adam")
    assert resolve([name], None)[name].label == name


def test_a_whole_file_means_what_it_says(lion, resolved):
    spaces = resolved(
        f"""
        ["{lion}"]
        label = "Lion, mine"
        reason = "as in the paper"
        learning_rate = {{ low = 1e-5, high = 1e-2, log = true }}
        betas = [0.9, 0.98]
        "betas.0" = {{ low = 0.8, high = 0.95 }}
        batch_size = {{ choices = [32, 64] }}
        weight_decay = {{ choices = [0, 0.1] }}
        default = {{ learning_rate = 3e-4 }}
        [adam]
        weight_decay = {{ low = 1e-6, high = 1e-2, log = true }}
        amsgrad = true
        """,
        "adam",
        lion,
    )
    assert list(spaces) == ["adam", lion]
    plan = make_plan(optimizers=("adam", lion), spaces=spaces)
    mine = spaces[lion]
    assert (mine.label, mine.reason) == ("Lion, mine", "as in the paper")
    assert [entry.name for entry in mine.dimensions] == [
        *("learning_rate", "betas.0", "batch_size", "weight_decay")
    ]
    chosen = {"learning_rate": 1e-4, "betas.0": 0.85, "batch_size": 32, "weight_decay": 0.1}
    config = plan.trial_config(lion, chosen)
    assert (config.learning_rate, config.batch_size) == (1e-4, 32)
    assert config.optimizer_options == {"betas": (0.85, 0.98), "weight_decay": 0.1}
    untuned = plan.default_config(lion)
    assert (untuned.learning_rate, untuned.batch_size) == (3e-4, plan.batch_size)
    assert untuned.optimizer_options == {"betas": (0.9, 0.98), "weight_decay": 0.0}
    adam = plan.default_config("adam")
    assert adam.learning_rate == OPTIMIZERS["adam"].default_learning_rate
    assert adam.optimizer_options == {"weight_decay": 0, "amsgrad": True}
    assert spaces["adam"].learning_rate_range == OPTIMIZERS["adam"].learning_rate_range
    assert not plan.is_learning_rate_alone


def test_the_registrys_options_are_what_untuned_means(resolved):
    space = resolved("[momentum]\nmomentum = { low = 0.5, high = 0.99 }", "momentum")["momentum"]
    assert space.default["momentum"] == 0.9


ADAM = "--space FILE: [adam]"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "epochs = 3",
            f"{ADAM} epochs: cannot be set here: every run is equally long, or the budgets would "
            "not be equal: give --epochs",
        ),
        (
            "seed = { choices = [1, 2] }",
            f"{ADAM} seed: cannot be set here: all trials share one seed, confirmations have "
            "fresh ones: give --seed",
        ),
        (
            'device = "cuda"',
            f"{ADAM} device: cannot be set here: it is the same for every run of a study: give "
            "the command line's option",
        ),
        ("lr = 0.1", f"{ADAM} lr: cannot be set here: name it learning_rate"),
        (
            "eps = { low = 1e-9 }",
            f"{ADAM} eps: must have low and high (and may have log and integer), or choices "
            "alone, got low",
        ),
        (
            "eps = { low = 1e-9, high = 1, step = 2 }",
            f"{ADAM} eps: must have low and high (and may have log and integer), or choices "
            "alone, got low, high, step",
        ),
        ("eps = {}", f"{ADAM} eps: must have low and high (and may have log and integer), or "
                     "choices alone, got an empty table"),
        ("eps = { low = 2, high = 1 }", f"{ADAM} eps: low must be below high, got 2.0 and 1.0"),
        ("eps = { low = 1, high = inf }", f"{ADAM} eps: low must be below high, got 1.0 and inf"),
        (
            "eps = { low = 0, high = 1, log = true }",
            f"{ADAM} eps: low must be positive where log = true, got 0.0",
        ),
        (
            'eps = { low = "a", high = 1 }',
            f"{ADAM} eps: low and high must be numbers, log and integer true or false, got "
            "{'low': 'a', 'high': 1}",
        ),
        (
            "batch_size = { low = 1.5, high = 8, integer = true }",
            f"{ADAM} batch_size: low and high must be whole where integer = true, got 1.5, 8",
        ),
        (
            "learning_rate = { low = 1, high = 2, integer = true }",
            f"{ADAM} learning_rate: cannot be an integer: it is a float",
        ),
        (
            "batch_size = { low = 32, high = 64 }",
            f"{ADAM} batch_size: batch_size must be of type int, got 32.0",
        ),
        (
            "eps = { choices = [] }",
            f"{ADAM} eps: choices must be a list of one or more values, got []",
        ),
        ("eps = { choices = [1, 1] }", f"{ADAM} eps: choices must differ, got [1, 1]"),
        (
            "betas = { choices = [[[1]]] }",
            f"{ADAM} betas: the option betas must be a finite number, a text, true, "
            "false, none, or a flat list of these, got [[1]]",
        ),
        (
            '"betas.2" = { low = 0.1, high = 0.2 }',
            f"{ADAM} betas.2: betas must have a component 2, got (0.9, 0.999)",
        ),
        (
            '"eps.0" = { low = 0.1, high = 0.2 }',
            f"{ADAM} eps.0: eps must have a component 0, got 1e-08",
        ),
        (
            '"betas.x" = 0.1',
            f"{ADAM} betas.x: 'betas.x' must be an argument, or a component such as 'betas.0'",
        ),
        (
            'schedule = { choices = ["cosine", "linear"] }',
            f"{ADAM} schedule: unknown schedule 'linear'; known: constant, cosine, one-cycle",
        ),
        ("batch_size = 0", f"{ADAM} batch_size: batch_size must be >= 1, got 0"),
        (
            "translation = { low = 0, high = 1 }",
            f"{ADAM} translation: translation must be in [0, 1), got 1.0",
        ),
        (
            "learning_rate = 0.1",
            f"{ADAM}: nothing is searched; give one key low and high, or choices",
        ),
        (
            'betas = { choices = [[0.9, 0.99]] }\n"betas.0" = { low = 0.8, high = 0.9 }',
            f"{ADAM} betas.0: betas is searched as a whole: name it alone, or its components "
            "alone",
        ),
        (
            'betas = { choices = [[0.9, 0.99], [0.8, 0.9]] }\n"betas.0" = 0.8',
            f"{ADAM} betas.0: betas is searched as a whole: name it alone, or its components "
            "alone",
        ),
        *(
            (
                f"label = {json.dumps(label)}",
                f"{ADAM} label: must be one line of printable characters without '|', got "
                f"{label!r}",
            )
            for label in ("", "  ", "a | b", "a\nb", "a\x07b")
        ),
        ("label = 3", f"{ADAM} label: must be a text, got 3"),
        ("default = 3", f"{ADAM} default: must be a table of untuned values, got 3"),
        (
            "default = { eps = 1e-8 }",
            f"{ADAM} default: eps is not searched; searched: learning_rate",
        ),
        (
            "default = { learning_rate = -1 }",
            f"{ADAM} learning_rate: learning_rate must be positive and finite, got -1.0",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_by_file_table_key_and_value(
    tmp_path, resolved, line, said
):
    assert refusal(tmp_path, resolved, f"[adam]\n{line}") == said


def test_an_argument_that_there_is_not_is_refused(tmp_path, resolved):
    message = refusal(tmp_path, resolved, "[adam]\nweigth_decay = 0.1")
    assert message.startswith(
        f"{ADAM} weigth_decay: adam takes no argument 'weigth_decay'; it takes betas, eps, "
    )


def test_a_table_of_an_optimizer_that_is_not_asked_for_is_refused(tmp_path, resolved):
    assert refusal(tmp_path, resolved, "[sgd]\nmomentum = 0.5", "adam", "adamw") == (
        "--space FILE: [sgd] is not among --optimizers adam,adamw; add it there, or remove the "
        "table"
    )
    assert refusal(tmp_path, resolved, "weight_decay = 0.5") == (
        '--space FILE: weight_decay must stand in a table of an optimizer, such as ["adam"]'
    )


def test_a_file_that_cannot_be_read_is_refused(tmp_path, resolved):
    message = refusal(tmp_path, resolved, "[lion:Lion]\n")
    assert message.startswith("--space FILE is not a file of TOML: ")
    assert 'stands in quotes: ["lion:Lion"]' in message
    with pytest.raises(UserError, match=r"cannot read --space .*: No such file or directory"):
        resolve(["adam"], tmp_path / "none.toml")


def test_an_argument_without_a_default_needs_one_named(tmp_path, monkeypatch, resolved):
    source = PLAIN.replace("lr=0.1, fails_at=0", "fails_at, lr=0.1")
    name = importable(tmp_path, monkeypatch, source, "Plain")
    table = f'["{name}"]\nfails_at = {{ choices = [5, 6] }}\n'
    assert refusal(tmp_path, resolved, table, name) == (
        f"--space FILE: [{name}] fails_at: has no default in the signature of {name}: say what "
        "untuned means, as default = { fails_at = … }"
    )


def test_a_component_may_be_fixed(resolved):
    spaces = resolved('[adam]\n"betas.0" = 0.8')
    plan = OptimizerPlan(optimizers=("adam",), trials=1, spaces=spaces)
    assert plan.default_config("adam").optimizer_options == {"betas": (0.8, 0.999)}


def test_labels_that_cannot_be_told_apart_are_refused(resolved):
    with pytest.raises(UserError, match="must have different labels, got AdamW, AdamW"):
        OptimizerPlan(
            optimizers=("adam", "adamw"),
            spaces=resolved('[adam]\nlabel = "AdamW"', "adam", "adamw"),
        )


def test_a_pruner_wants_constant_schedules_of_every_space(resolved):
    spaces = resolved('[adam]\nschedule = { choices = ["constant", "cosine"] }')
    with pytest.raises(UserError, match="pruner 'median' needs --schedule constant, got 'cosine'"):
        OptimizerPlan(
            optimizers=("adam",), spaces=spaces, pruner="median", schedule="constant", epochs=2
        )
