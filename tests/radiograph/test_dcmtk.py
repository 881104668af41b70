"""Files compressed by DCMTK, an encoder that shares no code with our decoders."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest

from pneumoscore.radiograph import read_radiograph


@pytest.fixture(scope="module")
def compressed(files, tmp_path_factory):
    """Return a function: pixels, command and bits to the path of the compressed file."""
    folder = tmp_path_factory.mktemp("dcmtk")

    def compress(film, command, bits):
        if shutil.which(command[0]) is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{command[0]} is missing: install dcmtk")
            pytest.skip(f"{command[0]} is missing")
        plain, packed = folder / "plain.dcm", folder / "packed.dcm"
        plain.write_bytes(files.dicom_file(film, bits_stored=bits))
        subprocess.run([*command, str(plain), str(packed)], check=True, capture_output=True)
        return packed

    return compress


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    "command",
    [
        ("dcmcjpeg", "+el"),
        ("dcmcjpeg", "+el", "+sv", "4"),
        ("dcmcjpeg", "+e1"),
        ("dcmcjpls", "+el"),
        ("dcmcrle",),
    ],
)
def test_lossless(files, compressed, command, bits):
    film = files.synthetic_film(bits=bits)
    read = read_radiograph(compressed(film, command, bits))
    np.testing.assert_allclose(read.pixels, film / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize(
    ("command", "bits", "levels"),
    [
        (("dcmcjpeg", "+eb", "+q", "100"), 8, 2),
        (("dcmcjpeg", "+ee", "+q", "100"), 8, 2),
        (("dcmcjpeg", "+ee", "+q", "100"), 12, 2),
        (("dcmcjpls", "+en", "+md", "2"), 8, 2),
        (("dcmcjpls", "+en", "+md", "2"), 16, 2),
    ],
)
def test_lossy(files, compressed, command, bits, levels):
    film = files.synthetic_film(bits=bits)
    read = read_radiograph(compressed(film, command, bits))
    np.testing.assert_allclose(
        read.pixels, film / (2**bits - 1), atol=(levels + 0.01) / (2**bits - 1)
    )


@pytest.mark.parametrize("command", [("dcmcjpeg", "+eb", "+q", "100"), ("dcmcjpeg", "+e1")])
def test_colour(files, compressed, command):
    film = files.synthetic_film()
    colour = np.stack([film, 255 - film, film // 2], axis=-1)
    read = read_radiograph(compressed(colour, command, 8))
    expected = colour @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(read.pixels, expected, atol=0.03 if "+eb" in command else 0.01)
