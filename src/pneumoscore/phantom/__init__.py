"""Synthetic frontal chest radiographs with pneumonia of known extent and density.

A phantom serves a demonstration without patients, the acceptance of an installation, and tests:
more disease must never score lower. It is drawn from formulas and shows no person.

Examples
--------
>>> from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
>>> phantom = render_phantom(PhantomSpec(right=LungDisease(0.6, 0.7), seed=1, size=256))
>>> phantom.pixels.shape, phantom.geographic_extent, phantom.opacity
((256, 256), 3, 2)
"""

from __future__ import annotations

from .files import SyntheticPatient, phantom_dataset, write_phantom_dicom, write_phantom_png
from .render import render_phantom
from .spec import LungDisease, Phantom, PhantomSpec, demo_series

__all__ = [
    "LungDisease",
    "Phantom",
    "PhantomSpec",
    "SyntheticPatient",
    "demo_series",
    "phantom_dataset",
    "render_phantom",
    "write_phantom_dicom",
    "write_phantom_png",
]
