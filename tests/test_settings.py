"""Settings: file < environment < flags, and errors that name file and line."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pneumoscore.errors import MissingExtraError, SettingsError
from pneumoscore.settings import Settings, home_folder, load_settings, require_extra

TEXT = """\
model = "own"
level = 0.8
threads = 3

[listen]
port = 11112
allow = ["PACS", "MODALITY"]
"""


@dataclass(frozen=True)
class Listen:
    port: int = 104
    allow: tuple[str, ...] = ()
    folder: Path | None = None


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "pneumoscore.toml"
    path.write_text(TEXT)
    monkeypatch.setenv("PNEUMOSCORE_SETTINGS", str(path))
    return path


def test_flags_win_over_the_environment_and_that_over_the_file(file, monkeypatch):
    monkeypatch.setenv("PNEUMOSCORE_LEVEL", "0.7")
    monkeypatch.setenv("PNEUMOSCORE_THREADS", "2")
    loaded = load_settings()
    settings = loaded.section("", Settings, {"threads": 1, "model": None})
    assert (settings.model, settings.level, settings.threads) == ("own", 0.7, 1)
    monkeypatch.setenv("PNEUMOSCORE_LISTEN_ALLOW", "A, B")
    monkeypatch.setenv("PNEUMOSCORE_LISTEN_FOLDER", "/x")
    listen = loaded.section("listen", Listen)
    assert listen == Listen(11112, ("A", "B"), Path("/x"))
    assert loaded.section("server", Listen) == Listen()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("threads = 3", "thread = 3", 3, "'thread' is unknown"),
        ("threads = 3", 'threads = "many"', 3, "a whole number"),
        ("threads = 3", "threads = 0", 3, "1 or more"),
        ("level = 0.8", "level = 80", 2, "between 0 and 1"),
        ("port = 11112", "port = true", 6, "a whole number"),
        ('allow = ["PACS", "MODALITY"]', "allow = 5", 7, "expected a list"),
        ("[listen]", "[listne]", 5, "unknown"),
        ("[listen]", "[archive]", 5, "one of listen, server"),
    ],
)
def test_a_wrong_setting_names_file_and_line(file, old, new, line, words):
    file.write_text(TEXT.replace(old, new))

    def load():
        loaded = load_settings()
        loaded.section("", Settings)
        loaded.section("listen", Listen)

    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)


def test_a_wrong_variable_is_named(file, monkeypatch):
    monkeypatch.setenv("PNEUMOSCORE_WORKERS", "two")
    with pytest.raises(SettingsError, match="PNEUMOSCORE_WORKERS: 'two'; expected a whole number"):
        load_settings().section("", Settings)


def test_a_file_that_is_named_must_be_there_and_be_toml(file):
    file.write_text("= 5")
    with pytest.raises(SettingsError, match="expected TOML"):
        load_settings()
    file.unlink()
    with pytest.raises(SettingsError, match="no settings file"):
        load_settings()


def test_the_home_folder_is_that_of_the_variable_the_file_or_the_platform(file, monkeypatch):
    monkeypatch.setenv("PNEUMOSCORE_HOME", "/variable")
    assert home_folder() == Path("/variable")
    monkeypatch.delenv("PNEUMOSCORE_HOME")
    file.write_text('home = "/file"')
    assert home_folder() == Path("/file")
    monkeypatch.delenv("PNEUMOSCORE_SETTINGS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent / "none"))
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert home_folder() == Path("/data/pneumoscore")


def test_the_records_are_where_the_settings_say(file, monkeypatch):
    database = pytest.importorskip("pneumoscore.records.database")
    file.write_text('records = "/site/records.db"')
    monkeypatch.delenv("PNEUMOSCORE_RECORDS", raising=False)
    assert database.records_url().database == "/site/records.db"
    monkeypatch.setenv("PNEUMOSCORE_RECORDS", "/mine.db")
    assert database.records_url().database == "/mine.db"
    assert database.records_url("/named.db").database == "/named.db"


def test_a_missing_extra_says_how_to_install_it():
    require_extra("none", "json", "sys")
    with pytest.raises(MissingExtraError, match=r"pip install 'pneumoscore\[monitor\]'"):
        require_extra("monitor", "json", "no_such_module")
