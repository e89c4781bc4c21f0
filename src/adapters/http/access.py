"""Who may use the API: whoever holds the token. Used as a Litestar guard on every handler.

No cookies. A cookie goes to every port of a host name, so another program's page on localhost would be sent
ours, and SameSite does not tell ports apart either. So the token travels in the Authorization header only:

- Programs read it from its file.
- A browser gets it once, behind the ``#`` of a link (``client.Address.page``). What stands there never leaves
  the browser. The page's own script keeps it in sessionStorage, which belongs to one tab and one port,
  and fetches all that the page shows, event streams too, with the header set.
- A link or picture cannot carry a header. ``POST /api/v1/tickets`` trades the token for a link to one file
  that is good for a minute (an HMAC over path and time).

A handler that is for everybody says ``opt={"public": True}``; one that takes tickets,
``opt={"tickets": True}``.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from .services import Services

__all__ = ["TICKET_S", "make_ticket", "needs_token"]

TICKET_S = 60.0
CHALLENGE = {"www-authenticate": 'Bearer realm="crucible"'}


def needs_token(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raise NotAuthorizedException for a request without the token."""
    if handler.opt.get("public"):
        return
    services: Services = connection.app.state.services
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), services.token.encode()):
        return
    ticket = connection.query_params.get("ticket")
    if handler.opt.get("tickets") and ticket is not None:
        if _is_good(services, connection.scope["path"], ticket):
            return
        raise NotAuthorizedException("the ticket is not good for this file, or its time is over")
    told = (
        "the token is wrong: expected that in the file token of the daemon's data folder or in api.token_file"
        if scheme
        else "expected the header Authorization: Bearer TOKEN"
    )
    raise NotAuthorizedException(told, headers=CHALLENGE)


def make_ticket(services: Services, path: str) -> tuple[str, float]:
    """A ticket for one path, and when it runs out."""
    until = int(services.now() + TICKET_S)
    return f"{until}.{_signature(services.token, path, until)}", float(until)


def _is_good(services: Services, path: str, ticket: str) -> bool:
    until, _, signature = ticket.partition(".")
    if not (until.isascii() and until.isdigit() and len(until) < 16 and services.now() <= int(until)):
        return False
    return hmac.compare_digest(signature.encode(), _signature(services.token, path, int(until)).encode())


def _signature(token: str, path: str, until: int) -> str:
    return hmac.new(token.encode(), f"{until}\n{path}".encode(), hashlib.sha256).hexdigest()
