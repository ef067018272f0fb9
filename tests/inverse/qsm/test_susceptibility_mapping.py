"""From echoes to susceptibility in one call: what comes out, every choice of methods, what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import qsm

SHAPE, SIZE, B0, TILTED = (28, 26, 24), 2e-3, 3.0, (0.2, 0.1, 0.95)
TE = (5e-3, 10e-3, 15e-3)


@pytest.fixture(scope="module")
def scan():
    """Susceptibility in a ball, magnitude and phase of three echoes with noise and air beside it, and the ball."""
    rng = np.random.default_rng(1)
    x, y, z = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"))
    ball = x**2 + y**2 + z**2 < 10.5**2
    truth = np.where((x - 2) ** 2 + (y + 2) ** 2 + z**2 < 3.5**2, 0.2, 0.0)
    air = np.where(~ball & ((x - 9) ** 2 + (y - 8) ** 2 + (z + 8) ** 2 < 4**2), 3.0, 0.0)
    off_resonance = np.asarray(mr.signals.susceptibility.off_resonance(truth + air, SIZE, B0, TILTED))
    phase = 0.7 + 2 * np.pi * off_resonance[..., None] * np.array(TE)
    images = np.where(ball, 1.0, 0.0)[..., None] * np.exp(1j * phase - np.array(TE) / 40e-3)
    images = images + 0.005 * (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape))
    return truth, np.abs(images), np.angle(images), ball


@pytest.mark.exhaustive
@pytest.mark.parametrize("background", ["v_sharp", "resharp", "pdf", "lbv"])
def test_a_source_is_found_beside_air(scan, background):
    truth, magnitude, phase, ball = scan
    result = qsm.qsm(magnitude, phase, TE, SIZE, B0, TILTED, ball, background=background)
    mask = np.asarray(result.mask)
    assert not np.any(mask & ~ball)
    for values, inside in zip(result[:2] + result[3:5], (mask, mask, ball, ball), strict=True):
        assert values.shape == SHAPE
        assert np.all(np.asarray(values)[~inside] == 0)
    np.testing.assert_allclose(np.asarray(result.susceptibility)[mask].mean(), 0, atol=1e-9)
    correlation = np.corrcoef(np.asarray(result.susceptibility)[mask], truth[mask])[0, 1]
    contrast = result.susceptibility[mask & (truth > 0)].mean() - result.susceptibility[mask & (truth == 0)].mean()
    assert correlation > 0.8
    assert 0.1 < contrast < 0.22
    # phase noise over the time of the echoes
    np.testing.assert_allclose(np.median(np.asarray(result.field_std)[ball]), 1.1e-3, rtol=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("inversion", ["tv", "medi", "tikhonov", "tkd", "ndi"])
def test_every_inversion_finds_it(scan, inversion):
    truth, magnitude, phase, ball = scan
    result = qsm.qsm(magnitude, phase, TE, SIZE, B0, TILTED, ball, inversion=inversion)
    mask = np.asarray(result.mask)
    assert np.corrcoef(np.asarray(result.susceptibility)[mask], truth[mask])[0, 1] > 0.5
    harder = {"tkd": 0.6, "ndi": 0.2}.get(inversion, 1.0)
    other = qsm.qsm(magnitude, phase, TE, SIZE, B0, TILTED, ball, inversion=inversion, strength=harder)
    assert np.std(other.susceptibility) < 0.9 * np.std(result.susceptibility)


@pytest.mark.exhaustive
def test_a_mask_is_found_where_none_is_given(scan):
    _, magnitude, phase, ball = scan
    result = qsm.qsm(magnitude, phase, TE, SIZE, B0, TILTED)
    assert np.mean(np.asarray(result.signal_mask) != ball) < 0.02


def test_one_echo_and_no_background_serve(scan):
    truth, _, _, ball = scan
    field = np.asarray(mr.signals.susceptibility.field_shift(truth, SIZE, TILTED))
    per_ppm = 2 * np.pi * 42.577 * B0 * 20e-3
    phase = np.angle(np.exp(1j * per_ppm * field))[..., None]
    result = qsm.qsm(np.ones_like(phase), phase, 20e-3, SIZE, B0, TILTED, ball, background="none")
    np.testing.assert_allclose(np.asarray(result.total_field)[ball], field[ball], atol=1e-4)
    assert np.isnan(np.asarray(result.field_std)[ball]).all()
    assert np.corrcoef(np.asarray(result.susceptibility)[ball], truth[ball])[0, 1] > 0.95


@pytest.mark.exhaustive
def test_single_precision_is_kept(scan):
    _, magnitude, phase, ball = scan
    result = qsm.qsm(magnitude.astype(np.float32), phase.astype(np.float32), TE, SIZE, B0, TILTED, ball)
    assert result.susceptibility.dtype == np.float32
    double = qsm.qsm(magnitude, phase, TE, SIZE, B0, TILTED, ball)
    assert jnp.std(result.susceptibility - double.susceptibility) < 1e-3 * jnp.std(double.susceptibility)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phase": np.ones((2, 2, 2, 1))}, "`magnitude` and `phase` must have one shape"),
        ({"te": TE[:2]}, "with the 2 echoes"),
        ({"b0": -3.0}, "`b0` must be positive"),
        ({"b0_direction": (0.0, 0.0, 0.0)}, "`b0_direction` must not be zero"),
        ({"voxel_size": (1.0, 2.0)}, "`voxel_size` must be a positive number or three"),
        ({"mask": np.ones((3, 3, 3))}, "`mask` must have the shape"),
        ({"unwrapping": "graph"}, "`unwrapping` must be one of 'laplacian', 'path'"),
        ({"background": "sharp"}, "`background` must be one of 'v_sharp'"),
        ({"inversion": "net"}, "`inversion` must be one of 'tv'"),
    ],
)
def test_mistakes_are_named(scan, options, message):
    _, magnitude, phase, ball = scan
    arguments = {"magnitude": magnitude, "phase": phase, "te": TE, "voxel_size": SIZE, "b0": B0, "mask": ball}
    with pytest.raises(ValueError, match=message):
        qsm.qsm(**(arguments | options))
