"""Dictionary matching."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import Dictionary
from mrjax.signals import relaxation

TE = jnp.linspace(0.01, 0.2, 10)
GRID = np.geomspace(0.02, 0.3, 50)


def decay(params):
    return relaxation.t2_decay(TE, params["t2"])


def test_atoms_match_themselves_with_any_scale_and_phase(rng):
    dictionary = Dictionary.build(lambda p: decay(p) * (1 + 0.5j), {"t2": GRID})
    scale = rng.uniform(0.1, 3, 50) * np.exp(1j * rng.uniform(0, 6, 50))
    match = dictionary.match(scale[:, None] * np.asarray(dictionary.signals))
    np.testing.assert_array_equal(match.index, np.arange(50))
    np.testing.assert_allclose(match.m0, scale, rtol=1e-12)
    np.testing.assert_allclose(match.correlation, 1.0, rtol=1e-12)
    np.testing.assert_allclose(match.parameters["t2"], GRID)


def test_match_is_the_best_of_all_atoms_by_brute_force(rng):
    dictionary = Dictionary.build(decay, {"t2": GRID})
    signals = np.asarray(decay({"t2": jnp.asarray(rng.uniform(0.03, 0.2, 40))})) + 0.05 * rng.standard_normal((40, 10))
    atoms = np.asarray(dictionary.signals)
    correlation = signals @ (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).T
    match = dictionary.match(signals, batch_size=7)
    np.testing.assert_array_equal(match.index, np.abs(correlation).argmax(axis=1))
    expected = np.abs(correlation).max(axis=1) / np.linalg.norm(signals, axis=1)
    np.testing.assert_allclose(match.correlation, expected, rtol=1e-12)


@pytest.mark.exhaustive
def test_voxel_shape_and_where():
    dictionary = Dictionary.build(
        lambda p: relaxation.spin_echo(TE, p["t1"], p["t2"], tr=1.0),
        {"t1": [0.1, 0.5, 1.0], "t2": [0.05, 0.2, 0.8]},
        where=lambda p: p["t2"] <= p["t1"],
    )
    assert dictionary.n_atoms == 6
    assert np.all(dictionary.parameters["t2"] <= dictionary.parameters["t1"])
    match = dictionary.match(dictionary.signals.reshape(2, 3, 10))
    assert match.m0.shape == match.parameters["t1"].shape == (2, 3)


@pytest.mark.exhaustive
def test_known_parameters_restrict_the_atoms():
    sequence = mr.protocols.cpmg(jnp.full(10, jnp.pi), 0.01)
    model = lambda p: mr.simulate(sequence, mr.Tissue(1.0, p["t2"], b1=p["b1"]))
    dictionary = Dictionary.build(model, {"t2": GRID, "b1": [0.7, 0.85, 1.0]})
    b1 = jnp.array([0.69, 0.87, 0.99, 0.84])
    match = dictionary.match(
        model({"t2": jnp.full(4, 0.08), "b1": jnp.array([0.7, 0.85, 1.0, 0.85])}), known={"b1": b1}
    )
    np.testing.assert_allclose(match.parameters["b1"], [0.7, 0.85, 1.0, 0.85])
    nearest = GRID[np.argmin(np.abs(GRID - 0.08))]
    np.testing.assert_allclose(match.parameters["t2"], nearest)
    wrong = dictionary.match(model({"t2": jnp.full(1, 0.08), "b1": jnp.array([0.7])}), known={"b1": jnp.array([1.0])})
    assert abs(float(wrong.parameters["t2"][0]) - nearest) > 1e-3


def test_a_zero_signal_matches_with_correlation_zero():
    match = Dictionary.build(decay, {"t2": GRID}).match(np.zeros((2, 10)))
    np.testing.assert_array_equal(match.correlation, 0.0)
    np.testing.assert_array_equal(match.m0, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_precision_of_the_signals_is_kept(dtype):
    dictionary = Dictionary.build(lambda p: decay(p).astype(dtype), {"t2": GRID.astype(np.float32)})
    match = dictionary.match(np.asarray(dictionary.signals))
    assert match.m0.dtype == dtype
    np.testing.assert_array_equal(match.index, np.arange(50))
