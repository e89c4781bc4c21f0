"""A PostgreSQL server of the tests' own, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path("/usr/lib/postgresql")


def binaries() -> Path | None:
    """Debian's newest, if it is installed."""
    found = [path.parent for path in ROOT.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


class PostgresServer:
    """Runs as the user postgres when the tests run as root, which initdb refuses."""

    def __init__(self, *, fsync: bool) -> None:
        found = binaries()
        assert found is not None
        self._bin = found
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="crucible-pg-"))
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, pwd.getpwnam(self._user).pw_gid)
        self._call(
            "initdb", "-U", "crucible", "-A", "trust", "-E", "UTF8", "--locale=C", "-N", "-D", self._data
        )
        self._options = f"-k {self.folder} -c listen_addresses='' -c fsync={'on' if fsync else 'off'}"
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        return f"postgresql://crucible@/postgres?host={self.folder}"

    def start(self) -> None:
        log = str(self.folder / "log")
        self._call("pg_ctl", "-w", "-D", self._data, "-l", log, "-o", self._options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._call("pg_ctl", "-w", "-D", self._data, "-m", mode, "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            user=self._user,
            group=self._user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
        )
