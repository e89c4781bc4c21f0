"""Which servers may be asked: pure checks of a base URL and of the address that a name led to.

Link-local addresses are refused because cloud machines hand out credentials there (169.254.169.254 and its
kin). The host of the URL is checked when the options are decoded, and the peer of every connection again
before a byte is sent, so that a name cannot lead there either. Private and loopback addresses are allowed:
that is where vLLM and Ollama listen.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = [
    "Origin",
    "is_loopback",
    "is_refused_address",
    "is_refused_host",
    "is_refused_peer",
    "parse_base_url",
]

METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
METADATA_ADDRESSES = frozenset({"fd00:ec2::254", "100.100.100.200"})


class Origin(NamedTuple):
    """Where a server listens."""

    scheme: str
    host: str
    port: int
    path: str
    """Without a slash at the end."""


def parse_base_url(url: str) -> Origin:
    """The parts of a base URL; raises ValueError saying what was expected. The URL is not repeated."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("base_url: expected a URL without spaces and control characters")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("base_url: expected a URL that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url: expected no user or password in the URL: use api_key or headers")
    if not parts.hostname:
        raise ValueError("base_url: expected a host name in the URL")
    if parts.query or parts.fragment:
        raise ValueError("base_url: expected no '?' and no '#' in the URL")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("base_url: expected a port from 1 to 65535") from None
    if port == 0:
        raise ValueError("base_url: expected a port from 1 to 65535")
    if is_refused_host(parts.hostname):
        raise ValueError("base_url: link-local and metadata addresses are refused")
    default = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, parts.hostname, port or default, parts.path.rstrip("/"))


def is_loopback(host: str) -> bool:
    """Whether the host of a URL is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_refused_host(host: str) -> bool:
    """Whether the name, or the address in any spelling (``0xa9fea9fe``), is one never to be asked."""
    name = host.rstrip(".").lower()
    if name in METADATA_NAMES:
        return True
    try:
        return is_refused_address(name)
    except ValueError:
        pass
    try:
        return is_refused_address(socket.inet_ntoa(socket.inet_aton(name)))
    except OSError:
        return False


def is_refused_address(address: str) -> bool:
    """Whether an IP address is link-local, multicast or a known metadata service.

    Raises ValueError when the text is no IP address.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip.sixtofour is not None:
            return is_refused_address(str(ip.sixtofour))
    bare = str(ip).partition("%")[0]
    return ip.is_link_local or ip.is_multicast or bare in METADATA_ADDRESSES


def is_refused_peer(address: str) -> bool:
    """Whether the other side of a connection is one never to be asked; what is no IP address is none."""
    try:
        return is_refused_address(address)
    except ValueError:
        return False
