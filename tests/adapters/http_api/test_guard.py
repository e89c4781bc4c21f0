"""Names that a Host header may carry."""

import pytest

from crucible.adapters.http.guard import LOOPBACK_NAMES, allowed_hosts


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "localhost"])
def test_the_loopback_s_names_are_always_allowed(host: str) -> None:
    assert allowed_hosts(host, ()) == LOOPBACK_NAMES


def test_the_address_itself_and_listed_names_are_allowed() -> None:
    assert allowed_hosts("10.0.0.5", ("Lab.Example",)) - LOOPBACK_NAMES == {"10.0.0.5", "lab.example"}
    assert allowed_hosts("fe80::1", ()) - LOOPBACK_NAMES == {"[fe80::1]"}
