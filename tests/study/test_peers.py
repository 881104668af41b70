import pytest

from pneumoscore.cohort.public import load_cohen94
from pneumoscore.study.peers import peer_rows, peer_table, peer_tables

# Field figures of the peers on the 94: extent MAE, r; opacity MAE, r.
KNOWN = {
    "BS-Net": (0.90, 0.87, 0.64, 0.84),
    "PXS": (1.40, 0.75, 0.94, 0.67),
    "COVIDNet-SEV": (1.58, 0.77, 0.89, 0.72),
    "COVIDNet-S": (1.61, 0.74, 0.98, 0.70),
    "senior radiologist (Brixia)": (0.79, 0.92, 0.57, 0.90),
}


@pytest.mark.shared_data
def test_the_peers_known_figures_come_out(shared_data):
    cohort = load_cohen94(shared_data)
    tables = peer_tables(shared_data, shared_data / "brixia.csv", cohort)
    rows = peer_rows({}, tables, 100)
    for name, (extent, extent_r, opacity, opacity_r) in KNOWN.items():
        found = {row.scale: row for row in rows if row.name == name}
        assert round(found["geographic_extent"].mae.value, 2) == extent
        assert round(found["geographic_extent"].pearson.value, 2) == extent_r
        assert round(found["opacity"].mae.value, 2) == opacity
        assert round(found["opacity"].pearson.value, 2) == opacity_r
        assert found["opacity"].films == (65 if "radiologist" in name else 93)
        assert found["opacity"].mae.low < opacity < found["opacity"].mae.high


@pytest.mark.shared_data
def test_our_row_stands_among_them(shared_data):
    cohort = load_cohen94(shared_data)
    tables = peer_tables(shared_data, shared_data / "brixia.csv", cohort)
    ours = {scale: found[0] for scale, found in tables.items()}
    rows = peer_rows(ours, tables, 100)
    same = [row for row in rows if row.name == "BS-Net" and row.difference is not None]
    assert all(row.difference.value == 0 for row in same)
    assert sum(row[5] == "ours" for row in peer_table(rows).rows) == 2
