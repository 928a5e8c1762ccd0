"""MNIST's files: broken ones are errors with a way out, whole ones are read once, downloads."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import urllib.error

import numpy as np
import pytest

from mnist_core import files
from mnist_core.errors import UserError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = files.SHA256


def error_of(folder) -> str:
    with pytest.raises(UserError) as caught:
        files.find_or_download_mnist([folder])
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


@pytest.mark.parametrize("name", files.SHA256)
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
    assert f"{raw / first} holds the content of {second}" in error_of(tmp_path)


def test_copies_of_the_real_files_pass_and_a_truncated_one_does_not(mnist_folder, tmp_path):
    raw = tmp_path / files.RAW
    raw.mkdir(parents=True)
    for name in files.SHA256:
        shutil.copyfile(mnist_folder / files.RAW / name, raw / name)
    assert files.find_or_download_mnist([tmp_path]) == tmp_path
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
    files.find_or_download_mnist([tmp_path])
    assert sorted(hashed) == sorted(files.SHA256)
    files.find_or_download_mnist([tmp_path])
    assert len(hashed) == 4


def test_a_remembered_file_that_was_written_again_is_read_again(fake_mnist, hashed, tmp_path):
    raw = fake_mnist.place(tmp_path)
    files.find_or_download_mnist([tmp_path])
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
        files.find_or_download_mnist([tmp_path])
    assert len(hashed) == 4


def test_without_a_writable_cache_the_files_are_read_every_time(
    fake_mnist, hashed, monkeypatch, tmp_path
):
    fake_mnist.place(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        files.find_or_download_mnist([tmp_path])
    assert len(hashed) == 8


def test_the_first_folder_with_files_is_taken_even_if_a_later_one_is_whole(fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path / "first")
    fake_mnist.place(tmp_path / "second")
    folders = [tmp_path / "empty", tmp_path / "first", tmp_path / "second"]
    assert files.find_or_download_mnist(folders) == tmp_path / "first"
    (raw / TRAIN_LABELS).unlink()
    with pytest.raises(UserError, match="first"):
        files.find_or_download_mnist(folders)


@pytest.fixture
def torchvision_downloads(monkeypatch, fake_mnist):
    """Replace torchvision's MNIST by a function (root) that does what a test says."""

    def replace(download) -> None:
        def constructor(root, *, download):
            assert download
            assert socket.getdefaulttimeout() == files.DOWNLOAD_TIMEOUT_SECONDS
            print("Downloading from a mirror")
            action(files.Path(root))

        action = download
        monkeypatch.setattr("torchvision.datasets.MNIST", constructor)

    return replace


def test_missing_files_are_downloaded_into_the_first_folder(
    torchvision_downloads, fake_mnist, tmp_path, capsys
):
    def download(root):
        raw = fake_mnist.place(root)
        (raw / "train-images-idx3-ubyte.gz").touch()

    torchvision_downloads(download)
    first = tmp_path / "new" / "first"
    assert files.find_or_download_mnist([first, tmp_path / "second"]) == first
    assert sorted(path.name for path in first.rglob("*")) == sorted(
        ["MNIST", "raw", *files.SHA256]
    )
    assert not (tmp_path / "second").exists()
    assert (capsys.readouterr().out, socket.getdefaulttimeout()) == ("", None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Error downloading:\nTried mirror, got:\n<urlopen error no route>"),
        urllib.error.URLError("no route"),
        TimeoutError("no route: timed out"),
        http.client.BadStatusLine("no route"),
        http.client.IncompleteRead(b"", 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_download_says_why_and_the_ways_out_and_leaves_nothing(
    error, torchvision_downloads, tmp_path
):
    def fail(root):
        (root / files.RAW).mkdir(parents=True)
        (root / files.RAW / TRAIN_IMAGES).write_bytes(b"half")
        raise error

    torchvision_downloads(fail)
    folders = [tmp_path / "first", tmp_path / "second"]
    with pytest.raises(files.MnistUnavailableError) as caught:
        files.find_or_download_mnist(folders)
    reason = "7 more expected" if isinstance(error, http.client.IncompleteRead) else "no route"
    for part in (*map(str, folders), reason, TEST_LABELS, "--data-dir", "--dataset digits"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_download_of_altered_files_is_an_error(torchvision_downloads, fake_mnist, tmp_path):
    torchvision_downloads(lambda root: alter(fake_mnist.place(root) / TEST_IMAGES))
    assert f"{TEST_IMAGES} is truncated or altered" in error_of(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(torchvision_downloads, fake_mnist, tmp_path):
    torchvision_downloads(fake_mnist.place)
    (tmp_path / "file").touch()
    message = error_of(tmp_path / "file" / "data")
    assert "could not be downloaded" in message
    assert "--data-dir" in message


def test_a_process_that_was_faster_wins_and_both_go_on(
    torchvision_downloads, fake_mnist, tmp_path
):
    def download(root):
        fake_mnist.place(root)
        fake_mnist.place(tmp_path)  # the other process is done first

    torchvision_downloads(download)
    assert files.find_or_download_mnist([tmp_path]) == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


# A process with a stand-in for torchvision that downloads slowly, or is killed.
_DOWNLOADER = """
    import hashlib, os, pathlib, signal, sys, time, types

    def MNIST(root, download):
        raw = pathlib.Path(root, "MNIST", "raw")
        raw.mkdir(parents=True)
        for number, name in enumerate(files.SHA256):
            (raw / name).write_bytes(name.encode())
            time.sleep(0.05)
            if sys.argv[2] == "die half-way" and number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] == "die at the end":  # when all that is left is to move the folder
            os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)

    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision.datasets"] = types.SimpleNamespace(MNIST=MNIST)
    from mnist_core import files
    files.SHA256 = {n: hashlib.sha256(n.encode()).hexdigest() for n in files.SHA256}
    print(files.find_or_download_mnist([pathlib.Path(sys.argv[1])]))
"""


def downloader(folder, mode: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(_DOWNLOADER)
    command = [sys.executable, "-c", code, str(folder), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_processes_that_download_at_once_all_find_whole_files(tmp_path):
    processes = [downloader(tmp_path / "data", "live") for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == [f"{tmp_path / 'data'}\n"] * 4
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["MNIST"]


@pytest.mark.parametrize("mode", ["die half-way", "die at the end"])
def test_a_killed_download_leaves_no_half_folder_and_the_next_one_succeeds(mode, tmp_path):
    process = downloader(tmp_path / "data", mode)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == -9
    assert not (tmp_path / "data" / files.RAW).exists()
    assert downloader(tmp_path / "data", "live").communicate(timeout=60)[0].strip()
    assert sorted(p.name for p in (tmp_path / "data" / files.RAW).iterdir()) == sorted(
        files.SHA256
    )


def test_digests_of_arrays_tell_shapes_types_and_bytes_apart():
    arrays = [
        np.arange(6, dtype=np.int16),
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.arange(6, dtype=np.uint16),
        np.arange(6, dtype=np.int16)[::-1],
    ]
    assert len({files.sha256_of_arrays([array]) for array in arrays}) == len(arrays)
    assert files.sha256_of_arrays([arrays[1].T]) == files.sha256_of_arrays([arrays[1].T.copy()])
