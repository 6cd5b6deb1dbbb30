"""Draws a data folder in the layout of the published sets, a few small pictures each."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hematovision.cells import Box, RgbImage

BOX = Box(0, 0, 80, 60)
"""Where every drawn photo of 160x120 has its white cell."""

BCCD = [
    ("00000", "NEUTROPHIL", "train"),
    ("00001", "NEUTROPHIL", "test"),
    ("00002", "EOSINOPHIL", "train"),
    ("00003", "LYMPHOCYTE", "test"),
    ("00004", "MONOCYTE", "train"),
    ("00005", "NEUTROPHIL, NEUTROPHIL", ""),
    ("00257", "EOSINOPHIL", "test"),
    ("00230", "NEUTROPHIL", "train"),
]
TWIN, TWIN_OF = "00004", "00001"
PBC = [
    ("neutrophil/SNE_1.jpg", "neutrophil", "train"),
    ("neutrophil/SNE_2.jpg", "neutrophil", "test"),
    ("platelet/PLT_1.jpg", "platelet", "test"),
    ("basophil/BA_1.jpg", "basophil", "val"),
    ("basophil/BA_2.jpg", "basophil", "test"),
]
JTSC = [("001.png", "lymphocyte"), ("002.png", "basophil"), ("139.png", "neutrophil")]
TXL = [(f"{source}_{i:03}.jpg", "train") for source in ("pbc", "raabin") for i in range(5)]
TXL += [("pbc_900.jpg", "test")]


def field(seed: int, width: int = 200, height: int = 150) -> RgbImage:
    """Draw a field that resembles no other seed's, at any shift."""
    random = np.random.default_rng(seed)
    coarse = random.integers(60, 250, (height // 5, width // 5, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def save(picture: RgbImage, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95)


def write_rows(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def write_sets(data: Path) -> Path:
    """Write all five sets; photo `TWIN` shows a part of the field of `TWIN_OF`."""
    for seed, (number, *_) in enumerate(BCCD):
        x, y, seed = (30, 20, 1) if number == TWIN else (0, 0, seed)
        picture = field(seed)[y : y + 120, x : x + 160]
        save(picture, data / f"bccd/photos/BloodImage_{number}.jpg")
    name = "BloodImage_{}.jpg".format
    write_rows(
        data / "bccd/labels.csv",
        "photo,label_as_published,official_split",
        [(name(number), label, split) for number, label, split in BCCD],
    )
    header = "photo,object,xmin,ymin,xmax,ymax"
    boxes = [(name(number), "wbc", *BOX.as_list()) for number, *_ in BCCD if number != "00003"]
    boxes += [(name("00000"), "wbc", 100, 70, 110, 80), (name("00000"), "rbc", 90, 9, 90, 40)]
    boxes += [(name("00000"), "rbc", 90, 9, 120, 40), (name("00002"), "platelets", 9, 9, 20, 20)]
    write_rows(data / "bccd/boxes.csv", header, boxes)
    for seed, (image, *_) in enumerate(PBC):
        save(field(100 + seed, 100, 100), data / "pbc" / image)
    write_rows(data / "pbc/cells.csv", "image,cell_type,split", PBC)
    for seed, (image, _) in enumerate(JTSC):
        save(field(200 + seed, 100, 100), data / "jtsc/images" / image)
    write_rows(data / "jtsc/labels.csv", "image,cell_type", JTSC)
    for seed, (image, _) in enumerate(TXL):
        save(field(300 + seed, 120, 120), data / "txl/images" / image)
    rows = [(image, "wbc", split, 0, 0, 60, 60) for image, split in TXL]
    rows += [(image, "platelet", split, 90, 90, 99, 99) for image, split in TXL]
    write_rows(data / "txl/boxes.csv", header.replace("photo,object", "image,object,split"), rows)
    for seed, kind in enumerate(("NEUTROPHIL", "EOSINOPHIL")):
        save(field(400 + seed, 160, 120), data / f"kaggle/TEST/{kind}/_0_{seed}.jpeg")
    return data
