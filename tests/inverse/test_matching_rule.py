"""One rule of matching: real and complex signals, and the zoo, find the same atoms."""

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.inverse import Dictionary
from mrjax.signals import relaxation
from mrjax.zoo import fingerprints
from mrjax.zoo.methods import dictionary_matching

TIME = jnp.linspace(0.05, 3.0, 9)
T1 = np.geomspace(0.1, 4.0, 60)


def recovery(params):
    return relaxation.inversion_recovery(TIME, params["t1"])


def noisy_recoveries(rng, dtype):
    signals = 2.3 * np.asarray(recovery({"t1": jnp.asarray(rng.uniform(0.2, 3.0, 200))}))
    return (signals + 0.1 * rng.standard_normal(signals.shape)).astype(dtype)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_complex_and_real_matching_agree(rng, dtype):
    signals, phase = noisy_recoveries(rng, dtype), np.exp(1j * rng.uniform(0, 2 * np.pi, (200, 1)))
    wide = np.result_type(dtype, np.complex64)
    dictionary = Dictionary.build(lambda p: recovery(p).astype(dtype), {"t1": T1})
    turned = Dictionary.build(lambda p: recovery(p).astype(wide) * np.exp(0.7j).astype(wide), {"t1": T1})
    real, negative = dictionary.match(signals), dictionary.match(-signals)
    as_complex, with_phase = dictionary.match(signals.astype(wide)), turned.match((signals * phase).astype(wide))
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for other in (negative, as_complex, with_phase):
        np.testing.assert_array_equal(other.index, real.index)
        np.testing.assert_allclose(other.correlation, real.correlation, rtol=tolerance)
    np.testing.assert_allclose(negative.m0, -np.asarray(real.m0), rtol=tolerance)
    np.testing.assert_allclose(as_complex.m0, real.m0, rtol=tolerance)
    expected = np.asarray(real.m0) * phase[:, 0] * np.exp(-0.7j)
    np.testing.assert_allclose(with_phase.m0, expected, rtol=tolerance)


@pytest.mark.slow
def test_matching_of_the_zoo_is_that_of_the_dictionary(rng, monkeypatch):
    """Fingerprints of both signs and of any norm, which a rule of its own took for others."""
    config = fingerprints.FingerprintConfig(n_repetitions=40, n_states=6)
    values = {"t1": [0.3, 0.8, 1.5, 3.0], "t2": [0.04, 0.06, 0.1, 0.2]}
    atoms = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
    signals = fingerprints.simulated(fingerprints.fisp_decoder(config), atoms)
    monkeypatch.setattr(dictionary_matching, "_dictionary", lambda _: Dictionary(atoms, signals * 3))
    signs = jnp.array([[1.0], [-1.0], [2.0], [-0.5]], jnp.float32)
    found = dictionary_matching.estimator(config)(signs * signals)
    np.testing.assert_array_equal(found["t1"], atoms["t1"])
    np.testing.assert_array_equal(found["t2"], atoms["t2"])
