"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pneumoscore.errors import PneumoScoreError
from pneumoscore.server.accounts import Role

__all__ = ["IdentityProvider", "ServerOptions", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this computer alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An OpenID Connect provider that signs people in.

    Attributes
    ----------
    issuer : str
        Its URL, where ``/.well-known/openid-configuration`` is.
    client_id : str
        This server's name there.
    client_secret : str
        From a file that only the server reads; never from the command line.
    roles : mapping of str to Role
        What membership in a group there gives here; never administrator.
    default_role : Role or None
        What somebody without such a group gets; None to keep them out.
    role_claim : str
        Claim that lists a person's groups.
    scope : str
        What is asked for.

    Raises
    ------
    PneumoScoreError
        If the issuer is no URL with TLS (or on this computer), or a group would make
        administrators.
    """

    issuer: str
    client_id: str
    client_secret: str
    roles: Mapping[str, Role] = field(default_factory=dict)
    default_role: Role | None = None
    role_claim: str = "groups"
    scope: str = "openid profile email"

    def __post_init__(self) -> None:
        where = urlsplit(self.issuer)
        here = where.scheme == "http" and is_loopback(where.hostname or "")
        if not (where.scheme == "https" or here) or where.query or where.fragment:
            raise PneumoScoreError(
                f"the identity provider is {self.issuer!r}", "its issuer, an https URL"
            )
        if Role.ADMINISTRATOR in (self.default_role, *self.roles.values()):
            raise PneumoScoreError(
                "an identity provider that makes administrators",
                "viewer, reader or owner",
                "let an administrator change single accounts",
            )


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the server runs.

    Attributes
    ----------
    store : Path
        Folder of uploaded films, for its owner only.
    host, port : str, int
        Where it listens.
    certificate, key : Path or None
        PEM files for TLS.
    allow_plain : bool
        Whether it may listen beyond this computer without TLS, behind a proxy that has it.
    public_url : str or None
        How browsers reach it, where a proxy stands between.
    trusted_proxies : tuple of str
        Addresses or networks of proxies that are believed from where a request comes
        (``X-Forwarded-For``, ``X-Forwarded-Proto``).
    model : str or None
        Severity model; the built-in one by default.
    upload_bytes : int
        Largest film or ZIP file; also the most that one request may send.
    stored_bytes : int
        Most that all uploads and what is made of them may take together.
    archive_films, archive_bytes : int
        Most films of one ZIP file, and most bytes that they may unpack to.
    keep : timedelta
        How long an upload and its result are kept.
    session : timedelta
        After which a session ends.
    idle : timedelta
        After which an unused session ends.
    decode_seconds : float
        After which a film that does not come through counts as unreadable.
    workers : int
        Processes that read films.
    provider : IdentityProvider or None
        Signs people in beside passwords.
    rules : Path or None
        The site's own rules for changes (docs/monitoring.md).
    record : bool
        Whether films that name their patient go into the records when they are scored.
    """

    store: Path
    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None
    allow_plain: bool = False
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    model: str | None = None
    upload_bytes: int = 256 * 2**20
    stored_bytes: int = 20 * 2**30
    archive_films: int = 200
    archive_bytes: int = 2 * 2**30
    keep: timedelta = timedelta(days=1)
    session: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=1)
    decode_seconds: float = 30.0
    workers: int = 2
    provider: IdentityProvider | None = None
    rules: Path | None = None
    record: bool = True

    def check(self) -> None:
        """Raise unless the server may run so.

        Raises
        ------
        PneumoScoreError
            If it would be reached from elsewhere without TLS, or half of TLS is missing.
        """
        if (self.certificate is None) != (self.key is None):
            raise PneumoScoreError("only one of certificate and key is named", "both, or neither")
        if self.certificate is None and not is_loopback(self.host) and not self.allow_plain:
            raise PneumoScoreError(
                f"{self.host} can be reached from other computers and TLS is off",
                "127.0.0.1, or --certificate and --key",
                "or say --allow-plain where a proxy with TLS stands in front",
            )

    @property
    def address(self) -> str:
        """How browsers reach it, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by TLS, so that cookies may be marked so."""
        return self.certificate is not None or (self.public_url or "").startswith("https://")
