"""The running server's parts, handed to every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from pneumoscore.present.table import Table
from pneumoscore.records.database import Records
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.follow.board import WardBoard
from pneumoscore.server.follow.charts import Drawings
from pneumoscore.server.openid.tries import SignInTries
from pneumoscore.server.options import ServerOptions
from pneumoscore.server.throttle import Throttle
from pneumoscore.server.turns import Turns

if TYPE_CHECKING:
    from pneumoscore.server.films.queue import FilmQueue
    from pneumoscore.server.live import Bell
    from pneumoscore.server.metrics import Metrics
    from pneumoscore.server.openid.provider import Provider

__all__ = ["Site"]

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Site:
    """What every request may use.

    Attributes
    ----------
    options : ServerOptions
        How the server runs.
    records : Records
        Open.
    films : FilmStore
        Uploaded films.
    queue : FilmQueue
        Reads and scores them.
    bell : Bell
        Rings when a film is done, for pages that show what is new.
    metrics : Metrics
        Counts.
    setup_code : str
        What the first administrator must know; printed where the server was started.
    provider : Provider or None
        Signs people in beside passwords.
    at_once : CapacityLimiter
        Of what is done in other processes while a request waits: others wait without a thread.
    turns : Turns
        At films that one request at a time works on.
    tries : SignInTries
        Those under way there.
    names, addresses : Throttle
        Sign-in tries for an account, and from an address.
    peeks, same_peeks, peeks_over : Throttle
        Refused tries that are written into the audit: of an account, of one kind, and the
        words that there are more.
    drawings : Drawings
        Charts that were drawn a moment ago.
    wards : WardBoard
        Wards that were read a moment ago.
    agreements : dict
        Agreement of locked studies by identifier and state: nothing changes it any more.
    """

    options: ServerOptions
    records: Records
    films: FilmStore
    queue: FilmQueue
    bell: Bell
    metrics: Metrics
    setup_code: str
    provider: Provider | None = None
    at_once: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_AT_ONCE))
    turns: Turns = field(default_factory=Turns)
    tries: SignInTries = field(default_factory=SignInTries)
    names: Throttle = field(default_factory=lambda: Throttle(10, 300.0))
    addresses: Throttle = field(default_factory=lambda: Throttle(60, 300.0))
    peeks: Throttle = field(default_factory=lambda: Throttle(60, 3600.0))
    same_peeks: Throttle = field(default_factory=lambda: Throttle(1, 600.0))
    peeks_over: Throttle = field(default_factory=lambda: Throttle(1, 3600.0))
    drawings: Drawings = field(default_factory=Drawings)
    wards: WardBoard = field(default_factory=WardBoard)
    agreements: dict[tuple[str, str], tuple[Table, ...]] = field(default_factory=dict)
