"""Every error of the tree is something in HTTP and in gRPC."""

from __future__ import annotations

import pytest
from google.rpc.code_pb2 import Code

from asr_hub.errors import HubError, NotFound
from asr_hub.wire.status import STATUS, status

pytestmark = pytest.mark.unit


def tree(root: type[HubError] = HubError) -> list[type[HubError]]:
    return [root, *(one for child in root.__subclasses__() for one in tree(child))]


@pytest.mark.parametrize("kind", tree())
def test_every_class_of_the_hub_has_a_line_of_its_own(kind: type[HubError]) -> None:
    if kind.__module__ == "asr_hub.errors":
        assert kind in STATUS
    found = status(kind.__new__(kind))
    assert 400 <= found.http < 600
    assert Code.Value(found.grpc)


def test_a_finer_code_does_not_change_what_it_is() -> None:
    assert status(NotFound("?", code="unknown-session")) == (404, "NOT_FOUND")
