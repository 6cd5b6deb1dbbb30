import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from hematovision.learning.normalising import align_normalisation

pytestmark = pytest.mark.train

NORMALISATION = "normalisation"


def drawn(number: int, *, seed: int, scale: float = 1.0, offset: float = 0.0) -> NDArray[np.uint8]:
    """Draw pictures whose channels differ in mean and spread."""
    random = np.random.default_rng(seed)
    pictures = random.normal((90, 120, 150), (10, 15, 20), (number, 8, 8, 3))
    return np.clip(pictures * scale + offset, 0, 255).astype(np.uint8)


def layer(name: str) -> keras.layers.BatchNormalization:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=name)


def network(*, nested: bool = False) -> keras.Model:
    """Build two convolutions with normalisation whose statistics are not their inputs' own."""
    keras.utils.set_random_seed(1)
    pictures = keras.Input((8, 8, 3))
    inner_in = keras.Input((8, 8, 3))
    inner = layer("first")(keras.layers.Conv2D(4, 1, name="mix")(inner_in))
    if nested:
        inside = keras.Model(inner_in, inner, name="inside")(pictures)
    else:
        inside = layer("first")(keras.layers.Conv2D(4, 1, name="mix")(pictures))
    hidden = keras.layers.ReLU(name="relu")(inside)
    hidden = keras.layers.Conv2D(5, 3, name="see")(hidden)
    hidden = layer("second")(hidden)
    model = keras.Model(pictures, keras.layers.GlobalAveragePooling2D(name="pooler")(hidden))
    for one, size in zip(normalisations(model), (30.0, 0.3), strict=True):
        width = one.moving_mean.shape
        one.moving_mean.assign(keras.random.normal(width, 0, size, seed=2))
        one.moving_variance.assign(keras.random.uniform(width, 0.5, 1.0, seed=3) * size**2)
    return model


def normalisations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    found = []
    for one in model.layers:
        if isinstance(one, keras.Model):
            found += normalisations(one)
        elif isinstance(one, keras.layers.BatchNormalization):
            found.append(one)
    return found


def moments_out(model: keras.Model, pictures: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Measure mean and spread of what leaves each normalisation."""
    outputs = [one.output for one in normalisations(model)]
    values = keras.Model(model.inputs[0], outputs).predict(pictures.astype(np.float32), verbose=0)
    return [np.stack([v.mean((0, 1, 2)), v.std((0, 1, 2))]) for v in values]


HOME = drawn(48, seed=4)
SITE = drawn(48, seed=5, scale=0.7, offset=60)


def test_a_sites_cells_leave_every_layer_as_home_cells_do() -> None:
    model = network()
    wanted = moments_out(model, HOME)
    foreign = moments_out(model, SITE)
    align_normalisation(model, home=HOME, site=SITE, share=1.0)
    for home, before, after in zip(wanted, foreign, moments_out(model, SITE), strict=True):
        distance = np.abs(before - home).max()
        assert distance > 0.1
        assert np.abs(after - home).max() < distance / 20


def test_no_share_and_no_difference_change_nothing() -> None:
    model = network()
    before = model.get_weights()
    align_normalisation(model, home=HOME, site=SITE, share=0.0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-4)
    align_normalisation(model, home=HOME, site=HOME, share=1.0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-3)


def test_a_share_lies_between() -> None:
    wanted = moments_out(network(), HOME)
    distances = []
    for share in (0.0, 0.5, 1.0):
        model = network()
        align_normalisation(model, home=HOME, site=SITE, share=share)
        out = moments_out(model, SITE)
        distances.append(sum(float(np.abs(a - b).sum()) for a, b in zip(out, wanted, strict=True)))
    assert distances[0] > distances[1] > distances[2]


def test_inner_models_are_aligned_and_nothing_else_is_touched() -> None:
    flat, nested = network(), network(nested=True)
    nested.set_weights(flat.get_weights())
    before = [one.get_weights() for one in normalisations(nested)]
    for model in (flat, nested):
        align_normalisation(model, home=HOME, site=SITE, share=1.0)
    for one, two in zip(flat.get_weights(), nested.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-3)
    for old, one in zip(before, normalisations(nested), strict=True):
        gamma, beta, *_ = one.get_weights()
        np.testing.assert_array_equal(gamma, old[0])
        np.testing.assert_array_equal(beta, old[1])
