from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pneumoscore.backbone import registry
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.fetch import PUBLISHED
from pneumoscore.errors import ModelError


def test_added_backbones_are_found_by_name(home: Path, stored: Path) -> None:
    shutil.copytree(stored.parent, home / "backbones")
    assert registry.available_backbones()["small"] == home / "backbones" / "small.json"
    assert Backbone.open("small", threads=1).record.name == "small"


def test_a_built_in_backbone_comes_before_an_added_one(
    home: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(stored.parent, home / "backbones")
    monkeypatch.setattr(registry, "weights_folder", lambda: stored.parent)
    assert registry.find_backbone("small") == stored


def test_an_absent_backbone_says_where_and_how(home: Path) -> None:
    with pytest.raises(ModelError) as caught:
        registry.find_backbone("densenet121-res224-all")
    message = str(caught.value)
    assert f"densenet121-res224-all.json at {home / 'backbones'}" in message
    assert "pneumoscore model fetch densenet121-res224-all" in message
    assert "--from FILE" in message
    with pytest.raises(ModelError, match="pneumoscore model add"):
        registry.find_backbone("other")
    with pytest.raises(ModelError, match="no backbone's name"):
        registry.find_backbone("../other")


def test_what_the_registry_offers_to_fetch_is_published() -> None:
    assert set(registry.FETCHABLE) == set(PUBLISHED)


def test_every_built_in_backbone_is_whole() -> None:
    from pneumoscore.convert.store import verify_backbone

    folder = registry.weights_folder()
    assert folder.parent == Path(registry.__file__).parent
    for path in folder.glob("*.json"):
        verify_backbone(path)
