"""Films inside ZIP and TAR files and a DICOMDIR's: whatever is in there costs itself alone."""

import io
import tarfile
from collections import Counter

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from pneumoscore.pipeline.walk import Found, expand

PNG = b"\x89PNG\r\n\x1a\n and more"
END_OF_ZIP = b"PK\x05\x06" + bytes(18)


def found_in(path, skipped=None):
    return list(expand([path], containers=True, skipped=skipped))


@pytest.mark.parametrize("name", ["film.jpg", "film.tar"])
def test_a_film_that_ends_like_a_zip_is_no_zip(tmp_path, name):
    film = tmp_path / name
    film.write_bytes(b"\xff\xd8\xff" + bytes(99) + END_OF_ZIP)
    assert found_in(film) == [Found(film, named=True)]


def test_members_of_a_tar_are_taken_links_among_them_and_the_rest_counted(tmp_path):
    path = tmp_path / "FILMS.TAR"
    with tarfile.open(path, "w") as archive:
        for name, kind, link in (
            ("folder", tarfile.DIRTYPE, ""),
            ("a.png", tarfile.REGTYPE, ""),
            ("b.png", tarfile.LNKTYPE, "a.png"),
            ("c.png", tarfile.SYMTYPE, "a.png"),
            ("pipe", tarfile.FIFOTYPE, ""),
            ("d.png", tarfile.LNKTYPE, "nowhere"),
            ("round", tarfile.SYMTYPE, "round"),
            ("f.png", tarfile.LNKTYPE, "round"),
            ("e.png", tarfile.REGTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = len(PNG) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(PNG))
    skipped = Counter()
    found = found_in(path, skipped)
    assert [item.member for item in found] == ["a.png", "b.png", "d.png", "f.png", "e.png"]
    assert [item.member for item in found if item.problem] == ["d.png", "f.png"]
    assert found[1].data(999) == PNG
    assert skipped == {"no regular file": 3}


def test_a_hostile_record_of_a_dicomdir_costs_itself(tmp_path):
    (tmp_path / "FILM").write_bytes(PNG)
    hostile, film = Dataset(), Dataset()
    hostile.DirectoryRecordType = "IMAGES"
    film.DirectoryRecordType, film.ReferencedFileID = "IMAGE", "FILM"
    directory = Dataset()
    directory.DirectoryRecordSequence = [hostile, film]
    directory.file_meta = FileMetaDataset()
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    directory.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2"
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    whole = (tmp_path / "DICOMDIR").read_bytes()
    # Six bytes are no number of eight.
    (tmp_path / "DICOMDIR").write_bytes(whole.replace(b"CS\6\0IMAGES", b"FD\6\0IMAGES"))
    found = found_in(tmp_path / "DICOMDIR")
    assert [item.path.name for item in found if item.problem is None] == ["FILM"]
    assert "damaged DICOMDIR" in found[0].problem
