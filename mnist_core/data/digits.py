"""scikit-learn's embedded 8×8 digits, read from their file.

Importing `sklearn.datasets` for the 57 kB costs every process that trains as much time again as
importing torch does: it brings scipy.stats and pandas.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
_FILE = Path("datasets", "data", "digits.csv.gz")


def read() -> tuple[IntArray, IntArray]:
    """Return the images [1797, 8, 8], pixels from 0 to 16, and their labels [1797]."""
    package = importlib.util.find_spec("sklearn")  # finds, and does not import
    assert package is not None
    assert package.origin is not None
    table = np.loadtxt(Path(package.origin).parent / _FILE, delimiter=",").astype(np.int64)
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1]
