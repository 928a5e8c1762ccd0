"""A process of its own that does what it is asked: one line of JSON each way.

The parent holds a `Worker`; the child is a module of `bench.workers`, started by its name, that
ends in `serve`. This file imports the standard library alone, so that a child has in it only what
it imports itself.
"""

import atexit
import contextlib
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import ROOT


class WorkerError(RuntimeError):
    """Say what went wrong inside the other process."""


class Worker:
    """The parent's end: starts `python -m module` in a folder; it ends with this process."""

    def __init__(self, module: str, *, folder: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=_environment(),
            text=True,
            # Ctrl-C is for the parent to answer; this process ends when its standard input does.
            start_new_session=True,
        )
        atexit.register(self.close)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command and wait for its answer. Raises `WorkerError` where it failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):  # it has ended before
            self.process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            ended = f"the process ended during {command!r} with code {self.process.wait()}"
            raise WorkerError(f"{ended}; see its messages above")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process; a second call does nothing."""
        atexit.unregister(self.close)
        try:
            self.process.communicate(timeout=10)  # closes its standard input
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def _environment() -> dict[str, str]:
    """Return the variables of a child, whose folder may be another one."""
    from mnist_core.data.locate import DATA_DIR_VARIABLE  # with torch, which no child needs

    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    if variables.get(DATA_DIR_VARIABLE):
        variables[DATA_DIR_VARIABLE] = os.path.abspath(variables[DATA_DIR_VARIABLE])
    return variables


@functools.cache
def plain_worker() -> Worker:
    """Return the one process in which plain PyTorch's loop runs; it ends with this one."""
    return Worker("bench.workers.plain")


def revision_worker(folder: Path) -> Worker:
    """Start a process that times the mnist_core of a folder."""
    return Worker("bench.workers.revision", folder=folder)


@functools.cache
def onnx_worker() -> Worker:
    """Return the one process in which ONNX Runtime runs; it ends with this one."""
    return Worker("bench.workers.onnx_runtime")


def serve(served: object) -> int:
    """Answer commands, the methods of `served`, from standard input until it closes."""
    # Libraries may print: only answers go to the real standard output.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(served, request.pop("do"))(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
    return 0
