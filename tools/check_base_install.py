"""Check what a base installation brings: no training library, and under 400 MB.

Run with the Python of an environment that holds only the base installation:
``.venv/bin/python tools/check_base_install.py``. Exits with 1 when a bound is broken.
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

LIMIT_BYTES = 400_000_000
FORBIDDEN = {"torch", "onnx", "scikit-learn", "scipy", "pandas", "matplotlib", "sqlalchemy"}


def allocated_bytes(folder: Path) -> int:
    """Return the bytes that all files under `folder` take, as ``du`` counts them."""
    total = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            total += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    return total


def main() -> int:
    """Print the figures and return the exit status."""
    names = sorted({distribution.name.lower() for distribution in distributions()})
    unwanted = FORBIDDEN.intersection(names)
    size = allocated_bytes(Path(sys.prefix))
    print(f"{len(names)} distributions in {sysconfig.get_path('purelib')}: {', '.join(names)}")
    print(f"environment: {size / 1e6:.0f} MB (bound {LIMIT_BYTES / 1e6:.0f} MB)")
    if "pneumoscore" not in names:
        print("error: PneumoScore is not installed here", file=sys.stderr)
        return 1
    if unwanted:
        print(f"error: a base installation must not bring {sorted(unwanted)}", file=sys.stderr)
    if size >= LIMIT_BYTES:
        print("error: the base installation is too large", file=sys.stderr)
    return int(bool(unwanted) or size >= LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
