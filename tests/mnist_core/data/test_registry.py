"""Every data set of the registry: its entry, its files, its classes and its SHA-256."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torchvision.datasets
from support import ROOT

from mnist_core.data.load import load
from mnist_core.data.registry import DATASETS, dataset_spec
from mnist_core.data.splits import Dataset

FROM_FILES = [name for name, spec in DATASETS.items() if spec.source]
PINNED = [name for name, spec in DATASETS.items() if spec.sha256]


@pytest.mark.parametrize("name", DATASETS)
def test_an_entry_is_consistent(name):
    spec = dataset_spec(name)
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
    flipped = [name for name, spec in DATASETS.items() if spec.flip_keeps_class]
    assert flipped == ["fashion-mnist", "cifar10"]
    assert all(DATASETS[name].shown not in ("digit", "character") for name in flipped)


@pytest.mark.parametrize("name", [name for name in FROM_FILES if name != "emnist-digits"])
def test_files_and_archives_are_torchvisions(name):
    source = DATASETS[name].source
    published = getattr(torchvision.datasets, source.torchvision_class)
    if name == "cifar10":
        lists = published.train_list + published.test_list
        assert source.files == (*(file for file, _ in lists), published.meta["filename"])
        assert source.archives() == [published.filename]
        assert source.folder == published.base_folder
        return
    resources = published.resources
    if name == "qmnist":
        resources = resources["train"] + resources["test"]
    archives = [address.rsplit("/")[-1] for address, _ in resources]
    assert [Path(archive).name for archive in source.archives()] == archives
    assert [f"{file}.gz" for file in source.files] == archives


@pytest.mark.parametrize("name", FROM_FILES)
def test_class_names_are_torchvisions(name):
    published = getattr(torchvision.datasets, DATASETS[name].source.torchvision_class)
    if name == "emnist-digits":
        assert list(DATASETS[name].classes) == published.classes_split_dict["digits"]
    elif name != "cifar10":  # torchvision reads them from a file of the download
        names = [label.split(" - ")[0] for label in published.classes]
        assert list(DATASETS[name].classes) == names


@pytest.fixture(scope="session")
def fashion_mnist(mnist_folder) -> Dataset:
    if not (mnist_folder / "FashionMNIST").is_dir():
        pytest.skip("real Fashion-MNIST is needed: it does not lie beside MNIST")
    return load("fashion-mnist", data_dir=mnist_folder, device=torch.device("cpu"))


@pytest.mark.parametrize("name", PINNED)
def test_constants_are_those_of_the_images_where_they_are_at_hand(name, request):
    dataset = request.getfixturevalue(name.replace("-", "_"))
    spec = dataset.spec
    assert dataset.sha256 == spec.sha256
    sizes = (len(dataset.train), len(dataset.validation), len(dataset.test))
    assert sizes == (spec.train_images, spec.validation_images, spec.test_images)
    pixels = dataset.for_training(on_validation=True).train.images.float() / 255
    assert float(pixels.mean()) == pytest.approx(*spec.mean, abs=2e-3)
    assert float(pixels.std()) == pytest.approx(*spec.std, abs=2e-3)


def test_the_pinned_checksums_are_those_that_committed_records_hold():
    assert {name: DATASETS[name].sha256 for name in PINNED} == {
        "digits": "d09ec66bc25ee844b095a6df42778793cf4d9a46b3e61536fd6aaf3ec3c8db5d",
        "mnist": "aa4a0e9e76ab188bb855e65d157e12a35f72c47a0b58f9704c4ca03409990e79",
        "fashion-mnist": "b5ed76557bffbb4f9811f91079c21eb7be99798ef2c952e9900dae2c101dbc2b",
    }
