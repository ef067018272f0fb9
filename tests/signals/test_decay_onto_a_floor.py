"""The offset onto which a signal decays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.signals import relaxation

TE = np.array([0.0, 0.01, 0.05, 0.9])


def test_signal_ends_at_the_offset():
    t2, m0, offset = np.array([0.03, 0.08]), np.array([1.0, 2.0]), np.array([0.04, -0.1])
    expected = m0[:, None] * np.exp(-TE / t2[:, None]) + offset[:, None]
    np.testing.assert_allclose(relaxation.t2_decay(TE, t2, m0, offset), expected, rtol=1e-12)
    np.testing.assert_allclose(relaxation.t2star_decay(TE, t2, m0, offset=offset), expected, rtol=1e-12)
    turned = relaxation.t2star_decay(TE, t2, m0, off_resonance=30.0, offset=0.2j)
    bare = relaxation.t2star_decay(TE, t2, m0, off_resonance=30.0)
    np.testing.assert_allclose(turned, bare + 0.2j, rtol=1e-12)


def test_precision_and_derivative():
    t2 = jnp.asarray([0.03], jnp.float32)
    te = jnp.asarray(TE, jnp.float32)
    assert relaxation.t2_decay(te, t2, offset=0.1).dtype == jnp.float32
    slope = jax.jacfwd(lambda offset: relaxation.t2_decay(te, t2, 1.0, offset))(0.1)
    np.testing.assert_allclose(slope, np.ones((1, 4)))


def test_an_offset_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="`offset` must be finite, but got nan"):
        relaxation.t2_decay(TE, 0.03, offset=np.nan)
