"""Pulse trains in float32: what long products of rounded factors lose is not lost, and derivatives go through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.jax_rules import PLAIN_JAX, in_float64_on_cpu

pytestmark = pytest.mark.skipif(PLAIN_JAX, reason="plain JAX stays in float32")

ENGINE = mr.BlochMcConnell(b0=3.0)


def cast(tree, dtype):
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if isinstance(leaf, jax.Array) else leaf, tree)


def train(n_samples=200, n_pulses=36, offset=(0.0, 3.0, 19.0, 128.0, 447.0)):
    """Gaussian pulses of 50 ms and 2 uT every 55 ms, at several offsets."""
    time = np.linspace(-1, 1, n_samples)
    pulse = mr.ShapedPulse(3.4e-6 * np.exp(-((time / 0.45) ** 2) / 2), 0.25e-3, offset=np.array(offset)[:, None])
    pulses = mr.Repeat(pulse, mr.Delay(5e-3), n_repetitions=n_pulses)
    return mr.Repeat(mr.Reset(), pulses, mr.Spoil(), mr.SampleLongitudinal(), n_repetitions=len(offset))


def tissue():
    creatine = mr.Pool(fraction=0.002, exchange_rate=50.0, t1=1.0, t2=0.1, shift_ppm=2.0)
    return mr.Tissue(t1=3.0, t2=2.0, pools=(creatine,))


@pytest.mark.exhaustive
def test_seven_thousand_pulse_steps_keep_their_digits():
    # with the same rounded numbers in both, what is left are errors of the arithmetic
    sequence = cast(train(), jnp.float32)
    exact = mr.simulate(cast(sequence, jnp.float64), cast(cast(tissue(), jnp.float32), jnp.float64), ENGINE).real
    found = mr.simulate(sequence, cast(tissue(), jnp.float32), cast(ENGINE, jnp.float32)).real
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, exact, rtol=0, atol=2.5e-6)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.*its md5 is not the one in")  # published so
def test_a_published_train_of_two_million_steps_stays_within_its_bound(reference_data):
    """The train of case 7 of the BMsim challenge on the water of case 5, whose T2 of 2 s forgets nothing."""
    file = mr.pulseq.read(reference_data("cest/seq/case_7_pypulseq_v140.seq.gz"))
    pools = mr.io.read_pools(reference_data("cest/yaml/case_5_2pool_model.yaml"))
    wide = mr.simulate(pools.sequence(file), pools.tissue, mr.BlochMcConnell(pools.b0, pools.conventions)).real
    with jax.enable_x64(False):
        pools = mr.io.read_pools(reference_data("cest/yaml/case_5_2pool_model.yaml"))
        narrow = mr.simulate(pools.sequence(file), pools.tissue, mr.BlochMcConnell(pools.b0, pools.conventions)).real
        assert narrow.dtype == jnp.float32
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=5e-6)


def product(factors, scale):
    """A dictionary in, a dictionary out, and a loop between."""
    carried = lambda before, factor: (factor @ before, None)
    return {"product": jax.lax.scan(carried, jnp.eye(4, dtype=factors.dtype), factors)[0] * scale["by"]}


FACTORS = np.random.default_rng(0).normal(size=(3, 40, 4, 4)).astype(np.float32) / 2


def doubly(factors, by):
    return in_float64_on_cpu(product, factors, {"by": by, "name": "kept"})["product"]


def test_what_comes_out_is_rounded_once():
    by_hand = np.stack([np.linalg.multi_dot(list(factors[::-1])) / 2 for factors in FACTORS.astype(float)])
    half = jnp.float32(0.5)
    for run in (jax.vmap(doubly, (0, None)), jax.jit(jax.vmap(doubly, (0, None)))):
        found = run(jnp.asarray(FACTORS), half)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, by_hand, rtol=6e-8, atol=0)
    # in float64 the function is the same
    np.testing.assert_allclose(doubly(jnp.asarray(FACTORS[0], float), 0.5), by_hand[0], rtol=1e-12)


@pytest.mark.slow
def test_derivatives_go_through_in_either_mode():
    factors, by = jnp.asarray(FACTORS[0, :3]), jnp.float32(0.5)
    plain = lambda factors, by: product(factors, {"by": by})["product"]
    wide = (factors.astype(float), by.astype(float))
    squared = lambda f: lambda factors, by: jnp.sum(f(factors, by) ** 2)
    second = lambda f: lambda factors, by: jax.jvp(jax.grad(squared(f)), (factors, by), (factors, by))[1]
    derivatives = (lambda f: jax.jacfwd(f, argnums=(0, 1)), lambda f: jax.jacrev(f, argnums=(0, 1)), second)
    for derivative in derivatives:
        found, exact = jax.jit(derivative(doubly))(factors, by), jax.jit(derivative(plain))(*wide)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
            assert one.dtype == jnp.float32
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_the_gradient_of_a_pulse_in_float32_is_that_in_float64():
    def z(b1):
        pulse = mr.ShapedPulse(b1 * jnp.array([0.5, 1.0, 0.5], b1.dtype), 2.0**-9, offset=20.0)
        spins = cast(mr.Tissue(3.0, 2.0), b1.dtype)
        sequence = cast(mr.Sequence(pulse, mr.Spoil(), mr.SampleLongitudinal()), b1.dtype)
        return mr.simulate(sequence, spins, cast(ENGINE, b1.dtype)).real[0]

    gradient = jax.jit(jax.grad(z))
    found = gradient(jnp.float32(5e-6))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, gradient(jnp.float64(5e-6)), rtol=1e-5)
