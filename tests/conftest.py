"""What holds for all tests."""

from __future__ import annotations

import os
import platform
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests import beside

if platform.machine() == "x86_64":
    # The exact answers of small models are those of one arithmetic, and CTranslate2 picks by the processor's maker.
    os.environ.setdefault("CT2_USE_MKL", "1")

# No test looks at the clock: a busy machine is no defect.
settings.register_profile("asr-hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asr-hub")

# Those have an environment of their own: `make test-frameworks`.
collect_ignore = ["frameworks"]

ROOM = pytest.StashKey[Path]()
"""The folder of the room that the processes of a run share."""


def pytest_configure(config: pytest.Config) -> None:
    # A hub of a test does not go on with the jobs of whoever runs the tests.
    data = TemporaryDirectory(prefix="asr-hub-data-")
    config.add_cleanup(data.cleanup)
    os.environ["XDG_DATA_HOME"] = data.name
    told: dict[str, str] | None = getattr(config, "workerinput", None)
    if told is not None:
        config.stash[ROOM] = Path(told["room"])
    elif config.getoption("numprocesses", None):
        folder = TemporaryDirectory(prefix="asr-hub-tests-")
        config.add_cleanup(folder.cleanup)
        config.stash[ROOM] = Path(folder.name)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["room"] = str(node.config.stash[ROOM])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ROOM in config.stash:
        # Modules are handed to the processes in this order.
        items.sort(key=lambda item: beside.place(item.path))


# Outermost, so that waiting for the room is not part of the time that a test may take.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if ROOM not in item.config.stash:
        return (yield)
    with beside.room(item.config.stash[ROOM], alone=beside.place(item.path) == beside.LAST):
        return (yield)
