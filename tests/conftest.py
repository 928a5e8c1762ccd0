"""What the tests share: an isolated process, small data, configurations and subprocesses.

No test sees the user's cache folder or the network. Real MNIST is used where the variable
MNIST_DATA_DIR names it, and its tests are skipped, with that reason, where it does not.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import postgres_server, study_processes
from support.dataset_files import WrittenSet, written

from mnist_core.config import TrainConfig
from mnist_core.data.load import load
from mnist_core.data.locate import DATA_DIR_VARIABLE
from mnist_core.data.splits import Dataset
from mnist_core.runtime.device import prepare_process
from study.records.run_folder import RunFolder

CPU = torch.device("cpu")
LOCAL_HOSTS = (None, "", "localhost", "127.0.0.1", "::1")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """Undo what a script does to its background jobs: they, and their children, ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated_process(tmp_path_factory, monkeypatch) -> Iterator[None]:
    """Give every test a cache folder of its own, no network, one thread and its own signals."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: refused at once
    look_up = socket.getaddrinfo

    def look_up_locally(host, *arguments, **keywords):
        assert host in LOCAL_HOSTS, f"a test tried to reach {host}"
        return look_up(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_locally)
    prepare_process(threads=1)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def without_mnist(monkeypatch) -> None:
    """Hide MNIST: no folder is named, and the (isolated) cache folder is empty."""
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load("digits", data_dir=None, device=CPU)


@pytest.fixture(scope="session")
def small_digits(digits) -> Dataset:
    """256 training images: eight steps of 32."""
    return replace(
        digits,
        train=digits.train[:256],
        validation=digits.validation[:100],
        test=digits.test[:100],
        sha256="of the small digits",
    )


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    folder = os.environ.get(DATA_DIR_VARIABLE)
    if not folder:
        pytest.skip(f"real MNIST is needed: {DATA_DIR_VARIABLE} does not name its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def mnist(mnist_folder, tmp_path_factory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("mnist-cache")))
        return load("mnist", data_dir=mnist_folder, device=CPU)


@pytest.fixture
def make_config() -> Callable[..., TrainConfig]:
    """Build configurations for `small_digits`; what is named differs from these."""

    def make(**changes: Any) -> TrainConfig:
        values = {"dataset": "digits", "epochs": 2, "batch_size": 32, "learning_rate": 3e-3}
        return TrainConfig(**{**values, **changes})

    return make


@pytest.fixture
def fake_mnist(monkeypatch) -> WrittenSet:
    """Make 40 training and 20 test images, 10 for validation, pass for MNIST."""
    return written("mnist", train=30, validation=10, test=20).install(monkeypatch)


@pytest.fixture
def run_python(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python ARGUMENTS` in an empty folder and return what it said."""

    def run(
        *arguments: object, prefix: Sequence[str] = (), **keywords: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **keywords,
        )

    return run


@pytest.fixture
def bound_by_permissions() -> list[str]:
    """Return the words before a command under which file permissions bind root too."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may read and write anything, and there is no setpriv to prevent it")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server of these tests' own."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> RunFolder:
    """A study of digits that one worker ran to its end where no MNIST was, to be read alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    options = (*study_processes.OPTIONS, "--workers", 1, "--output", "X")
    completed = study_processes.run(folder, *options)
    assert (completed.returncode, completed.stderr) == (0, "")
    return RunFolder(folder / "X-digits")


@pytest.fixture
def learnable_mnist(monkeypatch, tmp_path) -> Path:
    """A folder of small files of MNIST's format, whose classes can be told apart."""
    small = written("mnist", train=512, validation=0, test=200).install(monkeypatch)
    small.place(tmp_path / "data")
    return tmp_path / "data"
