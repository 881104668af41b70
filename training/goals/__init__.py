"""Figures of a model beyond its error: place, steadiness, rejection."""

from __future__ import annotations
