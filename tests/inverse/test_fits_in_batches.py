"""Fits in batches are those of all voxels at once, by one program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import least_squares
from mrjax.inverse.batches import fits_in_batches
from mrjax.signals.models import VariableFlipAngle

ANGLES = np.radians([3.0, 8.0, 15.0])


@pytest.mark.exhaustive
def test_batches_of_a_model_with_maps_are_all_voxels_at_once(rng):
    model = VariableFlipAngle(ANGLES, 5e-3, jnp.asarray(rng.uniform(0.8, 1.2, (5, 3))))
    data = model({"t1": jnp.asarray(rng.uniform(0.5, 2.0, (5, 3))), "m0": jnp.ones((5, 3))})
    data, noise = np.asarray(data + 1e-4 * rng.standard_normal((5, 3, 3))), 1e-4 * np.array([1.0, 1.0, 2.0])
    told = []
    fit = least_squares(model, data, noise_std=noise, batch_size=4, progress=lambda *counts: told.append(counts))
    whole = least_squares(model, data, noise_std=noise)
    for part, expected in zip(jax.tree.leaves(fit), jax.tree.leaves(whole), strict=True):
        assert part.shape == expected.shape
        np.testing.assert_allclose(part, expected, rtol=1e-7, atol=1e-10)
    assert told == [(4, 15), (8, 15), (12, 15), (15, 15)]


@pytest.mark.exhaustive
def test_what_belongs_to_voxels_is_cut_and_the_program_is_one(rng):
    traces = []

    def model(p):
        traces.append(p["a"].shape)
        return p["a"][..., None] * jnp.asarray([[1.0, 2.0]]) + p["a"][..., None] ** 2

    a = jnp.asarray(rng.uniform(1.0, 2.0, 7))
    lower = np.linspace(0.0, 1.6, 7)  # holds some above what the data say
    noise = rng.uniform(0.1, 0.2, (7, 2))
    data = model({"a": a})
    fit = lambda **options: least_squares(
        model, data, {"a": np.array([[2.0], [3.0]]) + np.asarray(a)}, ({"a": lower}, 5.0), noise, starts=2, **options
    )
    whole = fit()
    traces.clear()
    once = fit(batch_size=3)
    n_traces = len(traces)
    np.testing.assert_allclose(once.parameters["a"], whole.parameters["a"], rtol=1e-9)
    np.testing.assert_allclose(once.parameters["a"], np.maximum(a, lower), rtol=1e-6)
    fit(batch_size=3)  # compiles nothing: each of three batches asks for the shape of the signal, once
    assert set(traces) == {(3,)}
    assert len(traces) - n_traces == 3 < n_traces


def test_batches_come_in_order_and_an_error_ends_them():
    begun = []
    model = lambda p: p["a"][..., None]

    def fit(model, data, *rest):
        begun.append(float(data[0, 0]))
        if data[0, 0] == 4.0:
            raise RuntimeError("no more")
        return least_squares(model, data, *rest)

    batches = fits_in_batches(fit, model, np.arange(9.0)[:, None], {"a": 1.0}, None, 1.0, 2)
    places = []
    for here, part in (next(batches) for _ in range(2)):
        places.append(here)
        np.testing.assert_allclose(part.parameters["a"], np.arange(9.0)[here], atol=1e-9)
    with pytest.raises(RuntimeError, match="no more"):
        next(batches)
    assert places == [slice(0, 2), slice(2, 4)]
    assert begun == [0.0, 2.0, 4.0]


def test_what_cannot_be_cut_is_told():
    model = lambda p: p["a"][..., None] * jnp.ones((1, 2))
    fit = lambda data, **options: least_squares(model, data, **({"init": {"a": 1.0}, "batch_size": 2} | options))
    with pytest.raises(ValueError, match="`batch_size` needs numbers that are known"):
        jax.jit(lambda data: fit(data).parameters)(jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="`batch_size` must be an integer of at least 1, but got 0"):
        fit(np.ones((3, 2)), batch_size=0)
    with pytest.raises(ValueError, match=r"`init` must broadcast to the voxels \(3,\), but got shape \(4,\)"):
        fit(np.ones((3, 2)), init={"a": np.ones(4)})
    with pytest.raises(ValueError, match="`data` must have at least one voxel"):
        fit(np.ones((0, 2)))
    with pytest.raises(ValueError, match=r"`data` must have shape \(\*voxels, n\)"):
        fit(1.0)
