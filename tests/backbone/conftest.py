"""Networks to test with."""

from tests.fixtures.networks import (  # noqa: F401
    contract,
    export,
    home,
    small_model,
    small_network,
    stored,
)
