"""Downloads through torchvision, of which either everything arrives at its place or nothing.

torchvision checks the MD5 that it pins of each archive. Files of which no checksum is published
get one beside them then: see `mnist_core.data.integrity`.
"""

from __future__ import annotations

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

from mnist_core.data import integrity as files
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError

TIMEOUT_SECONDS = 30.0


class UnavailableError(UserError):
    """Say that a data set could neither be found nor downloaded."""


def download(
    spec: DatasetSpec, source: Source, folders: list[Path], *, asked_for: Path | None
) -> Path:
    """Download into the folder that was asked for, else into the first of `folders` that can be
    written; return which. It happens beside the place, and the folder is moved there in one step,
    so that neither a kill nor a second process at the same time leaves half of it.

    Raises `UserError` where the folder asked for cannot be written, else `UnavailableError`, with
    what was looked for where, if the data cannot be had.
    """
    reason = ""
    for root in [asked_for] if asked_for else folders:
        try:
            temporary = _make_room(root, source)
        except OSError as error:
            reason = f"cannot write into {root}: {error.strerror}"
            continue
        try:
            _download_into(temporary, source)
            _move(temporary / source.folder, root / source.folder)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            said = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
            reason = f"into {root}: {said}"
            break
        else:
            return root
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            _remove_empty(root, source)
    else:
        if asked_for:
            raise UserError(
                f"{spec.label} is not there yet, and --data-dir, into which it would be "
                f"downloaded, cannot be used: {reason}.{files.unpacking(source, folders)} Name "
                "another --data-dir."
            )
    raise UnavailableError(
        f"{spec.label} is in none of "
        + ", ".join(str(folder / source.folder) for folder in folders)
        + f", and could not be downloaded ({reason})."
        + files.unpacking(source, folders)
        + " Put the files "
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


def _download_into(root: Path, source: Source) -> None:
    """Download, keep the files of this data set alone, and write their checksums down."""
    from torchvision import datasets as torchvision_datasets

    constructor = getattr(torchvision_datasets, source.torchvision_class)
    # torchvision prints every mirror that it tries; its progress bar goes to stderr.
    with _socket_timeout(TIMEOUT_SECONDS), redirect_stdout(io.StringIO()):
        for arguments in source.downloads:
            constructor(str(root), download=True, **arguments)
    folder = root / source.folder
    for path in folder.iterdir():
        if path.name not in source.files:
            path.unlink()  # archives, and EMNIST's other parts: 1.7 GB
    if not all(map(files.is_of_content, source.files.values())):
        files.write_checksums(folder, source.files)


def _move(folder: Path, place: Path) -> None:
    """Move a folder, or into a folder that is there the files that it lacks."""
    try:
        os.rename(folder, place)
    except OSError:
        if not place.is_dir():
            raise
        # Another process was faster, or there are files of other sets: EMNIST's parts share one.
        for path in folder.iterdir():
            if not (place / path.name).exists():
                os.rename(path, place / path.name)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
