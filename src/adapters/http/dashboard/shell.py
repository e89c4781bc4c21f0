"""The page's frame and its two assets: the same for every address, without a word of any run, for everybody.

The frame's script reads the address, fetches the fragment that belongs to it from ``/view`` with the token,
and follows the event stream. So the token travels in a header only (see ``access``), and what a browser keeps
in its history or sends as a referrer says nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Annotated

from litestar import Response, get
from litestar.params import PathParameter

from ....messages.errors import NotFoundError
from .environment import render

__all__ = ["HANDLERS"]

ASSETS = {"app.js": "text/javascript", "app.css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types crucible"
)
PUBLIC = {"public": True}
Name = Annotated[str, PathParameter(max_length=64)]
A_YEAR = "public, max-age=31536000, immutable"


@cache
def _asset(name: str) -> tuple[bytes, str]:
    """Content and a name for this very content."""
    content = (files(__package__) / "assets" / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:16]


@get(
    ["/", "/runs/{run_id:str}", "/runs/{run_id:str}/{part:path}", "/compare", "/actors", "/schedules"],
    opt=PUBLIC,
    security=[],
    include_in_schema=False,
)
async def shell() -> Response[bytes]:
    """The frame."""
    html = render("shell.html.j2", script=_asset("app.js")[1], style=_asset("app.css")[1])
    return Response(
        html.encode(), media_type="text/html; charset=utf-8", headers={"content-security-policy": POLICY}
    )


@get("/assets/{digest:str}/{name:str}", opt=PUBLIC, security=[], include_in_schema=False)
async def asset(digest: Name, name: Name) -> Response[bytes]:
    """The script or the style sheet, by the hash of its content."""
    if name not in ASSETS or digest != _asset(name)[1]:
        raise NotFoundError("there is no such asset")
    return Response(_asset(name)[0], media_type=ASSETS[name], headers={"cache-control": A_YEAR})


HANDLERS = [shell, asset]
