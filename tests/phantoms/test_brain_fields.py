"""Fields of a brain: where they rise, what a shim takes away, and that a grid does not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.phantoms import brain, brain_fields
from mrjax.phantoms._head import AIR, head


@pytest.fixture(scope="module")
def volume():
    return brain()


@pytest.fixture(scope="module")
def fields(volume):
    return brain_fields(volume)


def index(volume, *position):
    return tuple(np.linalg.solve(np.array(volume.affine), [*position, 1])[:3].round().astype(int))


def test_the_field_rises_above_air_and_is_flat_elsewhere(volume, fields):
    there = lambda *position: float(fields.off_resonance[index(volume, *position)])
    assert 100 < there(0, 36, -20) < 300  # orbitofrontal cortex, above the sinuses
    assert 100 < there(58, -36, -28) < 500  # temporal lobe, above the ear
    assert there(58, -36, -28) == pytest.approx(there(-58, -36, -28), rel=0.1)
    assert abs(there(0, -17, 5)) < 20
    hertz = np.asarray(fields.off_resonance)[np.asarray(volume.mask)]
    assert 40 < np.percentile(np.abs(hertz), 95) < 100


@pytest.mark.exhaustive
@pytest.mark.parametrize(("shim_order", "least", "most"), [(0, 50, 400), (1, 40, 100), (2, 20, 50)])
def test_a_shim_of_higher_order_leaves_less(volume, shim_order, least, most):
    hertz = np.asarray(brain_fields(volume, shim_order=shim_order).off_resonance)
    weights = np.asarray(volume.fractions).sum(0)
    assert abs(np.average(hertz, weights=weights)) < 3
    assert least < np.sqrt(np.average(hertz**2, weights=weights)) < most


def test_hertz_are_proportional_to_the_field(volume, fields):
    lower = brain_fields(volume, b0=1.5)
    np.testing.assert_allclose(lower.off_resonance, fields.off_resonance / 2, atol=1e-6)


def test_a_nodding_head_has_another_field(volume, fields):
    nodded = brain_fields(volume, b0_direction=(0, np.sin(0.3), np.cos(0.3)))
    change = np.asarray(nodded.off_resonance - fields.off_resonance)[np.asarray(volume.mask)]
    assert 5 < change.std() < 60
    longer = brain_fields(volume, b0_direction=(0, 0, 4.0))
    np.testing.assert_allclose(longer.off_resonance, fields.off_resonance, atol=1e-6)


def test_a_slice_is_that_of_the_volume(fields):
    here = brain_fields(brain(slice=30))
    np.testing.assert_allclose(here.off_resonance, fields.off_resonance[..., 30], atol=1e-9)
    np.testing.assert_allclose(here.b1, fields.b1[..., 30], atol=1e-12)
    assert brain_fields(brain((40, 50))).b1.shape == (40, 50)


@pytest.mark.parametrize(("b0", "middle", "edge"), [(1.5, 1.06, 0.93), (3.0, 1.26, 0.74)])
def test_the_transmit_field_is_highest_in_the_middle(volume, b0, middle, edge):
    b1 = np.asarray(brain_fields(volume, b0).b1)
    assert np.average(b1, weights=np.asarray(volume.fractions).sum(0)) == pytest.approx(1, abs=0.01)
    assert b1[index(volume, 0, -17, 5)] == pytest.approx(middle, abs=0.01)
    assert b1[np.asarray(volume.mask)].min() == pytest.approx(edge, abs=0.01)


def test_the_head_is_tissue_in_air():
    chi = head().susceptibility_ppm
    borders = [chi[0], chi[-1], chi[:, 0], chi[:, -1], chi[..., -1]]
    assert not any(border.any() for border in borders)
    assert chi.min() < -AIR - 1  # bone
    inside = head().brain > 0.99
    np.testing.assert_allclose(chi[inside], -AIR, atol=0.03)


def test_maps_have_the_precision_of_the_phantom():
    with jax.enable_x64(False):
        fields = brain_fields(brain((16, 16)))
        assert {leaf.dtype for leaf in fields} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shim_order": 3}, "`shim_order` must be 0, 1 or 2, but got 3"),
        ({"b0": -3.0}, r"`b0` must be positive \(T\), but got -3"),
        ({"b0_direction": (0, 0, 0)}, "`b0_direction` must be three numbers, not all zero"),
    ],
)
def test_errors_name_the_argument(volume, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        brain_fields(volume, **arguments)
