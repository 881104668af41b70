"""Time and size of the networks alone, beside a DenseNet-121 in PyTorch.

Prints a Markdown table with, for each backbone at hand,

- its size, of ONNX file and record, in MB;
- milliseconds for one prepared film, one thread, as scoring runs it;
- the same without the mirrored film, where the network averages a film with its mirror image;
- how many times as long DenseNet-121 of the published architecture takes in PyTorch eager mode.

All networks run in turn, one film each, so that they share what else the machine does; the
first turns are thrown away, and medians are shown. DenseNet-121 has random weights, which
changes nothing in its speed. Without PyTorch its figures are left out; the graph without the
mirrored film needs onnx (both: the extra ``train``).

Usage: python benchmarks/backbone_speed.py [--repeats N] [--json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.record import load_record
from pneumoscore.backbone.registry import available_backbones
from pneumoscore.backbone.runtime import onnx_runtime
from pneumoscore.backbone.session import Backbone
from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.present.table import Table, format_number
from pneumoscore.radiograph.types import Radiograph

SIZE = 224
DENSENET = "DenseNet-121, PyTorch"
# Less than this share of a processor while timing: other work took the rest.
UNDISTURBED = 0.95
OUTPUTS = ("findings", "features", "feature_map", "lungs")

Job = Callable[[], object]


@dataclass(frozen=True)
class Speed:
    """Figures of one network; None where there is none.

    Attributes
    ----------
    name : str
        Of the network.
    megabytes : float
        Of its files (10^6 bytes).
    milliseconds, unmirrored_milliseconds : float or None
        Median of one film, with and without the mirrored film's half of the network.
    ratio : float or None
        DenseNet-121's median over this one's.
    """

    name: str
    megabytes: float
    milliseconds: float
    unmirrored_milliseconds: float | None
    ratio: float | None


def without_mirror(model: Any) -> Any | None:
    """Return a network without its mirrored half; None if it averages no two halves.

    Built-in networks end in ``feature_map = 0.5 * (map + mirror @ map of the mirrored film)``.

    Parameters
    ----------
    model : onnx.ModelProto
        A backbone without its gradient.
    """
    import onnx
    from onnx.utils import Extractor

    single = onnx.ModelProto()
    single.CopyFrom(model)
    producers = {name: node for node in single.graph.node for name in node.output}
    half = producers["feature_map"]
    while half.op_type == "Concat" and len(half.input) == 1:
        half = producers[half.input[0]]
    both = producers.get(half.input[0])
    if half.op_type != "Mul" or both is None or both.op_type != "Add":
        return None
    direct, turned = both.input
    if turned not in producers or producers[turned].op_type != "MatMul":
        return None
    half.op_type = "Identity"
    half.input[:] = [direct]
    present = {value.name for value in single.graph.output}
    return Extractor(single).extract_model(["film"], [name for name in OUTPUTS if name in present])


def phantom_film(backbone: Backbone) -> np.ndarray:
    """Return a prepared film, shape (1, 1, size, size)."""
    phantom = render_phantom(PhantomSpec(size=512))
    return prepare_film(Radiograph(phantom.pixels), backbone.record.input).array[None]


def unmirrored_job(record_path: Path, film: np.ndarray) -> Job | None:
    """Return a run of the network without its mirrored half, if it has one and onnx is there."""
    if importlib.util.find_spec("onnx") is None:
        return None
    import onnx

    onnxruntime = onnx_runtime()
    record = load_record(record_path)
    data = (record_path.parent / record.file).read_bytes()
    if record.has_gradient and record.forward_bytes is None:
        return None
    single = without_mirror(onnx.load_from_string(data[: record.forward_bytes]))
    if single is None:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # As `Backbone` sets them, so that the two columns differ by the mirrored half only.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    session = onnxruntime.InferenceSession(
        single.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"film": film})


def densenet_job() -> tuple[Job, float]:
    """Return a run of DenseNet-121 in PyTorch on one thread, and its weights in MB."""
    import torch

    from densenet_torch import DenseNet121

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = DenseNet121().eval()
    film = torch.randn(1, 1, SIZE, SIZE)

    def job() -> object:
        with torch.inference_mode():
            return network(film)

    size = sum(value.nbytes for value in network.state_dict().values())
    return job, size / 1e6


def median_milliseconds(
    jobs: Mapping[str, Job], repeats: int, warm_up: int
) -> tuple[dict[str, float], float]:
    """Return the median wall time of each job, run in turn, and the processor's share.

    The share is processor time over wall time of all measured turns, about 1 where one thread
    had a processor to itself.
    """
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(warm_up):
        for job in jobs.values():
            job()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            spent[name].append(1000 * (time.perf_counter() - began))
    share = (time.process_time() - processor) / (time.perf_counter() - wall)
    return {name: statistics.median(values) for name, values in spent.items()}, share


def measure(repeats: int, warm_up: int) -> tuple[list[Speed], float]:
    """Time every backbone at hand; returns the figures and the processor's share."""
    jobs: dict[str, Job] = {}
    sizes: dict[str, float] = {}
    for name, path in available_backbones().items():
        backbone = Backbone.open(path, threads=1)
        film = phantom_film(backbone)
        jobs[name] = lambda backbone=backbone, film=film: backbone.run(film)
        network = path.parent / backbone.record.file
        sizes[name] = (path.stat().st_size + network.stat().st_size) / 1e6
        single = unmirrored_job(path, film)
        if single is not None:
            jobs[f"{name} unmirrored"] = single
    if importlib.util.find_spec("torch") is not None:
        jobs[DENSENET], sizes[DENSENET] = densenet_job()
    medians, share = median_milliseconds(jobs, repeats, warm_up)
    reference = medians.get(DENSENET)
    speeds = [
        Speed(
            name,
            size,
            medians[name],
            medians.get(f"{name} unmirrored"),
            reference / medians[name] if reference else None,
        )
        for name, size in sizes.items()
    ]
    return speeds, share


def table(speeds: list[Speed], share: float, repeats: int) -> str:
    """Return the figures as Markdown."""
    rows = [
        (
            speed.name,
            *(
                format_number(value, 1)
                for value in (
                    speed.megabytes,
                    speed.milliseconds,
                    speed.unmirrored_milliseconds,
                    speed.ratio,
                )
            ),
        )
        for speed in speeds
    ]
    header = ("network", "size, MB", "ms for a film", "without the mirrored film, ms",
              "DenseNet-121's time over this")  # fmt: skip
    lines = [
        f"{platform.machine()}, 1 thread, Python {platform.python_version()}; medians of "
        f"{repeats} runs of one film.",
        "",
        Table("", header, tuple(rows)).markdown().rstrip(),
    ]
    if not any(speed.name == DENSENET for speed in speeds):
        lines += ["", "PyTorch is not installed: no time of DenseNet-121."]
    if share < UNDISTURBED:
        lines += [
            "",
            f"**The machine had other work: {share:.0%} of one processor was left for this. "
            "The times are too long and no measurement of the networks.**",
        ]
    return "\n".join(lines)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="measured runs of each network")
    parser.add_argument("--warm-up", type=int, default=5, help="runs thrown away")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    speeds, share = measure(options.repeats, options.warm_up)
    if options.json:
        content = {"processor_share": share, "networks": [asdict(speed) for speed in speeds]}
        print(json.dumps(content, indent=1))
    else:
        print(table(speeds, share, options.repeats))
    return 0


if __name__ == "__main__":
    sys.exit(main())
