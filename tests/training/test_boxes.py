"""Readers' boxes as masks, and films that are black outside the lungs."""

from pathlib import Path

import numpy as np

from pneumoscore.radiograph.types import Placement
from training.boxes import box_masks, read_boxes, read_boxes_in_lungs
from training.films import FilmArrays


def test_boxes_are_read_of_one_archive_and_of_opacities(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(
        "archive,file,reader,finding,x,y,width,height\n"
        "nih,1.jpg,one,Pneumonia,0.1,0.2,0.3,0.4\n"
        "nih,1.jpg,one,Infiltrate,0.5,0.5,0.1,0.1\n"
        "nih,2.jpg,one,Pneumothorax,0.1,0.2,0.3,0.4\n"
        "nih,3.jpg,two,No Lung Opacity,,,,\n"
        "other,4.jpg,two,Pneumonia,0.1,0.2,0.3,0.4\n"
    )
    boxes = read_boxes(tmp_path, "nih")
    assert boxes == {"1.jpg": [(0.1, 0.2, 0.3, 0.4), (0.5, 0.5, 0.1, 0.1)]}


def test_films_whose_opacities_were_cut_away_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "rsna_lungs.csv").write_text(
        "file,patient,class,view,sex,age,boxes,mask_share,box_visible\n"
        'seen.jpg,a,Lung Opacity,AP,M,16,"0.6,0.4,0.2,0.3;0.1,0.3,0.2,0.2",0.183,0.772\n'
        'cut.jpg,b,Lung Opacity,AP,M,16,"0.6,0.4,0.2,0.3",0.183,0.4\n'
        "none.jpg,c,No Lung Opacity / Not Normal,PA,F,57,,0.253,\n"
    )
    assert read_boxes_in_lungs(tmp_path) == {
        "seen.jpg": [(0.6, 0.4, 0.2, 0.3), (0.1, 0.3, 0.2, 0.2)]
    }


def test_a_box_lies_where_its_film_lies_in_the_square() -> None:
    # A film of 100 x 50 pixels, twice as large, its corner at row -20 and column 10.
    place = Placement(2.0, -20.0, 10.0, (100, 50), 160)
    films = FilmArrays(
        np.zeros((1, 160, 160), dtype=np.uint8),
        np.array([[0, 0, 1, 1]], dtype=np.float32),
        ("a.jpg",),
        (place,),
    )
    (mask,) = box_masks(films, {"a.jpg": [(0.2, 0.25, 0.5, 0.1)]})
    expected = np.zeros((160, 160), dtype=np.uint8)
    expected[30:50, 30:80] = 255
    assert np.array_equal(mask, expected)
