"""What a listener is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pneumoscore.errors import SettingsError
from pneumoscore.pacs.association import Credentials
from pneumoscore.pacs.deliveries import Patience
from pneumoscore.pacs.listener.acceptor import Limits
from pneumoscore.pacs.targets import Node, parse_node

__all__ = ["ListenOptions"]


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a listener is told; the table ``[listen]`` of the settings file has the same names.

    Attributes
    ----------
    store : Path
        Folder for what was received and what is owed.
    aet : str
        Our application entity title.
    host, port : str, int
        Where it listens; the loop back alone by default.
    allow : tuple of str
        Who may send: ``AET``, or ``AET@HOST:PORT`` for those that ask for storage commitment
        and wait for our report there. Nobody by default.
    to : tuple of str
        Where results go (`pneumoscore.pacs.targets.make_target`).
    commit : bool
        Ask archives to commit themselves to results.
    report : str
        Class of the report.
    capture, segmentation : bool
        Which other objects.
    fhir, hl7 : bool
        Also make FHIR bundles and HL7 messages, for the targets that take them.
    records : str
        Path or URL of the records that scores go to; empty for none.
    priors : str
        A DICOMweb service that a patient's earlier films are fetched from, to be scored for the
        records; nothing is delivered for them. Empty for none.
    priors_days : int
        How far back.
    status_port : int
        Port of the status page on the loop back; 0 for none.
    keep_days : float
        Results are deleted so many days after their delivery.
    keep_dead_days : float
        Films that were given up are deleted after so many days.
    give_up_days : float
        Deliveries are tried for so long.
    most_waiting : int
        Films that may wait; more are refused until there is room.
    min_free_mb : int
        Free space that is left on the disk; films are refused below.
    max_film_mb : int
        Longest data set that is received.
    associations, per_address : int
        At the same time.
    idle_seconds : float
        Longest silence within an association.
    tls_cert, tls_key, tls_ca : Path or None
        Our certificate and key, and the authority whose certificates clients must show.
    to_cert, to_key, to_ca : Path or None
        The same for applications that we ask by TLS: ``dicoms://`` in `to` and `allow`.
    workers : int
        Processes that read films.

    Raises
    ------
    SettingsError
        If a value has no sense.
    """

    store: Path = Path("pneumoscore-store")
    aet: str = "PNEUMOSCORE"
    host: str = "127.0.0.1"
    port: int = 11112
    allow: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    commit: bool = False
    report: str = "comprehensive-3d"
    capture: bool = True
    segmentation: bool = False
    fhir: bool = False
    hl7: bool = False
    records: str = ""
    priors: str = ""
    priors_days: int = 30
    status_port: int = 0
    keep_days: float = 7.0
    keep_dead_days: float = 30.0
    give_up_days: float = 3.0
    most_waiting: int = 10_000
    min_free_mb: int = 200
    max_film_mb: int = 256
    associations: int = 32
    per_address: int = 16
    idle_seconds: float = 60.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    to_cert: Path | None = None
    to_key: Path | None = None
    to_ca: Path | None = None
    workers: int = 2

    def __post_init__(self) -> None:
        if not 1 <= len(self.aet.strip()) <= 16:
            raise SettingsError(f"aet is {self.aet!r}", "1 to 16 letters")
        if not self.allow:
            raise SettingsError(
                "allow is empty: nobody may send",
                "the title of each application that may send films",
                "give --allow AET for each",
            )
        if not 0 < self.port < 65536:
            raise SettingsError(f"port is {self.port}", "1 to 65535")
        for name in ("associations", "per_address", "max_film_mb", "most_waiting", "workers"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}", "1 or more")
        for side in ("tls", "to"):
            if (getattr(self, f"{side}_cert") is None) != (getattr(self, f"{side}_key") is None):
                found = f"{side}_cert without {side}_key, or the other way"
                raise SettingsError(found, "both or none")
        if self.tls_ca is not None and self.tls_cert is None:
            raise SettingsError("tls_ca without tls_cert", "our own certificate too")
        if self.priors and not self.records:
            raise SettingsError("priors without records", "records that they are scored for")
        for text in self.allow:
            parse_node(text)

    @property
    def peers(self) -> dict[str, Node]:
        """Who may send, by title."""
        nodes = [parse_node(text) for text in self.allow]
        return {node.title: node for node in nodes}

    @property
    def incoming(self) -> Credentials | None:
        """What peers that ask by TLS see; None where they ask in the clear."""
        if self.tls_cert is None:
            return None
        return Credentials(self.tls_cert, self.tls_key, self.tls_ca)

    @property
    def outgoing(self) -> Credentials:
        """What applications see that we ask by TLS."""
        return Credentials(self.to_cert, self.to_key, self.to_ca)

    @property
    def limits(self) -> Limits:
        """What a peer may take."""
        return Limits(
            transfer_bytes=self.max_film_mb * 2**20,
            idle_seconds=self.idle_seconds,
            associations=self.associations,
            per_address=self.per_address,
        )

    @property
    def patience(self) -> Patience:
        """How long deliveries are tried."""
        return Patience(end=self.give_up_days * 86400.0)
