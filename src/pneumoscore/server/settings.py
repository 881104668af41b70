"""The server's table of the settings file, as options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pneumoscore.errors import SettingsError
from pneumoscore.server.options import ServerOptions
from pneumoscore.settings import home_folder

__all__ = ["ServerSettings"]


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
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    allow_plain: bool = False
    public_url: str | None = None
    upload_megabytes: int = 256
    keep_hours: float = 24.0
    session_hours: float = 12.0
    idle_minutes: float = 60.0
    film_seconds: float = 60.0
    rules: Path | None = None
    record_films: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port is {self.port}", "0 to 65535")
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
            model=model,
            upload_bytes=self.upload_megabytes * 2**20,
            keep=timedelta(hours=self.keep_hours),
            session=timedelta(hours=self.session_hours),
            idle=timedelta(minutes=self.idle_minutes),
            decode_seconds=self.film_seconds,
            workers=workers,
            rules=self.rules,
            record=self.record_films,
        )
