"""What the fault tests start ends with them, even when they are killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.faults.daemon_process import BOUND

PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], close_fds=False)
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = "import os, sys, time; os.write(int(sys.argv[1]), b'here'); time.sleep(600)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
def test_a_program_ends_when_who_started_it_is_killed() -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    command = [sys.executable, "-c", PARENT, *BOUND, sys.executable, "-c", CHILD, str(write)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, close_fds=False) as parent:
        os.close(write)
        assert os.read(read, 100) == b"here"
        parent.kill()
        assert os.read(read, 100) == b""  # nobody has it open any more
    os.close(read)
