"""QR codes of a PDF, as a camera sees them."""

import cv2
import numpy as np
import pypdfium2

DISTANCES = (2, 3, 4)
"""OpenCV misses a code now and then, where its modules fall between pixels."""


def read_codes(content: bytes) -> set[str]:
    """Read the QR codes of all pages, from nearer and from farther."""
    document = pypdfium2.PdfDocument(content)
    pages = list(document)
    seen = [
        np.asarray(page.render(scale=scale).to_pil().convert("L"))
        for page in pages
        for scale in DISTANCES
    ]
    for page in pages:
        page.close()
    document.close()
    return {cv2.QRCodeDetector().detectAndDecode(picture)[0] for picture in seen} - {""}
