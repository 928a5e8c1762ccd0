"""scikit-learn's 1,797 embedded digits, brought from 8×8 pixels to MNIST's geometry.

They are read from scikit-learn's file. Importing `sklearn.datasets` for its 57 kB takes as long as
importing torch does: it brings scipy.stats and pandas.
"""

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mnist_core.data.registry import DATASETS
from mnist_core.data.splits import Dataset, Split, split
from mnist_core.errors import UserError

STRETCHED_SIDE = 20
_FILE = Path("datasets", "data", "digits.csv.gz")


def read() -> Dataset:
    """Return the digits, each stretched to 20×20 pixels in the middle of 28×28.

    Their order is that of UCI's optical digits, in which writers follow one another: the test
    images come from writers that training has not seen.
    """
    package = importlib.util.find_spec("sklearn")  # finds, and does not import
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / _FILE
    table = np.loadtxt(file, delimiter=",").astype(np.int64)
    small, classes = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    weights = _bilinear_weights(small.shape[-1])
    large = (weights @ small @ weights.T * 255 + 800) // 1600
    pixels = np.pad(large.astype(np.uint8), ((0, 0), (4, 4), (4, 4)))
    images = Split(torch.from_numpy(pixels).unsqueeze(1), torch.from_numpy(classes.copy()))
    spec = DATASETS["digits"]
    cut = spec.train_images + spec.validation_images
    dataset = split(spec, train=images[:cut], test=images[cut:])
    if dataset.sha256 != spec.sha256:
        raise UserError(
            f"{file} is altered: the SHA-256 of the splits must be {spec.sha256}, got "
            f"{dataset.sha256}. Install scikit-learn again, or name another --dataset."
        )
    return dataset


def _bilinear_weights(size: int) -> npt.NDArray[np.int64]:
    """Return tenfold weights [20, size] that stretch 8 pixels to 20, pixel centres aligned.

    In integers, so that no processor or library rounds a pixel its own way.
    """
    weights = np.zeros((STRETCHED_SIDE, size), dtype=np.int64)
    for pixel in range(STRETCHED_SIDE):
        # Ten times the source position (pixel + 0.5) · 8/20 - 0.5.
        low, fraction = divmod(4 * pixel - 3, 10)
        weights[pixel, max(low, 0)] += 10 - fraction
        weights[pixel, min(low + 1, size - 1)] += fraction
    return weights
