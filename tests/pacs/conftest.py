"""Films of many headers, and an archive, for the tests beside an archive."""

from tests.fixtures.orthanc import orthanc  # noqa: F401
from tests.fixtures.pacs import header_films, model, phantom_film  # noqa: F401
