"""What the shipped networks say of one phantom, to a thousandth.

A change of code that moves these numbers is no refactoring. A new network gets a new version
and a new row; the row of a version that was shipped is never changed.
"""

import json
from importlib import resources

import numpy as np
import pytest

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

# Name and version, and the start of the hash of all that a score rests on: for each scale the
# raw score, the ends of the interval, and the right part.
MODELS = {
    ("severity", "2", "0501e3180a85"): {
        "geographic_extent": (4.1321, 1.9085, 6.3556, 3.0360),
        "opacity": (3.0237, 1.3582, 4.6891, 2.0433),
        "opacity_ralo": (3.2732, 1.3794, 5.1670, 2.2772),
    },
    ("severity", "3", "dba4ef17262b"): {
        "geographic_extent": (3.1165, 0.6014, 5.6317, 2.0460),
        "opacity": (1.9960, 0.5584, 3.4335, 1.3365),
        "opacity_ralo": (2.6613, 0.7446, 4.5780, 1.7820),
    },
    ("severity", "3.1", "67f97fec4b42"): {
        "geographic_extent": (3.1165, 0.6014, 5.6316, 1.9043),
        "opacity": (1.9960, 0.5584, 3.4335, 1.2245),
        "opacity_ralo": (2.6613, 0.7446, 4.5780, 1.6327),
    },
    ("severity", "4", "e9e3b8401734"): {
        "geographic_extent": (3.1936, 0.8259, 5.5612, 1.9731),
        "opacity": (2.0945, 0.5888, 3.6002, 1.2914),
        "opacity_ralo": (2.7926, 0.7851, 4.8002, 1.7219),
    },
    ("severity", "5", "52c6d060366d"): {
        "geographic_extent": (2.9006, 0.4574, 5.3438, 1.9493),
        "opacity": (2.0038, 0.5714, 3.4361, 1.2779),
        "opacity_ralo": (2.6717, 0.7619, 4.5815, 1.7038),
    },
    ("severity", "5.1", "3b8d35c0748c"): {
        "geographic_extent": (2.9006, 0.4574, 5.3438, 1.9493),
        "opacity": (2.0038, 0.5714, 3.4361, 1.2779),
        "opacity_ralo": (2.6717, 0.7619, 4.5815, 1.7038),
    },
}
# Name and version, and the start of the file's hash: the logit of Lung Opacity, the mean
# feature, and the length of the gradient of the mean feature.
BACKBONES = {
    ("generic", "2", "16c10ab788c8"): (-0.5010, 0.3611, 0.1399),
    ("severity", "2", "ca0ef28412ef"): (-0.0048, 0.3517, 0.1541),
    ("generic", "3", "22273e9abf3d"): (-0.7182, 0.3282, 0.1094),
    ("severity", "3", "3b8372540397"): (-0.7182, 0.3581, 0.0806),
    ("severity", "4", "17e4f893d62f"): (-0.7182, 0.3593, 0.0714),
    ("severity", "5", "fa14099cce41"): (-0.8909, 0.3541, 0.1124),
}


@pytest.fixture(scope="module")
def film() -> Radiograph:
    right, left = LungDisease(0.6, 0.5), LungDisease(0.2, 0.5)
    return Radiograph(render_phantom(PhantomSpec(right=right, left=left, seed=1)).pixels)


def test_the_shipped_model_gives_its_numbers(film: Radiograph) -> None:
    model = SeverityModel.open(threads=1)
    identity = (model.identity.name, model.identity.version, model.identity.sha256[:12])
    score = model.score(film, force=True, scales=[head.scale.name for head in model.heads])
    found = {item.scale.name: (item.raw, item.low, item.high, item.right) for item in score.scales}
    assert identity in MODELS, f"add a row for a new version: {identity}: {found}"
    for name, expected in MODELS[identity].items():
        assert found[name] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["generic", "severity"])
def test_the_shipped_backbones_give_their_numbers(film: Radiograph, name: str) -> None:
    backbone = Backbone.open(name, threads=1)
    record = backbone.record
    batch = prepare_film(film, record.input).array[None]
    output = backbone.run(batch)
    mean = np.full(record.feature_width, 1 / record.feature_width)
    found = (
        float(output.findings[0, record.findings.index("Lung Opacity")]),
        float(output.features.mean()),
        float(np.linalg.norm(backbone.input_gradient(batch, mean))),
    )
    identity = (record.name, record.version, record.sha256[:12])
    assert identity in BACKBONES, f"add a row for a new version: {identity}: {found}"
    assert found == pytest.approx(BACKBONES[identity], abs=1e-3)


@pytest.mark.parametrize("table", [MODELS, BACKBONES])
def test_no_two_networks_carry_one_name_and_version(table: dict) -> None:
    assert len({(name, version) for name, version, _ in table}) == len(table)


def test_the_error_of_a_shipped_model_is_found_by_its_own_hash() -> None:
    folder = resources.files("pneumoscore.monitor") / "error_models"
    forms = [json.loads(file.read_text("utf-8"))["model"] for file in folder.iterdir()]
    known = {(form["name"], form["version"], form["sha256"][:12]) for form in forms}
    assert known == set(MODELS), "scores recorded by a version need the error measured for it"
