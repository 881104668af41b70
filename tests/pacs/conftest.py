"""Films of many headers for the tests beside an archive."""

from tests.fixtures.pacs import header_films, model, phantom_film  # noqa: F401
