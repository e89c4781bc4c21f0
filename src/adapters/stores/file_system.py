"""What a folder lies on. SQLite's write-ahead log needs shared memory: a disk of this machine."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from ...messages.errors import OutputError

__all__ = ["refuse_network"]

NETWORK = {  # linux/magic.h and the file systems' own headers
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB2",
    0x01021997: "9P",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x73757245: "Coda",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x01161970: "GFS2",
    0x7461636F: "OCFS2",
    0x19830326: "BeeGFS",
}


def magic_of(folder: Path) -> int | None:
    """The number of the folder's file system; None where there is no statfs."""
    try:
        statfs = ctypes.CDLL(None, use_errno=True).statfs
    except (AttributeError, OSError):
        return None
    buffer = (ctypes.c_long * 64)()  # struct statfs begins with f_type and is shorter
    if statfs(os.fsencode(folder), ctypes.byref(buffer)):
        return None
    return buffer[0] & 0xFFFFFFFF


def refuse_network(folder: Path, magic: Callable[[Path], int | None] = magic_of) -> None:
    """Raise OutputError when the folder lies on another machine."""
    kind = NETWORK.get(magic(folder) or 0)
    if kind:
        raise OutputError(
            f"{folder}: lies on a network file system ({kind}), where SQLite may lose data: "
            "name a folder on a local disk, or keep the queue in PostgreSQL"
        )
