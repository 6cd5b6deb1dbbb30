"""HematoVision: finds and names the white cells in a photo of blood. For research use only."""

from importlib.metadata import version

__version__ = version("hematovision")
