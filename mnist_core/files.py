"""MNIST's four original files: where they are, whether they are whole, and how to get them.

The SHA-256 of each file is checked at every load. What was checked is remembered beside the
user's cache by path, size, inode and times, so that an untouched file is read only once.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import platformdirs

from mnist_core.errors import UserError
from mnist_core.report import write_atomically

APPLICATION = "compact-mnist"
RAW = Path("MNIST", "raw")
DOWNLOAD_TIMEOUT_SECONDS = 30.0

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class MnistUnavailableError(UserError):
    """Say that MNIST could neither be found nor downloaded."""


def cache_folder() -> Path:
    """Return the user's cache folder of this application (not created)."""
    return platformdirs.user_cache_path(APPLICATION)


def sha256_of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """Return the SHA-256 over the arrays' shapes, types and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def find_or_download_mnist(folders: list[Path]) -> Path:
    """Return the first folder that holds MNIST, verified; download into the first one if none
    does. A folder with some of the files, or with altered ones, is a `UserError`.
    """
    for folder in folders:
        if any(os.path.lexists(folder / RAW / name) for name in SHA256):
            _verify(folder)
            return folder
    _download(folders[0], looked_in=folders)
    _verify(folders[0])
    return folders[0]


def _verify(folder: Path) -> None:
    remembered = _read_remembered()
    checked = {}
    for name, expected in SHA256.items():
        path = folder / RAW / name
        try:
            status = path.stat()
            identity = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
            key = str(path.resolve())
            if remembered.get(key) != identity:
                with path.open("rb") as file:
                    actual = hashlib.file_digest(file, "sha256").hexdigest()
                if actual != expected:
                    raise UserError(_explain_mismatch(path, actual, size=status.st_size))
                checked[key] = identity
        except OSError as error:
            raise UserError(
                f"cannot read {path}: {error.strerror}. {_way_out(path.parent)}"
            ) from error
    if checked:
        _remember({**remembered, **checked})


def _explain_mismatch(path: Path, actual: str, *, size: int) -> str:
    whose = next((name for name, digest in SHA256.items() if digest == actual), None)
    if size == 0:
        what = "is empty"
    elif whose:
        what = f"holds the content of {whose}"
    else:
        what = "is truncated or altered"
    return (
        f"{path} {what}: its SHA-256 must be {SHA256[path.name]}, got {actual} "
        f"({size:,} bytes). {_way_out(path.parent)}"
    )


def _way_out(raw: Path) -> str:
    return f"Delete the files in {raw} to have them downloaded again, or name another --data-dir."


def _memory_file() -> Path:
    return cache_folder() / "verified.json"


def _read_remembered() -> dict[str, list[int]]:
    try:
        remembered = json.loads(_memory_file().read_text())
    except (OSError, ValueError):
        return {}
    return remembered if isinstance(remembered, dict) else {}


def _remember(checked: dict[str, list[int]]) -> None:
    # Without a writable cache the files are simply read again next time.
    with contextlib.suppress(OSError):
        _memory_file().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_memory_file(), json.dumps(checked, indent=1) + "\n")


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(root: Path, *, looked_in: list[Path]) -> None:
    """Download through torchvision beside the place, then move the folder there in one step, so
    that neither a kill nor a second process at the same time leaves half of it."""
    from torchvision.datasets import MNIST

    try:
        (root / RAW).parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
        try:
            # torchvision prints every mirror that it tries; its progress bar goes to stderr.
            with _socket_timeout(DOWNLOAD_TIMEOUT_SECONDS), redirect_stdout(io.StringIO()):
                MNIST(str(temporary), download=True)
            for archive in (temporary / RAW).glob("*.gz"):
                archive.unlink()
            try:
                os.rename(temporary / RAW, root / RAW)
            except OSError:
                if not (root / RAW).is_dir():  # else another process was faster
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            for folder in ((root / RAW).parent, root):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # succeeds only where nothing came
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        raise MnistUnavailableError(
            "MNIST is in none of "
            + ", ".join(str(folder / RAW) for folder in looked_in)
            + f", and could not be downloaded into {root} ({reason}). Put the four files "
            + ", ".join(SHA256)
            + " into one of these folders, name another with --data-dir or MNIST_DATA_DIR, "
            "or use --dataset digits."
        ) from error
