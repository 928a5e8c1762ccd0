"""Provenance: what ran and on what; nothing that names a person or a machine."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
from pathlib import Path

import pytest
import torch

from mnist_core.runtime import provenance
from mnist_core.runtime.device import available_cores, prepare_process

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def fresh_code_version():
    provenance.code_version.cache_clear()
    yield
    provenance.code_version.cache_clear()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """Make a git checkout with one commit, and let the code lie in it."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    for name in ("code.py", "results/report.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    return tmp_path


def test_the_environment_is_json_and_says_what_decides_the_bits():
    values = json.loads(json.dumps(provenance.environment(CPU), allow_nan=False))
    assert values["packages"]["torch"] == torch.__version__.split("+")[0] or (
        values["packages"]["torch"] == torch.__version__
    )
    assert values["device"] == "cpu"
    assert values["threads"] == torch.get_num_threads() == 1
    assert values["deterministic_algorithms"] is True
    assert values["cores"] == available_cores()
    assert all(values[key] for key in ("python", "system", "processor", "cpu_capability"))


def test_the_environment_names_no_machine_person_or_path():
    text = json.dumps(provenance.environment(CPU))
    strings = {socket.gethostname(), getpass.getuser(), str(Path.home()), str(provenance._ROOT)}
    for private in strings:
        # Short names such as "root" or "x86" could be part of something else: whole words.
        assert f'"{private}"' not in text
        assert len(private) < 5 or private not in text


def test_threads_reach_the_record_and_its_digest():
    one = provenance.environment(CPU)
    prepare_process(threads=2)
    two = provenance.environment(CPU)
    assert (one["threads"], two["threads"]) == (1, 2)
    assert provenance.environment_digest(one) != provenance.environment_digest(two)


def test_the_digest_is_short_and_the_same_for_the_same_values():
    first, second = {"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "a": 1}
    assert provenance.environment_digest(first) == provenance.environment_digest(second)
    assert len(provenance.environment_digest(first)) == 12


def test_a_clean_checkout_is_its_commit(repository):
    head = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert provenance.code_version() == {"commit": head, "dirty": False}


def test_a_changed_file_makes_it_dirty(repository):
    (repository / "code.py").write_text("two\n")
    assert provenance.code_version()["dirty"] is True


def test_new_results_and_untracked_files_do_not_make_it_dirty(repository):
    (repository / "results" / "report.md").write_text("two\n")
    (repository / "notes.txt").write_text("two\n")
    assert provenance.code_version()["dirty"] is False


def test_without_a_checkout_both_are_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.code_version() == {"commit": None, "dirty": None}


def test_without_git_both_are_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.code_version() == {"commit": None, "dirty": None}


def test_the_processor_is_the_model_name_or_at_least_something(monkeypatch):
    text = "processor : 0\nmodel name : Some CPU @ 2 GHz\nmodel name : Some CPU @ 2 GHz\n"
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert provenance._processor() == "Some CPU @ 2 GHz"
    monkeypatch.setattr(Path, "read_text", lambda self: "Hardware : board\n")
    assert provenance._processor()
