"""The original files: broken ones are errors with a way out, whole ones are read once."""

from __future__ import annotations

import hashlib
import os
import shutil

import numpy as np
import pytest

from mnist_core.data import integrity as files
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError

MNIST = DATASETS["mnist"].source
NAMES = list(MNIST.files)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def find_or_download(folders):
    """Find or download MNIST, or what a test put into its place."""
    spec = DATASETS["mnist"]
    return files.find_or_download(spec, spec.source, folders)


def error_of(folder) -> str:
    with pytest.raises(UserError) as caught:
        find_or_download([folder])
    return str(caught.value)


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def make_a_folder(path) -> None:
    path.unlink()
    path.mkdir()


def dangle(path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = {
    "missing": (lambda path: path.unlink(), "No such file"),
    "a dangling link": (dangle, "No such file"),
    "not readable as a file": (make_a_folder, "cannot read"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "truncated": (truncate, "is truncated or altered"),
    "altered": (alter, "is truncated or altered"),
    "too long": (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is truncated or alt"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_an_error_that_names_it_and_the_way_out(
    name, damage, fake_mnist, tmp_path
):
    raw = fake_mnist.place(tmp_path)
    break_it, what = DAMAGES[damage]
    break_it(raw / name)
    message = error_of(tmp_path)
    for part in (str(raw / name), what, "Delete the files in", "--data-dir"):
        assert part in message


@pytest.mark.parametrize(
    ("first", "second"), [(TRAIN_IMAGES, TEST_IMAGES), (TRAIN_LABELS, TEST_LABELS)]
)
def test_swapped_files_are_an_error_that_says_what_they_hold(first, second, fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path)
    (raw / first).rename(raw / "aside")
    (raw / second).rename(raw / first)
    (raw / "aside").rename(raw / second)
    assert f"{raw / first} holds the content of MNIST's {second}" in error_of(tmp_path)


def test_copies_of_the_real_files_pass_and_a_truncated_one_does_not(mnist_folder, tmp_path):
    raw = tmp_path / MNIST.folder
    raw.mkdir(parents=True)
    for name in NAMES:
        shutil.copyfile(mnist_folder / MNIST.folder / name, raw / name)
    assert find_or_download([tmp_path]) == tmp_path
    truncate(raw / TRAIN_IMAGES)
    assert f"{raw / TRAIN_IMAGES} is truncated or altered" in error_of(tmp_path)


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Record the names of the files whose content is read."""
    names: list[str] = []
    file_digest = hashlib.file_digest

    def record(file, algorithm):
        names.append(os.path.basename(file.name))
        return file_digest(file, algorithm)

    monkeypatch.setattr(hashlib, "file_digest", record)
    return names


def test_whole_files_are_read_once_and_then_remembered(fake_mnist, hashed, tmp_path):
    fake_mnist.place(tmp_path)
    find_or_download([tmp_path])
    assert sorted(hashed) == sorted(NAMES)
    find_or_download([tmp_path])
    assert len(hashed) == 4


def test_a_remembered_file_that_was_written_again_is_read_again(fake_mnist, hashed, tmp_path):
    raw = fake_mnist.place(tmp_path)
    find_or_download([tmp_path])
    before = (raw / TEST_LABELS).stat()
    alter(raw / TEST_LABELS)  # the same size, and the same time of modification:
    os.utime(raw / TEST_LABELS, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "is truncated or altered" in error_of(tmp_path)
    assert hashed[4:] == [TEST_LABELS]


def test_a_failed_check_is_not_remembered(fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path)
    alter(raw / TEST_LABELS)
    assert error_of(tmp_path) == error_of(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}'])
def test_a_damaged_memory_of_checks_is_rebuilt(content, fake_mnist, hashed, tmp_path):
    fake_mnist.place(tmp_path)
    files.cache_folder().mkdir(parents=True)
    (files.cache_folder() / "verified.json").write_text(content)
    for _ in range(2):
        find_or_download([tmp_path])
    assert len(hashed) == 4


def test_without_a_writable_cache_the_files_are_read_every_time(
    fake_mnist, hashed, monkeypatch, tmp_path
):
    fake_mnist.place(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        find_or_download([tmp_path])
    assert len(hashed) == 8


def test_the_first_folder_with_files_is_taken_even_if_a_later_one_is_whole(fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path / "first")
    fake_mnist.place(tmp_path / "second")
    folders = [tmp_path / "empty", tmp_path / "first", tmp_path / "second"]
    assert find_or_download(folders) == tmp_path / "first"
    (raw / TRAIN_LABELS).unlink()
    with pytest.raises(UserError, match="first"):
        find_or_download(folders)


def test_a_folder_that_may_not_be_looked_into_is_an_error_that_names_it(
    fake_mnist, run_python, bound_by_permissions, tmp_path
):
    raw = fake_mnist.place(tmp_path / "data")
    raw.parent.chmod(0o000)
    code = "import sys; from pathlib import Path\n"
    code += "from mnist_core.data import integrity as files, registry as datasets\n"
    code += "spec = datasets.DATASETS['mnist']\n"
    code += f"files.find_or_download(spec, spec.source, [Path({str(tmp_path / 'data')!r})])"
    try:
        completed = run_python("-c", code, prefix=bound_by_permissions)
    finally:
        raw.parent.chmod(0o700)
    last = completed.stderr.splitlines()[-1]
    assert f"UserError: cannot look into the folder {raw}: Permission denied" in last
    assert "another --data-dir" in last


def test_a_name_behind_a_file_is_not_there(tmp_path):
    (tmp_path / "file").touch()
    assert not files._is_there(tmp_path / "file" / "below")
    assert not files._is_there(tmp_path / "nothing")


def test_digests_of_arrays_tell_shapes_types_and_bytes_apart():
    arrays = [
        np.arange(6, dtype=np.int16),
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.arange(6, dtype=np.uint16),
        np.arange(6, dtype=np.int16)[::-1],
    ]
    assert len({files.sha256_of_arrays([array]) for array in arrays}) == len(arrays)
    assert files.sha256_of_arrays([arrays[1].T]) == files.sha256_of_arrays([arrays[1].T.copy()])
