"""Becomes the program that is named, which the system kills when whoever started it ends, however that was.

    python ends_with_parent.py PROGRAM [ARGUMENT ...]

So a test run that is killed leaves no daemon behind. Linux only; elsewhere it just becomes the program.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept over exec


if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    os.execv(sys.argv[1], sys.argv[1:])
