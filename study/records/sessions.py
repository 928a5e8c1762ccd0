"""How long a study took on the clock: one entry of `sessions.json` in its folder for each session.

A session is what one command ran without a break. Its entry changes no result: a study without
the file says nothing of the clock, nor does one that several processes shared.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_core.errors import UserError
from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.formatting import duration
from mnist_core.runtime.provenance import utc_now

FILE = "sessions.json"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One session's runs, from the start of its workers to the end of the last run."""

    started: str
    ended: str
    """UTC, as plan.json has it."""
    seconds: float
    workers: int
    runs: int
    """Runs that ended in it."""


@contextlib.contextmanager
def recorded(folder: Path, *, workers: int, count: Callable[[], int]) -> Iterator[None]:
    """Add a session to a study's folder as it ends, however it ends; `count` says how many runs
    are done. Where none ended in it, nothing is added."""
    earlier = read(folder)
    before, started, clock = count(), utc_now(), time.perf_counter()
    try:
        yield
    finally:
        seconds, runs = time.perf_counter() - clock, count() - before
        if runs:
            session = Session(
                started=started, ended=utc_now(), seconds=seconds, workers=workers, runs=runs
            )
            # A disk that takes no more has already ended the session, or will end the report,
            # with an error that says how the study goes on.
            with contextlib.suppress(OSError):
                write(folder, [*earlier, session])


def write(folder: Path, sessions: Sequence[Session]) -> None:
    """Write a study's sessions into its folder."""
    write_json(folder / FILE, [asdict(session) for session in sessions])


def read(folder: Path) -> list[Session]:
    """Read a study's sessions; none where there is no file."""
    file = folder / FILE
    if not file.exists():
        return []
    try:
        return [Session(**entry) for entry in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} is damaged ({error!r}); delete it, it changes no result"
        ) from error


def section(sessions: Sequence[Session], *, finished: int) -> str:
    """Say for a report how long a study's runs took, and of how many of them that is known."""
    if not sessions:
        return ""
    workers = sorted({session.workers for session in sessions})
    several = f"{workers[0]} to {workers[-1]}" if len(workers) > 1 else f"{workers[0]}"
    plural = "" if workers == [1] else "s"
    count = "one session" if len(sessions) == 1 else f"{len(sessions)} sessions"
    runs = sum(session.runs for session in sessions)
    known = f", {runs} of the {finished} runs; of the others it is not known"
    return (
        f"On the clock: {duration(sum(session.seconds for session in sessions))} with {several} "
        f"worker{plural} ({count}{known if runs < finished else ''})."
    )
