"""One hub for all tests, and what LiveKit's plug-ins are given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import running
from livekit.agents.utils import http_context


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Hub]:
    with running.hub(tmp_path_factory.mktemp("hub")) as serving:
        yield serving


@pytest.fixture
async def session() -> AsyncIterator[None]:
    """What a worker of LiveKit gives its plug-ins."""
    async with http_context.open():
        yield
