"""What a user or a site sets once: file < environment < flags, checked at the start.

The file is ``pneumoscore.toml`` in the platform's folder for configuration (on Linux
``~/.config/pneumoscore``), or what ``PNEUMOSCORE_SETTINGS`` names. Its top holds the fields of
`Settings`; a table of it holds what one part of the program is told, read by
`SettingsFile.section` into a frozen dataclass of that part::

    model = "severity"
    records = "postgresql://pneumoscore@localhost/pneumoscore"

    [listen]
    port = 11112

A field ``x`` is also set by ``PNEUMOSCORE_X``, one of a table by ``PNEUMOSCORE_LISTEN_X``; lists
are split at commas there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pneumoscore.errors import MissingExtraError, SettingsError
from pneumoscore.forms import field_value, inner_kind

__all__ = [
    "HOME_VARIABLE",
    "SECTIONS",
    "Settings",
    "SettingsFile",
    "home_folder",
    "load_settings",
    "require_extra",
    "settings_path",
]

HOME_VARIABLE = "PNEUMOSCORE_HOME"
FILE_VARIABLE = "PNEUMOSCORE_SETTINGS"
SECTIONS = ("listen", "server")
"""Tables that the file may hold, each the matter of one part of the program."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every command; None leaves the program's own default.

    Attributes
    ----------
    home : Path or None
        Folder for what the user adds (`home_folder`).
    model : str or None
        Name of a built-in severity model, or folder of a bundle.
    records : str or None
        Path or URL of the records.
    level : float
        Nominal coverage of the intervals.
    workers : int or None
        Processes or threads that read films.
    threads : int or None
        Threads of the network.
    identifiers : bool
        Whether outputs carry the patient's number, accession number, dates and UIDs.
    """

    home: Path | None = None
    model: str | None = None
    records: str | None = None
    level: float = 0.9
    workers: int | None = None
    threads: int | None = None
    identifiers: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise SettingsError(f"level is {self.level}", "a number between 0 and 1, as 0.9")
        for name in ("workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} is {value}", "1 or more")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file that was read; see `load_settings`.

    Attributes
    ----------
    path : Path or None
        Where it is; None where there is none.
    text : str
        Its text, for the numbers of lines.
    tables : mapping
        Its content by table; the top under ``""``.
    """

    path: Path | None = None
    text: str = ""
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def section(self, name: str, form: type[T], flags: Mapping[str, Any] | None = None) -> T:
        """Return one table as a frozen dataclass: file < environment < flags.

        Parameters
        ----------
        name : str
            One of `SECTIONS`, or ``""`` for the top.
        form : type
            A dataclass with defaults; its fields are str, int, float, bool, Path, a tuple of
            str, or one of these or None. It may check itself and raise `SettingsError`.
        flags : mapping, optional
            What the command line says, by field; None is not said.

        Raises
        ------
        SettingsError
            For an unknown name or a value of another kind; names file and line, or variable.
        """
        kinds = typing.get_type_hints(form)
        values: dict[str, Any] = {}
        for key, value in self.tables.get(name, {}).items():
            if key not in kinds:
                known = ", ".join(sorted(kinds))
                raise SettingsError(
                    f"{self._place(name, key)}: the setting {key!r} is unknown", f"one of {known}"
                )
            place = self._place(name, key)
            values[key] = field_value(kinds[key], value, place, error=SettingsError)
        prefix = "PNEUMOSCORE_" + (f"{name}_" if name else "")
        for key in kinds:
            variable = (prefix + key).upper()
            if said := os.environ.get(variable):
                told = _of_text(said, kinds[key])
                values[key] = field_value(kinds[key], told, variable, error=SettingsError)
        values |= {key: value for key, value in (flags or {}).items() if value is not None}
        try:
            return form(**values)
        except SettingsError as error:
            where = next(
                (key for key in self.tables.get(name, {}) if key in error.found.split()), None
            )
            if where is None:
                raise
            raise SettingsError(
                f"{self._place(name, where)}: {error.found}", error.expected, error.remedy
            ) from error

    def _place(self, table: str, key: str) -> str:
        """Return ``file:line`` of a key."""
        here = ""
        for line, text in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", text):
                here = header[1]
            elif here == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", text):
                return f"{self.path}:{line}"
        return str(self.path)


def _of_text(said: str, kind: Any) -> Any:
    """Return what a variable says, as the file would hold it."""
    inner = inner_kind(kind)
    if inner is bool:
        return {"1": True, "true": True, "yes": True, "on": True}.get(
            said.lower(), False if said.lower() in ("0", "false", "no", "off") else said
        )
    if inner in (int, float):
        try:
            return inner(said)
        except ValueError:
            return said
    if typing.get_origin(inner) is tuple:
        return [part.strip() for part in said.split(",") if part.strip()]
    return said


def settings_path() -> Path | None:
    """Return where the settings file is looked for; None for a user without a home folder.

    Raises
    ------
    SettingsError
        If ``PNEUMOSCORE_SETTINGS`` names the home of a user that the system does not know.
    """
    if chosen := os.environ.get(FILE_VARIABLE):
        path: Path = field_value(Path, chosen, FILE_VARIABLE, error=SettingsError)
        return path
    from platformdirs import user_config_path

    folder = _platform_folder(user_config_path)
    return None if folder is None else folder / "pneumoscore.toml"


def _platform_folder(find: Callable[..., Path]) -> Path | None:
    """Return a folder of platformdirs; None where there is no HOME and the user is unknown."""
    try:
        folder = find("pneumoscore", appauthor=False)
    except RuntimeError:
        return None
    # Else "~" would be a folder's name.
    return folder if folder.is_absolute() else None


def load_settings(path: Path | None = None) -> SettingsFile:
    """Read the settings file; one that is not there is empty.

    Parameters
    ----------
    path : Path, optional
        Which; it must be there then. By default `settings_path`.

    Raises
    ------
    SettingsError
        If it cannot be read, is no TOML, or holds an unknown table.
    """
    named = path is not None or bool(os.environ.get(FILE_VARIABLE))
    place = settings_path() if path is None else path
    if place is None:
        return SettingsFile()
    try:
        text = place.read_text(encoding="utf-8")
        import tomllib

        data = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if named:
            raise SettingsError(f"there is no settings file {place}") from error
        return SettingsFile()
    except OSError as error:
        raise SettingsError(f"{place} cannot be read ({error.strerror})") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingsError(f"{place}: {error}", "TOML") from error
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    top = {key: value for key, value in data.items() if key not in tables}
    loaded = SettingsFile(place, text, {"": top, **tables})
    for name in tables:
        if name not in SECTIONS:
            line = next(
                (n for n, t in enumerate(text.splitlines(), 1) if t.strip() == f"[{name}]"), 1
            )
            raise SettingsError(
                f"{place}:{line}: the table [{name}] is unknown", f"one of {', '.join(SECTIONS)}"
            )
    return loaded


def home_folder() -> Path:
    r"""Return the folder for what the user adds; it need not exist yet.

    ``PNEUMOSCORE_HOME`` if set, else ``home`` of the settings file, else the platform's folder
    for a user's program data (platformdirs): on Linux ``$XDG_DATA_HOME/pneumoscore`` or
    ``~/.local/share/pneumoscore``, on macOS ``~/Library/Application Support/pneumoscore``, on
    Windows ``%LOCALAPPDATA%\pneumoscore``.

    Raises
    ------
    SettingsError
        If there is none, or a setting has no sense.
    """
    if (said := load_settings().section("", Settings).home) is not None:
        return said
    from platformdirs import user_data_path

    folder = _platform_folder(user_data_path)
    if folder is None:
        raise SettingsError(
            "this user has no home folder", "a place for program data", f"set {HOME_VARIABLE}"
        )
    return folder


def require_extra(extra: str, *modules: str) -> None:
    """Raise unless the packages of an extra are installed; imports none of them.

    Parameters
    ----------
    extra : str
        As in ``pip install 'pneumoscore[extra]'``.
    *modules : str
        Top-level modules that are needed.

    Raises
    ------
    MissingExtraError
        Names what is missing and the command that installs it.
    """
    missing = [name for name in modules if not _is_installed(name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{', '.join(missing)} {verb} not installed",
            f"the packages of the extra {extra!r}",
            f"run: pip install 'pneumoscore[{extra}]'",
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
