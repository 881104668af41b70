"""Networks to convert."""

from tests.fixtures.networks import (  # noqa: F401
    as_torchxrayvision,
    contract,
    densenet,
    densenet_class,
    densenet_rgb,
    export,
    home,
    small_model,
    small_network,
    stored,
)
