"""A real PostgreSQL server for the tests, from the wheel `pgserver`: start, stop, ask."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

PASSWORD = "corréct/horse:battery@staple"
_QUOTED = "corr%C3%A9ct%2Fhorse%3Abattery%40staple"
SECRETS = (PASSWORD, _QUOTED, "battery")


class Server:
    """A server that listens on a port of this machine and asks for a password."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no XDG_RUNTIME_DIR for root
            import pgserver

        self.data = folder / "pgdata"
        first = pgserver.get_server(self.data, cleanup_mode=None)
        self._user = first.system_user
        self._programs = Path(pgserver.__file__).parent / "pginstall" / "bin"
        first.psql(f"ALTER USER postgres PASSWORD '{PASSWORD}'")
        (self.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._databases = 0
        self.stop()
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Create an empty database and return its URL."""
        self._databases += 1
        name = f"study{self._databases}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def ask(self, query: str, *, url: str | None = None) -> list[Any]:
        engine = sqlalchemy.create_engine(url or self.url(), poolclass=sqlalchemy.NullPool)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(sqlalchemy.text(query))
            return list(result) if result.returns_rows else []

    def cut_connections(self) -> None:
        """End the connections of all studies."""
        self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'study%'"
        )

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self.data} -c fsync=off"
        self._control("start", "-o", options, "-l", str(self.data / "log"))

    def stop(self) -> None:
        """Stop at once: connections are cut."""
        self._control("stop", "-m", "fast")

    def fill_disk(self) -> None:
        """Let the server's processes write no more, as if their disk were full."""
        parent = (self.data / "postmaster.pid").read_text().split()[0]
        children = subprocess.run(
            ["pgrep", "-P", parent], capture_output=True, text=True, check=True
        )
        for pid in [parent, *children.stdout.split()]:
            # As the server's user: root in a container may not limit others.
            subprocess.run(["prlimit", "--pid", pid, "--fsize=100:"], user=self._user, check=False)

    def kill(self) -> None:
        """End the server as a crash would."""
        with contextlib.suppress(subprocess.SubprocessError):  # it may have ended by itself
            self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        # Its output into a file would do, but not a pipe: the server would keep it open.
        subprocess.run(
            [self._programs / "pg_ctl", "-w", "-D", self.data, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            user=self._user,
            cwd="/",
        )


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Run a server; the test is skipped where none can be run."""
    # Not in pytest's folder: root's server runs as another user, and each start of pytest closes
    # that folder to others.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        try:
            server = Server(Path(folder))
        except (ImportError, OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL cannot be started here: {error}")
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.SubprocessError):
                server.stop()
