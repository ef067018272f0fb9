"""What tells JAX which program to use, or when."""

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.physics.barrier import kept_together
from mrjax.physics.linearization import custom_rules_are_opened, unless_linearized


def test_known_and_changing_values_are_kept_together():
    def value(x):
        kept, known, _ = kept_together((x * jnp.cos(x), jnp.full(3, 2.0), 5 * x))
        return kept * known

    x = jnp.array([0.2, 0.5, 1.0])
    slope = 2 * (jnp.cos(x) - x * jnp.sin(x))
    gradient = jax.grad(lambda x: jnp.sum(value(x)))
    for found in (gradient(x), jax.jit(gradient)(x), jax.vmap(gradient)(x[None])[0]):
        np.testing.assert_allclose(found, slope, rtol=1e-14)
    np.testing.assert_allclose(jax.jvp(value, (x,), (jnp.ones(3),))[1], slope, rtol=1e-14)
    along = lambda change: kept_together((change, jnp.ones(3)))[0]
    np.testing.assert_array_equal(jax.linear_transpose(along, x)(x)[0], x)
    assert kept_together(()) == ()


@jax.custom_jvp
def tripled(x):
    return 3 * x


@tripled.defjvp
def _rule(primals, tangents):
    """Two programs that ought to give the same, told apart by their slopes."""
    (x,), (change,) = primals, tangents
    return unless_linearized((3 * x, 3 * change), (3 * x, -3 * change))


def test_forward_mode_takes_one_program_and_reverse_mode_the_other():
    xs = jnp.arange(2.0)
    forward = lambda x: jax.jvp(tripled, (x,), (1.0,))
    for value, slope in (forward(2.0), jax.jit(forward)(2.0)):
        assert (value, slope) == (6.0, 3.0)
    np.testing.assert_array_equal(jax.vmap(forward)(xs), [3 * xs, [3.0, 3.0]])
    jacobian = jax.vmap(lambda change: jax.jvp(tripled, (2.0,), (change,)), out_axes=(None, 0))
    np.testing.assert_array_equal(jacobian(xs)[1], 3 * xs)
    for reverse in (jax.grad(tripled), jax.jit(jax.grad(tripled)), jax.grad(jax.jit(tripled))):
        assert reverse(2.0) == -3.0
    np.testing.assert_array_equal(jax.vmap(jax.grad(tripled))(xs), [-3.0, -3.0])


def test_whether_rules_are_opened_is_found_out_while_tracing_too():
    custom_rules_are_opened.cache_clear()
    traced = jax.jit(lambda: custom_rules_are_opened())()
    custom_rules_are_opened.cache_clear()
    assert traced == custom_rules_are_opened()
