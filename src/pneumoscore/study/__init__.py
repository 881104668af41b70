"""Evaluation: the paper's protocol, a model against labels, readers and peers."""

from __future__ import annotations
