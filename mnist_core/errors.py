"""The one exception for what a user can mend, and how a command ends with it.

A `UserError` states the rule, the value and the way out. Commands print it and exit with code 2,
without a traceback; any other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 128 + signal.SIGPIPE
_STANDARD_OUTPUT = 1


class UserError(Exception):
    """Report wrong input: the message names the rule, the value and the way out."""


class OptimizerError(UserError):
    """Report that an optimizer refused its options or failed in a step: it ends a run, and
    nothing else of a study."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UserError:
    """Build the error for a name that is not in a registry, listing the known ones."""
    return UserError(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


def _has_lost_its_reader() -> bool:
    """Tell whether nobody reads the standard output any more, as after `| head`. What is left of
    it is then dropped, or it would be tried again, and fail, at the end of the process."""
    poll = select.poll()
    poll.register(_STANDARD_OUTPUT, 0)  # what is wrong with it is told unasked
    if not poll.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_OUTPUT)
    return True


def run_command(command: Callable[[], int]) -> int:
    """Run `command` and turn what ends it into an exit code: 2 for wrong input or a full or
    unwritable disk, 130 for Ctrl-C or SIGTERM, 141 where nobody reads the output any more."""

    def interrupt(signal_number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        code = command()
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _has_lost_its_reader():
            return EXIT_NO_READER
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"error: the operating system refused: {error.strerror or error}{where}"
            f"{_advice(error)}",
            file=sys.stderr,
        )
        return EXIT_USER_ERROR
    except KeyboardInterrupt as error:
        print(f"interrupted{_advice(error)}", file=sys.stderr)
        return EXIT_INTERRUPTED


@contextlib.contextmanager
def with_hint(say: Callable[[], str]) -> Iterator[None]:
    """Have `run_command` end with what `say` returns, where a signal or the operating system ends
    the block: how to go on is known to the command alone."""
    try:
        yield
    except (OSError, KeyboardInterrupt) as error:
        error.add_note(say())
        raise


def _advice(error: BaseException) -> str:
    return "".join(f". {note}" for note in getattr(error, "__notes__", ()))
