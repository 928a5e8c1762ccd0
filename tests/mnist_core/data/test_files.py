"""The published files: read into three splits, and refused where they are not the published ones.

Real files of MNIST alone are at hand; the others are written here in the published formats.
"""

from __future__ import annotations

import dataclasses
import gzip
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support.dataset_files import idx, written

from mnist_core.data.files import CHECKSUM_NAME, read
from mnist_core.data.load import load
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError

CPU = torch.device("cpu")
FROM_FILES = [name for name, spec in DATASETS.items() if spec.source]
WITHOUT_SHA256 = [name for name in FROM_FILES if DATASETS[name].sha256 is None]
SIZES = {"train": 30, "validation": 10, "test": 20}


@pytest.fixture
def small(request, monkeypatch):
    """A small set of the name that the test is parametrised with."""
    return written(request.param, **SIZES).install(monkeypatch)


def of_each(names):
    return pytest.mark.parametrize("small", names, indirect=True)


def error_of(data, root) -> str:
    with pytest.raises(UserError) as caught:
        read(data.spec, data.source, root)
    return str(caught.value)


def change_a_byte(path: Path, *, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@of_each(FROM_FILES)
def test_the_published_format_is_read_into_three_splits(small, tmp_path):
    small.place(tmp_path)
    dataset = read(small.spec, small.source, tmp_path)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part) for part in parts] == [30, 10, 20]
    images, labels = small.train
    for part, start, end in ((dataset.train, 0, 30), (dataset.validation, 30, 40)):
        np.testing.assert_array_equal(part.images.numpy(), images[start:end])
        np.testing.assert_array_equal(part.labels.numpy(), labels[start:end])
    np.testing.assert_array_equal(dataset.test.images.numpy(), small.test[0])
    np.testing.assert_array_equal(dataset.test.labels.numpy(), small.test[1])
    for part in parts:
        assert part.images.shape[1:] == small.spec.shape
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert part.images.is_contiguous()
        assert part.labels.is_contiguous()


def remove(path: Path) -> None:
    path.unlink()


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("take_away", [remove, make_a_folder, dangle])
@of_each(FROM_FILES)
def test_each_missing_file_is_named_with_its_folder_and_the_way_out(small, take_away, tmp_path):
    folder = small.place(tmp_path)
    for name in small.contents:
        take_away(folder / name)
        message = error_of(small, tmp_path)
        for part in (f"{folder} lacks {name}. ", "Delete the files in", "--data-dir"):
            assert part in message
        shutil.rmtree(folder)
        small.place(tmp_path)
    read(small.spec, small.source, tmp_path)


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the header": lambda content: content[:6],
    "truncated": lambda content: content[:-1],
    "too long": lambda content: content + b"\0",
    "a page of HTML": lambda content: b"<html>not found</html>" * 99,
    "compressed": lambda content: gzip.compress(content, 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
@of_each(FROM_FILES)
def test_a_damaged_file_is_an_error_with_data_set_folder_and_way_out(small, damage, tmp_path):
    folder = small.place(tmp_path)
    for name, content in small.contents.items():
        (folder / name).write_bytes(DAMAGES[damage](content))
        message = error_of(small, tmp_path)
        (folder / name).write_bytes(content)
        assert message.startswith(f"{small.spec.label} in {folder} is truncated or altered: ")
        for part in ("Delete the files in", "--data-dir"):
            assert part in message
        assert "\n" not in message


@pytest.mark.parametrize("has_checksum", [True, False])
@of_each(FROM_FILES)
def test_one_changed_byte_is_noticed_where_a_checksum_vouches(small, has_checksum, tmp_path):
    folder = small.place(tmp_path)
    dataset = read(small.spec, small.source, tmp_path)
    if has_checksum:
        (folder / CHECKSUM_NAME).write_text(f"{dataset.sha256}\n")
        read(small.spec, small.source, tmp_path)
    for name in small.contents:
        change_a_byte(folder / name, place=-29 if "labels-idx2" in name else -1)
        # CIFAR-10's files have an MD5 each in torchvision
        if small.spec.sha256 or has_checksum or small.spec.name == "cifar10":
            assert "altered" in error_of(small, tmp_path)
        else:
            assert read(small.spec, small.source, tmp_path).sha256 != dataset.sha256
        (folder / name).write_bytes(small.contents[name])


def test_swapped_files_are_an_error(fake_mnist, tmp_path):
    train_images, train_labels, test_images, test_labels = fake_mnist.source.files
    for first, second in ((train_images, test_images), (train_labels, test_labels)):
        raw = fake_mnist.place(tmp_path)
        (raw / first).rename(raw / "aside")
        (raw / second).rename(raw / first)
        (raw / "aside").rename(raw / second)
        assert "MNIST in" in error_of(fake_mnist, tmp_path)


def test_copies_of_the_real_files_pass_and_an_altered_one_does_not(mnist_folder, tmp_path):
    spec = DATASETS["mnist"]
    raw = tmp_path / spec.source.folder
    raw.mkdir(parents=True)
    for name in spec.source.files:
        shutil.copyfile(mnist_folder / spec.source.folder / name, raw / name)
    assert read(spec, spec.source, tmp_path).sha256 == spec.sha256
    change_a_byte(raw / "t10k-labels-idx1-ubyte")
    with pytest.raises(UserError, match=f"the SHA-256 of its splits must be {spec.sha256}, got "):
        read(spec, spec.source, tmp_path)


def test_a_file_that_may_not_be_read_is_an_error_that_names_it(
    fake_mnist, run_python, bound_by_permissions, tmp_path
):
    raw = fake_mnist.place(tmp_path / "data")
    (raw / "train-images-idx3-ubyte").chmod(0o000)
    code = "from pathlib import Path; from mnist_core.data.files import read\n"
    code += "from mnist_core.data.registry import DATASETS; spec = DATASETS['mnist']\n"
    code += f"read(spec, spec.source, Path({str(tmp_path / 'data')!r}))"
    completed = run_python("-c", code, prefix=bound_by_permissions)
    last = completed.stderr.splitlines()[-1]
    assert f"UserError: cannot read {raw / 'train-images-idx3-ubyte'}: Permission denied" in last


@of_each([name for name in WITHOUT_SHA256 if name != "cifar10"])
def test_files_that_nothing_vouches_for_must_show_about_what_the_set_shows(small, tmp_path):
    folder = small.place(tmp_path)
    images = next(iter(small.contents))
    content = small.contents[images]
    (folder / images).write_bytes(content[:16] + b"\0\xff" * ((len(content) - 16) // 2))
    message = error_of(small, tmp_path)
    assert f"{folder} does not hold {small.spec.label}" in message
    assert f"within 0.03 of {small.spec.mean[0]}, got 0.5" in message


def test_sets_in_files_of_the_same_names_are_told_apart(tmp_path, monkeypatch):
    names = ("mnist", "fashion-mnist", "kmnist")
    sets = {name: written(name, **SIZES).install(monkeypatch) for name in names}
    assert len({tuple(sets[name].contents) for name in names}) == 1
    for name in names:
        for held in names:
            root = tmp_path / f"{name} holds {held}"
            data = dataclasses.replace(sets[name], contents=sets[held].contents)
            data.place(root)
            if name == held:
                read(data.spec, data.source, root)
            else:
                assert f"does not hold {data.spec.label}, or it is altered" in error_of(data, root)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda images, labels: (images[:-1], labels), "got images [39, 1, 28, 28] and labels"),
        (lambda images, labels: (images[:, :-1], labels), "got images [40, 1, 27, 28]"),
        (lambda images, labels: (images.astype(np.int32), labels), "dtype torch.uint8"),
        (lambda images, labels: (images, labels[1:]), "and labels [39]"),
        (lambda images, labels: (images, labels + 1), "labels must be from 0 to 9, got 1 to 10"),
        (lambda images, labels: (labels, images), "should have 3 dimension"),
    ],
)
@of_each(["fashion-mnist", "kmnist"])
def test_whole_idx_files_of_other_content_are_refused(small, change, reason, tmp_path):
    folder = small.place(tmp_path)
    images, labels = change(small.train[0][:, 0], small.train[1].astype(np.uint8))
    for name, array in zip(small.source.files[:2], (images, labels), strict=True):
        (folder / name).write_bytes(idx(np.ascontiguousarray(array)))
    assert reason in error_of(small, tmp_path)


@of_each(["cifar10"])
def test_an_altered_batch_runs_no_code_of_its_own(small, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    folder = small.place(tmp_path)
    content = pickle.dumps({"data": Evil(), "labels": [0]}, protocol=2)
    (folder / "data_batch_1").write_bytes(content)
    assert "is truncated or altered" in error_of(small, tmp_path)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)  # which is what it would have done
    assert (tmp_path / "made").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM_FILES)
def test_files_of_full_size_are_read(name, monkeypatch):
    spec = DATASETS[name]
    sizes = (spec.train_images, spec.validation_images, spec.test_images)
    full = written(
        name, train=sizes[0], validation=sizes[1], test=sizes[2]
    ).install(monkeypatch)  # fmt: skip
    root = Path(tempfile.mkdtemp())  # half a gigabyte, which pytest would keep
    try:
        full.place(root)
        dataset = load(name, data_dir=root, device=CPU)
    finally:
        shutil.rmtree(root)
    found = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert (
        found
        == sizes
        == {
            "mnist": (55_000, 5_000, 10_000),
            "fashion-mnist": (55_000, 5_000, 10_000),
            "kmnist": (55_000, 5_000, 10_000),
            "qmnist": (55_000, 5_000, 50_000),
            "emnist-digits": (200_000, 40_000, 40_000),
            "cifar10": (45_000, 5_000, 10_000),
        }[name]
    )
    images = dataset.for_training(on_validation=True).train.images
    assert np.array_equal(images.numpy(), full.train[0])
    assert np.array_equal(dataset.test.images.numpy(), full.test[0])
    assert np.array_equal(dataset.test.labels.numpy(), full.test[1])
