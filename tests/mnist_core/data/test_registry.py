"""Every data set of the registry: its entry, its files, its split, and how wrong files are told.

Real files of MNIST alone are at hand; the others are written here in the original formats. Their
entry is then the registry's with the sizes and checksums of what was written.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from support import ROOT
from support.dataset_files import idx, python2_batch, written

from mnist_core.data import formats as originals
from mnist_core.data import integrity as files
from mnist_core.data import splits as data
from mnist_core.data.registry import DATASETS, require_known
from mnist_core.errors import UserError

CPU = torch.device("cpu")
FROM_FILES = [name for name, spec in DATASETS.items() if spec.source]
IN_IDX = [name for name in FROM_FILES if DATASETS[name].source.format == "idx"]
WITHOUT_CHECKSUM = [name for name in IN_IDX if name != "mnist"]
OF_ARCHIVES = [name for name in WITHOUT_CHECKSUM if name != "emnist-digits"]
SHA256 = {
    "digits": "d09ec66bc25ee844b095a6df42778793cf4d9a46b3e61536fd6aaf3ec3c8db5d",
    "mnist": "aa4a0e9e76ab188bb855e65d157e12a35f72c47a0b58f9704c4ca03409990e79",
}


@pytest.fixture
def small(request, monkeypatch):
    """A small set of the name that the test is parametrised with."""
    return written(request.param, train=30, validation=10, test=20).install(monkeypatch)


def of_each(names):
    return pytest.mark.parametrize("small", names, indirect=True)


def load(name, root) -> data.Dataset:
    return data.load(name, data_dir=root, device=CPU)


def error_of(name, root) -> str:
    with pytest.raises(UserError) as caught:
        load(name, root)
    return str(caught.value)


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_is_consistent(name):
    spec = require_known(name)
    assert spec.name == name
    assert len(set(spec.classes)) == len(spec.classes) == 10
    assert len(spec.mean) == len(spec.std) == spec.shape[0]
    assert all(0 < value < 1 for value in (*spec.mean, *spec.std))
    assert min(spec.train_images, spec.validation_images, spec.test_images) > 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "another"


@pytest.mark.parametrize("name", DATASETS)
def test_the_readme_has_the_sets_sizes_shape_and_folder(name):
    spec = DATASETS[name]
    readme = (ROOT / "README.md").read_text()
    (row,) = (line for line in readme.splitlines() if line.startswith(f"| `{name}` |"))
    sizes = (spec.train_images, spec.validation_images, spec.test_images)
    assert ", ".join(f"{size:,}" for size in sizes) in row
    assert f"| {'×'.join(map(str, spec.shape))} |" in row
    assert f"`{spec.source.folder}`" in row if spec.source else "in scikit-learn" in row


def test_mirrored_digits_and_characters_are_never_of_their_class():
    suited = [name for name, spec in DATASETS.items() if spec.flip_keeps_class]
    assert suited == ["fashion-mnist", "cifar10"]
    assert all(DATASETS[name].shown not in ("digit", "character") for name in suited)


def torchvision_pins(name) -> dict[str, str]:
    """Return the MD5 that torchvision pins, in the registry's form."""
    published = getattr(torchvision.datasets, DATASETS[name].source.torchvision_class)
    if name == "cifar10":
        return {file: f"md5:{md5}" for file, md5 in published.train_list + published.test_list}
    resources = published.resources
    if name == "qmnist":
        resources = resources["train"] + resources["test"]
    return {
        address.rsplit("/")[-1].removesuffix(".gz"): f"gz-md5:{md5}" for address, md5 in resources
    }


@pytest.mark.parametrize("name", [*OF_ARCHIVES, "cifar10"])
def test_files_and_checksums_are_torchvisions(name):
    assert DATASETS[name].source.files == torchvision_pins(name)


@pytest.mark.parametrize("name", FROM_FILES)
def test_class_names_are_torchvisions(name):
    published = getattr(torchvision.datasets, DATASETS[name].source.torchvision_class)
    if name == "emnist-digits":
        assert list(DATASETS[name].classes) == published.classes_split_dict["digits"]
    elif name != "cifar10":  # torchvision reads them from a file of the download
        names = [label.split(" - ")[0] for label in published.classes]
        assert list(DATASETS[name].classes) == names


@of_each(FROM_FILES)
def test_the_original_format_is_read_into_three_splits(small, tmp_path):
    small.place(tmp_path)
    dataset = load(small.spec.name, tmp_path)
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


@of_each(FROM_FILES)
def test_torchvision_reads_the_same_from_the_same_files(small, tmp_path, monkeypatch):
    small.place(tmp_path)
    dataset = load(small.spec.name, tmp_path)
    kind = getattr(torchvision.datasets, small.source.torchvision_class)
    if small.spec.name == "cifar10":
        for part in ("train", "test"):
            pins = [[file, pin[4:]] for file, pin in getattr(small.source, part).items()]
            monkeypatch.setattr(kind, f"{part}_list", pins)
        monkeypatch.setattr(kind, "_load_meta", lambda self: None)
    arguments = {"split": "digits"} if small.spec.name == "emnist-digits" else {}
    read = {train: kind(str(tmp_path), train=train, **arguments) for train in (True, False)}
    skipped = small.source.skipped_test_images
    for theirs, ours, start in (
        (read[True], dataset.train, 0),
        (read[False], dataset.test, skipped),
    ):
        several = slice(start, start + len(ours))
        images = torch.as_tensor(np.asarray(theirs.data))[several]
        if small.spec.name == "cifar10":
            images = images.permute(0, 3, 1, 2)
        else:
            images = images.unsqueeze(1)
        if small.spec.name == "emnist-digits":
            images = images.transpose(2, 3)  # its documentation leaves that to the user
        assert torch.equal(images, ours.images)
        labels = torch.as_tensor(theirs.targets)[several]
        assert torch.equal(labels if labels.ndim == 1 else labels[:, 0], ours.labels)


@of_each(FROM_FILES)
def test_each_missing_file_is_named_with_its_folder_and_the_way_out(small, tmp_path):
    folder = small.place(tmp_path)
    for name in small.contents:
        (folder / name).rename(folder / "aside")
        message = error_of(small.spec.name, tmp_path)
        (folder / "aside").rename(folder / name)
        for part in (f"cannot read {folder / name}: No such file", "Delete", "--data-dir"):
            assert part in message
    load(small.spec.name, tmp_path)


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the header": lambda content: content[:6],
    "truncated": lambda content: content[:-1],
    "too long": lambda content: content + b"\0",
    "a page of HTML": lambda content: b"<html>not found</html>" * 99,
    "compressed": gzip.compress,
}


@pytest.mark.parametrize("damage", DAMAGES)
@of_each(FROM_FILES)
def test_each_damaged_file_is_named_with_the_way_out(small, damage, tmp_path):
    folder = small.place(tmp_path)
    for name, content in small.contents.items():
        (folder / name).write_bytes(DAMAGES[damage](content))
        message = error_of(small.spec.name, tmp_path)
        (folder / name).write_bytes(content)
        for part in (str(folder / name), "Delete the files in", "--data-dir"):
            assert part in message


@of_each(FROM_FILES)
def test_a_set_that_cannot_be_had_is_an_error_that_says_what_is_looked_for_where(
    small, tmp_path, monkeypatch
):
    def fail(root, **arguments):
        raise RuntimeError("no route to host")

    monkeypatch.setattr(f"torchvision.datasets.{small.source.torchvision_class}", fail)
    monkeypatch.setenv(data.DATA_DIR_VARIABLE, str(tmp_path / "variable"))
    message = error_of(small.spec.name, tmp_path / "option")
    places = [tmp_path / "option", tmp_path / "variable", files.cache_folder()]
    for part in (
        *(str(place / small.source.folder) for place in places),
        *small.contents, "no route to host", "--data-dir", "MNIST_DATA_DIR",
    ):  # fmt: skip
        assert part in message
    assert list(tmp_path.iterdir()) == []


@of_each(WITHOUT_CHECKSUM)
def test_files_that_nothing_vouches_for_must_show_about_what_the_set_shows(small, tmp_path):
    folder = small.place(tmp_path)
    images = next(iter(small.contents))
    content = bytearray(small.contents[images])
    content[16:] = bytes(255 if place % 2 else 0 for place in range(len(content) - 16))
    (folder / images).write_bytes(content)
    message = error_of(small.spec.name, tmp_path)
    assert f"{folder} does not hold {small.spec.label}" in message
    assert f"within 0.03 of {small.spec.mean[0]}, got 0.5" in message


def test_sets_in_files_of_the_same_names_are_told_apart(tmp_path, monkeypatch):
    sizes = {"train": 30, "validation": 10, "test": 20}
    sets = {name: written(name, **sizes).install(monkeypatch) for name in IN_IDX}
    names = ("mnist", "fashion-mnist", "kmnist")
    assert len({tuple(sets[name].contents) for name in names}) == 1
    for ours in names:
        for theirs in names:
            root = tmp_path / f"{ours} holds {theirs}"
            dataclasses.replace(sets[ours], contents=sets[theirs].contents).place(root)
            if ours == theirs:
                load(ours, root)
            else:
                assert "--data-dir" in error_of(ours, root)


@of_each(WITHOUT_CHECKSUM)
def test_a_change_is_noticed_where_checksums_lie_beside_the_files(small, tmp_path):
    folder = small.place(tmp_path)
    files.write_checksums(folder, small.contents)
    load(small.spec.name, tmp_path)
    for name, content in small.contents.items():
        changed = bytearray(content)
        changed[-1] ^= 1
        (folder / name).write_bytes(changed)
        assert f"{folder / name} is truncated or altered" in error_of(small.spec.name, tmp_path)
        (folder / name).write_bytes(content)


@of_each(OF_ARCHIVES)
def test_a_change_is_noticed_where_torchvisions_archives_lie_beside_the_files(
    small, tmp_path, monkeypatch
):
    folder = small.place(tmp_path)
    packed = {name: gzip.compress(content) for name, content in small.contents.items()}
    pins = {name: f"gz-md5:{hashlib.md5(content).hexdigest()}" for name, content in packed.items()}
    source = dataclasses.replace(
        small.source,
        train={name: pins[name] for name in small.source.train},
        test={name: pins[name] for name in small.source.test},
    )
    spec = dataclasses.replace(small.spec, source=source)
    monkeypatch.setitem(DATASETS, spec.name, spec)
    for name, content in packed.items():
        (folder / f"{name}.gz").write_bytes(content)
    load(spec.name, tmp_path)
    for name, content in small.contents.items():
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert f"{folder / name} is truncated or altered" in error_of(spec.name, tmp_path)
        (folder / name).write_bytes(content)
        (folder / f"{name}.gz").write_bytes(packed[name][:-1])
        assert f"{folder / name}.gz is truncated or altered: its MD5" in error_of(
            spec.name, tmp_path
        )
        (folder / f"{name}.gz").write_bytes(packed[name])
    load(spec.name, tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda images, labels: (images[:-1], labels), r"images uint8 \[40, 28, 28\], got uint8 "),
        (lambda images, labels: (images[:, :-1], labels), r"got uint8 \[40, 27, 28\]"),
        (lambda images, labels: (images.astype(np.int32), labels), r"got int32 \[40, 28, 28\]"),
        (lambda images, labels: (images, labels[1:]), r"40 labels, got uint8 \[39\]"),
        (lambda images, labels: (images, labels + 1), "labels from 0 to 9, got 1 to 10"),
        (lambda images, labels: (labels, images), r"got uint8 \[40\]"),
    ],
)
@of_each(["fashion-mnist"])
def test_whole_idx_files_of_other_content_are_refused(small, change, reason, tmp_path):
    folder = small.place(tmp_path)
    images, labels = change(small.train[0][:, 0], small.train[1].astype(np.uint8))
    for name, array in zip(small.source.train, (images, labels), strict=True):
        (folder / name).write_bytes(idx(np.ascontiguousarray(array)))
    with pytest.raises(UserError, match=reason):
        load("fashion-mnist", tmp_path)


def batch_error(tmp_path, content: bytes) -> str:
    spec = DATASETS["cifar10"]
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(UserError) as caught:
        originals._read_batch(spec, tmp_path / "batch", count=3)
    assert str(tmp_path / "batch") in str(caught.value)
    return str(caught.value)


def test_a_batch_runs_no_code_of_its_own(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    content = pickle.dumps({"data": Evil(), "labels": [0]}, protocol=2)
    assert "it asks for posix.mkdir" in batch_error(tmp_path, content)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)  # which is what it would have done
    assert (tmp_path / "made").is_dir()


@pytest.mark.parametrize(
    ("pixels", "labels", "reason"),
    [
        ((2, 3072), 2, "images uint8 [3, 3072], got uint8 [2, 3072]"),
        ((3, 1024), 3, "got uint8 [3, 1024]"),
        ((3, 3072), 2, "3 labels, got int64 [2]"),
        ((3, 3072), 11, "3 labels, got int64 [11]"),
    ],
)
def test_a_whole_batch_of_other_content_is_refused(pixels, labels, reason, tmp_path):
    content = python2_batch(np.zeros(pixels, dtype=np.uint8), np.arange(labels))
    assert reason in batch_error(tmp_path, content)


def test_a_pickle_of_something_else_is_refused(tmp_path):
    for value in ({"data": 3}, [1, 2], None, "text"):
        assert "images" in batch_error(tmp_path, pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("name", SHA256)
def test_the_split_is_pinned_by_its_checksum_where_the_data_are_at_hand(name, request):
    dataset = request.getfixturevalue(name)
    assert dataset.sha256 == SHA256[name]
    spec = dataset.spec
    sizes = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert sizes == (spec.train_images, spec.validation_images, spec.test_images)


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM_FILES)
def test_files_of_full_size_are_read(name, monkeypatch):
    spec = DATASETS[name]
    full = written(
        name,
        train=spec.train_images,
        validation=spec.validation_images,
        test=spec.test_images,
    ).install(monkeypatch)
    root = Path(tempfile.mkdtemp())  # half a gigabyte, which pytest would keep
    try:
        full.place(root)
        dataset = load(name, root)
    finally:
        shutil.rmtree(root)
    sizes = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert (
        sizes
        == {
            "mnist": (55_000, 5_000, 10_000),
            "fashion-mnist": (55_000, 5_000, 10_000),
            "kmnist": (55_000, 5_000, 10_000),
            "qmnist": (55_000, 5_000, 50_000),
            "emnist-digits": (200_000, 40_000, 40_000),
            "cifar10": (45_000, 5_000, 10_000),
        }[name]
    )
    images = np.concatenate([dataset.train.images.numpy(), dataset.validation.images.numpy()])
    assert np.array_equal(images, full.train[0])
    assert np.array_equal(dataset.test.images.numpy(), full.test[0])
    assert np.array_equal(dataset.test.labels.numpy(), full.test[1])
