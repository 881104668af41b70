"""Pixels: DICOM and raster readers, preparation.

`prepare` is imported from its module of the same name: `pneumoscore.radiograph.prepare`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.radiograph.origin import Origin
    from pneumoscore.radiograph.prepare import film_map
    from pneumoscore.radiograph.read import read_radiograph
    from pneumoscore.radiograph.types import (
        InputSpec,
        PixelRange,
        Placement,
        PreparedRadiograph,
        Radiograph,
        RadiographMetadata,
        Squaring,
    )

__all__ = [
    "InputSpec",
    "Origin",
    "PixelRange",
    "Placement",
    "PreparedRadiograph",
    "Radiograph",
    "RadiographMetadata",
    "ReadOptions",
    "Squaring",
    "film_map",
    "read_radiograph",
]

_HOMES = {
    "Origin": "origin",
    "ReadOptions": "limits",
    "film_map": "prepare",
    "read_radiograph": "read",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: importing the package stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{_HOMES.get(name, 'types')}")
    value = getattr(module, name)
    globals()[name] = value
    return value
