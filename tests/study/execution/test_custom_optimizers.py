"""Studies of a user's own optimizer: refused before they start, or run among bad ones."""

from __future__ import annotations

import importlib.util
import json
import shlex

import pytest
from support import study_processes
from support.custom_optimizers import LION, PLAIN, importable, write_module
from support.study_processes import run

from study import optimizers, replay, report
from study.execution.pool import WorkerPool
from study.plans.optimizers import OptimizerPlan
from study.records.run_folder import RunFolder

FRAGILE = """
import torch


class Fragile(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.steps = 0

    def step(self):
        self.steps += 1
        if self.steps == 5:
            raise RuntimeError("boom")
        super().step()


class Bottomless(Fragile):
    @torch.no_grad()
    def step(self):
        for weight in self.param_groups[0]["params"]:
            weight.fill_(float("nan"))
"""
SMALL = ("--dataset", "digits", "--confirm-seeds", "2")


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Start a study that must end with code 2 before it trains; return its message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(WorkerPool, "submit", lambda *_: pytest.fail("it trained"))

    def run(name, *arguments, space=None):
        before = sorted(file.name for file in tmp_path.iterdir())
        arguments = [*SMALL, "--optimizers", f"adam,{name}", "--trials", "2", *arguments]
        if space is not None:
            (tmp_path / "space.toml").write_text(f'["{name}"]\n{space}')
            before.append("space.toml")
            arguments += ["--space", "space.toml"]
        assert optimizers.main(arguments) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert {file.name for file in tmp_path.iterdir()} - {"__pycache__"} == set(before)
        return error.removeprefix("error: ").rstrip().replace(name, "OWN")

    return run


def test_a_module_that_is_not_there_is_refused(refused):
    assert refused("no_such_module:Lion") == (
        "OWN: there is no module 'no_such_module'; it is looked for in the folder where the "
        "command is started and on PYTHONPATH: start the command beside it, or add its folder to "
        "PYTHONPATH"
    )


def test_what_is_no_optimizer_is_refused(refused, tmp_path, monkeypatch):
    name = importable(tmp_path, monkeypatch, "class Own: pass", "Own")
    assert refused(name).startswith("OWN must be a subclass of torch.optim.Optimizer, got <class")


def test_a_constructor_that_refuses_an_end_of_its_space_is_told_where(
    refused, tmp_path, monkeypatch
):
    name = importable(tmp_path, monkeypatch, PLAIN, "Plain")
    assert refused(name, space="limit = 0.5") == (
        "the search space of OWN holds learning_rate 1, where it cannot train: OWN refused "
        "lr=1.0, limit=0.5: ValueError: lr must be <= 0.5. Fix the optimizer, or its table of "
        "--space."
    )


@pytest.mark.parametrize(
    ("space", "where"),
    [
        ("fails_at = 1", "learning_rate 0.1"),
        ("fails_at = { choices = [0, 1] }", "learning_rate 0.1, fails_at 1"),
    ],
)
def test_an_optimizer_whose_first_step_raises_is_told_where(
    refused, tmp_path, monkeypatch, space, where
):
    name = importable(tmp_path, monkeypatch, PLAIN, "Plain")
    assert refused(name, space=space) == (
        f"the search space of OWN holds {where}, where it cannot train: OWN failed in a step: "
        "RuntimeError: boom. Fix the optimizer, or its table of --space."
    )


def test_an_option_that_the_registrys_class_refuses_is_told_where(refused):
    message = refused("sgd", space="momentum = { low = -1, high = 0.9 }")
    assert message.startswith(
        "the search space of OWN holds learning_rate 0.001, momentum -1, where it cannot train: "
        "OWN refused lr=0.001, fused=True, momentum=-1.0: ValueError: Invalid momentum value"
    )


def test_a_batch_that_does_not_fit_the_data_is_refused(refused):
    message = refused("sgd", space="batch_size = { choices = [32, 100000] }")
    assert message.startswith("batch_size must be <= 1197")


def test_a_state_that_checkpoints_cannot_hold_is_refused_where_there_are_any(
    refused, tmp_path, monkeypatch
):
    source = """
    import torch

    class Own(torch.optim.SGD):
        def step(self):
            self.state["seen"] = frozenset([1])
    """
    name = importable(tmp_path, monkeypatch, source, "Own")
    assert "the optimizer's state cannot be saved: state.seen is of type frozenset" in refused(
        name, "--epochs", "2"
    )


def test_a_resume_has_its_spaces_from_its_plan(refused, tmp_path, capsys):
    for file in ("plan.json", "space.toml"):
        (tmp_path / file).write_text("{}")
    message = optimizers.main(["--resume", "--output", ".", "--space", "space.toml"])
    assert message == 2
    assert "--resume has its search spaces from plan.json; leave --space out" in (
        capsys.readouterr().err
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run a study of a good optimizer among bad ones, from the folder of their modules."""
    folder = tmp_path_factory.mktemp("own")
    write_module(folder, LION, name="lion")
    write_module(folder, FRAGILE, name="bad")
    (folder / "space.toml").write_text(
        '["lion:Lion"]\nweight_decay = { low = 1e-3, high = 1.0, log = true }\n'
        "betas = { choices = [[0.9, 0.99], [0.95, 0.98]] }\n"
    )
    names = "adam,lion:Lion,bad:Fragile,bad:Bottomless"
    completed = run(
        folder, *SMALL, "--optimizers", names, "--trials", 8, "--output", "out",
        "--space", "space.toml",
    )  # fmt: skip
    assert (completed.returncode, completed.stderr) == (0, "")
    return folder, completed.stdout


@pytest.mark.slow
def test_bad_optimizers_lose_nothing_of_the_others(finished, tmp_path):
    folder, output = finished
    records = RunFolder(folder / "out").read_records()
    by_optimizer = {
        name: {record.status for record in records.values() if record.arm == name}
        for name in ("adam", "lion:Lion", "bad:Fragile", "bad:Bottomless")
    }
    assert by_optimizer == {
        "adam": {"completed"},
        "lion:Lion": {"completed"},
        "bad:Fragile": {"failed"},
        "bad:Bottomless": {"diverged"},
    }
    assert records["trial-bad.Fragile-000"].error == (
        "bad:Fragile failed in a step: RuntimeError: boom"
    )
    assert "failed (bad:Fragile failed in a step: RuntimeError: boom)" in output
    page = (folder / "out" / "report.md").read_text()
    assert "Not ranked: Fragile (none of its 2 trials completed), Bottomless (none of" in page
    assert "Runs that failed with an error of their optimizer: 4 of Fragile." in page

    completed = run(
        folder, *SMALL, "--optimizers", "adam", "--trials", 2, "--output", tmp_path / "a"
    )
    assert completed.returncode == 0
    alone = study_processes.results(RunFolder(tmp_path / "a"))
    among = study_processes.results(RunFolder(folder / "out"))
    assert alone == {key: record for key, record in among.items() if "adam" in key}


@pytest.mark.slow
def test_what_is_searched_is_announced_before_it_is(finished):
    before = finished[1].split("[1/")[0]
    for words in (
        "2 trials each for what is listed (lhs)",
        "adam: learning_rate 0.0005 to 0.05, log-uniform\n",
        "lion:Lion: learning_rate 0.0001 to 0.01, log-uniform; weight_decay 0.001 to 1, "
        "log-uniform; betas one of (0.9, 0.99), (0.95, 0.98) (a decade either side of 0.001, the "
        "default in the signature of lion:Lion)",
    ):
        assert words in before


@pytest.mark.slow
def test_its_report_is_made_and_its_study_resumed_without_file_or_change(finished, tmp_path):
    folder, _ = finished
    before = (folder / "out" / "report.md").read_bytes()
    assert importlib.util.find_spec("lion") is None
    assert report.main([str(folder / "out")]) == 0
    assert (folder / "out" / "report.md").read_bytes() == before
    (folder / "out" / "records" / "trial-lion.Lion-001.json").unlink()
    again = run(folder, "--resume", "--output", "out")
    assert again.returncode == 0, again.stderr
    elsewhere = run(tmp_path, "--resume", "--output", folder / "out")
    assert elsewhere.returncode == 2
    assert "the module of lion:Lion is not found: it is looked for in" in elsewhere.stderr


@pytest.mark.slow
def test_the_command_of_its_report_plans_the_same_study(finished, monkeypatch):
    folder, _ = finished
    page = (folder / "out" / "report.md").read_text()
    command = page.split("## Reproduce")[1].split("```bash\n")[1].split("\n```")[0]
    monkeypatch.chdir(folder / "out")
    monkeypatch.syspath_prepend(str(folder))
    options = optimizers.parse(shlex.split(command)[3:])
    plan = OptimizerPlan(**optimizers.given_options(options))
    assert plan == RunFolder(folder / "out").read_header()["plan"]


@pytest.mark.slow
def test_a_row_replays_and_one_that_failed_is_refused(finished, capsys):
    folder, _ = finished
    good = run(folder, "out", "--trial", 2, module="study.replay")
    assert (good.returncode, good.stdout.count("identical")) == (0, 2), good.stdout + good.stderr
    assert replay.main([str(folder / "out"), "--trial", "3"]) == 2
    assert "trial 3: it failed, and has no final weights to compare" in capsys.readouterr().err


@pytest.mark.slow
def test_a_changed_source_is_noticed(finished, monkeypatch, capsys):
    folder, _ = finished
    source = folder / "lion.py"
    original = source.read_text()
    try:
        source.write_text(original.replace("alpha=group", "alpha=0.9 * group"))
        replayed = run(folder, "out", "--trial", 2, module="study.replay")
        monkeypatch.syspath_prepend(str(folder))
        resumed = optimizers.main(["--resume", "--output", str(folder / "out")])
    finally:
        source.write_text(original)
    assert resumed == 2
    said = capsys.readouterr().err
    assert "the source of lion:Lion differs: SHA-256 was " in said
    assert "out continues with the source that it began with" in said
    assert replayed.returncode == 1
    assert replayed.stdout.startswith("note: the source of lion:Lion differs: SHA-256 was ")
    assert "what differs: the source of lion:Lion differs" in replayed.stdout


def test_the_header_holds_the_digest_of_a_users_source(tmp_path, monkeypatch):
    name = importable(tmp_path, monkeypatch, LION, "Lion")
    options = optimizers.parse([*SMALL, "--optimizers", name, "--trials", "1"])
    plan = OptimizerPlan(**optimizers.given_options(options))
    folder = RunFolder(tmp_path / "run")
    folder.begin(plan, data={}, started="")
    header = json.loads(folder.plan_file.read_text())
    assert len(header["optimizers"][name]["source_sha256"]) == 64
    assert plan.changes(header["optimizers"]) == []
    module = tmp_path / f"{name.split(':')[0]}.py"
    module.write_text(module.read_text() + "\n")
    (change,) = plan.changes(header["optimizers"])
    assert change.startswith(f"the source of {name} differs: SHA-256 was ")


def test_a_study_names_no_folder_of_the_user(tmp_path, monkeypatch):
    name = importable(tmp_path, monkeypatch, LION, "Lion")
    options = optimizers.parse([*SMALL, "--optimizers", name, "--trials", "1"])
    plan = OptimizerPlan(**optimizers.given_options(options))
    assert str(tmp_path) not in json.dumps(plan.to_dict())
