"""How the SDK reaches a test's hub over each protocol."""

from __future__ import annotations

from typing import Any

from asr_hub.app import Serving
from asr_hub_client import AsyncClient
from asr_hub_client.session import Protocol

PROTOCOLS: tuple[Protocol, ...] = ("websocket", "http", "socketio", "grpc")


def client(hub: Serving, protocol: Protocol = "websocket", **settings: Any) -> AsyncClient:
    """A client of this hub whose sessions take this way."""
    return AsyncClient(hub.url, protocol=protocol, grpc=f"127.0.0.1:{hub.grpc_port}", **settings)
