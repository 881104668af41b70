"""PDFs are outputs like all others: marked as ours, and never written over what is not."""

import pytest

from pneumoscore.errors import OutputError
from pneumoscore.files import write
from pneumoscore.marks import mark_in, mark_of
from pneumoscore.present.browser import marked_pdf, print_pdf

PLAIN = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\nstartxref\n0\n%%EOF\n"


def test_a_marked_pdf_says_whose_it_is_and_still_ends_as_one(tmp_path):
    marked = marked_pdf(PLAIN)
    assert mark_in(PLAIN) is None
    assert mark_in(marked) == "report"
    assert marked.startswith(PLAIN.rstrip())
    assert marked.endswith(b"%%EOF\n")
    path = tmp_path / "report.pdf"
    write(path, marked)
    write(path, marked_pdf(PLAIN + b"% later\n"))
    assert mark_of(path) == "report"


def test_a_pdf_of_somebody_else_stays(tmp_path):
    page, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text("<p>page</p>")
    pdf.write_bytes(PLAIN)
    with pytest.raises(OutputError, match=r"page\.pdf"):
        print_pdf(page, pdf, "no browser is started")
    assert pdf.read_bytes() == PLAIN
