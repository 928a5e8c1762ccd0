"""Where a data set's files are: in the folder of --data-dir, of MNIST_DATA_DIR or of the cache.

`find_or_download(spec, data_dir)` returns the first that has any of the files, else the one into
which they were downloaded. `mnist_core.data.files` then reads and checks them.
"""

import os
from pathlib import Path

import platformdirs

from mnist_core.data.download import download
from mnist_core.data.registry import dataset_spec
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError

APPLICATION = "compact-mnist"
DATA_DIR_VARIABLE = "MNIST_DATA_DIR"


def search_path(data_dir: Path | None) -> list[Path]:
    """Return the folders to look for data sets in, best first."""
    variable = os.environ.get(DATA_DIR_VARIABLE)
    named = [data_dir, Path(variable) if variable else None]
    return [folder for folder in named if folder] + [platformdirs.user_cache_path(APPLICATION)]


def find_or_download(spec: DatasetSpec, source: Source, data_dir: Path | None) -> Path:
    """Return the first folder of the search path that holds files of the data set. If none does,
    download them into `data_dir`, or without one into the first folder that can be written.

    A folder that cannot be looked into is a `UserError`.
    """
    folders = search_path(data_dir)
    for folder in folders:
        if not _names_in(folder / source.folder).isdisjoint(source.files):
            return folder
    return download(spec, source, folders, data_dir=data_dir)


def find_mnist(data_dir: Path | None) -> Path:
    """Return the folder that holds MNIST's files, for programs that read them themselves."""
    spec = dataset_spec("mnist")
    assert spec.source is not None
    return find_or_download(spec, spec.source, data_dir)


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise UserError(
            f"cannot look into the folder {folder}: {error.strerror}. Make it readable, or "
            "name another --data-dir."
        ) from error
