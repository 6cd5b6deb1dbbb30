"""A model's quicker sister: the same networks, which look at every cell fewer times."""

import shutil
import tempfile
from pathlib import Path

import onnx

from hematovision.learning import LearningError
from hematovision.learning.export import check_output, ship, write_bundle
from hematovision.learning.fewer_views import keep_views
from hematovision.learning.slimming import slim_classifier
from hematovision.vision.bundle import CLASSIFIER_FILE, KERAS_FILE
from hematovision.vision.reader import load_reader

OF_THE_MODEL_ALONE = {"crop", "locator", "files", "parity_largest_difference"}


class IsQuickError(LearningError):
    """A model cannot be made quicker; the message says why."""


def quicken_model(folder: Path, output: Path, *, views: int) -> str:
    """Write a model whose classifier looks at the first of its four views alone.

    Nothing is fitted anew: thresholds and the known-or-not score are those of the model, and have
    to be looked at on a laboratory's own cells, or by the protocol.

    Args:
        folder: The model.
        output: The folder to make, or to replace once the new one is whole.
        views: How many it keeps.

    Returns:
        The version of what was made.

    Raises:
        ModelMissingError: If there is no whole model folder.
        ModelDamagedError: If a file of it is not the one that was shipped.
        IsQuickError: If it looks fewer times already.
        GraphUnknownError: If its classifier was not written by `learning.export`.
        OutputRefusedError: If something that is no model lies where it is to be.
    """
    bundle = load_reader(folder).bundle
    if "views" in bundle.document:
        raise IsQuickError(f"{folder} leaves views out already.")
    check_output(output, folder)
    classifier = onnx.load(folder / CLASSIFIER_FILE)
    if "integers" not in bundle.document:
        classifier = slim_classifier(classifier)
    classifier = keep_views(classifier, views)
    version = bundle.identity.version
    version += f"{'.' if '+' in version else '+'}{views}view{'s' if views > 1 else ''}"
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as beside:
        made = Path(beside) / output.name
        made.mkdir()
        for name in bundle.files:
            if name not in {CLASSIFIER_FILE, KERAS_FILE}:
                shutil.copyfile(folder / name, made / name)
        onnx.save(classifier, made / CLASSIFIER_FILE)
        document = {k: v for k, v in bundle.document.items() if k not in OF_THE_MODEL_ALONE}
        document |= {"version": version, "views": {"kept": views, "base": bundle.identity.sha256}}
        write_bundle(made, crop=bundle.crop, locator=bundle.locator, **document)
        ship(made, output)
    return version
