"""Statistics that scipy and scikit-learn lack, each checked against a published example."""

from __future__ import annotations
