import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from hematovision.cells import NOTICE
from hematovision.exchange.fhir import bundle_of
from hematovision.exchange.paper_gallery import SHOWN, spread
from hematovision.exchange.pdf import pdf_of
from hematovision.exchange.report import Report, ReportCell
from hematovision.exchange.speech import ENGLISH, English
from hematovision.exchange.workbooks import about
from hematovision.labels import Count, Label

from .codes import read_codes
from .reports import DIGEST, FIRST, PROOF, SECOND, make_cells, make_report, signed

LOUD = "Preliminary, not signed"


def crop(cell: ReportCell) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (240, 240), (200, 150, cell.number)).save(buffer, "JPEG")
    return buffer.getvalue()


def nothing(cell: ReportCell) -> None:
    return None


@contextlib.contextmanager
def opened(content: bytes) -> Iterator[list[pypdfium2.PdfPage]]:
    document = pypdfium2.PdfDocument(content)
    pages = list(document)
    try:
        yield pages
    finally:
        for page in pages:
            page.close()
        document.close()


def texts_of(content: bytes) -> list[str]:
    """Give the text of each page as people read it."""
    with opened(content) as pages:
        found = []
        for page in pages:
            text = page.get_textpage()
            plain = text.get_text_range().replace("\N{EN DASH}", "-")
            found.append(" ".join(plain.split()))
            text.close()
        return found


def pictures_of(content: bytes) -> list[np.ndarray]:
    """Give each page as a picture, shape (height, width)."""
    with opened(content) as pages:
        return [np.asarray(page.render(scale=3).to_pil().convert("L")) for page in pages]


def write(report: Report, get_crop: object = nothing) -> bytes:
    return pdf_of(report, ENGLISH, get_crop)  # type: ignore[arg-type]


def test_page_says_counts_shares_limits_ranges_and_verdicts() -> None:
    page, *_ = texts_of(write(make_report()))
    assert "White cell differential 26-0837" in page
    assert "Neutrophils 62 50.4 % 41.2 - 59.5 40 - 60 Within" in page
    assert "Eosinophils 12 9.8 % 5.1 - 16.4 1 - 4 Above" in page
    assert "Lymphocytes 39 31.7 % 23.6 - 40.7 20 - 40 Undecided" in page
    assert "123 counted, 0 not classed, 2 unidentified" in page
    assert "32 photos, 2 without a white cell" in page
    assert "medlineplus.gov" in page


def test_numbers_of_the_axis_do_not_run_into_each_other() -> None:
    few, *_ = texts_of(write(make_report(["neutrophil"] * 4)))
    assert "0 1 4 10 20 40 60 100" in few
    many, *_ = texts_of(write(make_report()))
    assert "0 1 4 10 20 40 60 80" in many


def test_every_page_says_what_it_is_not_for_and_which_it_is() -> None:
    content = write(signed(make_report(), FIRST, SECOND), crop)
    pages = texts_of(content)
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert NOTICE in page
        assert "26-0837" in page
        assert "Version 2, amended" in page
        assert "blood_cell 1.0.0 (abababab)" in page
        assert f"page {number} of {len(pages)}" in page


def test_unsigned_report_says_so_in_large_letters_on_every_page() -> None:
    report = make_report()
    pages = texts_of(write(report, crop))
    assert len(pages) > 1
    assert all(LOUD in page for page in pages)
    assert not any(LOUD in page for page in texts_of(write(signed(report, FIRST), crop)))


def test_version_that_was_amended_since_says_so_on_every_page() -> None:
    report = signed(make_report(), FIRST)
    pages = texts_of(write(replace(report, replaced_by=2), crop))
    assert len(pages) > 1
    assert all("Replaced by version 2" in page for page in pages)
    assert not any("Replaced" in page for page in texts_of(write(report, crop)))


def test_report_of_a_demonstration_says_so_on_every_page_though_it_is_signed() -> None:
    report = replace(signed(make_report(), FIRST), is_demonstration=True)
    pages = texts_of(write(report, crop))
    assert len(pages) > 1
    assert all("Demonstration, of no patient" in page for page in pages)


def test_unsigned_report_of_a_signed_case_says_what_stands() -> None:
    page, *_ = texts_of(write(replace(make_report(), signatures=(FIRST,))))
    assert "Version 1, signed by Dr. R. Okafor, stands until this is signed." in page


def test_signed_report_says_who_when_and_what_that_means() -> None:
    page = " ".join(texts_of(write(signed(make_report(), FIRST))))
    assert "Version 1, final" in page
    assert "Dr. R. Okafor I approve this differential. Version 1, " in page
    assert "Amended" not in page


def test_amended_report_says_what_it_replaces_and_why() -> None:
    page = " ".join(texts_of(write(signed(make_report(), FIRST, SECOND))))
    assert "Amended: replaces version 1" in page
    assert "Version 1 was signed by Dr. R. Okafor" in page
    assert "Reason of the amendment: Two bands were taken for segmented cells." in page
    assert "Núria Łuczak" in page
    assert "Fewer cells than the target were counted. Reason: Leukopenia." in page


def test_signed_report_says_which_account_signed_under_whatever_name() -> None:
    report = signed(make_report(), replace(FIRST, account="pedro"))
    assert "UTC, account pedro" in " ".join(texts_of(pdf_of(report, ENGLISH, nothing)))
    assert "signed by Dr. R. Okafor (account pedro)." in bundle_of(report)
    assert ("signed_account", "pedro") in about(report)


def test_no_text_is_taken_for_the_number_of_pages() -> None:
    reason = "The count of {nb} was {page} of {pages}."
    report = signed(make_report(), FIRST, replace(SECOND, reason=reason))
    pages = texts_of(pdf_of(report, ENGLISH, nothing))
    assert reason in " ".join(pages)
    for number, text in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in text


def test_code_leads_to_the_event_of_the_record() -> None:
    content = write(signed(make_report(), FIRST), crop)
    assert read_codes(content) == {PROOF.address}
    page = " ".join(texts_of(content))
    assert "Event 4711 of the record" in page
    assert DIGEST in page.replace(" ", "")


def test_report_without_address_has_no_code_but_the_digest() -> None:
    report = signed(make_report(), FIRST, proof=replace(PROOF, address=""))
    content = write(report)
    assert read_codes(content) == set()
    assert DIGEST in texts_of(content)[0].replace(" ", "")


def test_report_that_nobody_signed_has_no_code() -> None:
    assert read_codes(write(make_report())) == set()


def test_page_says_which_names_are_whose() -> None:
    kinds = ["neutrophil", "neutrophil", "monocyte", None, None]
    page, *_ = texts_of(write(make_report(kinds, {1: "neutrophil", 2: "blast", 4: "blast"})))
    assert "The system named 3 of the 5 cells that it found." in page
    assert "looked at 2 of these names, kept 1 and changed 1; 1 were not looked at." in page
    assert "They named 1 other cells." in page
    assert "Cells by who named them last: ines (3)." in page


def test_counts_in_blood_stand_below_where_the_total_is_known() -> None:
    page, *_ = texts_of(write(make_report(white_count=7.3)))
    assert "Neutrophils 3.68 3.01 - 4.35" in page
    assert "Reckoned with 7.3" in page
    assert "Counts in blood" not in texts_of(write(make_report()))[0]
    with_erythroblasts = make_report(["neutrophil"] * 100, {1: "erythroblast"}, white_count=10)
    assert "Reckoned with 9.9" in texts_of(write(with_erythroblasts))[0]


def test_case_without_cells_is_a_page_that_says_so() -> None:
    (page,) = texts_of(write(make_report([])))
    assert "No white cell is counted yet" in page


def test_cells_are_shown_class_by_class_spread_evenly() -> None:
    content = write(make_report(people={5: "band", 6: "no_cell"}), crop)
    pages = " ".join(texts_of(content))
    for words in ("Neutrophils, 8 of 60 shown", "Band neutrophils, 1 of 1", "Basophils, 1 of 1"):
        assert words in pages
    with opened(content) as found:
        pictures = [one for page in found for one in page.get_objects(filter=(3,))]
        assert len(pictures) == 8 + 1 + 8 + 8 + 8 + 1 + 2


def test_report_whose_pictures_are_not_kept_shows_none() -> None:
    assert "Cells behind the numbers" not in " ".join(texts_of(write(make_report())))


@pytest.mark.parametrize(
    ("there", "shown"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(3, [1, 2, 3], id="few"),
        pytest.param(16, [1, 3, 5, 7, 9, 11, 13, 15], id="many"),
    ],
)
def test_cells_are_chosen_at_even_distances(there: int, shown: list[int]) -> None:
    cells = make_cells(["monocyte"] * there, {})
    assert [cell.number for cell in spread(cells, SHOWN)] == shown


def test_table_that_is_longer_than_a_page_goes_on_under_its_head() -> None:
    own = tuple(
        Label(f"own_{number}", "", Count.WHITE, f"Kind {number:02}") for number in range(1, 45)
    )
    people = {number: f"own_{number}" for number in range(1, 45)}
    report = make_report(["neutrophil"] * 50, people, own=own)
    pages = texts_of(write(signed(report, FIRST)))
    assert len(pages) > 1
    assert all(f"Kind {number:02} 1 2.0 %" in " ".join(pages) for number in range(1, 45))
    assert "Class Cells Share 95 % limits Reference" in pages[1]


def test_nothing_runs_into_the_foot() -> None:
    for page in pictures_of(write(signed(make_report(white_count=7.3), FIRST, SECOND), crop)):
        height = page.shape[0]
        # Between the last line and the rule of the foot lie 4 mm of white.
        foot = page[round(height * 269.8 / 297) : round(height * 272.5 / 297)]
        assert foot.min() == 255


def test_own_label_of_the_laboratory_has_its_name_and_letter() -> None:
    own = (Label("own_hairy", "2", Count.WHITE, "Hairy cell"),)
    page, *_ = texts_of(write(make_report(["lymphocyte"], {1: "own_hairy"}, own=own)))
    assert "2 Hairy cell 1 100.0 %" in page


def test_document_says_its_language_and_nothing_of_who_made_it() -> None:
    document = pypdfium2.PdfDocument(write(make_report()))
    about = document.get_metadata_dict()
    document.close()
    assert about["Title"] == "Report 26-0837"
    assert about["Author"] == ""
    assert b"/Lang (en)" in write(make_report())


def test_one_report_is_one_file() -> None:
    report = signed(make_report(), FIRST)
    assert write(report) == write(report)


class Wordy(English):
    """A language whose words are long."""

    def gettext(self, text: str, /, **values: object) -> str:
        said = super().gettext(text, **values)
        return f"{said} and then some" if said in {"May be below", "Share", "Within"} else said


def test_long_words_and_names_stay_within_the_margins() -> None:
    own = (Label("own_long", "", Count.WHITE, "Lymphocyte of a very unusual villous kind"),)
    report = make_report(people={1: "own_long"}, own=own, white_count=7.3)
    report = replace(signed(report, FIRST, SECOND), accession="W" * 64)
    for page in pictures_of(pdf_of(report, Wordy(), crop)):
        width = page.shape[1]
        # Of 18 mm at either side 17 are white.
        assert page[:, : round(width * 17 / 210)].min() == 255
        assert page[:, round(width * 193 / 210) :].min() == 255
