"""``pneumoscore demo --serve``: the page with phantoms in it, in one command."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscore.cli.options import settings_with
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.errors import PneumoScoreError
from pneumoscore.present.text import printable
from pneumoscore.settings import require_extra
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from pneumoscore.records.database import Records
    from pneumoscore.server.first_look import FilmPlan

__all__ = ["serve_first_look"]

_FILM_SECONDS = 180.0


def serve_first_look(
    folder: Path | None, port: int, model: str | None, threads: int | None
) -> None:
    """Draw phantoms, score them into records of their own, and serve the page until stopped.

    Parameters
    ----------
    folder : Path or None
        New or empty; kept. None for one that is deleted at the end.
    port : int
        On this computer alone.
    model : str or None
        Severity model.
    threads : int or None
        Of the model.

    Raises
    ------
    PneumoScoreError
        If the folder holds something.
    """
    require_extra("server", "fastapi", "uvicorn", "argon2", "sqlalchemy", "matplotlib")
    from pneumoscore.records.database import Records
    from pneumoscore.server.accounts import account_named
    from pneumoscore.server.first_look import draw_films, make_people, make_study, record_events
    from pneumoscore.server.options import ServerOptions
    from pneumoscore.server.running import make_site, server_of

    settings = settings_with(model=model, threads=threads)
    # Ended by another program too, it takes its folder along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with _place(folder) as place:
        films_at = place / "films"
        films_at.mkdir()
        with LateProgress("drawing films") as bar:
            films = draw_films(films_at, datetime.now(), lambda done: bar.update(done, None))
        with Records.open(str(place / "records.db")) as records:
            _score(records, films, settings.model, settings.threads)
            record_events(records, films)
            passwords = make_people(records)
            options = ServerOptions(
                place / "server", port=port, model=settings.model, decode_seconds=_FILM_SECONDS
            )
            site = make_site(options, records)
            owner, reader = (account_named(records, name) for name in ("owner", "reader"))
            assert owner is not None
            assert reader is not None
            make_study(site, owner, reader, films)
            server = server_of(site)
            say(f"PneumoScore with phantoms at http://{options.host}:{port}/ . {RESEARCH_NOTICE}.")
            say("Accounts, shown this once (name, password):")
            for name, password in passwords.items():
                say(f"  {name:14} {password}")
            where = printable(place)
            say(
                f"All of it lies in {where} and is deleted when this ends (Ctrl-C)."
                if folder is None
                else f"All of it lies in {where} and is kept. Later: pneumoscore serve --records "
                f"{where}/records.db --store {where}/server"
            )
            server.run()


@contextlib.contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="pneumoscore-demo-") as name:
            yield Path(name)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PneumoScoreError(
            f"{printable(folder)} is there and holds something",
            "a new or empty folder",
            "name another one, or serve that one with `pneumoscore serve`",
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    yield folder.resolve()


def _score(records: Records, films: list[FilmPlan], model: str | None, threads: int | None) -> None:
    """Score the films of the ward into the records."""
    from pneumoscore.pipeline.intake import dicom_record
    from pneumoscore.pipeline.job import run_job
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.sinks.records import RecordsSink
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.severity.model import SeverityModel

    opened = SeverityModel.open(model, threads=threads)
    sink = RecordsSink(records, dicom_record, source="pneumoscore demo", actor="first look")
    shown = [Found(film.path) for film in films if not film.study]
    with LateProgress("scoring") as bar:
        count = [0]

        def watch(*_: object) -> None:
            count[0] += 1
            bar.update(count[0], len(shown))

        run_job(
            shown, opened, ScoringOptions(view=True, content=True, pixels=True), [sink], watch=watch
        )
