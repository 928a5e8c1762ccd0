"""JSON files into values: a file that is damaged is a `UserError` that says what to do."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from mnist_core.errors import UserError

T = TypeVar("T")
CHANGES_NO_RESULT = "delete it, it changes no result"


def read_json_as(build: Callable[[Any], T], file: Path, *, remedy: str) -> T:
    """Return what `build` makes of a file's JSON."""
    try:
        return build(json.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{file} is damaged ({reason}); {remedy}") from error


def require_keys(kind: type[Any], values: object) -> dict[str, Any]:
    """Return a mapping that has a key for every field of a dataclass and no other; whatever else
    it is is a `ValueError`."""
    if not isinstance(values, dict):
        raise ValueError("it holds no JSON object")
    names = [entry.name for entry in fields(kind)]
    lacking = [name for name in names if name not in values]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    unknown = [key for key in values if key not in names]
    if unknown:
        raise ValueError(f"it has unknown keys: {', '.join(unknown)}")
    return values
