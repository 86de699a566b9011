"""Clients of the native protocol over every protocol that carries it."""

from __future__ import annotations

from tests.peers.base import Peer
from tests.peers.grpc import GrpcPeer
from tests.peers.http import HttpPeer
from tests.peers.socket_io import SocketIoPeer, SocketIoPollingPeer
from tests.peers.websocket import WebSocketPeer

PEERS: tuple[type[Peer], ...] = (WebSocketPeer, HttpPeer, SocketIoPeer, SocketIoPollingPeer, GrpcPeer)
"""Each is tested by the contract of the protocols."""
