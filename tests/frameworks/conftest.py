"""One hub for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import running


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Hub]:
    with running.hub(tmp_path_factory.mktemp("hub")) as serving:
        yield serving
