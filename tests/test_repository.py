"""Guards of the repository itself: README commands, dependencies, what is committed."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
from support import ROOT

from mnist_core.data.locate import DATA_DIR_VARIABLE

PACKAGES = ("mnist_core", "study", "bench")


def readme_commands() -> list[tuple[str, bool]]:
    """Return the README's commands in order, and whether each is marked as long."""
    commands = []
    for block in re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if document := re.search(r"<<'(\w+)'$", line):
                body = itertools.takewhile(lambda text, end=document[1]: text != end, lines)
                commands.append(("\n".join([line, *body, document[1]]), False))
                continue
            command, _, comment = line.partition("  # ")
            is_long = "minutes" in comment
            commands += [(part.strip(), is_long) for part in command.split("&&")]
    return commands


def test_backward_is_called_in_the_training_step_alone():
    callers = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if re.search(r"\.backward\(", file.read_text()) and file.parent.name != "references"
    }
    # mnist_core/references holds other people's code, which is kept to be compared with.
    assert callers == {"mnist_core/training/step.py"}


def test_every_dependency_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    for name in itertools.chain(
        project["dependencies"], *project["optional-dependencies"].values()
    ):
        assert re.search(rf'"{re.escape(name)}",\s+# \w+', text), f"{name} has no reason"


def test_no_committed_file_is_large():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    sizes = {name: (ROOT / name).stat().st_size for name in listed.stdout.split("\0") if name}
    assert max(sizes.values()) < 2**20
    assert sum(sizes.values()) < 10 * 2**20


def test_readme_has_commands_and_ci_runs_the_installing_and_testing_ones():
    ci = (ROOT / ".ci" / "run").read_text()
    commands = readme_commands()
    assert len(commands) > 10
    for command, is_long in commands:
        if "pip install" in command or "pytest" in command:
            # Benchmarks take minutes: CI calls each of them once.
            wanted = command.replace("--benchmark-only", "--benchmark-disable")
            assert (wanted if is_long else command) in ci, f"CI does not run: {command}"


@pytest.mark.slow
def test_every_other_readme_command_works_when_pasted(tmp_path):
    """Run them in order in an empty folder; of a long one, its --help. Where MNIST is not at hand,
    digits stand in for it."""
    for command, is_long in readme_commands():
        if not os.environ.get(DATA_DIR_VARIABLE):
            command = command.replace("--dataset mnist", "--dataset digits")
        if "pip install" in command or "pytest" in command or "evaluate results/" in command:
            continue  # committed networks are evaluated below, where MNIST is at hand
        for committed in re.findall(r" (results/\S+)", command):
            (tmp_path / committed).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / committed, tmp_path / committed)
        if "<<" in command:  # a file that the next commands need
            words = ["bash", "-euc", command]
        else:
            words = shlex.split(command)
            assert words[0] == "python", command
            if is_long:
                words = [*words[: 4 if words[2] == "mnist_core" else 3], "--help"]
            words[0] = sys.executable
        completed = subprocess.run(
            words,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert completed.returncode == 0, f"{command}\n{completed.stdout}\n{completed.stderr}"


NETWORKS = sorted((ROOT / "results").glob("*/*/recipe-*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=lambda path: path.parent.name)
def test_a_committed_network_reads_what_its_report_says(network, mnist_folder, tmp_path):
    copied = tmp_path / network.name
    shutil.copy(network, copied)
    assert f"evaluate {network.relative_to(ROOT)}" in (ROOT / "README.md").read_text()
    completed = subprocess.run(
        [sys.executable, "-m", "mnist_core", "evaluate", copied, "--data-dir", str(mnist_folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    record = json.loads((network.parent / "records" / f"{network.stem}.json").read_text())
    correct, count = record["test"]["correct"], record["test"]["count"]
    assert f"{correct / count:.2%}" in completed.stdout
