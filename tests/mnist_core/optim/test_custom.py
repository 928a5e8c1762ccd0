"""Custom optimizers: imported, refused with the reason, trained, stopped and resumed."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from support.custom_optimizers import LION, PLAIN, importable

from mnist_core.__main__ import main
from mnist_core.errors import OptimizerError, UserError
from mnist_core.models.network import build_network
from mnist_core.optim.custom import source_sha256
from mnist_core.optim.registry import build_optimizer, default_learning_rate, require_optimizer
from mnist_core.training import resume
from mnist_core.training.checkpoint import read_checkpoint
from mnist_core.training.loop import train

CPU = torch.device("cpu")
HINT = (
    "it is looked for in the folder where the command is started and on PYTHONPATH: start the "
    "command beside it, or add its folder to PYTHONPATH"
)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module; return the name of its class as an optimizer's."""

    def write(source, class_name="Own"):
        return importable(tmp_path, monkeypatch, source, class_name)

    return write


def build(name, **options):
    parameters = build_network(seed=0, device=CPU).parameters()
    return build_optimizer(name, parameters, learning_rate=1e-3, options=options)


def refusal(name, error=UserError, **options):
    with pytest.raises(error) as caught:
        build(name, **options)
    return str(caught.value).replace(name.split(":")[0], "MODULE")


@pytest.mark.parametrize(
    "name",
    ["lion:", ":Lion", "lion:Lion:Lion", "li on:Lion", "lion.:Lion", "1:Lion", "a/b:C", "a:b.C"],
)
def test_a_name_of_another_form_is_refused_before_anything_is_imported(name):
    with pytest.raises(UserError) as caught:
        require_optimizer(name)
    assert str(caught.value) == (
        f"a custom optimizer must be named as package.module:Class, got {name!r}"
    )


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.optim"])
def test_a_module_that_is_not_there_is_refused_with_where_it_is_looked_for(module):
    with pytest.raises(UserError) as caught:
        build(f"{module}:Own")
    missing = module.split(".")[0]
    assert str(caught.value) == f"{module}:Own: there is no module {missing!r}; {HINT}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import not_installed", "ModuleNotFoundError: No module named 'not_installed'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: invalid syntax"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(own, source, said):
    assert refusal(own(source)).startswith(f"MODULE:Own: importing MODULE failed: {said}")


@pytest.mark.parametrize(
    "source",
    ["import sys\nsys.exit(2)", "import argparse\nargparse.ArgumentParser().parse_args(['-x'])"],
)
def test_a_module_that_ends_the_program_is_refused_with_the_way_out(own, source):
    said = refusal(own(source))
    assert said.startswith("MODULE:Own: importing MODULE ends the program (SystemExit: 2): ")
    assert said.endswith("belongs under if __name__ == '__main__'")


@pytest.mark.parametrize("source", ["import sys\nsys.exit(2)", "1 / 0"])
def test_a_package_that_cannot_be_imported_has_no_source(tmp_path, monkeypatch, source):
    (tmp_path / "broken_package").mkdir()
    (tmp_path / "broken_package" / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert source_sha256("broken_package.optim:Own") is None


def test_a_class_that_is_not_there_is_refused_and_the_optimizers_named(own):
    name = own(LION, "Loin")
    assert refusal(name) == "MODULE:Loin: MODULE has no 'Loin'; its optimizers: Lion"


@pytest.mark.parametrize("source", ["Own = 3", "def Own(params): ...", "class Own: ..."])
def test_what_is_no_optimizer_is_refused(own, source):
    assert refusal(own(source)).startswith(
        "MODULE:Own must be a subclass of torch.optim.Optimizer, got "
    )


HEAD = "import torch\nclass Own(torch.optim.Optimizer):\n    def __init__(self, params"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            f"{HEAD}, step_size=0.1):\n        super().__init__(params, {{}})",
            "MODULE:Own must take its learning rate as the argument lr; it takes params, "
            "step_size",
        ),
        (
            f"{HEAD}, lr=0.1):\n        super().__init__(params, {{'rate': lr}})",
            "MODULE:Own must keep lr in its param_groups, where the schedule sets it: pass "
            "dict(lr=lr, ...) as the defaults of torch.optim.Optimizer",
        ),
        (
            f"{HEAD}, lr, needed):\n        super().__init__(params, {{'lr': lr}})",
            "MODULE:Own refused lr=0.001: TypeError: Own.__init__() missing 1 required "
            "positional argument: 'needed'",
        ),
    ],
)
def test_a_constructor_that_cannot_serve_is_refused(own, source, said):
    assert refusal(own(source)) == said


def test_what_a_constructor_refuses_is_told_with_its_arguments(own):
    assert refusal(own(PLAIN, "Plain"), OptimizerError, limit=1e-4) == (
        "MODULE:Plain refused lr=0.001, limit=0.0001: ValueError: lr must be <= 0.0001"
    )
    assert refusal("adam", OptimizerError, weight_decay=-1.0).startswith(
        "MODULE refused lr=0.001, fused=True, weight_decay=-1.0: ValueError: Invalid weight_decay"
    )


def test_an_argument_that_there_is_not_is_refused_and_the_others_named(own):
    assert refusal(own(LION, "Lion"), weigth_decay=0.1) == (
        "MODULE:Lion takes no argument 'weigth_decay'; it takes betas, weight_decay"
    )


def test_options_reach_the_constructor_and_go_before_the_registrys(own):
    group = build(own(LION, "Lion"), weight_decay=0.5, betas=(0.8, 0.9)).param_groups[0]
    assert (group["lr"], group["weight_decay"], group["betas"]) == (1e-3, 0.5, (0.8, 0.9))
    assert build("momentum").param_groups[0]["momentum"] == 0.9
    assert build("momentum", momentum=0.5).param_groups[0]["momentum"] == 0.5


def test_the_default_learning_rate_is_the_signatures(own):
    assert default_learning_rate(own(PLAIN, "Plain")) == 0.1
    name = own(f"{HEAD}, lr):\n        super().__init__(params, {{'lr': lr}})")
    with pytest.raises(UserError, match="has no default for lr in its signature"):
        default_learning_rate(name)


def test_a_source_is_named_by_the_digest_of_its_file(own, tmp_path):
    name = own(LION, "Lion")
    content = (tmp_path / f"{name.split(':')[0]}.py").read_bytes()
    assert source_sha256(name) == hashlib.sha256(content).hexdigest()
    assert source_sha256("no_such.module:Own") is None
    assert source_sha256("sys:Own") is None


def test_an_exception_of_a_step_ends_the_run_in_one_line(own, small_digits, make_config):
    name = own(PLAIN, "Plain")
    config = make_config(optimizer=name, optimizer_options={"fails_at": 3})
    with pytest.raises(OptimizerError) as caught:
        train(config, small_digits)
    assert str(caught.value) == f"{name} failed in a step: RuntimeError: boom"


def test_an_exception_in_a_step_of_the_registrys_keeps_its_own_type(
    small_digits, make_config, monkeypatch
):
    def explode(self):
        raise RuntimeError("boom")

    monkeypatch.setattr(torch.optim.Adam, "step", explode)
    with pytest.raises(RuntimeError, match=r"^boom$"):
        train(make_config(), small_digits)


HOARDER = '''
import torch


class Own(torch.optim.Optimizer):
    """Remembers everything that may be remembered, and lets all of it decide its steps."""

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr, "pace": 1.0, "kind": torch.float64})

    @torch.no_grad()
    def step(self):
        total = self.state.setdefault("total", {"steps": 0, "sums": []})
        total["steps"] += 1
        total["sums"] = [*total["sums"][-2:], 0.1 * total["steps"]]
        for group in self.param_groups:
            group["pace"] *= 0.999
            for weight in group["params"]:
                own = self.state[weight]
                own["fine"] = own.get("fine", weight.double() * 0) + weight.grad.double()
                own["counts"] = own.get("counts", torch.zeros(3, dtype=torch.int64)) + 1
                own["pair"] = (weight.grad.clone(), {"half": weight.grad.bfloat16()}, None, "on")
                scale = group["pace"] * total["sums"][-1] / float(own["counts"].sum())
                step = own["fine"].float() + own["pair"][1]["half"]
                weight.sub_(step, alpha=group["lr"] * scale)
'''


class StoppedError(Exception):
    """Ends a run as a kill would."""


@pytest.mark.parametrize(("source", "class_name"), [(LION, "Lion"), (HOARDER, "Own")])
def test_stopped_and_resumed_it_gives_the_bits_of_an_uninterrupted_run(
    own, small_digits, make_config, tmp_path, source, class_name
):
    config = make_config(optimizer=own(source, class_name), schedule="one-cycle")
    whole = train(config, small_digits)
    path = tmp_path / "resume.pt"

    def stop(progress):
        if progress.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(config, small_digits, resume_file=path, observe=stop)
    assert len(resume.read(path).record["epochs"]) == 1
    assert train(config, small_digits, resume_file=path).weights_sha256 == whole.weights_sha256


def test_a_state_that_cannot_be_saved_is_refused_and_named(
    own, small_digits, make_config, tmp_path
):
    name = own(
        """
        from collections import deque

        import torch

        class Own(torch.optim.SGD):
            def step(self):
                self.state["memory"] = {"seen": [1, deque([2])]}
        """
    )
    with pytest.raises(OptimizerError) as caught:
        train(make_config(optimizer=name), small_digits, resume_file=tmp_path / "file")
    assert str(caught.value) == (
        "the optimizer's state cannot be saved: state.memory.seen.1 is of type deque; keep "
        "tensors, numbers, texts, and lists, tuples and mappings of them"
    )


def test_the_command_line_trains_it_with_options(own, tmp_path, capsys):
    name = own(LION, "Lion")
    arguments = ["train", "--dataset", "digits", "--epochs", "1", "--batch-size", "399"]
    arguments += ["--threads", "1", "--optimizer", name, "--output", str(tmp_path / "run")]
    options = ["--option", "weight_decay=0.1", "--option", "betas=[0.8, 0.9]"]
    assert main([*arguments, *options]) == 0
    config = json.loads((tmp_path / "run" / "result.json").read_text())["config"]
    assert config["optimizer"] == name
    assert config["learning_rate"] == 1e-3
    assert config["optimizer_options"] == {"betas": [0.8, 0.9], "weight_decay": 0.1}
    saved = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors").config
    assert saved.optimizer_options == {"betas": (0.8, 0.9), "weight_decay": 0.1}


@pytest.mark.parametrize("option", ["weight_decay", "=3", "a b=3", "betas=[nan]"])
def test_an_option_of_another_form_is_refused(option, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--dataset", "digits", "--option", option]) == 2
    message = capsys.readouterr().err
    assert message.startswith(("error: --option must be NAME=VALUE", "error: the option"))
    assert list(tmp_path.iterdir()) == []
