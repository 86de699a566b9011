"""By what sessions are called from outside, and who may do what to the one that is called so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from asr_hub.access.grant import Grant, Scope
from asr_hub.errors import NotFound
from asr_hub.model import SessionId
from asr_hub.store.slices.sessions import Session

NAME_CHARS = 12
"""Of a session's public name: hexadecimal digits, 48 bits of its hash."""

_NAME = re.compile(rf"[0-9a-f]{{{NAME_CHARS}}}")


def public_name(session: SessionId) -> str:
    """By what an operator calls a session: nobody can attach with it, and the id cannot be told from it."""
    return hashlib.sha256(session.encode()).hexdigest()[:NAME_CHARS]


class Named:
    """Finds live sessions by their public names, or by their whole ids."""

    def __init__(self, record: Callable[[SessionId], Session | None], records: Callable[[], Iterable[Session]]) -> None:
        self._record = record
        self._records = records

    def find(self, name: str, grant: Grant) -> tuple[Session, bool]:
        """A live session, and whether it was named by its id. Raises NotFound, Forbidden."""
        by_id = self._record(SessionId(name))
        record = by_id or self._named(name, grant)
        if record is None:
            raise NotFound(
                "no such session: it was closed, or was never there; GET /v1/sessions lists those that live",
                code="unknown-session",
            )
        grant.must_reach(record.id)
        return record, by_id is not None

    def commanded(self, name: str, grant: Grant) -> tuple[Session, bool]:
        """A live session that the grant may do something to, and whether it is its own. Raises NotFound, Forbidden."""
        record, by_id = self.find(name, grant)
        is_own = by_id and grant.name == record.principal
        grant.must(Scope.SPEAK if is_own else Scope.ADMIN)
        return record, is_own

    def _named(self, name: str, grant: Grant) -> Session | None:
        if _NAME.fullmatch(name) is None:
            return None
        # Before anything is looked up: whoever may not see sessions is not told which there are.
        grant.must(Scope.ADMIN)
        return next((record for record in self._records() if public_name(record.id) == name), None)
