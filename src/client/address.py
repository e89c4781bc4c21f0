"""Where the daemon is and with which token it is asked: arguments, the environment, its data folder.

A running daemon leaves its address in ``address.json`` and its token in ``token``, in a folder that only its
owner may read.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ..messages.errors import ConnectionFailedError, InputError

__all__ = ["DATA_FOLDER", "Address", "data_folder", "find_address"]

DATA_FOLDER = "crucible-data"
START = "start one with: crucible serve"
OTHERS = "be the daemon's user, or set CRUCIBLE_URL and CRUCIBLE_TOKEN"


class Address(msgspec.Struct, frozen=True):
    """Of a daemon; the token does not show."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address(url={self.url!r})"

    @property
    def is_local(self) -> bool:
        """Whether the daemon sees the same files as we do."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "::1", "localhost")

    @property
    def page(self) -> str:
        """The link that opens the daemon's page and hands it the token: for its owner's browser only."""
        return f"{self.url}/#token={self.token}"


class _Told(msgspec.Struct):
    url: str


def find_address(
    url: str | None = None, token: str | None = None, data: str | os.PathLike[str] | None = None
) -> Address:
    """The daemon's address.

    ``data`` is its data folder; default: that of CRUCIBLE_DATA, else ``crucible-data`` here. Raises
    ConnectionFailedError when no daemon runs on the folder, InputError for what cannot be used.
    """
    folder = data_folder(data)
    url = url or (None if data is not None else os.environ.get("CRUCIBLE_URL")) or _told_url(folder)
    token = token or (None if data is not None else os.environ.get("CRUCIBLE_TOKEN")) or _told_token(folder)
    return Address(_checked_url(url), _checked_token(token))


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The data folder that is meant: as given, else that of CRUCIBLE_DATA, else ``crucible-data`` here."""
    return Path(given if given is not None else os.environ.get("CRUCIBLE_DATA") or DATA_FOLDER)


def _told_url(folder: Path) -> str:
    path = folder / "address.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Told).url
    except FileNotFoundError:
        raise ConnectionFailedError(f"no daemon is running on {folder}: {START}") from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot read the daemon's address: {_reason(error)}{_mend(error)}"
        ) from None


def _told_token(folder: Path) -> str:
    path = folder / "token"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise InputError(f"no token: set CRUCIBLE_TOKEN, or name the daemon's data folder ({path})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read the token: {_reason(error)}{_mend(error)}") from None


def _mend(error: Exception) -> str:
    return f": {OTHERS}" if isinstance(error, PermissionError) else ""


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "it holds something else"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.username is not None or parts.query or parts.fragment:
        raise InputError("the daemon's URL: expected an address such as http://127.0.0.1:8765")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError("the daemon's token: expected one word of printable ASCII characters")
    return token
