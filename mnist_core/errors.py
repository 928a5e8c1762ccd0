"""`UserError`, the one exception for what a user can correct, and how a command ends with it.

A `UserError` states the rule, the value and what to do. Commands print it and exit with code 2,
without a traceback; any other exception is a defect of this project and keeps its traceback.
"""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from types import FrameType
from typing import Any, TypeVar

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 128 + signal.SIGPIPE
_STANDARD_OUTPUT = 1
T = TypeVar("T")


class UserError(Exception):
    """Report wrong input: the message names the rule, the value and what to do."""


class OptimizerError(UserError):
    """Report that an optimizer refused its options, failed in a step, or has a state that cannot
    be saved. It ends one run; a study goes on."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UserError:
    """Build the error for a name that is not in a registry, listing the known ones."""
    return UserError(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")


def require_known(kind: str, name: object, known: Collection[str]) -> None:
    """Raise `UserError` for a name that is not in a registry, listing the known ones."""
    if name not in known:
        raise unknown_name(kind, name, known)


def require_fields(cls: type, names: Iterable[str], *, kind: str) -> None:
    """Raise `UserError` for a name that is no field of a dataclass, listing the fields."""
    known = [entry.name for entry in fields(cls)]
    for name in names:
        require_known(kind, name, known)


def from_mapping(cls: type[T], values: Mapping[str, Any], *, kind: str) -> T:
    """Build a dataclass from a mapping of its fields; an unknown key is a `UserError`.

    `kind` says what the keys are, such as "configuration key".
    """
    require_fields(cls, values, kind=kind)
    return cls(**values)


def _has_lost_its_reader() -> bool:
    """Tell whether nobody reads the standard output any more, as after `| head`.

    What is left of it is then dropped: Python would write it at the end of the process, and fail.
    """
    poll = select.poll()
    poll.register(_STANDARD_OUTPUT, 0)  # errors are reported even with an empty mask
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
    """Have `run_command` add what `say` returns to its message, such as how to resume, where a
    signal or the operating system ends the block."""
    try:
        yield
    except (OSError, KeyboardInterrupt) as error:
        error.add_note(say())
        raise


def _advice(error: BaseException) -> str:
    return "".join(f". {note}" for note in getattr(error, "__notes__", ()))
