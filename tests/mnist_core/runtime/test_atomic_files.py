"""mnist_core.runtime.atomic_files: a file has its old content until it has the new one."""

from __future__ import annotations

import json
import math
import os
import signal
import stat

import pytest

from mnist_core.runtime.atomic_files import write_atomically, write_json


@pytest.mark.parametrize("content", ["größer\n", b"\0\xff", "", "x" * 1_000_000])
def test_a_file_is_written_whole_and_readable_by_others(content, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_no_other(moment, error, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(type(error)) as caught:
        write_atomically(path, "new")
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (28, str(path))
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_kill_at_the_last_moment_leaves_the_old_file(tmp_path, run_python):
    path = tmp_path / "file"
    path.write_text("old")
    code = "import os, pathlib, signal\n"
    code += "from mnist_core.runtime.atomic_files import write_atomically\n"
    code += "os.replace = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += f"write_atomically(pathlib.Path({str(path)!r}), 'new')"
    assert run_python("-c", code).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_the_new_content_is_on_disk_before_it_gets_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append("fsync"), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "file", "new")
    assert calls == ["fsync", "replace"]


def test_json_is_written_indented_with_a_last_newline(tmp_path):
    write_json(tmp_path / "file", {"a": [1, None, "ü"]})
    text = (tmp_path / "file").read_text()
    assert json.loads(text) == {"a": [1, None, "ü"]}
    assert text.endswith("}\n")
    assert text.count("\n") > 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_know_are_refused(value, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"a": value})
    assert list(tmp_path.iterdir()) == []
