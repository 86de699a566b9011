"""How every gRPC server of the hub listens: its port, and what its connections may do."""

from __future__ import annotations

from typing import Any

import grpc

from asr_hub.errors import ConfigError


def options(*, largest: int, streams: int, ping_interval: float, ping_timeout: float) -> list[tuple[str, int]]:
    """
    Of a server: the bytes of the largest message, how many calls one connection has, and when it is asked whether it
    is there and is gone without an answer, in seconds.
    """
    return [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_concurrent_streams", streams),
        ("grpc.keepalive_time_ms", round(ping_interval * 1000)),
        ("grpc.keepalive_timeout_ms", round(ping_timeout * 1000)),
        # Clients may ask as often as the hub does without being taken for a flood.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", round(ping_interval * 500)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Else the window of a call that nobody reads grows with the speed of its connection, to megabytes.
        ("grpc.http2.bdp_probe", 0),
        # A port that another process has is an error, and not shared with it.
        ("grpc.so_reuseport", 0),
    ]


def bind(server: Any, host: str, port: int, credentials: grpc.ServerCredentials | None, *, key: str) -> int:
    """The port that the server has; `key` is the setting of it. Raises ConfigError where it is taken."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        if credentials is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, credentials)
    except RuntimeError:
        bound = 0
    if not bound:
        raise ConfigError(f"cannot listen on {address} for gRPC; choose another with {key}")
    return int(bound)
