"""The certificate of the port, and one made on the spot where there is none."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from asr_hub.config import schema
from asr_hub.errors import ConfigError

LIFETIME = timedelta(days=397)
"""Of a certificate made here. Some clients take none that is longer."""


class Pair(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    """With those between it and its root."""
    key: bytes
    files: tuple[Path, Path] | None = None
    """Where they were read from."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the first certificate, as browsers and `openssl x509 -fingerprint -sha256` show it."""
        der = ssl.PEM_cert_to_DER_cert(_first(self.certificate))
        return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def certificate_of(tls: schema.Tls | None, host: str) -> Pair | None:
    """What the configuration says: nothing, a new one for `host`, or that of a file. Raises ConfigError."""
    if tls is None:
        return None
    if tls.certificate == schema.SELF_SIGNED:
        here = socket.gethostname()
        return self_signed([host, *([here] if here.isascii() else [])])
    return read_pair(Path(tls.certificate), Path(tls.key) if tls.key is not None else None)


def read_pair(certificate: Path, key: Path | None) -> Pair:
    """
    What is in the files. Without `key` it is in the file of the certificate.

    Raises ConfigError: no such file, no certificate, a key of another certificate, a key with a password.
    """
    key = key or certificate
    pair = Pair(_content(certificate), _content(key), (certificate, key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
        _first(pair.certificate)
    except ssl.SSLError as exc:
        if "MISMATCH" in str(exc.reason):
            raise ConfigError(
                f"server.tls: {key} is not the key of {certificate}; name the one it was made with"
            ) from None
        raise ConfigError(
            f"server.tls: {certificate} and {key} are no certificate and its key; both must be PEM files"
        ) from None
    return pair


def self_signed(hosts: Iterable[str], *, now: datetime | None = None) -> Pair:
    """
    A new certificate for these names and addresses, and for this machine, that vouches for itself.

    Raises ConfigError where the package `cryptography` is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise ConfigError(
            "server.tls: a self-signed certificate needs the package cryptography; do: pip install 'asr-hub[tls]'"
        ) from None
    names: list[x509.GeneralName] = []
    for host in _names(hosts):
        address = _address(host)
        try:
            names.append(x509.DNSName(host) if address is None else x509.IPAddress(address))
        except ValueError:
            raise ConfigError(f"server.tls: {host!r} is no host name in ASCII; write it as xn--…") from None
    begin = (now or datetime.now(UTC)) - timedelta(hours=1)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "asr-hub")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # No authority: whoever trusts it trusts this hub, and nobody else that its key could sign for.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(pem), private)


@contextmanager
def on_disk(pair: Pair) -> Iterator[tuple[Path, Path]]:
    """
    The certificate and its key as files, for `ssl`, which takes nothing else.

    A key that came from no file is in one while the block runs, where nobody else can read it.
    """
    if pair.files is not None:
        yield pair.files
        return
    with TemporaryDirectory(prefix="asr-hub-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        certificate.write_bytes(pair.certificate)
        write_private(key, pair.key)
        yield certificate, key


def context_of(pair: Pair) -> ssl.SSLContext:
    """For a server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with on_disk(pair) as (certificate, key):
        context.load_cert_chain(certificate, key)
    return context


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises FileExistsError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a port bound there."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


_HERE = ("localhost", "127.0.0.1", "::1")

_EVERYWHERE = ("", "0.0.0.0", "::")
"""What one binds to and nobody connects to."""

_END = b"-----END CERTIFICATE-----"


def _names(hosts: Iterable[str]) -> Sequence[str]:
    return tuple(dict.fromkeys((*_HERE, *(host for host in hosts if host not in _EVERYWHERE))))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _first(chain: bytes) -> str:
    """Raises ConfigError where there is none."""
    begin, end = chain.find(b"-----BEGIN CERTIFICATE-----"), chain.find(_END)
    if not 0 <= begin < end:
        raise ConfigError("server.tls: the file of the certificate holds none that begins with BEGIN CERTIFICATE")
    return chain[begin : end + len(_END)].decode("ascii", "replace")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"server.tls: {path} cannot be read: {exc.strerror}; name a PEM file") from None


def _no_password() -> str:
    raise ConfigError("server.tls: the private key has a password; store it without one, readable for the hub only")
