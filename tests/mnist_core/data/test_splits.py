"""Data sets: sizes and checksums of the splits, where MNIST is looked for, and the fallback."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from mnist_core.data import integrity as files
from mnist_core.data import splits as data
from mnist_core.errors import UserError

CPU = torch.device("cpu")
DIGITS_SHA256 = "d09ec66bc25ee844b095a6df42778793cf4d9a46b3e61536fd6aaf3ec3c8db5d"
MNIST_SHA256 = "aa4a0e9e76ab188bb855e65d157e12a35f72c47a0b58f9704c4ca03409990e79"


def sizes(dataset: data.Dataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.validation), len(dataset.test)


def joined(dataset: data.Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    splits = (dataset.train, dataset.validation, dataset.test)
    return torch.cat([s.images for s in splits]), torch.cat([s.labels for s in splits])


def check_shape_and_normalisation(dataset: data.Dataset) -> None:
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.shape == (len(split), 1, 28, 28)
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert set(split.labels.tolist()) == set(range(10))
    pixels = joined(dataset)[0].float() / 255
    assert float(pixels.mean()) == pytest.approx(*dataset.mean, abs=2e-3)
    assert float(pixels.std()) == pytest.approx(*dataset.std, abs=2e-3)


def stretched_exactly(small: np.ndarray) -> np.ndarray:
    """Stretch 8×8 values 0..16 to 20×20 bytes bilinearly, in fractions, halves rounded up."""
    taps = []
    for target in range(20):
        position = max(Fraction(2 * target + 1, 2) * Fraction(8, 20) - Fraction(1, 2), Fraction(0))
        low = int(position)
        taps.append((low, min(low + 1, 7), position - low))
    large = np.zeros((20, 20), dtype=np.uint8)
    for i, (top, bottom, down) in enumerate(taps):
        for j, (left, right, along) in enumerate(taps):
            value = (1 - down) * ((1 - along) * small[top][left] + along * small[top][right])
            value += down * ((1 - along) * small[bottom][left] + along * small[bottom][right])
            large[i, j] = int(value * 255 / 16 + Fraction(1, 2))
    return large


def test_digits_split_into_1197_300_and_300_images(digits):
    assert sizes(digits) == (1_197, 300, 300)
    assert (digits.name, digits.notice) == ("digits", None)


def test_the_split_of_digits_is_pinned_by_its_checksum(digits):
    assert digits.sha256 == DIGITS_SHA256


def test_digits_have_mnists_shape_and_their_own_normalisation(digits):
    check_shape_and_normalisation(digits)


def test_digits_are_the_originals_stretched_to_the_middle_in_their_order(digits):
    bunch = load_digits()
    images, labels = joined(digits)
    assert labels.tolist() == bunch.target.tolist()
    for index in (0, 1, 700, 1_196, 1_197, 1_796):
        expected = np.zeros((28, 28), dtype=np.uint8)
        expected[4:24, 4:24] = stretched_exactly(bunch.images[index].astype(int).tolist())
        np.testing.assert_array_equal(images[index, 0].numpy(), expected)


def test_a_process_that_loads_digits_imports_nothing_that_takes_long(run_python):
    code = """
import sys
from mnist_core.data import splits as data
from mnist_core.runtime.device import prepare_process
data.load("digits", data_dir=None, device=prepare_process(threads=1))
print({"sklearn", "scipy", "pandas", "torchvision", "torch._dynamo"} & set(sys.modules))
"""
    completed = run_python("-c", code)
    assert completed.stdout == "set()\n", completed.stderr


def test_mnist_splits_into_55000_5000_and_10000_images(mnist):
    assert sizes(mnist) == (55_000, 5_000, 10_000)
    assert (mnist.name, mnist.label, mnist.notice) == ("mnist", "MNIST", None)


def test_the_split_of_mnist_is_pinned_by_its_checksum(mnist):
    assert mnist.sha256 == MNIST_SHA256


def test_mnist_has_the_seeds_normalisation(mnist):
    assert (mnist.mean, mnist.std) == ((0.1307,), (0.3081,))
    check_shape_and_normalisation(mnist)


def test_mnists_validation_split_is_the_last_5000_of_the_60000(mnist, mnist_folder):
    raw = (mnist_folder / mnist.spec.source.folder / "train-images-idx3-ubyte").read_bytes()[16:]
    pixels = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(60_000, 1, 28, 28)
    assert torch.equal(mnist.train.images, pixels[:55_000])
    assert torch.equal(mnist.validation.images, pixels[55_000:])


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_the_checksum_changes_with_one_pixel_and_with_one_label(digits, part):
    for field in ("images", "labels"):
        splits = {name: getattr(digits, name) for name in ("train", "validation", "test")}
        images, labels = splits[part].images.clone(), splits[part].labels.clone()
        (images if field == "images" else labels).view(-1)[-1] += 1
        splits[part] = data.Split(images, labels)
        assert data._split_digest(*splits.values()) != digits.sha256


def test_a_split_moves_to_another_device(digits):
    moved = digits.test.to(torch.device("meta"))
    assert moved.images.device.type == moved.labels.device.type == "meta"


def test_folders_are_searched_in_the_order_option_variable_cache(monkeypatch, tmp_path):
    cache = files.cache_folder()
    monkeypatch.setenv(data.DATA_DIR_VARIABLE, str(tmp_path / "variable"))
    assert data.search_path(tmp_path / "option") == [
        tmp_path / "option", tmp_path / "variable", cache
    ]  # fmt: skip
    assert data.search_path(None) == [tmp_path / "variable", cache]
    monkeypatch.setenv(data.DATA_DIR_VARIABLE, "")
    assert data.search_path(None) == [cache]


@pytest.mark.parametrize("place", ["option", "variable", "cache"])
def test_mnist_is_found_in_each_place(place, fake_mnist, without_mnist, monkeypatch, tmp_path):
    folder = files.cache_folder() if place == "cache" else tmp_path / place
    fake_mnist.place(folder)
    if place == "variable":
        monkeypatch.setenv(data.DATA_DIR_VARIABLE, str(folder))
    data_dir = tmp_path / "option" if place == "option" else None
    assert sizes(data.load("mnist", data_dir=data_dir, device=CPU)) == (30, 10, 20)


@pytest.fixture
def offline(monkeypatch, without_mnist) -> None:
    def fail(root, **options):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nno route to host")

    monkeypatch.setattr("torchvision.datasets.MNIST", fail)


def test_auto_without_mnist_is_digits_with_a_notice_that_says_why(offline, digits):
    dataset = data.load("auto", data_dir=None, device=CPU)
    assert (dataset.name, dataset.sha256) == ("digits", digits.sha256)
    assert "no route to host" in dataset.notice
    assert dataset.notice.endswith("continuing with the embedded data set: digits")


def test_mnist_that_cannot_be_had_is_an_error_with_the_ways_out(offline, tmp_path):
    with pytest.raises(UserError) as caught:
        data.load("mnist", data_dir=tmp_path, device=CPU)
    for part in (str(tmp_path), "no route", "--data-dir", "MNIST_DATA_DIR", "--dataset digits"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_an_altered_file_is_an_error_even_where_digits_would_do(name, fake_mnist, tmp_path):
    raw = fake_mnist.place(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"altered")
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is truncated or altered"):
        data.load(name, data_dir=tmp_path, device=CPU)


def test_an_unknown_data_set_is_refused_and_the_known_ones_named():
    with pytest.raises(UserError, match="unknown dataset 'cifar'; known: auto, cifar10, digits"):
        data.load("cifar", data_dir=None, device=CPU)


def test_a_batch_must_fit_into_the_train_split(digits):
    data.require_batch_fits(digits, 1_197)
    with pytest.raises(UserError, match=r"batch_size must be <= 1197, .* digits, got 1198"):
        data.require_batch_fits(digits, 1_198)
