"""What the tests of validation share with those of the records."""

from tests.fixtures.records import errors  # noqa: F401
