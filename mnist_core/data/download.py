"""Downloads through torchvision, of which either everything arrives at its place or nothing.

torchvision checks the MD5 that it pins of each archive, and takes archives that are already there.
"""

import contextlib
import http.client
import io
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from mnist_core.data.files import CHECKSUM_NAME, MALFORMED, last_line, parse
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError

TIMEOUT_SECONDS = 30.0


class UnavailableError(UserError):
    """Report that a data set could neither be found nor downloaded."""


def download(
    spec: DatasetSpec, source: Source, folders: list[Path], *, data_dir: Path | None
) -> Path:
    """Download into `data_dir`, or without one into the first of `folders` that can be written;
    return which.

    The files are downloaded beside their place, and their folder is moved there in one step, so
    that neither a kill nor a second process at the same time leaves a part of them.

    Raises `UserError` where `data_dir` cannot be written, else `UnavailableError`, with what was
    looked for where, if the data cannot be had.
    """
    reason = ""
    for root in [data_dir] if data_dir else folders:
        try:
            temporary = _make_room(root, source)
        except OSError as error:
            reason = f"cannot write into {root}: {error.strerror}"
            continue
        try:
            _copy_archives(source, folders, temporary)
            _download_into(temporary, spec, source)
            _move(temporary / source.folder, root / source.folder)
        except (OSError, http.client.HTTPException, *MALFORMED) as error:
            reason = f"into {root}: {last_line(error)}"
            break
        else:
            return root
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _remove_empty(root, source)
    else:
        if data_dir:
            raise UserError(
                f"{spec.label} is not there yet, and --data-dir, into which it would be "
                f"downloaded, cannot be used: {reason}. Name another --data-dir."
            )
    raise UnavailableError(
        f"{spec.label} is in none of "
        + ", ".join(str(folder / source.folder) for folder in folders)
        + f", and could not be downloaded ({reason}). Put the files "
        + ", ".join(source.files)
        + " into one of these folders, name another with --data-dir or MNIST_DATA_DIR, "
        "or use --dataset digits."
    )


def _make_room(root: Path, source: Source) -> Path:
    """Return a new folder in `root` to download into; leave nothing where that fails."""
    try:
        (root / source.folder).parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    except OSError:
        _remove_empty(root, source)
        raise


def _remove_empty(root: Path, source: Source) -> None:
    for folder in ((root / source.folder).parent, root):
        with contextlib.suppress(OSError):
            folder.rmdir()  # succeeds only where nothing came


def _copy_archives(source: Source, folders: list[Path], root: Path) -> None:
    """Copy archives that lie in one of the folders to where torchvision looks for them."""
    for name in source.archives():
        found = [folder / name for folder in folders if (folder / name).is_file()]
        if found:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found[0], root / name)


def _download_into(root: Path, spec: DatasetSpec, source: Source) -> None:
    """Download, and keep the files of this data set alone."""
    # torchvision's progress bar goes to stderr; what it prints is not for the user.
    with _socket_timeout(TIMEOUT_SECONDS), redirect_stdout(io.StringIO()):
        dataset = parse(spec, source, root, download=True)
    folder = root / source.folder
    for path in folder.iterdir():
        if path.name not in source.files:
            path.unlink()  # archives, and EMNIST's other parts: 1.7 GB
    if spec.sha256 is None:
        (folder / CHECKSUM_NAME).write_text(f"{dataset.sha256}\n")


def _move(folder: Path, place: Path) -> None:
    """Move a folder, or its files into a folder that is there: the checksum first, so that no
    kill leaves the files without it."""
    try:
        os.rename(folder, place)
    except OSError:
        if not place.is_dir():
            raise
        # Another process was faster, or other files are there: archives, EMNIST's other parts.
        for path in sorted(folder.iterdir(), key=lambda path: path.name != CHECKSUM_NAME):
            os.replace(path, place / path.name)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
