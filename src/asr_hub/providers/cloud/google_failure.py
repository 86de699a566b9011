"""What Google's SDK raises, as one of the hub's errors."""

from __future__ import annotations

from asr_hub.errors import HubError, Overloaded, ProviderError, ProviderTimeout, ProviderUnavailable
from asr_hub.providers.cloud.refusal import quoted, seconds

VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The environment variable that says where the credentials are."""

_PLUGIN = "Getting metadata from plugin failed"
"""gRPC says so where the credentials gave no token."""


def failure(name: str, exc: Exception) -> HubError:
    """By the status of `exc`, an error of google.api_core."""
    status = getattr(getattr(exc, "grpc_status_code", None), "name", "")
    said = quoted(getattr(exc, "message", ""))
    if status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return ProviderUnavailable(
            f"{name}: the server refuses the credentials ({status}){said}; check those that {VARIABLE} names, and what "
            "they may do in the project"
        )
    if _PLUGIN in said:
        return ProviderUnavailable(f"{name}: the credentials cannot be used; check those that {VARIABLE} names")
    if status == "RESOURCE_EXHAUSTED":
        return Overloaded(f"{name}: the server's quota is used up{said}", retry_after=_retry_after(exc))
    if status == "DEADLINE_EXCEEDED":
        return ProviderTimeout(f"{name}: the server was too slow{said}")
    if status in ("UNAVAILABLE", "CANCELLED"):
        return ProviderError(f"{name}: the connection failed or was lost ({status}){said}")
    if status in ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"):
        return ProviderError(f"{name}: the server refuses the request ({status}){said}; check model and location")
    return ProviderError(f"{name}: the server failed ({status or type(exc).__name__}){said}")


def _retry_after(exc: Exception) -> float | None:
    """Seconds that a google.rpc.RetryInfo among the details asks for."""
    for detail in getattr(exc, "details", None) or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return seconds(delay.seconds + delay.nanos / 1e9)
    return None
