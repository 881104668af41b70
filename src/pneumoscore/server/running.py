"""A server that runs: its site made, its queue started, its socket opened."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

from pneumoscore.records.database import Records
from pneumoscore.server.accounts import any_account
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.queue import FilmQueue
from pneumoscore.server.films.recording import record_scored
from pneumoscore.server.films.worker import ProcessWorker
from pneumoscore.server.live import Bell
from pneumoscore.server.metrics import Metrics
from pneumoscore.server.openid.provider import Provider
from pneumoscore.server.options import ServerOptions
from pneumoscore.server.site import Site

if TYPE_CHECKING:
    import uvicorn

__all__ = ["make_site", "server_of"]

_CONNECTIONS = 500
"""Open at once; a page holds one for what is new, and some for its parts."""


def make_site(options: ServerOptions, records: Records) -> Site:
    """Return the parts of a server.

    Parameters
    ----------
    options : ServerOptions
        Checked here.
    records : Records
        Open; stays the caller's.

    Raises
    ------
    PneumoScoreError
        If the options cannot be.
    """
    options.check()
    store, bell, metrics = FilmStore(options.store), Bell(), Metrics()
    worker = ProcessWorker(options.model, options.decode_seconds)
    queue = FilmQueue(
        records,
        store,
        worker,
        bell,
        options.workers,
        lambda outcome: metrics.count("pneumoscore_films_total", outcome),
        partial(record_scored, records) if options.record else None,
    )
    code = "" if any_account(records) else secrets.token_hex(8)
    provider = None if options.provider is None else Provider(options.provider)
    hidden = code or secrets.token_hex(32)
    return Site(options, records, store, queue, bell, metrics, hidden, provider)


def server_of(site: Site) -> uvicorn.Server:
    """Return a uvicorn server of a site; its ``run`` serves until it is told to stop.

    Nothing of a request is logged: addresses and paths are the site's own matter.
    """
    import uvicorn

    from pneumoscore.server.app import create_app
    from pneumoscore.server.http.patience import PatientProtocol

    options = site.options
    config = uvicorn.Config(
        create_app(site),
        host=options.host,
        port=options.port,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        timeout_keep_alive=15,
        http=PatientProtocol,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)
