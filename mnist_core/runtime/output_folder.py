"""The folder that a run or a study writes into: its name, whether it can be written, and a lock
against a second process.
"""

import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mnist_core.errors import UserError


def folder_for(output: Path, *, notice: str | None, name: str) -> Path:
    """Return the folder to write into where --output was given.

    `notice` and `name` are those of the data set that was loaded. Where it is not the one that
    was asked for, its name is appended, so that its results do not lie where the other's would.
    """
    return output.parent / f"{output.resolve().name}-{name}" if notice else output


def new_folder(path: Path) -> Path:
    """Make `path`, or with -2, -3, … behind its name where that is taken, and return it."""
    for number in itertools.count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError("numbers do not end")


def require_writable(folder: Path, *, option: str) -> None:
    """Raise `UserError` where no file can be made in `folder`, so that long runs do not fail at
    the end. `option` is the option that names another folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write into the folder {folder}: {error.strerror}; name another {option}"
        ) from error


@contextlib.contextmanager
def locked(lock: Path, *, refusal: str) -> Iterator[None]:
    """Hold the file `lock`; where another process does, raise `UserError` with `refusal`."""
    try:
        held_lock = FileLock(lock).acquire(timeout=0)
    except Timeout:
        raise UserError(refusal) from None
    with held_lock:
        yield
