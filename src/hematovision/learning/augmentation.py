"""What another microscope, stain or camera might have made of the same picture."""

import cv2
import numpy as np

from hematovision.cells import RgbImage
from hematovision.vision.staining import GLASS


def jitter_stain(picture: RgbImage, generator: np.random.Generator, *, strength: float) -> RgbImage:
    """Change amount and hue of the stain in optical density, and the cast of the lamp.

    Args:
        picture: Balanced, shape (height, width, 3), RGB, uint8.
        generator: The source of chance.
        strength: 0 changes nothing; 1 spans what laboratories differ by.

    Returns:
        The same shape, uint8.
    """
    density = np.log(GLASS / np.clip(np.arange(256, dtype=np.float32), 1, GLASS))[:, None]
    amount = np.exp(generator.normal(0, 0.25 * strength))
    hue = np.exp(generator.normal(0, 0.18 * strength, 3))
    power = np.exp(generator.normal(0, 0.12 * strength, 3))
    cast = np.exp(generator.normal(0, 0.03 * strength, 3))
    table = GLASS * cast * np.exp(-amount * hue * density**power)
    table = np.clip(table + 0.5, 0, 255).astype(np.uint8)
    coloured: RgbImage = cv2.LUT(picture, table[:, None, :])
    if generator.random() < 0.5 * strength:
        coloured = _mix_saturation(coloured, generator.uniform(0.6, 1.4))
    return coloured


def _mix_saturation(picture: RgbImage, saturation: float) -> RgbImage:
    """Move every pixel away from its grey, or towards it."""
    grey = np.full((3, 3), (1 - saturation) / 3, np.float32)
    mixed: RgbImage = cv2.transform(picture, grey + saturation * np.eye(3, dtype=np.float32))
    return mixed


def blur_and_compress(picture: RgbImage, generator: np.random.Generator) -> RgbImage:
    """Defocus, coarsen, add noise or compress: each by chance.

    Args:
        picture: Shape (height, width, 3), RGB, uint8.
        generator: The source of chance.

    Returns:
        The same shape, uint8.
    """
    height, width = picture.shape[:2]
    if generator.random() < 0.3:
        scale = generator.uniform(0.3, 0.9)
        coarse = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if generator.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), generator.uniform(0.3, 1.8))
    elif generator.random() < 0.2:
        soft = cv2.GaussianBlur(picture, (0, 0), 2.0)
        picture = cv2.addWeighted(picture, 1.7, soft, -0.7, 0)
    if generator.random() < 0.2:
        noise = generator.normal(0, generator.uniform(2, 8), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if generator.random() < 0.2:
        quality = int(generator.integers(30, 90))
        packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return picture


def coarsen_and_stretch(picture: RgbImage, generator: np.random.Generator) -> RgbImage:
    """Take away what a camera with few pixels, or one that stretches contrast, takes: by chance.

    Args:
        picture: Shape (height, width, 3), RGB, uint8.
        generator: The source of chance.

    Returns:
        The same shape, uint8.
    """
    if generator.random() < 0.35:
        scale = generator.uniform(0.15, 0.6)
        coarse = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        smooth = cv2.INTER_LINEAR if generator.random() < 0.5 else cv2.INTER_CUBIC
        picture = cv2.resize(coarse, picture.shape[1::-1], interpolation=smooth)
    if generator.random() < 0.3:
        dark, bright = generator.uniform(-10, 50), generator.uniform(190, 245)
        levels = np.clip((np.arange(256) - dark) / (bright - dark), 0, 1)
        curve = 255 * levels ** np.exp(generator.normal(0, 0.25))
        picture = cv2.LUT(picture, np.clip(curve + 0.5, 0, 255).astype(np.uint8))
    return picture


def turn(
    picture: RgbImage, generator: np.random.Generator, *, zoom: float, shift: float, side: int
) -> RgbImage:
    """Rotate by any angle, mirror, zoom, shift and cut out the middle; what opens is mirrored.

    Args:
        picture: A square around one cell, shape (size, size, 3), RGB, uint8.
        generator: The source of chance.
        zoom: Largest change of scale, as a part of one.
        shift: Largest shift, as a part of the picture's side.
        side: Of the square that is cut out of the middle, in pixels.

    Returns:
        Shape (side, side, 3), uint8.
    """
    size = picture.shape[0]
    middle = (size - 1) / 2
    scale = np.exp(generator.uniform(-zoom, zoom))
    matrix = cv2.getRotationMatrix2D((middle, middle), generator.uniform(0, 360), scale)
    matrix[:, 2] += generator.uniform(-shift, shift, 2) * size
    if generator.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size - 1
    matrix[:, 2] -= (size - side) / 2
    turned: RgbImage = cv2.warpAffine(
        picture,
        matrix,
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return turned


def cut_side(picture: RgbImage, generator: np.random.Generator) -> RgbImage:
    """Put a part of one side beyond the photo's border: glass lies there, or the black of a turn.

    Args:
        picture: A square around one cell, shape (size, size, 3), RGB, uint8.
        generator: The source of chance.

    Returns:
        The same shape, uint8.
    """
    size = picture.shape[0]
    angle = generator.uniform(0, 2 * np.pi)
    depth = generator.uniform(0.05, 0.45) * size
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    beyond = columns * np.cos(angle) + rows * np.sin(angle) > size / 2 - depth
    cut = picture.copy()
    cut[beyond] = 0 if generator.random() < 0.3 else round(GLASS)
    return cut
