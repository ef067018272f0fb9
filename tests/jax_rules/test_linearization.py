"""What tells JAX which program to use, or when."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.jax_rules.barrier import optimization_barrier
from mrjax.jax_rules.linearization import unless_linearized


def test_known_and_changing_values_pass_a_barrier():
    def value(x):
        kept, known, _ = optimization_barrier((x * jnp.cos(x), jnp.full(3, 2.0), 5 * x))
        return kept * known

    x = jnp.array([0.2, 0.5, 1.0])
    slope = 2 * (jnp.cos(x) - x * jnp.sin(x))
    gradient = jax.grad(lambda x: jnp.sum(value(x)))
    for found in (gradient(x), jax.jit(gradient)(x), jax.vmap(gradient)(x[None])[0]):
        np.testing.assert_allclose(found, slope, rtol=1e-14)
    np.testing.assert_allclose(jax.jvp(value, (x,), (jnp.ones(3),))[1], slope, rtol=1e-14)
    along = lambda change: optimization_barrier((change, jnp.ones(3)))[0]
    np.testing.assert_array_equal(jax.linear_transpose(along, x)(x)[0], x)
    assert optimization_barrier(()) == ()


# two programs that ought to give the same, told apart by their slopes
tripled = unless_linearized(
    lambda x: 3 * x, lambda x: 3 * jax.lax.stop_gradient(x) - 3 * (x - jax.lax.stop_gradient(x))
)


def test_forward_mode_takes_one_program_and_reverse_mode_the_other():
    xs = jnp.arange(2.0)
    forward = lambda x: jax.jvp(tripled, (x,), (1.0,))
    for value, slope in (forward(2.0), jax.jit(forward)(2.0), jax.jvp(jax.jit(tripled), (2.0,), (1.0,))):
        assert (value, slope) == (6.0, 3.0)
    np.testing.assert_array_equal(jax.vmap(forward)(xs), [3 * xs, [3.0, 3.0]])
    jacobian = jax.vmap(lambda change: jax.jvp(tripled, (2.0,), (change,)), out_axes=(None, 0))
    np.testing.assert_array_equal(jacobian(xs)[1], 3 * xs)
    for reverse in (jax.grad(tripled), jax.jit(jax.grad(tripled)), jax.grad(jax.jit(tripled))):
        assert reverse(2.0) == -3.0
    np.testing.assert_array_equal(jax.vmap(jax.grad(tripled))(xs), [-3.0, -3.0])


def in_a_loop(x):
    return jax.lax.scan(lambda x, _: (tripled(x), None), x, length=2)[0]


@pytest.mark.parametrize(
    "within", [jax.checkpoint(tripled), jax.checkpoint(jax.jit(tripled)), jax.jit(jax.checkpoint(tripled))]
)
def test_inside_of_a_checkpoint_as_well(within):
    assert jax.grad(within)(2.0) == -3.0
    assert jax.jvp(within, (2.0,), (1.0,)) == (6.0, 3.0)


@pytest.mark.parametrize("within", [in_a_loop, jax.checkpoint(in_a_loop), jax.jit(in_a_loop)])
def test_inside_of_a_loop_as_well(within):
    assert jax.grad(within)(2.0) == 9.0  # (-3) squared
    assert jax.jvp(within, (2.0,), (1.0,)) == (18.0, 9.0)


cubed = unless_linearized(lambda x: x**3, lambda x: x * x * x)


def test_second_derivatives_of_all_orders_of_modes():
    slope = lambda mode: lambda function: lambda x: mode(function)(x)
    forward = lambda function: lambda x: jax.jvp(function, (x,), (1.0,))[1]
    for outer in (forward, slope(jax.grad)):
        for inner in (forward, slope(jax.grad)):
            np.testing.assert_allclose(jax.jit(outer(inner(cubed)))(2.0), 12.0)


def test_whole_numbers_pass_and_have_no_derivative():
    counted = unless_linearized(lambda x, n: (x * n, n + 1), lambda x, n: (x * n, n + 1))
    (_, n), (slope, _) = jax.jvp(lambda x: counted(x, 3), (2.0,), (1.0,))
    assert (n, slope) == (4, 3.0)
    assert jax.grad(lambda x: counted(x, 3)[0])(2.0) == 3.0


def test_what_does_not_depend_on_an_axis_stays_without():
    two = unless_linearized(lambda x, y: (x + 1, y * x), lambda x, y: (x + 1, y * x))
    kept, changed = jax.vmap(lambda y: two(2.0, y), out_axes=(None, 1))(jnp.ones((4, 3)))
    assert (kept.shape, changed.shape) == ((), (3, 4))


def test_linear_programs_are_transposed():
    doubled = unless_linearized(lambda x, by: by * x, lambda x, by: by * x)
    assert jax.linear_transpose(lambda x: doubled(x, 2.0), 1.0)(3.0) == (6.0,)
