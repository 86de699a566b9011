"""Hubs for the SDK's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.hubs import scripted

from asr_hub.app import Serving, serving


@pytest.fixture
async def hub() -> AsyncIterator[Serving]:
    """The scripted engine behind the light VAD."""
    async with serving(scripted(server={"port": 0, "grpc_port": 0})) as running:
        yield running
