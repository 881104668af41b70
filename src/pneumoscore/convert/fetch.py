"""Fetching a published backbone: once, explicitly, whole and converted."""

from __future__ import annotations

import hashlib
import http.client
import importlib.metadata
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.backbone.record import BackboneRecord, load_record
from pneumoscore.backbone.registry import available_backbones
from pneumoscore.convert.add import DENSENET_INPUT, add_backbone
from pneumoscore.errors import ModelError
from pneumoscore.files import sha256_of, written_atomically
from pneumoscore.settings import require_extra

__all__ = ["PUBLISHED", "Progress", "PublishedBackbone", "download", "fetch_backbone"]

Progress = Callable[[int, int | None], None]

BLOCK = 1 << 18
LONGEST_SILENCE_SECONDS = 30.0
LARGEST_DOWNLOAD = 512 * 1024 * 1024
_SOURCE = "source_sha256"
"""What a record's details call the hash of the published file."""


@dataclass(frozen=True, slots=True)
class PublishedBackbone:
    """A backbone that others publish.

    Attributes
    ----------
    url : str
        Its file.
    sha256 : str or None
        Hash of the file; None as long as it is not known here. Then the hash that was found
        is written into the record, and only the file's structure is verified.
    findings : tuple of str
        Names of its logits, in order.
    training_data, licence : str
        As in `BackboneRecord`.
    """

    url: str
    sha256: str | None
    findings: tuple[str, ...]
    training_data: str
    licence: str


# The order of torchxrayvision's `default_pathologies`, which is that of this file's logits.
XRV_FINDINGS = (
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
)
PUBLISHED = {
    "densenet121-res224-all": PublishedBackbone(
        url=(
            "https://github.com/mlmed/torchxrayvision/releases/download/v1/"
            "nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-"
            "seed0-best.pt"
        ),
        sha256=None,
        findings=XRV_FINDINGS,
        training_data=(
            "NIH ChestX-ray14, PadChest, CheXpert, MIMIC-CXR, Google labels of NIH, Open-i and "
            "RSNA (Cohen et al. 2020, Methods); no COVID-19 film"
        ),
        licence="as published by torchxrayvision (code Apache-2.0); see its data sets' terms",
    )
}


def fetch_backbone(
    name: str,
    from_file: str | Path | None = None,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
) -> BackboneRecord:
    """Get a published backbone, convert it once and put it among the user's backbones.

    Parameters
    ----------
    name : str
        A name in `PUBLISHED`.
    from_file : str or Path, optional
        The published file, already on this machine; nothing is downloaded then.
    progress : callable, optional
        Called with the bytes received and the bytes expected (None if unknown).
    overwrite : bool, optional
        Fetch it again even if it is installed.

    Returns
    -------
    BackboneRecord
        The record; ``details["source_sha256"]`` is the hash of the published file, and
        ``details["source_pinned"]`` says whether that hash was known beforehand.

    Raises
    ------
    ModelError
        If the name is unknown, the download fails or is incomplete, the file is another than
        the published one, or a backbone of another file is installed.
    """
    if name not in PUBLISHED:
        raise ModelError(f"backbone {name!r} cannot be fetched", f"one of {', '.join(PUBLISHED)}")
    if from_file is not None:
        _require_file(PUBLISHED[name], Path(from_file))
    installed = available_backbones().get(name)
    if installed is not None and not overwrite:
        record = load_record(installed)
        if from_file is not None and sha256_of(Path(from_file)) != record.details.get(_SOURCE):
            raise ModelError(
                f"{name} is installed already, from another file than {from_file}",
                "a backbone that is not there yet",
                f"run `pneumoscore model remove {name}` first, or leave --from out",
            )
        return record
    # Asked before the download, not after it.
    require_extra("convert", "onnx")
    published = PUBLISHED[name]
    if from_file is not None:
        return _convert(name, published, Path(from_file), overwrite)
    with tempfile.TemporaryDirectory(prefix="pneumoscore-") as folder:
        file = Path(folder) / "checkpoint.pt"
        download(published.url, file, progress)
        return _convert(name, published, file, overwrite)


def download(url: str, path: Path, progress: Progress | None = None) -> str:
    """Download a file as a whole and return its SHA-256.

    Parameters
    ----------
    url : str
        Where it is; ``https``, or ``http`` for a mirror of one's own.
    path : Path
        Where it goes; absent unless the download is complete.
    progress : callable, optional
        As in `fetch_backbone`.

    Raises
    ------
    ModelError
        If the status is not 200, or fewer bytes arrive than were announced.
    """
    if not url.startswith(("https://", "http://")):
        raise ModelError(f"{url} is no web address", "one that starts with https://")
    agent = f"pneumoscore/{importlib.metadata.version('pneumoscore')}"
    request = urllib.request.Request(url, headers={"User-Agent": agent})
    remedy = f"download it elsewhere and give it with `--from FILE`; its address is {url}"
    digest, received = hashlib.sha256(), 0
    try:
        with (
            urllib.request.urlopen(request, timeout=LONGEST_SILENCE_SECONDS) as answer,
            written_atomically(path) as stream,
        ):
            if answer.status != 200:
                raise ModelError(f"the server answered {answer.status}", "200", remedy)
            announced = answer.headers.get("Content-Length", "")
            expected = int(announced) if announced.isdigit() else None
            while block := answer.read(BLOCK):
                stream.write(block)
                digest.update(block)
                received += len(block)
                if received > LARGEST_DOWNLOAD:
                    raise ModelError("the file is larger than 512 MiB", "a backbone", remedy)
                if progress is not None:
                    progress(received, expected)
            if expected is not None and received != expected:
                raise ModelError(
                    f"{received} bytes arrived", f"{expected} bytes", f"try again, or {remedy}"
                )
    except urllib.error.HTTPError as error:
        raise ModelError(f"the server answered {error.code}", "200", remedy) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(f"the download failed ({reason})", "a whole file", remedy) from error
    return digest.hexdigest()


def _require_file(published: PublishedBackbone, file: Path) -> None:
    if not file.is_file():
        raise ModelError(f"there is no file {file}", f"the published file of {published.url}")


def _convert(
    name: str, published: PublishedBackbone, file: Path, overwrite: bool
) -> BackboneRecord:
    found = sha256_of(file)
    if published.sha256 is not None and found != published.sha256:
        raise ModelError(
            f"the file has SHA-256 {found}",
            published.sha256,
            f"get it again from {published.url}",
        )
    return add_backbone(
        file,
        name,
        input=DENSENET_INPUT,
        findings=published.findings,
        training_data=published.training_data,
        licence=published.licence,
        url=published.url,
        details={
            "source_file": published.url.rpartition("/")[2],
            "source_pinned": published.sha256 is not None,
            "architecture": "DenseNet-121",
        },
        overwrite=overwrite,
    )
