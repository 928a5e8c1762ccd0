"""Studies of digits in processes of their own, for the tests: start, interrupt, compare."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib

from study.records.run_folder import RunFolder

TIMEOUT_SECONDS = 120
RUNS = 12
OPTIONS = (
    *("--optimizers", "sgd,adam", "--trials", 4, "--epochs", 2, "--confirm-seeds", 2),
    *("--batch-size", 64, "--seed", 7),
)
"""The study that the tests disturb: so many runs, with a checkpoint in the middle of each."""


def environment(cache: Path) -> dict[str, str]:
    """Return variables under which no MNIST is found, and no network is there to fetch it."""
    unwanted = ("MNIST_DATA_DIR", "STUDY_STORAGE")
    variables = {name: value for name, value in os.environ.items() if name not in unwanted}
    closed = "http://127.0.0.1:9"  # the discard port: refused at once
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), closed)
    # An empty cache would have every process search the machine for fonts.
    fonts = {"MPLCONFIGDIR": matplotlib.get_cachedir()}
    return {**variables, **proxies, **fonts, "XDG_CACHE_HOME": str(cache)}


def command(*arguments: object, module: str = "study.optimizers") -> list[str]:
    """Return the command line of a study, or of another module."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(
    folder: Path, *arguments: object, module: str = "study.optimizers"
) -> subprocess.CompletedProcess[str]:
    """Run a study, or another module, to its end in a folder."""
    return subprocess.run(
        command(*arguments, module=module),
        cwd=folder,
        env=environment(folder / "cache"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


class Study:
    """A running study in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        prefix: list[str] | None = None,
        variables: dict[str, str] | None = None,
        module: str = "study.optimizers",
    ) -> None:
        self.stdout = self.stderr = ""
        self.process = subprocess.Popen(
            [*(prefix or []), *command(*arguments, module=module)],
            cwd=folder,
            env=environment(folder / "cache") | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def group(self) -> list[int]:
        """List the living processes of the study, the parent included."""
        return [pid for pid, group in _groups() if group == self.process.pid]

    def workers(self) -> list[int]:
        """List the processes that train: the spawned ones, but not the resource tracker."""
        found = []
        for pid in self.group():
            with contextlib.suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; a study that ends before it holds is a failure."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.end()
                raise AssertionError(f"ended without {what}: {self.stdout}{self.stderr}")
            time.sleep(0.02)

    def wait_for_records(self, count: int, folder: RunFolder) -> None:
        """Wait until some runs are recorded."""
        records = folder.path / "records"
        self.wait_until(lambda: len(list(records.glob("[!.]*.json"))) >= count, f"{count} records")

    def end(self, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
        """Wait for the end, take what the study said, and return the exit code."""
        self.stdout, self.stderr = self.process.communicate(timeout=timeout_seconds)
        return self.process.returncode

    def is_gone(self, timeout_seconds: float = 20) -> bool:
        """Tell whether all of the study's processes have ended, waiting for them a while."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if not self.group():
                return True
            time.sleep(0.05)
        return False


def _groups() -> Iterator[tuple[int, int]]:
    """Yield (process, process group) of all living processes."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            state, _, group = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            if state != "Z":
                yield int(entry.name), int(group)


@contextlib.contextmanager
def started(folder: Path, *arguments: object, **keywords: Any) -> Iterator[Study]:
    """Start a study; whatever is left of it afterwards is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(folder, *arguments, **keywords)
    try:
        yield study
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(study.process.pid, signal.SIGKILL)
        study.process.communicate()


def results(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Return what must be the same in every run of a plan: all but the times."""
    return {
        key: {
            "parameters": record.parameters,
            "config": record.config,
            "status": record.status,
            "weights_sha256": record.weights_sha256,
            "validation_accuracy": record.validation_accuracy,
            "test": record.test,
            "epochs": [
                replace(epoch, train_seconds=0.0, evaluation_seconds=0.0)
                for epoch in record.epochs
            ],
        }
        for key, record in folder.read_records().items()
    }
