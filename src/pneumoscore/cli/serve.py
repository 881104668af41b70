"""``pneumoscore serve``: the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName, Workers, new_app
from pneumoscore.cli.status import say
from pneumoscore.settings import Settings, load_settings, require_extra
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["app"]

app = new_app()


@app.callback(
    invoke_without_command=True,
    no_args_is_help=False,
    epilog="Example: pneumoscore serve --records trial.db",
)
def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen. Default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port. Default: 8000.")
    ] = None,
    records: Annotated[
        str | None,
        typer.Option("--records", metavar="FILE|URL", help="SQLite file or PostgreSQL URL."),
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="FOLDER", help="Folder of uploaded films.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="PEM", help="Certificate for TLS.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="PEM", help="Its key.")] = None,
    allow_plain: Annotated[
        bool,
        typer.Option(
            "--allow-plain", help="Listen beyond this computer without TLS, behind a proxy."
        ),
    ] = False,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", metavar="URL", help="How browsers reach it, by a proxy."),
    ] = None,
    trusted_proxies: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxy",
            metavar="ADDRESS",
            help="A proxy that says from where a request comes; repeat it. Nobody by default.",
        ),
    ] = None,
    model: ModelName = None,
    workers: Workers = None,
) -> None:
    """Serve pages to score films and to read studies blinded, in a browser.

    Listens on this computer alone unless told otherwise. The first start prints a code, with
    which the first administrator is made in the browser.
    """
    require_extra("server", "fastapi", "uvicorn", "argon2", "sqlalchemy")
    from pneumoscore.records.database import Records
    from pneumoscore.server.accounts import any_account
    from pneumoscore.server.running import make_site, server_of
    from pneumoscore.server.settings import ServerSettings

    said = load_settings()
    general = said.section("", Settings, {"model": model, "records": records, "workers": workers})
    flags = {
        "host": host,
        "port": port,
        "store": store,
        "certificate": certificate,
        "key": key,
        "allow_plain": allow_plain or None,
        "public_url": public_url,
        "trusted_proxies": tuple(trusted_proxies) if trusted_proxies else None,
    }
    options = said.section("server", ServerSettings, flags).options(
        general.model, general.workers or 2
    )
    with Records.open(general.records) as opened:
        site = make_site(options, opened)
        scheme = "https" if options.certificate else "http"
        say(f"PneumoScore at {scheme}://{options.host}:{options.port}/ . {RESEARCH_NOTICE}.")
        if not any_account(opened):
            say(f"No account yet: make the first administrator there. Code: {site.setup_code}")
        server_of(site).run()
