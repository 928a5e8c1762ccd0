"""Files that are written whole or not at all: a reader, a kill or a full disk finds the old or the
new content, never a part."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file in one step: it has its old content until it has the new one.

    An `OSError` names `path`, whatever step of it failed.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _write_then_move(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_then_move(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are refused (they are not JSON)."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
