"""Whether a process may join a shared study: its header must be the one asked for."""

from collections.abc import Mapping
from typing import Any

from mnist_core.errors import UserError
from study.plans.kinds import option_differences


def require_same(name: str, known: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise `UserError` where a shared study has other options, data or code."""
    was, now = known["header"], asked["header"]
    different = option_differences(was["plan"], now["plan"])
    before, after = known["stale_after_seconds"], asked["stale_after_seconds"]
    if before != after:
        different.append(f"--stale-after was {before}, now {after}")
    if was["data"] != now["data"]:
        different.append("it has other data than are here")
    if any(was.get(key) != now[key] for key in now.keys() - {"plan", "data", "started", "rule"}):
        different.append("another version of this program started it")
    if different:
        raise UserError(
            f"the shared study {name!r} began with other options: {'; '.join(different)}. Run the "
            "command that started it, or start another one with --study-name"
        )
