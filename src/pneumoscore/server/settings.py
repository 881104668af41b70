"""The server's table of the settings file, as options."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pneumoscore.errors import SettingsError
from pneumoscore.server.accounts import Role
from pneumoscore.server.options import IdentityProvider, ServerOptions
from pneumoscore.settings import home_folder

__all__ = ["ServerSettings", "roles_by_group"]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What ``[server]`` of ``pneumoscore.toml``, the environment and flags may say.

    Attributes
    ----------
    host, port : str, int
        Where the server listens.
    store : Path or None
        Folder of uploaded films; ``server`` in the folder of program data by default.
    certificate, key : Path or None
        PEM files for TLS.
    allow_plain : bool
        Whether it may listen beyond this computer without TLS.
    public_url : str or None
        How browsers reach it, where a proxy stands between.
    trusted_proxies : tuple of str
        Addresses or networks of the proxies that say from where a request comes.
    upload_megabytes : int
        Largest film.
    keep_hours : float
        How long an upload and its result are kept.
    session_hours, idle_minutes : float
        When a session ends, and when an unused one does.
    film_seconds : float
        How long one film may take.
    rules : Path or None
        The site's own rules for changes.
    record_films : bool
        Whether films that name their patient go into the records when they are scored.
    oidc_issuer, oidc_client_id : str or None
        OpenID Connect provider, and this server's name there; both or neither.
    oidc_client_secret_file : Path or None
        File that holds this server's secret there.
    oidc_roles : str or None
        Roles by group there: ``"radiology=reader, trial office=owner"``.
    oidc_default_role : str or None
        Role of people without such a group, who are kept out otherwise.
    oidc_role_claim, oidc_scope : str
        Claim that lists a person's groups, and what is asked for.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    allow_plain: bool = False
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    upload_megabytes: int = 256
    keep_hours: float = 24.0
    session_hours: float = 12.0
    idle_minutes: float = 60.0
    film_seconds: float = 60.0
    rules: Path | None = None
    record_films: bool = True
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret_file: Path | None = None
    oidc_roles: str | None = None
    oidc_default_role: str | None = None
    oidc_role_claim: str = "groups"
    oidc_scope: str = "openid profile email"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port is {self.port}", "0 to 65535")
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise SettingsError(
                    f"trusted_proxies holds {proxy!r}",
                    "addresses or networks, as 10.0.0.5 or 10.0.0.0/24",
                ) from None
        for name in (
            "upload_megabytes",
            "keep_hours",
            "session_hours",
            "idle_minutes",
            "film_seconds",
        ):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} is {getattr(self, name)}", "a number above 0")

    def options(self, model: str | None, workers: int) -> ServerOptions:
        """Return the options of a server."""
        return ServerOptions(
            store=self.store or home_folder() / "server",
            host=self.host,
            port=self.port,
            certificate=self.certificate,
            key=self.key,
            allow_plain=self.allow_plain,
            public_url=self.public_url,
            trusted_proxies=self.trusted_proxies,
            model=model,
            upload_bytes=self.upload_megabytes * 2**20,
            keep=timedelta(hours=self.keep_hours),
            session=timedelta(hours=self.session_hours),
            idle=timedelta(minutes=self.idle_minutes),
            decode_seconds=self.film_seconds,
            workers=workers,
            rules=self.rules,
            record=self.record_films,
            provider=self._provider(),
        )

    def _provider(self) -> IdentityProvider | None:
        file = self.oidc_client_secret_file
        if self.oidc_issuer is None and self.oidc_client_id is None:
            return None
        if self.oidc_issuer is None or self.oidc_client_id is None or file is None:
            raise SettingsError(
                "half of an identity provider is set",
                "oidc_issuer, oidc_client_id and oidc_client_secret_file",
            )
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"oidc_client_secret_file {file} cannot be read") from error
        default = self.oidc_default_role
        return IdentityProvider(
            self.oidc_issuer,
            self.oidc_client_id,
            secret,
            roles_by_group(self.oidc_roles or ""),
            None if default is None else _role(default),
            self.oidc_role_claim,
            self.oidc_scope,
        )


def roles_by_group(text: str) -> dict[str, Role]:
    """Return the roles that a setting gives to groups.

    Raises
    ------
    SettingsError
        If a part is not ``group=role``.

    Examples
    --------
    >>> roles_by_group("radiology=reader, trial office=owner")["trial office"]
    <Role.OWNER: 'owner'>
    """
    found: dict[str, Role] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        group, mark, role = part.rpartition("=")
        if not mark or not group.strip():
            raise SettingsError(f"oidc_roles holds {part!r}", "group=role, group=role")
        found[group.strip()] = _role(role)
    return found


def _role(text: str) -> Role:
    try:
        return Role(text.strip())
    except ValueError:
        raise SettingsError(
            f"{text.strip()!r} is no role", ", ".join(role.value for role in Role)
        ) from None
