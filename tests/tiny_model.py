"""A very small real backbone and severity model, written to a folder for tests.

The network is one convolution, random but fixed; it knows nothing of radiographs. Test
modules get this module by the fixture `tiny_model`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord, save_record
from pneumoscore.files import sha256_of
from pneumoscore.radiograph.types import InputSpec, Radiograph
from pneumoscore.severity.bundle import Bundle, write_bundle
from pneumoscore.severity.head import Head
from pneumoscore.severity.interval import fit_conformal
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.severity.view import ViewClassifier

FINDINGS = ("Effusion", "Lung Opacity", "Pneumonia", "Infiltration", "Consolidation")
SIZE, PLACES, WIDTH = 64, 8, 6


def write_backbone(
    folder: Path, name: str = "tiny", *, lungs: bool = True, gradient: bool = True
) -> Path:
    """Write ``tiny.onnx`` and its record; return the record's path."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from pneumoscore.convert.gradient import add_input_gradient

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    stride = SIZE // PLACES
    weights = {
        "kernel": random.normal(size=(WIDTH, 1, stride, stride)) / stride,
        "offset": random.normal(size=WIDTH) * 0.1,
        "finding_weight": random.normal(size=(WIDTH, len(FINDINGS))),
        "finding_bias": random.normal(size=len(FINDINGS)),
        "no_channels": np.zeros((2, WIDTH, 1, 1)),
        "lung_places": _lung_places()[None],
    }
    nodes = [
        helper.make_node("Conv", ["film", "kernel", "offset"], ["inner"], strides=[stride, stride]),
        helper.make_node("Relu", ["inner"], ["feature_map"]),
        helper.make_node("GlobalAveragePool", ["feature_map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "finding_weight"], ["product"]),
        helper.make_node("Add", ["product", "finding_bias"], ["findings"]),
    ]
    shapes: dict[str, list[Any]] = {
        "findings": ["n", len(FINDINGS)],
        "features": ["n", WIDTH],
        "feature_map": ["n", WIDTH, PLACES, PLACES],
    }
    if lungs:
        nodes += [
            helper.make_node("Conv", ["feature_map", "no_channels"], ["zeros"]),
            helper.make_node("Add", ["zeros", "lung_places"], ["lungs"]),
        ]
        shapes["lungs"] = ["n", 2, PLACES, PLACES]
    used = {value for node in nodes for value in node.input}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("film", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items() if k in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(add_input_gradient(model) if gradient else model, folder / f"{name}.onnx")
    record = BackboneRecord(
        name=name,
        version="1",
        file=f"{name}.onnx",
        sha256=sha256_of(folder / f"{name}.onnx"),
        input=InputSpec(SIZE, "pad", "standardised"),
        findings=FINDINGS,
        feature_width=WIDTH,
        map_size=PLACES,
        training_data="none: fixed random numbers",
        licence="Apache-2.0",
        has_lungs=lungs,
        has_gradient=gradient,
        details={
            "findings_weight": weights["finding_weight"].T.tolist(),
            "findings_bias": weights["finding_bias"].tolist(),
        },
    )
    save_record(record, folder / f"{name}.json")
    return folder / f"{name}.json"


# Passes every film, so that tests see only the flags they ask for.
_ALL_FRONTAL = ViewClassifier(
    ("frontal", "lateral"), np.zeros((2, WIDTH)), np.array([9.0, 0.0]), 0.5
)


def write_model(folder: Path, name: str = "tiny", gate: QualityGate | None = None) -> Path:
    """Write a bundle with its own backbone and two heads with intervals; return `folder`."""
    write_backbone(folder, "backbone")
    random = np.random.default_rng(11)
    heads = []
    for scale in (GEOGRAPHIC_EXTENT, OPACITY):
        targets = random.uniform(scale.low, scale.high, 80)
        predictions = targets + random.normal(size=80)
        interval = fit_conformal(predictions, targets, list(range(80)), scale)
        coefficients = random.normal(size=WIDTH) * scale.high / 2
        coefficients -= coefficients.mean()  # keeps most films off the ends of the scale
        heads.append(Head(scale, "features", coefficients, scale.high / 2, interval))
    write_bundle(
        Bundle(
            name=name,
            version="1",
            backbone="backbone.json",
            heads=tuple(heads),
            gate=gate or QualityGate(_ALL_FRONTAL),
            shown=("geographic_extent", "opacity"),
            card=f"# {name}\n\nMade by a test; knows nothing of radiographs.\n",
        ),
        folder,
    )
    return folder


def film(seed: int = 0, rows: int = 300, columns: int = 260) -> Radiograph:
    """Return a smooth random film with two dark lungs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    pixels = 0.8 - 0.5 * sum(
        np.exp(-(((x - centre) / 0.15) ** 2) - ((y - 0.45) / 0.25) ** 2) for centre in (0.28, 0.72)
    )
    for _ in range(6):
        row, column, height = random.uniform(0.1, 0.9, 3)
        pixels += 0.3 * height * np.exp(-(((x - column) / 0.08) ** 2) - ((y - row) / 0.08) ** 2)
    pixels += random.normal(scale=0.02, size=pixels.shape)
    return Radiograph(np.clip(pixels, 0.0, 1.0).astype(np.float32))


def _lung_places() -> NDArray[np.float32]:
    places = np.zeros((2, PLACES, PLACES), dtype=np.float32)
    places[0, 2:6, 1:3] = 0.9  # the patient's right lung lies on the image's left
    places[1, 2:6, 5:7] = 0.9
    return places
