"""The original files of a data set: where they are, and whether they are whole.

What vouches for a file's content, checked at every load:

- MNIST: its SHA-256. CIFAR-10: the MD5 that torchvision pins of each batch. Both are in the
  registry, so that any change to the published bytes is noticed.
- Other sets: no checksum of the unpacked files is published. A download is checked by torchvision
  against the MD5 of its archive, and the SHA-256 of what came out is then written beside it, as
  SHA256SUMS: a later change is noticed. Files that torchvision itself left there with their
  archives NAME.gz are compared with those, and those with their MD5.
- Files with none of that beside them: nothing but their form (`mnist_core.data.formats`) and what
  their pixels are on average (`mnist_core.data.splits`). The SHA-256 of the splits, which every
  record holds, tells one copy from another.

What was checked is remembered in the user's cache folder by path, size, inode, times and
checksum, so that an untouched file is read only once.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs

from mnist_core.data.registry import DATASETS
from mnist_core.data.spec import DatasetSpec, Source
from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_atomically

APPLICATION = "compact-mnist"
Identity = list[int | str]
"""A file's size, inode and times, and the checksum that it was found to have."""
CHECKSUMS_NAME = "SHA256SUMS"
"""In the format of the command `sha256sum`."""


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


def way_out(folder: Path) -> str:
    """Say what to do about a file that is not what it should be."""
    return (
        f"Delete the files in {folder} to have them downloaded again, or name another --data-dir."
    )


def find_or_download(
    spec: DatasetSpec, source: Source, folders: list[Path], *, asked_for: Path | None = None
) -> Path:
    """Return the first folder that holds the data set, verified. If none does, download it into
    the one that was asked for, else into the first that can be written. A folder that cannot be
    read, with some of the files, or with altered ones, is a `UserError`.
    """
    for folder in folders:
        if any(_is_there(folder / source.folder / name) for name in source.files):
            verify(folder, source)
            return folder
    from mnist_core.data.download import download

    root = download(spec, source, folders, asked_for=asked_for)
    verify(root, source)
    return root


def _is_there(path: Path) -> bool:
    """Tell whether there is anything under a name; not being allowed to look is a `UserError`."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(
            f"cannot look into the folder {path.parent}: {error.strerror}. Make it readable, or "
            "name another --data-dir."
        ) from error
    return True


def verify(root: Path, source: Source) -> None:
    """Raise `UserError` for a file that cannot be read, or is not what vouches for it says."""
    remembered = _read_remembered()
    checked: dict[str, Identity] = {}
    folder = root / source.folder
    try:
        written_down = read_checksums(folder)
        for name, published in source.files.items():
            path = folder / name
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
            checksum = _checksum(path, published, written_down.get(name))
            if checksum is None:
                continue
            times = [status.st_mtime_ns, status.st_ctime_ns]
            identity: Identity = [status.st_size, status.st_ino, *times, checksum]
            key = str(path.resolve())
            if remembered.get(key) != identity:
                _require_checksum(path, checksum, size=status.st_size)
                checked[key] = identity
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename}: {error.strerror}. {way_out(folder)}"
        ) from error
    if checked:
        _remember({**remembered, **checked})


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 that lie beside the files, by name; none where there is no such file."""
    try:
        lines = (folder / CHECKSUMS_NAME).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1].removeprefix("*"): pair[0] for pair in pairs if len(pair) == 2}


def write_checksums(folder: Path, names: Iterable[str]) -> None:
    """Write the SHA-256 of files down beside them."""
    lines = []
    for name in names:
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    write_atomically(folder / CHECKSUMS_NAME, "".join(lines))


def archive(path: Path) -> Path:
    """Return where torchvision leaves the archive that a file came in."""
    return path.with_name(f"{path.name}.gz")


def unpacking(source: Source, folders: Iterable[Path]) -> str:
    """Say how to unpack the archives of a data set that lie in one of the folders; nothing where
    none does."""
    for folder in folders:
        if source.archive and (folder / source.archive).exists():
            path = folder / source.archive
            return f" {path} is there: unpack it with `tar -xf {path} -C {folder}`."
        found = [archive(folder / source.folder / name) for name in source.files]
        found = [path for path in found if path.exists()]
        if found:
            # kept beside their files, they vouch for them
            return (
                f" {', '.join(path.name for path in found)} in {folder / source.folder}: unpack "
                f"with `gunzip --keep {' '.join(map(str, found))}`."
            )
    return ""


def _checksum(path: Path, published: str | None, written_down: str | None) -> str | None:
    """Return the checksum that a file must have, None where nothing vouches for it."""
    if is_of_content(published):
        return published
    if written_down:
        return f"sha256:{written_down}"
    return published if archive(path).exists() else None


def is_of_content(published: str | None) -> bool:
    """Tell whether a published checksum is of the file itself, not of the archive it came in."""
    return published is not None and not published.startswith("gz-md5:")


def _digest(file: IO[bytes] | gzip.GzipFile, algorithm: str) -> str:
    # A machine in FIPS mode refuses MD5 unless it is said not to be used for security.
    new = functools.partial(hashlib.new, algorithm, usedforsecurity=False)
    return hashlib.file_digest(file, new).hexdigest()  # type: ignore[arg-type]


def _require_checksum(path: Path, checksum: str, *, size: int) -> None:
    kind, expected = checksum.split(":")
    if kind == "gz-md5":
        with archive(path).open("rb") as file:
            actual = _digest(file, "md5")
        if actual != expected:
            size = archive(path).stat().st_size
            raise UserError(_explain_mismatch(archive(path), "md5", expected, actual, size=size))
        with gzip.open(archive(path)) as unpacked:
            kind, expected = "sha256", _digest(unpacked, "sha256")
    with path.open("rb") as file:
        actual = _digest(file, kind)
    if actual != expected:
        raise UserError(_explain_mismatch(path, kind, expected, actual, size=size))


def _explain_mismatch(path: Path, kind: str, expected: str, actual: str, *, size: int) -> str:
    known = {
        checksum: f"{spec.label}'s {name}"
        for spec in DATASETS.values()
        if spec.source
        for name, checksum in spec.source.files.items()
    }
    whose = known.get(f"{kind}:{actual}")
    if size == 0:
        what = "is empty"
    elif whose:
        what = f"holds the content of {whose}"
    else:
        what = "is truncated or altered"
    names = {"sha256": "SHA-256", "md5": "MD5"}
    return (
        f"{path} {what}: its {names[kind]} must be {expected}, got {actual} "
        f"({size:,} bytes). {way_out(path.parent)}"
    )


def _memory_file() -> Path:
    return cache_folder() / "verified.json"


def _read_remembered() -> dict[str, Identity]:
    try:
        remembered = json.loads(_memory_file().read_text())
    except (OSError, ValueError):
        return {}
    return remembered if isinstance(remembered, dict) else {}


def _remember(checked: dict[str, Identity]) -> None:
    # Without a writable cache the files are simply read again next time.
    with contextlib.suppress(OSError):
        _memory_file().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_memory_file(), json.dumps(checked, indent=1) + "\n")
