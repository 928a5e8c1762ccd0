"""How long a study took on the clock: one entry of `sessions.json` in its folder for each session.

A session is what one command ran without a break. Its entry changes no result: a study without
the file says nothing of the clock, nor does one that several processes shared.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mnist_core.runtime.atomic_files import write_json
from mnist_core.runtime.provenance import utc_now
from study.records.json_files import CHANGES_NO_RESULT, read_json_as, require_keys

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
            # with an error that says how the study is continued.
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
    return read_json_as(
        lambda values: [Session(**require_keys(Session, entry)) for entry in values],
        file,
        remedy=CHANGES_NO_RESULT,
    )
