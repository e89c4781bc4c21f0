"""The client of a daemon's API: typed, with the errors of the library.

    with crucible.Client() as client:
        run = client.submit("experiment.toml", key="monday").run
        for event in client.events(run.id):
            print(event.kind)

``calls`` says what each request is and what its answer means; ``Client`` and ``AsyncClient`` send it.
"""

from .address import Address, find_address
from .asynchronous import AsyncClient
from .synchronous import Client

__all__ = ["Address", "AsyncClient", "Client", "find_address"]
