"""Downloads: everything arrives at its place or nothing, whatever goes wrong."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import pathlib
import socket
import subprocess
import sys
import tarfile
import textwrap
import urllib.error
import zipfile
from pathlib import Path

import pytest
import torch
import torchvision.datasets
from support import ROOT
from support.dataset_files import written

from mnist_core.data.download import TIMEOUT_SECONDS, UnavailableError, _make_room
from mnist_core.data.files import CHECKSUM_NAME, read
from mnist_core.data.load import load
from mnist_core.data.locate import DATA_DIR_VARIABLE, find_mnist, find_or_download
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError

SIZES = {"train": 20, "validation": 10, "test": 10}
FROM_FILES = [name for name, spec in DATASETS.items() if spec.source]
NAMES = DATASETS["mnist"].source.files


@pytest.fixture
def places(monkeypatch, tmp_path) -> tuple[Path, Path]:
    """The two folders that are looked into: of the variable, and the cache folder."""
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "first"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "first", tmp_path / "cache" / "compact-mnist"


@pytest.fixture
def have_downloaded(monkeypatch, fake_mnist, places):
    """Have torchvision do what a test says, a function of the root, to download MNIST."""

    def install(download) -> None:
        def checked(root):
            assert socket.getdefaulttimeout() == TIMEOUT_SECONDS
            print("Downloading from a mirror")
            download(root)

        fake_mnist.install_download(monkeypatch, checked)

    return install


def test_missing_files_are_downloaded_into_the_first_folder(
    have_downloaded, fake_mnist, places, capsys
):
    def download(root):
        raw = fake_mnist.place(root)
        (raw / "train-images-idx3-ubyte.gz").touch()

    have_downloaded(download)
    assert find_mnist(None) == places[0]
    found = sorted(path.name for path in places[0].rglob("*"))
    assert found == sorted(["MNIST", "raw", *NAMES])
    assert not places[1].exists()
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
    error, have_downloaded, places, tmp_path
):
    def fail(root):
        raw = root / "MNIST" / "raw"
        raw.mkdir(parents=True)
        (raw / NAMES[0]).write_bytes(b"half")
        raise error

    have_downloaded(fail)
    with pytest.raises(UnavailableError) as caught:
        find_mnist(None)
    reason = "7 more expected" if isinstance(error, http.client.IncompleteRead) else "no route"
    for part in (*map(str, places), reason, NAMES[3], "--data-dir", "--dataset digits"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_download_that_cannot_be_read_leaves_nothing(have_downloaded, fake_mnist, tmp_path):
    have_downloaded(lambda root: (fake_mnist.place(root) / NAMES[2]).write_bytes(b"x"))
    with pytest.raises(UnavailableError, match="could not be downloaded"):
        find_mnist(None)
    assert list(tmp_path.iterdir()) == []


def test_a_download_of_altered_files_is_an_error(have_downloaded, fake_mnist, places):
    def download(root):
        labels = fake_mnist.place(root) / NAMES[3]
        labels.write_bytes(labels.read_bytes()[:-1] + b"\0")

    have_downloaded(download)
    for _ in range(2):
        with pytest.raises(UserError, match="does not hold MNIST, or it is altered"):
            load("auto", data_dir=None, device=torch.device("cpu"))


def test_a_folder_that_cannot_be_made_is_an_error(
    have_downloaded, fake_mnist, monkeypatch, tmp_path
):
    have_downloaded(fake_mnist.place)
    (tmp_path / "file").touch()
    for variable in (DATA_DIR_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "file" / "data"))
    with pytest.raises(UnavailableError) as caught:
        find_mnist(None)
    assert "could not be downloaded (cannot write into" in str(caught.value)
    assert "--data-dir" in str(caught.value)


def test_without_a_folder_asked_for_the_first_that_can_be_written_is_taken(
    have_downloaded, fake_mnist, places, monkeypatch, tmp_path
):
    have_downloaded(fake_mnist.place)
    (tmp_path / "file").touch()
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "file" / "data"))
    assert find_mnist(None) == places[1]


def test_the_folder_asked_for_is_where_it_goes_or_an_error(
    have_downloaded, fake_mnist, places, tmp_path
):
    have_downloaded(fake_mnist.place)
    (tmp_path / "file").touch()
    data_dir = tmp_path / "file" / "data"
    with pytest.raises(UserError) as caught:
        find_mnist(data_dir)
    assert not isinstance(caught.value, UnavailableError)  # `auto` must not go on
    for part in ("--data-dir", f"cannot write into {data_dir}: Not a directory", "another"):
        assert part in str(caught.value)
    assert not any(place.exists() for place in places)
    assert find_mnist(tmp_path / "data") == tmp_path / "data"


def test_a_process_that_was_faster_wins_and_both_go_on(have_downloaded, fake_mnist, places):
    def download(root):
        fake_mnist.place(root)
        fake_mnist.place(places[0])  # the other process is done first

    have_downloaded(download)
    assert find_mnist(None) == places[0]
    assert [path.name for path in places[0].iterdir()] == ["MNIST"]
    read(fake_mnist.spec, fake_mnist.source, places[0])


# A process in which torchvision downloads slowly, or is killed.
_DOWNLOADER = f"""
    import os, pathlib, signal, sys, time
    sys.path.insert(0, {str(ROOT / "tests")!r})
    import torchvision.datasets
    from mnist_core.data.files import read
    from mnist_core.data.locate import find_or_download
    from support.dataset_files import written

    small = written("mnist", train=30, validation=10, test=20)

    def download(dataset):
        raw = pathlib.Path(dataset.raw_folder)
        if raw.exists():
            return
        raw.mkdir(parents=True)
        for number, name in enumerate(small.contents):
            (raw / name).write_bytes(small.contents[name])
            time.sleep(0.05)
            if sys.argv[2] == "die half-way" and number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] == "die at the end":  # when all that is left is to move the folder
            os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)

    torchvision.datasets.MNIST.download = download
    root = find_or_download(small.spec, small.source, pathlib.Path(sys.argv[1]))
    read(small.spec, small.source, root)
    print(root)
"""


def downloader(folder, mode: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(_DOWNLOADER)
    command = [sys.executable, "-c", code, str(folder), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_processes_that_download_at_once_all_find_whole_files(without_mnist, tmp_path):
    processes = [downloader(tmp_path / "data", "live") for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert outputs == [f"{tmp_path / 'data'}\n"] * 4
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["MNIST"]


@pytest.mark.parametrize("mode", ["die half-way", "die at the end"])
def test_a_killed_download_leaves_no_half_folder_and_the_next_one_succeeds(
    mode, without_mnist, tmp_path
):
    process = downloader(tmp_path / "data", mode)
    assert process.communicate(timeout=120)[0] == ""
    assert process.returncode == -9
    raw = tmp_path / "data" / "MNIST" / "raw"
    assert not raw.exists()
    assert downloader(tmp_path / "data", "live").communicate(timeout=120)[0].strip()
    assert sorted(path.name for path in raw.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", FROM_FILES)
def test_of_each_data_set_its_own_files_are_kept_with_what_vouches_for_them(
    name, without_mnist, monkeypatch, tmp_path
):
    data = written(name, **SIZES).install(monkeypatch)

    def download(root):
        folder = data.place(root)
        (folder / "archive.gz").touch()
        (folder / "emnist-letters-train-images-idx3-ubyte").touch()

    data.install_download(monkeypatch, download)
    assert find_or_download(data.spec, data.source, tmp_path) == tmp_path
    folder = tmp_path / data.source.folder
    added = [] if data.spec.sha256 else [CHECKSUM_NAME]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*data.contents, *added])
    read(data.spec, data.source, tmp_path)
    altered = folder / next(iter(data.contents))
    altered.write_bytes(altered.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match="altered"):
        read(data.spec, data.source, tmp_path)


def test_a_download_joins_the_files_of_other_sets_that_are_in_its_folder(monkeypatch, tmp_path):
    data = written("emnist-digits", **SIZES).install(monkeypatch)
    folder = tmp_path / data.source.folder
    folder.mkdir(parents=True)
    (folder / "emnist-letters-train-images-idx3-ubyte").write_bytes(b"letters")
    (folder / CHECKSUM_NAME).write_text("of files that are gone")
    data.install_download(monkeypatch, data.place)
    find_or_download(data.spec, data.source, tmp_path)
    assert (folder / "emnist-letters-train-images-idx3-ubyte").read_bytes() == b"letters"
    assert {path.name for path in folder.iterdir()} > set(data.contents)
    assert [path.name for path in tmp_path.iterdir()] == ["EMNIST"]
    read(data.spec, data.source, tmp_path)


def test_a_kill_while_a_download_joins_other_files_leaves_none_without_the_checksum(
    monkeypatch, tmp_path
):
    data = written("emnist-digits", **SIZES).install(monkeypatch)
    folder = tmp_path / data.source.folder
    folder.mkdir(parents=True)
    (folder / "emnist-letters-train-images-idx3-ubyte").write_bytes(b"letters")
    data.install_download(monkeypatch, data.place)
    moved = []

    def replace(old, new):
        moved.append(Path(new).name)

    monkeypatch.setattr("os.replace", replace)
    find_or_download(data.spec, data.source, tmp_path)
    assert moved[0] == CHECKSUM_NAME
    assert set(moved[1:]) == set(data.contents)


def pack(data, root: Path, monkeypatch) -> list[Path]:
    """Write the archives alone, and pin their MD5 in torchvision."""
    kind = getattr(torchvision.datasets, data.source.torchvision_class)
    paths = [root / name for name in data.source.archives()]
    paths[0].parent.mkdir(parents=True)
    packed = {name: gzip.compress(content, 1) for name, content in data.contents.items()}
    if data.spec.name == "cifar10":
        with tarfile.open(paths[0], "w:gz") as tar:
            tar.add(data.place(root / "aside"), arcname=data.source.folder)
    elif data.spec.name == "emnist-digits":
        with zipfile.ZipFile(paths[0], "w") as archive:
            for name in packed:
                archive.writestr(f"gzip/{name}.gz", packed[name])
    else:
        for path in paths:
            path.write_bytes(packed[path.stem])
    md5 = [hashlib.md5(path.read_bytes()).hexdigest() for path in paths]
    if data.spec.name == "cifar10":
        monkeypatch.setattr(kind, "tgz_md5", md5[0])
    elif data.spec.name == "emnist-digits":
        monkeypatch.setattr(kind, "md5", md5[0])
    else:
        pinned = [(f"http://nowhere/{path.name}", m) for path, m in zip(paths, md5, strict=True)]
        if data.spec.name == "qmnist":
            pinned = {"train": pinned[:2], "test": pinned[2:]}
        else:
            pinned = [(pathlib.PurePosixPath(url).name, m) for url, m in pinned]
        monkeypatch.setattr(kind, "resources", pinned)
    return paths


@pytest.mark.parametrize("is_writable", [True, False])
@pytest.mark.parametrize("name", FROM_FILES)
def test_archives_that_are_there_are_unpacked_without_a_network(
    name, is_writable, places, monkeypatch
):
    data = written(name, **SIZES).install(monkeypatch)
    archives = pack(data, places[0], monkeypatch)
    before = {path: path.read_bytes() for path in archives}
    if not is_writable:

        def refuse(root, source):
            if root == places[0]:
                raise PermissionError(13, "Permission denied", str(root))
            return _make_room(root, source)

        monkeypatch.setattr("mnist_core.data.download._make_room", refuse)
    root = find_or_download(data.spec, data.source, None)
    assert root == (places[0] if is_writable else places[1])
    dataset = read(data.spec, data.source, root)
    assert torch.equal(dataset.test.images, torch.from_numpy(data.test[0]))
    assert {path: path.read_bytes() for path in archives} == before
    assert (root / data.source.folder / CHECKSUM_NAME).exists() == (data.spec.sha256 is None)


@pytest.mark.parametrize("name", FROM_FILES)
def test_an_altered_archive_is_not_unpacked_and_stays_as_it_is(name, places, monkeypatch):
    data = written(name, **SIZES).install(monkeypatch)
    archives = pack(data, places[0], monkeypatch)
    altered = archives[0].read_bytes()[:-9]
    archives[0].write_bytes(altered)
    with pytest.raises(UnavailableError, match="could not be downloaded"):
        find_or_download(data.spec, data.source, None)
    assert archives[0].read_bytes() == altered
    assert not any((places[0] / data.source.folder / file).exists() for file in data.contents)
