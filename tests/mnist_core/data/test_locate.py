"""Where a data set is looked for, in which order."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest
import torch

from mnist_core.data.load import load
from mnist_core.data.locate import (
    APPLICATION,
    DATA_DIR_VARIABLE,
    _names_in,
    find_mnist,
    search_path,
)
from mnist_core.errors import UserError


def cache_folder() -> Path:
    return platformdirs.user_cache_path(APPLICATION)


def test_folders_are_searched_in_the_order_option_variable_cache(monkeypatch, tmp_path):
    cache = cache_folder()
    assert str(cache).startswith(os.environ["XDG_CACHE_HOME"])
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "variable"))
    assert search_path(tmp_path / "option") == [
        tmp_path / "option", tmp_path / "variable", cache
    ]  # fmt: skip
    assert search_path(None) == [tmp_path / "variable", cache]
    monkeypatch.setenv(DATA_DIR_VARIABLE, "")
    assert search_path(None) == [cache]


@pytest.mark.parametrize("place", ["option", "variable", "cache"])
def test_mnist_is_found_in_each_place(place, fake_mnist, without_mnist, monkeypatch, tmp_path):
    folder = cache_folder() if place == "cache" else tmp_path / place
    fake_mnist.place(folder)
    if place == "variable":
        monkeypatch.setenv(DATA_DIR_VARIABLE, str(folder))
    data_dir = tmp_path / "option" if place == "option" else None
    assert find_mnist(data_dir) == folder
    dataset = load("mnist", data_dir=data_dir, device=torch.device("cpu"))
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part) for part in parts] == [30, 10, 20]


def test_the_first_folder_with_files_is_taken_even_if_a_later_one_is_whole(
    fake_mnist, monkeypatch, tmp_path
):
    raw = fake_mnist.place(tmp_path / "first")
    fake_mnist.place(cache_folder())
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "first"))
    assert find_mnist(tmp_path / "empty") == tmp_path / "first"
    (raw / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match=f"{raw} lacks train-labels-idx1-ubyte"):
        load("mnist", data_dir=tmp_path / "empty", device=torch.device("cpu"))


def test_a_folder_that_may_not_be_looked_into_is_an_error_that_names_it(
    fake_mnist, run_python, bound_by_permissions, tmp_path
):
    raw = fake_mnist.place(tmp_path / "data")
    raw.parent.chmod(0o000)
    code = "from pathlib import Path; from mnist_core.data.locate import find_mnist\n"
    code += f"find_mnist(Path({str(tmp_path / 'data')!r}))"
    try:
        completed = run_python("-c", code, prefix=bound_by_permissions)
    finally:
        raw.parent.chmod(0o700)
    last = completed.stderr.splitlines()[-1]
    assert f"UserError: cannot look into the folder {raw}: Permission denied" in last
    assert "another --data-dir" in last


def test_a_name_behind_a_file_is_not_there(tmp_path):
    (tmp_path / "file").touch()
    assert _names_in(tmp_path / "file" / "below") == _names_in(tmp_path / "nothing") == set()
