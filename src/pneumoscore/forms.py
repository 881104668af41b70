"""Small JSON and TOML files as frozen dataclasses: read, checked and written in one way.

A *form* is what such a file holds: objects, lists, texts, numbers. The fields of a dataclass
say what a form must hold, by their names, types and defaults; what a type cannot say, the
class checks in ``__post_init__``.
"""

from __future__ import annotations

import json
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pneumoscore.errors import ModelError, PneumoScoreError

__all__ = [
    "field_value",
    "from_form",
    "inner_kind",
    "load_form",
    "read_form",
    "to_form",
    "to_json",
]

Kind = TypeVar("Kind")
Failure = type[PneumoScoreError]

_LARGEST = 4 * 1024 * 1024
_SHOWN = 60
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def load_form(
    kind: type[Kind],
    path: Path,
    what: str,
    *,
    error: Failure = ModelError,
    largest: int = _LARGEST,
) -> Kind:
    """Read a file as a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass.
    path : Path
        A JSON file, or a TOML file by its suffix.
    what : str
        What it is, for messages: ``"a backbone's record"``.
    error : type, optional
        What is raised.
    largest : int, optional
        Bytes; a larger file is some other file.

    Raises
    ------
    PneumoScoreError
        Of the type `error`, with the path in it, if the file is missing, unreadable, or does
        not hold what the class asks for.
    """
    form = read_form(path, what, error=error, largest=largest)
    try:
        return from_form(kind, form, what, error=error)
    except PneumoScoreError as failure:
        raise error(f"{path}: {failure.found}", failure.expected, failure.remedy) from failure


def read_form(
    path: Path, what: str, *, error: Failure = ModelError, largest: int = _LARGEST
) -> dict[str, Any]:
    """Read a file that holds one object; parameters and errors as in `load_form`."""
    is_toml = path.suffix == ".toml"
    try:
        if path.stat().st_size > largest:
            raise error(f"{path} is larger than {largest >> 20} MiB", f"{what}, a small file")
        text = path.read_text(encoding="utf-8-sig")
        form = tomllib.loads(text) if is_toml else json.loads(text)
    except FileNotFoundError as failure:
        raise error(f"there is no file {path}", what) from failure
    except OSError as failure:
        raise error(f"{path} cannot be read ({failure.strerror})", f"{what}, readable") from failure
    except (ValueError, RecursionError) as failure:
        raise error(f"{path} is no {'TOML' if is_toml else 'JSON'} file", what) from failure
    if not isinstance(form, dict):
        raise error(f"{path} holds {_word_of(form)}", f"{what}, an object")
    return form


def from_form(kind: type[Kind], form: object, what: str, *, error: Failure = ModelError) -> Kind:
    """Return the dataclass that a form holds.

    Fields may be texts, numbers, truth values, enumerations, literals, dataclasses, arrays,
    ``X | None``, ``tuple[X, ...]`` and ``Mapping[str, X]`` of these. A class with a method
    ``from_form`` reads itself.

    Parameters
    ----------
    kind : type
        The dataclass.
    form : object
        As `read_form` gives it.
    what, error
        As in `load_form`.

    Raises
    ------
    PneumoScoreError
        Of the type `error`, if a field is missing, unknown or of another type, or the class
        refuses the values.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Place:
    ...     row: int
    ...     share: float = 1.0
    >>> from_form(Place, {"row": 3}, "a place")
    Place(row=3, share=1.0)
    >>> from_form(Place, {"row": "3"}, "a place")
    Traceback (most recent call last):
        ...
    pneumoscore.errors.ModelError: a place has the row '3'; expected a whole number
    """
    if not isinstance(form, Mapping):
        raise error(f"{what} is {_word_of(form)}", "an object")
    known = {item.name: item for item in fields(kind) if item.init}  # type: ignore[arg-type]
    needed = [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING
    ]
    if missing := [name for name in needed if name not in form]:
        raise error(f"{what} lacks {', '.join(missing)}", f"all of {', '.join(needed)}")
    if unknown := sorted(str(name) for name in form if name not in known):
        raise error(
            f"{what} has the unknown field {', '.join(unknown)}",
            f"only {', '.join(known)}",
            "check the spelling, or update PneumoScore",
        )
    hints = get_type_hints(kind)
    values = {}
    for name, value in form.items():
        try:
            values[name] = _converted(hints[name], value, f"{what}'s {name}", error)
        except _MisfitError as misfit:
            raise error(f"{what} has the {name} {_short(value)}", str(misfit)) from None
    try:
        return kind(**values)
    except (TypeError, ValueError) as failure:
        raise error(f"{what} is impossible ({failure})", "values that fit together") from failure


def to_form(value: Any) -> Any:
    """Return a dataclass, or what may stand in one, as `from_form` takes it.

    A class with a method ``to_form`` writes itself.
    """
    if hasattr(value, "to_form"):
        return value.to_form()
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_form(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): to_form(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_form(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def to_json(form: Any) -> bytes:
    """Return a form as the bytes of a JSON file.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return (json.dumps(form, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def field_value(hint: Any, value: Any, place: str, *, error: Failure = ModelError) -> Any:
    """Return one value of a form as its field holds it.

    Parameters
    ----------
    hint : type
        Of the field.
    value : object
        As the file holds it.
    place : str
        Where it stands, for messages: ``"pneumoscore.toml:3"``.
    error : type, optional
        What is raised.

    Raises
    ------
    PneumoScoreError
        Of the type `error`, if it is of another type.
    """
    try:
        return _converted(hint, value, place, error)
    except _MisfitError as misfit:
        raise error(f"{place}: {_short(value)}", str(misfit)) from None


def inner_kind(hint: Any) -> Any:
    """Return a field's type without ``| None``."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(item for item in get_args(hint) if item is not types.NoneType)
    return hint


class _MisfitError(Exception):
    """A value of another type; says what was expected."""


def _converted(hint: Any, value: Any, what: str, error: Failure) -> Any:
    """Return a form's value as the type of its field."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in arguments:
            return None
        return _converted(inner_kind(hint), value, what, error)
    if origin is Literal:
        return _one_of(value, arguments)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _MisfitError("a list")
        if arguments == (float, ...):  # thousands of residuals
            return tuple(_plain(float, item) for item in value)
        if arguments[1:] != (...,) and len(value) != len(arguments):
            raise _MisfitError(f"a list of {len(arguments)}")
        kinds = arguments[:1] * len(value) if arguments[1:] == (...,) else arguments
        pairs = zip(kinds, value, strict=True)
        return tuple(_converted(kind, item, f"a part of {what}", error) for kind, item in pairs)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _MisfitError("an object")
        kind = arguments[1]
        return {
            str(name): _converted(kind, item, f"{what} {name}", error)
            for name, item in value.items()
        }
    if origin is not None and origin.__module__ == "numpy":
        return _array(value)
    if hasattr(hint, "from_form"):
        return hint.from_form(value)
    if is_dataclass(hint):
        return from_form(hint, value, what, error=error)  # type: ignore[arg-type]
    if issubclass(hint, Enum):
        return hint(_one_of(value, [item.value for item in hint]))
    return _plain(hint, value)


def _plain(kind: type, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number and math.isfinite(value):
        return float(value)
    if kind is int and is_number and isinstance(value, int):
        return value
    if kind in (str, bool) and isinstance(value, kind):
        return value
    if kind is Path and isinstance(value, str):
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise _MisfitError("a path below the home of a known user") from None
    raise _MisfitError(_WORDS.get(kind, "a path"))


def _one_of(value: Any, words: Any) -> Any:
    if value not in words:
        raise _MisfitError("one of " + ", ".join(str(word) for word in words))
    return value


def _array(value: Any) -> Any:
    import numpy as np

    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise _MisfitError("a list of numbers") from None
    if not np.isfinite(array).all():
        raise _MisfitError("finite numbers")
    return array


def _word_of(form: object) -> str:
    words: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
    return words.get(type(form)) or _short(form)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
