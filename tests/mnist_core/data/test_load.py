"""Loading by name: MNIST, its fallback, and what cannot be had."""

from __future__ import annotations

import pytest
import torch
from support.dataset_files import written

from mnist_core.data.load import load
from mnist_core.data.locate import DATA_DIR_VARIABLE, search_path
from mnist_core.data.registry import DATASETS
from mnist_core.errors import UserError

CPU = torch.device("cpu")


def test_mnist_splits_into_55000_5000_and_10000_images(mnist):
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [
        55_000, 5_000, 10_000
    ]  # fmt: skip
    assert (mnist.name, mnist.label, mnist.notice) == ("mnist", "MNIST", None)
    assert (mnist.spec.mean, mnist.spec.std) == ((0.1307,), (0.3081,))
    for split in (mnist.train, mnist.validation, mnist.test):
        assert split.images.shape == (len(split), 1, 28, 28)
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert set(split.labels.tolist()) == set(range(10))


def test_mnists_validation_split_is_the_last_5000_of_the_60000(mnist, mnist_folder):
    raw = (mnist_folder / mnist.spec.source.folder / "train-images-idx3-ubyte").read_bytes()[16:]
    pixels = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(60_000, 1, 28, 28)
    assert torch.equal(mnist.train.images, pixels[:55_000])
    assert torch.equal(mnist.validation.images, pixels[55_000:])


@pytest.fixture
def offline(monkeypatch, without_mnist) -> None:
    def fail(dataset):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nno route to host")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", fail)


def test_auto_without_mnist_is_digits_with_a_notice_that_says_why(offline, digits):
    dataset = load("auto", data_dir=None, device=CPU)
    assert (dataset.name, dataset.sha256) == ("digits", digits.sha256)
    assert "no route to host" in dataset.notice
    assert dataset.notice.endswith("continuing with the embedded data set: digits")


def test_mnist_that_cannot_be_had_is_an_error_with_the_ways_out(offline, tmp_path):
    with pytest.raises(UserError) as caught:
        load("mnist", data_dir=tmp_path, device=CPU)
    for part in (str(tmp_path), "no route", "--data-dir", "MNIST_DATA_DIR", "--dataset digits"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", [name for name, spec in DATASETS.items() if spec.source])
def test_a_set_that_cannot_be_had_is_an_error_that_says_what_is_looked_for_where(
    name, tmp_path, monkeypatch
):
    small = written(name, train=30, validation=10, test=20).install(monkeypatch)

    def fail(root):
        raise RuntimeError("no route to host")

    small.install_download(monkeypatch, fail)
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "variable"))
    with pytest.raises(UserError) as caught:
        load(name, data_dir=tmp_path / "option", device=CPU)
    places = search_path(tmp_path / "option")
    assert len(places) == 3
    for part in (
        *(str(place / small.source.folder) for place in places),
        *small.contents, "no route to host", "--data-dir", "MNIST_DATA_DIR",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_an_altered_file_is_an_error_even_where_digits_would_do(name, fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"altered")
    with pytest.raises(UserError, match=f"MNIST in {raw} is truncated or altered"):
        load(name, data_dir=tmp_path, device=CPU)


def test_a_read_only_folder_serves(fake_mnist, run_python, bound_by_permissions, tmp_path):
    folder = fake_mnist.place(tmp_path / "data")
    folder.chmod(0o500)
    code = "import torch; from pathlib import Path; from mnist_core.data.load import load\n"
    code += "from mnist_core.data.registry import DATASETS\n"
    code += "from mnist_core.data.spec import Augmentation, DatasetSpec, Source\n"
    code += f"DATASETS['mnist'] = {fake_mnist.spec!r}\n"
    code += "print(len(load('mnist', data_dir=Path('data'), device=torch.device('cpu')).train))"
    try:
        completed = run_python("-c", code, prefix=bound_by_permissions)
    finally:
        folder.chmod(0o700)
    assert completed.stdout == "30\n", completed.stderr


def test_an_unknown_data_set_is_refused_and_the_known_ones_named():
    with pytest.raises(UserError, match="unknown dataset 'cifar'; known: auto, cifar10, digits"):
        load("cifar", data_dir=None, device=CPU)
