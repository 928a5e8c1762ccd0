"""Downloads: everything arrives at its place or nothing, whatever goes wrong."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import shlex
import socket
import subprocess
import sys
import tarfile
import textwrap
import urllib.error
from dataclasses import replace
from pathlib import Path

import pytest
from support.dataset_files import written

from mnist_core.data import download as downloads
from mnist_core.data import integrity as files
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError

MNIST = DATASETS["mnist"].source
NAMES = list(MNIST.files)
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def find_or_download(folders, *, asked_for=None):
    """Find or download MNIST, or what a test put into its place."""
    spec = DATASETS["mnist"]
    return files.find_or_download(spec, spec.source, folders, asked_for=asked_for)


def message_of(folder) -> str:
    with pytest.raises(UserError) as caught:
        find_or_download([folder])
    return str(caught.value)


@pytest.fixture
def torchvision_downloads(monkeypatch, fake_mnist):
    """Replace torchvision's MNIST by a function (root) that does what a test says."""

    def replace(download) -> None:
        def constructor(root, *, download):
            assert download
            assert socket.getdefaulttimeout() == downloads.TIMEOUT_SECONDS
            print("Downloading from a mirror")
            action(Path(root))

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
    assert find_or_download([first, tmp_path / "second"]) == first
    assert sorted(path.name for path in first.rglob("*")) == sorted(["MNIST", "raw", *NAMES])
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
        (root / MNIST.folder).mkdir(parents=True)
        (root / MNIST.folder / TRAIN_IMAGES).write_bytes(b"half")
        raise error

    torchvision_downloads(fail)
    folders = [tmp_path / "first", tmp_path / "second"]
    with pytest.raises(downloads.UnavailableError) as caught:
        find_or_download(folders)
    reason = "7 more expected" if isinstance(error, http.client.IncompleteRead) else "no route"
    for part in (*map(str, folders), reason, TEST_LABELS, "--data-dir", "--dataset digits"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_download_of_altered_files_is_an_error(torchvision_downloads, fake_mnist, tmp_path):
    torchvision_downloads(lambda root: (fake_mnist.place(root) / TEST_IMAGES).write_bytes(b"x"))
    assert f"{TEST_IMAGES} is truncated or altered" in message_of(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error(torchvision_downloads, fake_mnist, tmp_path):
    torchvision_downloads(fake_mnist.place)
    (tmp_path / "file").touch()
    message = message_of(tmp_path / "file" / "data")
    assert "could not be downloaded" in message
    assert "--data-dir" in message


def test_without_a_folder_asked_for_the_first_that_can_be_written_is_taken(
    torchvision_downloads, fake_mnist, tmp_path
):
    torchvision_downloads(fake_mnist.place)
    (tmp_path / "file").touch()
    folders = [tmp_path / "file" / "data", tmp_path / "cache"]
    assert find_or_download(folders) == tmp_path / "cache"


def test_the_folder_asked_for_is_where_it_goes_or_an_error(
    torchvision_downloads, fake_mnist, tmp_path
):
    torchvision_downloads(fake_mnist.place)
    (tmp_path / "file").touch()
    asked_for, cache = tmp_path / "file" / "data", tmp_path / "cache"
    with pytest.raises(UserError) as caught:
        find_or_download([asked_for, cache], asked_for=asked_for)
    assert not isinstance(caught.value, downloads.UnavailableError)  # `auto` must not go on
    for part in ("--data-dir", f"cannot write into {asked_for}: Not a directory", "another"):
        assert part in str(caught.value)
    assert not cache.exists()
    asked_for = tmp_path / "data"
    assert find_or_download([asked_for, cache], asked_for=asked_for) == asked_for


def test_a_process_that_was_faster_wins_and_both_go_on(
    torchvision_downloads, fake_mnist, tmp_path
):
    def download(root):
        fake_mnist.place(root)
        fake_mnist.place(tmp_path)  # the other process is done first

    torchvision_downloads(download)
    assert find_or_download([tmp_path]) == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


# A process with a stand-in for torchvision that downloads slowly, or is killed.
_DOWNLOADER = """
    import hashlib, os, pathlib, signal, sys, time, types

    def MNIST(root, download):
        raw = pathlib.Path(root, "MNIST", "raw")
        raw.mkdir(parents=True)
        for number, name in enumerate(source.files):
            (raw / name).write_bytes(name.encode())
            time.sleep(0.05)
            if sys.argv[2] == "die half-way" and number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[2] == "die at the end":  # when all that is left is to move the folder
            os.rename = lambda old, new: os.kill(os.getpid(), signal.SIGKILL)

    sys.modules["torchvision"] = types.ModuleType("torchvision")
    sys.modules["torchvision.datasets"] = types.SimpleNamespace(MNIST=MNIST)
    from dataclasses import replace
    from mnist_core.data import integrity as files
    from mnist_core.data import registry as datasets

    def sha256(name):
        return "sha256:" + hashlib.sha256(name.encode()).hexdigest()

    spec = datasets.DATASETS["mnist"]
    source = replace(
        spec.source,
        train={name: sha256(name) for name in spec.source.train},
        test={name: sha256(name) for name in spec.source.test},
    )
    print(files.find_or_download(spec, source, [pathlib.Path(sys.argv[1])]))
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
    assert not (tmp_path / "data" / MNIST.folder).exists()
    assert downloader(tmp_path / "data", "live").communicate(timeout=60)[0].strip()
    assert sorted(p.name for p in (tmp_path / "data" / MNIST.folder).iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", [name for name, spec in DATASETS.items() if spec.source])
def test_of_each_data_set_its_own_files_are_kept_with_what_vouches_for_them(
    name, monkeypatch, tmp_path
):
    data = written(name, train=20, validation=10, test=10).install(monkeypatch)
    asked = []

    def constructor(root, *, download, **arguments):
        asked.append(arguments)
        folder = data.place(Path(root))
        (folder / "archive.gz").touch()
        (folder / "emnist-letters-train-images-idx3-ubyte").touch()

    monkeypatch.setattr(f"torchvision.datasets.{data.source.torchvision_class}", constructor)
    assert files.find_or_download(data.spec, data.source, [tmp_path]) == tmp_path
    assert asked == list(data.source.downloads)
    folder = tmp_path / data.source.folder
    is_vouched_for = name in ("mnist", "cifar10")
    added = [] if is_vouched_for else [files.CHECKSUMS_NAME]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*data.contents, *added])
    altered = folder / next(iter(data.contents))
    altered.write_bytes(altered.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match=f"{altered.name} is truncated or altered"):
        files.find_or_download(data.spec, data.source, [tmp_path])


def test_a_download_joins_the_files_of_other_sets_that_are_in_its_folder(monkeypatch, tmp_path):
    data = written("emnist-digits", train=20, validation=10, test=10).install(monkeypatch)
    folder = tmp_path / data.source.folder
    folder.mkdir(parents=True)
    (folder / "emnist-letters-train-images-idx3-ubyte").write_bytes(b"letters")
    monkeypatch.setattr(
        "torchvision.datasets.EMNIST",
        lambda root, *, split, download: data.place(Path(root)),
    )
    files.find_or_download(data.spec, data.source, [tmp_path])
    assert (folder / "emnist-letters-train-images-idx3-ubyte").read_bytes() == b"letters"
    assert {path.name for path in folder.iterdir()} > set(data.contents)
    assert [path.name for path in tmp_path.iterdir()] == ["EMNIST"]


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist", "cifar10"])
def test_archives_beside_missing_files_are_named_with_the_command_that_unpacks_them(
    name, monkeypatch, tmp_path
):
    small = written(name, train=40, validation=10, test=20)
    folder = small.place(tmp_path)
    archives = []
    if name == "cifar10":
        archives.append(tmp_path / "cifar-10-python.tar.gz")
        with tarfile.open(archives[0], "w:gz") as tar:
            tar.add(folder, arcname=folder.name)
    else:
        for file in small.contents:
            archives.append(folder / f"{file}.gz")
            archives[-1].write_bytes(gzip.compress(small.contents[file]))
    for file in small.contents:
        (folder / file).unlink()
    published = {
        file: f"gz-md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"
        for file, archive in zip(small.contents, archives, strict=False)
    }
    source = small.source
    if name != "cifar10":
        source = replace(
            source,
            train={file: published[file] for file in source.train},
            test={file: published[file] for file in source.test},
        )
    spec = replace(small.spec, source=source)
    with pytest.raises(UserError, match="could not be downloaded") as caught:
        files.find_or_download(spec, source, [tmp_path / "elsewhere", tmp_path])
    message = str(caught.value)
    assert all(archive.name in message for archive in archives)
    (_, command, *_) = message.split("`")
    subprocess.run(shlex.split(command), check=True)
    assert files.find_or_download(spec, source, [tmp_path / "elsewhere", tmp_path]) == tmp_path
    assert {file: (folder / file).read_bytes() for file in small.contents} == small.contents
    if name != "cifar10":  # the archives, kept, vouch for their files
        (folder / next(iter(source.train))).write_bytes(b"altered")
        with pytest.raises(UserError, match="is truncated or altered"):
            files.verify(tmp_path, source)


def test_without_archives_none_are_named(tmp_path):
    source = DATASETS["cifar10"].source
    assert source is not None
    assert files.unpacking(source, [tmp_path, tmp_path / "missing"]) == ""
