"""The folder that a run or a study writes into: which one, whether it can, and that nobody else
does at the same time.

`folder_for(Path("X"), dataset)` is X, or X-digits where MNIST could not be had; `new_folder` makes
one that nobody has; `held` locks it.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_core.errors import UserError

if TYPE_CHECKING:
    from mnist_core.data.splits import Dataset


def folder_for(output: Path, dataset: Dataset) -> Path:
    """Return the folder to write into where --output was given. Who asked for MNIST's folder and
    got digits must not find the result where MNIST's would lie."""
    if dataset.notice:
        return output.parent / f"{output.resolve().name}-{dataset.name}"
    return output


def new_folder(path: Path) -> Path:
    """Make `path`, or with -2, -3, … behind its name where that is taken, and return it."""
    for number in itertools.count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError("numbers do not end")


def require_writable(folder: Path, *, option: str) -> None:
    """Raise `UserError` where no file can be made in `folder`: an hour of work must not end there.
    `option` is what names another folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write into the folder {folder}: {error.strerror}; name another {option}"
        ) from error


@contextlib.contextmanager
def held(lock: Path, *, refusal: str) -> Iterator[None]:
    """Hold the file `lock`; where another process does, raise `UserError` with `refusal`."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(refusal) from None
        yield
