"""Labelled data: cohorts, public data sets, ratings and checks."""

from __future__ import annotations
