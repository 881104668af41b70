"""Labelled data: cohorts, public data sets, ratings, checks and the leakage rule."""

from __future__ import annotations
