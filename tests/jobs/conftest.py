"""A database to begin with: making its tables takes longer than most tests."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.jobs.parts import Workshop


@pytest.fixture(scope="session")
def empty_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")

    async def make() -> None:
        async with Workshop(folder).open():
            pass

    asyncio.run(make())
    return folder / "jobs.sqlite"


@pytest.fixture
def workshop(tmp_path: Path, empty_jobs: Path) -> Callable[..., Workshop]:
    def make(**settings: Any) -> Workshop:
        shutil.copy(empty_jobs, tmp_path / "jobs.sqlite")
        return Workshop(tmp_path, **settings)

    return make
