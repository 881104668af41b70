"""What is shipped under one name."""

from pathlib import Path

import pytest

from pneumoscore.errors import ModelError
from training.shipment import read_shipment

CONFIGS = Path(__file__).parents[2] / "training/configs"
TABLE = 'name = "joined"\nversion = "1"\ndescription = "two"\n'
MEMBER = (
    'name = "{name}"\nversion = "1"\ndescription = "one"\n'
    "steps = 3\nsize = {size}\nmirrored = false\n"
)


def test_a_training_configuration_is_shipped_alone() -> None:
    found = read_shipment(CONFIGS / "generic.toml")
    assert found.member_names == ("generic",)
    assert found.mirrored
    assert found.size == 224


def test_every_built_in_configuration_can_be_read() -> None:
    for path in CONFIGS.glob("*.toml"):
        assert read_shipment(path).name == path.stem


def test_members_are_read_from_beside_the_table(tmp_path: Path) -> None:
    path = tmp_path / "joined.toml"
    path.write_text(TABLE + 'members = ["one", "two"]\n')
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(MEMBER.format(name=name, size=64))
    found = read_shipment(path)
    assert found.member_names == ("one", "two")
    assert found.size == 64
    assert not found.mirrored
    (tmp_path / "two.toml").write_text(MEMBER.format(name="two", size=96))
    with pytest.raises(ModelError, match="different sizes"):
        read_shipment(path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "joined.toml"
    (tmp_path / "one.toml").write_text(MEMBER.format(name="one", size=64))
    path.write_text('name = "joined"\nmembers = ["one"]\n')
    with pytest.raises(ModelError, match="version"):
        read_shipment(path)
    with pytest.raises(ModelError, match="cannot read"):
        read_shipment(tmp_path / "absent.toml")
