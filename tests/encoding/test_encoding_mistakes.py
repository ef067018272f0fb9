"""What users get wrong, and what they are told."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax import encoding as enc, reconstruction as rec
from mrjax.encoding import patterns, transforms

pytest.importorskip("jax_finufft")

COILS = jnp.ones((2, 8, 6))
K = jnp.zeros((5, 2))
KEY = jax.random.key(0)
SENSE = enc.sense(COILS, mask=jnp.ones((8, 6), bool))


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda: enc.sense(COILS), "`mask` or `trajectory` must be given, and not both"),
        (lambda: enc.sense(COILS, mask=np.ones((8, 5))), r"`mask` must have the shape \(8, 6\).*got \(8, 5\)"),
        (lambda: enc.sense(COILS, mask=np.ones((8, 6)), times=np.ones(1)), "`times` must be left out with a `mask`"),
        (lambda: enc.sense(np.ones(4), mask=np.ones(4)), r"`maps` must have shape \(n_coils, \*voxels\)"),
        (lambda: enc.sense(COILS, trajectory=np.zeros((5, 3)), voxel_size=1.0), r"shape \(n_samples, 2\)"),
        (
            lambda: enc.sense(COILS, trajectory=np.full((5, 2), 300.0), voxel_size=2e-3),
            "reaches 300 cycles/m along axis 0, beyond the 250 cycles/m.*voxels of at most 0.00167 m",
        ),
        (lambda: enc.sense(COILS, trajectory=K, voxel_size=(1, 2, 3)), "one for each of the 2 axes"),
        (lambda: enc.sense(COILS, trajectory=K, voxel_size=1e-3, times=np.zeros(5)), "must be given together"),
        (lambda: enc.sense(COILS, trajectory=K, voxel_size=1e-3, basis=np.ones((4, 2))), r"`basis` must.*\(5, rank\)"),
        (lambda: enc.sense(COILS, mask=np.ones((1, 1)), basis=np.ones((4, 2))), r"`mask` must.*with a `basis`"),
        (lambda: enc.sense(COILS, mask=np.ones((3, 1, 1)), basis=np.ones((4, 2))), r"`basis` must.*\(3, rank\)"),
        (lambda: enc.Nufft(K, (8, 6), 1e-3, tolerance=1e-20), "`tolerance` must be from 1e-14"),
        (lambda: enc.Nufft(K, (8, 6), 1e-3, threads=0), "`threads` must be"),
        (lambda: enc.Nufft(K, (8, 6, 2, 2), 1e-3), "one to three axes"),
        (lambda: enc.Nufft(K.at[0].set(jnp.nan), (8, 6), 1e-3), "`trajectory` must be finite"),
        (lambda: enc.Nufft(K, (8, 6), 1e-3).normal_operator(jnp.ones(4)), r"`weights` must have shape \(5,\)"),
        (lambda: enc.GridSamples(K + 30.0, (8, 6), 1e-2), "must lie on the grid of k-space"),
        (lambda: enc.GridSamples(K + 1e3, (8, 8), 1e-3), "must stay within the k-space.*5 samples"),
        (lambda: jax.jit(lambda k: enc.GridSamples(k, (8, 6), 1e-2).indices)(K), "`trajectory` must be known"),
        (lambda: enc.Fourier((4, 0)), "`shape` must be an integer of at least 1"),
        (lambda: enc.Mask(np.array([1j])), "`weights` must be real"),
        (lambda: SENSE(jnp.ones((6, 8))), r"must have the last axes \(8, 6\)"),
        (lambda: enc.Fourier((3, 3)) @ enc.Coils(COILS), r"end with the axes \(3, 3\)"),
        (lambda: patterns.uniform((8, 8), (2, 2, 2)), "`acceleration` must be one integer"),
        (lambda: patterns.variable_density(KEY, (8, 8), 0.5), "`acceleration` must be at least 1"),
        (lambda: patterns.poisson_disc(KEY, (8, 8), 8, n_calibration=4), "more than the 16 points of calibration"),
        (lambda: patterns.partial_fourier(8, 0.5), "`fraction` must be above 0.5"),
        (
            lambda: enc.off_resonance(enc.Nufft(K, (8, 6), 1e-3), np.ones((6, 8)), np.zeros(5)),
            r"`field` must have the shape \(8, 6\)",
        ),
        (
            lambda: enc.off_resonance(enc.Nufft(K, (8, 6), 1e-3), np.ones((8, 6)), np.zeros(4)),
            r"`times` must have shape \(5,\)",
        ),
        (
            lambda: enc.off_resonance(enc.Nufft(K, (8, 6), 1e-3), np.arange(48.0).reshape(8, 6), 1e4 * np.arange(5)),
            "too many for segments",
        ),
        (
            lambda: jax.jit(lambda f: enc.off_resonance(enc.Nufft(K, (8, 6), 1e-3), f, np.arange(5.0))(f))(COILS[0]),
            "`frequency_range` must be given where `field` is traced",
        ),
        (lambda: enc.radial_density(np.ones((4, 2)), 1e-3), "`spokes` must have shape"),
        (lambda: rec.cg_sense(SENSE, np.ones((8, 6))), r"`data` must have the shape \(2, 8, 6\)"),
        (lambda: rec.cg_sense(SENSE, COILS, weights=np.ones(5)), "`weights` must broadcast"),
        (lambda: rec.cg_sense(SENSE, COILS, weights=-np.ones(6)), "`weights` must not be negative"),
        (lambda: rec.cg_sense(SENSE, COILS, tikhonov=-1.0), "`tikhonov` must not be negative"),
        (lambda: rec.cg_sense(SENSE, COILS, n_iterations=0), "`n_iterations` must be an integer"),
        (lambda: rec.total_variation(SENSE, COILS, -1.0), "`strength` must not be negative"),
        (lambda: rec.homodyne(np.ones((4, 8)), 4), "`n_acquired` must be more than 4"),
        (lambda: rec.homodyne(np.ones((4, 8)), 6, axis=0, n_dims=1), "`axis` must be one of the last 1"),
        (lambda: rec.espirit(np.ones((2, 4, 4)), (16, 16)), "`kernel_width` must be from 2 to the calibration's 4"),
        (lambda: rec.espirit(np.ones((2, 8, 8)), (6, 16)), "`shape` must be that of the whole image"),
        (lambda: rec.espirit(np.ones((2, 8, 8)), (16, 16), crop=1.0), "`crop` must be at least 0"),
        (lambda: rec.Wavelets((12, 8)), "`shape` must be divisible by 8"),
        (lambda: rec.Wavelets(8, wavelet="sym4"), "`wavelet` must be one of 'haar', 'db2'"),
    ],
)
def test_mistakes_are_named(call, answer):
    with pytest.raises(ValueError, match=answer):
        call()


def test_only_operators_compose():
    with pytest.raises(TypeError, match="the right one is of type"):
        enc.Fourier(3) @ jnp.ones(3)


def test_without_a_library(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    transforms.installed.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'mrjax\[nufft\]'"):
        enc.Nufft(K, (8, 6), 1e-3)
    monkeypatch.undo()
    transforms.installed.cache_clear()
    assert "jax_finufft" in transforms.installed()
