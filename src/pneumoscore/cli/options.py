"""Options that several commands share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscore.settings import Settings, load_settings, require_extra

__all__ = [
    "Force",
    "LevelOrSetting",
    "ModelName",
    "NoIdentifiers",
    "NoVoi",
    "Overwrite",
    "Threads",
    "Workers",
    "new_app",
    "settings_with",
    "write_target",
]


_HELP = ("-h", "--help")


def new_app(help_text: str | None = None, extra: str = "", *modules: str) -> typer.Typer:
    """Return a Typer with the settings that all commands share.

    Plain help and errors, without colour or boxes: they load fast, and survive log files,
    screen readers and file names that look like markup.

    Parameters
    ----------
    help_text : str, optional
        Of a group of commands.
    extra : str, optional
        The extra that a group needs for anything but help.
    *modules : str
        Modules of that extra.
    """
    return typer.Typer(
        cls=_group_needing(extra, modules) if extra else None,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(_HELP)},
    )


def _group_needing(extra: str, modules: tuple[str, ...]) -> type[TyperGroup]:
    class Group(TyperGroup):
        def invoke(self, ctx: Any) -> Any:
            # Also what follows the name of a command: its help needs no extra.
            if not {*ctx._protected_args, *ctx.args} & set(_HELP):
                require_extra(extra, *modules)
            return super().invoke(ctx)

    return Group


ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FOLDER",
        help="Severity model: a built-in name (see 'pneumoscore model list') or the folder "
        "of your own. Default: the built-in model.",
    ),
]
LevelOrSetting = Annotated[
    float | None,
    typer.Option(
        "--level",
        min=0.5,
        max=0.99,
        help="Nominal coverage of the intervals. Default: 0.9, that is 90 %.",
    ),
]
"""None where the command line says nothing, and the settings have a say."""
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Also score what the quality gate refuses (a lateral film, a CT slice, "
        "a photograph). Such a number means little; the flags stay with it.",
    ),
]
NoVoi = Annotated[
    bool,
    typer.Option(
        "--no-voi",
        help="Ignore the display window (VOI LUT) that a DICOM file asks for and use its "
        "full range of values.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=1024, help="Threads of the network. Default: one for each core."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=256,
        help="Files that are read at once, in processes where they are many. Default: one for "
        "each core, at most 4.",
    ),
]
NoIdentifiers = Annotated[
    bool,
    typer.Option(
        "--no-identifiers",
        help="Leave patient and accession numbers, dates and UIDs out of JSON and CSV.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace files that are there even where this program did not write them; films "
        "that are read are never replaced.",
    ),
]


def settings_with(**flags: object) -> Settings:
    """Return the settings: file < environment < what the command line says (None: nothing).

    Raises
    ------
    SettingsError
        If one of them has no sense; names file and line, or variable.
    """
    return load_settings().section("", Settings, flags)


def write_target(path: Path) -> Path:
    """Return `path` after checking that a file can be written there.

    Raises
    ------
    typer.BadParameter
        If the folder does not exist or the path is a folder.
    """
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; expected the name of a file")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"folder {path.parent} does not exist; make it first")
    return path
