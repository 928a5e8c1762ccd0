"""study.optimizers: wrong input ends with exit code 2 and one message, before anything trains."""

from __future__ import annotations

import re
import shlex

import pytest
import torch
import yaml
from support import ROOT
from support.study_samples import DIGITS, make_plan, write_study

from study import command_line, optimizers, report
from study.plans.optimizers import OptimizerPlan

SOMEWHERE = "postgresql+psycopg://me:hunter2@127.0.0.1:9/db"  # the discard port: refused at once
HEAVY = ("torch", "optuna", "pandas", "numpy", "scipy", "sklearn", "matplotlib", "seaborn")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capsys):
    """Run a command that must end with code 2; return its message."""

    def run(*arguments, main=optimizers.main):
        assert main([str(argument) for argument in arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("error: ") == 1
        assert "Traceback" not in error
        return error

    return run


@pytest.fixture
def finished(tmp_path):
    """A finished study of digits whose data are this machine's."""
    from mnist_core.data.load import load

    dataset = load("digits", data_dir=None, device=torch.device("cpu"))
    return write_study(
        tmp_path / "study", make_plan(), data={**DIGITS, "sha256": dataset.sha256}
    ).path


def test_a_storage_named_by_the_variable_is_one(refused, monkeypatch):
    monkeypatch.setenv("STUDY_STORAGE", SOMEWHERE)
    message = refused("--dataset", "digits")
    assert "cannot use PostgreSQL database db on 127.0.0.1" in message
    assert "hunter2" not in message


def everything_below(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--optimizers", "sgd,adamm"], ["unknown optimizer 'adamm'", "known:", "adamw"]),
        (["--optimizers", "sgd,sgd"], ["different names", "sgd"]),
        (["--optimizers", ","], ["one or more"]),
        (["--dataset", "cifar"], ["unknown dataset 'cifar'", "auto, cifar10, digits"]),
        (["--schedule", "linear"], ["unknown schedule 'linear'", "one-cycle"]),
        (["--device", "tpu"], ["unknown device 'tpu'", "cpu, cuda"]),
        (["--sampler", "cma"], ["unknown sampler 'cma'", "lhs"]),
        (["--pruner", "asha"], ["unknown pruner 'asha'", "median"]),
        (["--augmentation", "flip"], ["unknown augmentation 'flip'", "baseline"]),
        (["--trials", "0"], ["trials must be >= 6", "got 0", "--trials"]),
        (["--trials", "5"], ["trials must be >= 6", "got 5", "--optimizers"]),
        (["--epochs", "-2"], ["epochs must be >= 1", "got -2"]),
        (["--confirm-seeds", "1"], ["confirm_seeds must be >= 2", "got 1"]),
        (["--batch-size", "0"], ["batch_size must be >= 1", "got 0"]),
        (["--batch-size", "100000"], ["batch_size must be <= ", "train split", "got 100000"]),
        (["--seed", "-1"], ["seed must be in", "got -1"]),
        (["--threads", "0"], ["threads must be >= 1", "got 0"]),
        (["--workers", "0"], ["workers must be >= 1", "got 0"]),
        (["--pruner", "median", "--epochs", "3"], ["--schedule constant", "'one-cycle'"]),
        (["--stale-after", "0"], ["stale_after must be >= 1", "got 0"]),
        (["--study-name", "s"], ["--study-name needs --storage"]),
        (["--storage", "sqlite:///s.db"], ["postgresql+psycopg://", "local file"]),
        (["--storage", SOMEWHERE, "--resume"], ["same command again", "STUDY_STORAGE"]),
        (["--storage", SOMEWHERE, "--study-name", "a/b"], ["study_name must be", "'a/b'"]),
        (
            ["--storage", SOMEWHERE, "--pruner", "hyperband", "--schedule", "constant"],
            ["'hyperband' cannot be used with --storage", "median"],
        ),
        (["--storage", SOMEWHERE], ["cannot use PostgreSQL database db on 127.0.0.1"]),
        (["--resume"], ["--resume needs --output"]),
        (["--resume", "--output", "nowhere"], ["nothing to resume", "nowhere", "without"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_wrong_input_is_refused_and_leaves_nothing(refused, tmp_path, arguments, words):
    if "--dataset" not in arguments and "--resume" not in arguments:
        arguments = ["--dataset", "digits", *arguments]
    message = refused(*arguments)
    for word in words:
        assert word in message
    assert "hunter2" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_where_there_is_none_is_refused(refused):
    message = refused("--dataset", "digits", "--device", "cuda")
    assert "finds no CUDA device; use --device cpu" in message


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_folder_that_cannot_be_made_is_refused(refused, tmp_path, output):
    (tmp_path / "file").write_text("in the way")
    message = refused("--dataset", "digits", "--output", output)
    assert f"cannot create the output folder {output}" in message
    assert "another --output" in message


def test_an_output_folder_that_may_not_be_written_is_refused(
    run_python, bound_by_permissions, tmp_path
):
    (tmp_path / "locked").mkdir(mode=0o500)
    words = ("-m", "study.optimizers", "--dataset", "digits", "--output", "locked/study")
    completed = run_python(*words, prefix=bound_by_permissions)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == (
        "error: cannot create the output folder locked/study: Permission denied; name another "
        "--output\n"
    )


def test_mnist_that_cannot_be_had_is_refused_with_the_ways_out(refused, without_mnist, tmp_path):
    message = refused("--dataset", "mnist")
    for way in ("--data-dir", "MNIST_DATA_DIR", "--dataset digits", "train-images-idx3-ubyte"):
        assert way in message
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_refused_without_resume_and_left_alone(refused, finished):
    before = everything_below(finished)
    message = refused("--dataset", "digits", "--output", finished)
    assert "already holds a run; continue it with --resume" in message
    assert everything_below(finished) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trials", "10"], ["--trials was 8, now 10"]),
        (["--seed", "1", "--epochs", "2"], ["--seed was 0, now 1", "--epochs was 1, now 2"]),
        (["--optimizers", "adam,sgd"], ["--optimizers was ('sgd', 'adam')"]),
        (["--dataset", "mnist"], ["--dataset was 'digits', now 'mnist'"]),
        (["--threads", "2"], ["--threads was 1, now 2"]),
        (["--device", "cuda"], ["--device was 'cpu', now 'cuda'"]),
    ],
)
def test_a_resume_with_other_options_is_refused(refused, finished, arguments, words):
    before = everything_below(finished)
    message = refused("--resume", "--output", finished, *arguments)
    for word in ("began with other options", "another --output", *words):
        assert word in message
    assert everything_below(finished) == before


def test_a_resume_on_other_data_is_refused(refused, tmp_path):
    path = write_study(tmp_path / "study", make_plan()).path
    assert "other data" in refused("--resume", "--output", path)


@pytest.mark.parametrize(
    "arguments", [[], ["--trials", "8", "--dataset", "digits"], ["--dataset", "auto"]]
)
def test_a_finished_study_resumes_to_its_report(finished, capsys, arguments):
    assert optimizers.main(["--resume", "--output", str(finished), *arguments]) == 0
    assert "every run is done" in capsys.readouterr().out
    assert (finished / "report.md").exists()
    assert not (finished / "sessions.json").exists()


def test_a_second_process_at_once_is_refused(refused, finished):
    from study.records.run_folder import RunFolder

    with RunFolder(finished).lock():
        message = refused("--resume", "--output", finished)
    assert "another process is running the study" in message


def test_ctrl_c_before_there_is_a_folder_promises_nothing(monkeypatch, capsys, tmp_path):
    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("study.execution.options.RunOptions.load", interrupt)
    assert optimizers.main(["--dataset", "digits", "--output", str(tmp_path / "new")]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_full_disk_ends_a_study_with_the_command_that_goes_on(refused, finished, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device", "study.db")

    monkeypatch.setattr("study.execution.session.rebuild_view", fail)
    message = refused("--resume", "--output", finished)
    assert "No space left on device (study.db). Continue with:\n" in message
    assert message.endswith(f"python -m study.optimizers --resume --output {finished}\n")


def test_a_damaged_record_is_refused_and_named(refused, finished):
    file = finished / "records" / "trial-sgd-000.json"
    file.write_text(file.read_text()[:100])
    for command in (
        lambda: refused("--resume", "--output", finished),
        lambda: refused(finished, main=report.main),
    ):
        message = command()
        assert "trial-sgd-000.json is damaged" in message
        assert "delete it" in message


def test_a_report_of_a_folder_without_study_is_refused(refused, tmp_path):
    assert "holds no study" in refused(tmp_path, main=report.main)


def test_an_unknown_option_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        optimizers.main(["--trails", "30"])
    assert end.value.code == 2
    assert "--trails" in capsys.readouterr().err


def test_help_names_every_option_with_its_default_and_imports_nothing_heavy(run_python):
    result = run_python("-X", "importtime", "-m", "study.optimizers", "--help")
    assert result.returncode == 0
    words = " ".join(result.stdout.split())
    options = {key: value for key, value in OptimizerPlan().to_dict().items() if key != "spaces"}
    for name, value in options.items():
        shown = ",".join(value) if isinstance(value, list) else value
        assert f"--{name.replace('_', '-')}" in words
        assert name == "dataset" or f"(default: {shown})" in words.replace("- ", "-")
    for option in ("--space", "--data-dir", "--workers", "--output", "--resume"):
        assert option in words
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "study.plans.base" in imported
    assert not {name for name in imported if name.split(".")[0] in HEAVY}


def documented_commands():
    """Return the arguments of each study in docs/, by file."""
    for file in sorted((ROOT / "docs").glob("shared-stud*")):
        text = file.read_text()
        for line in re.findall(r"python -m study\.optimizers (.*)", text):
            yield file.name, shlex.split(line)
        if file.suffix == ".yaml":
            (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
            assert container["command"] == ["python", "-m", "study.optimizers"]
            yield file.name, container["args"]


def test_documented_commands_are_understood(monkeypatch):
    monkeypatch.setenv("STUDY_STORAGE", SOMEWHERE)
    commands = list(documented_commands())
    assert {name for name, _ in commands} == {
        "shared-studies.md",
        "shared-study.slurm",
        "shared-study.yaml",
    }
    for _, arguments in commands:
        words = [word.replace("$SLURM_CPUS_PER_TASK", "4") for word in arguments]
        options = optimizers.parse(words)
        command_line.run_options(options)
        OptimizerPlan(**optimizers.given_options(options))
