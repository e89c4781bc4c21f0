"""Tickets: links to one file for a browser, which cannot send the token with a link. See ``access``."""

from __future__ import annotations

from urllib.parse import quote

from litestar import post
from litestar.params import JSONBody

from ...messages.api import Ticket, TicketRequest
from .access import make_ticket
from .openapi import answers
from .services import Served

__all__ = ["HANDLERS"]


@post("/tickets", status_code=200, responses=answers({}, 413, 422), operation_id="make_ticket")
async def ticket(services: Served, data: JSONBody[TicketRequest]) -> Ticket:
    """A link to one file of a run that works without the token, for a minute."""
    proof, until = make_ticket(services, data.path)
    return Ticket(url=f"{quote(data.path)}?ticket={proof}", expires_at=until)


HANDLERS = [ticket]
