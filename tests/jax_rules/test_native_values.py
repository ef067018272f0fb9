"""Values and forward mode in machine code of our own: against JAX, from all threads, and for as many steps as data say."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.jax_rules import PLAIN_JAX, as_one_kernel, counted_scan, plain

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(PLAIN_JAX, reason="plain JAX has no machine code of our own")

from mrjax.jax_rules.native import calls  # noqa: E402

N_STEPS, N_ORDERS = 40, 4


def step(state, now):
    """Rows that change places, that are read where others are written, and that gain."""
    first, second = state
    angle, gain = now
    cosine, sine = 0.9 * angle[None], 0.4 * angle[None]
    turned = cosine * first - sine * second
    shifted = jax.lax.pad(turned, 0.0, [(1, -1, 0), (0, 0, 0)])
    shifted = jax.lax.dynamic_update_slice(shifted, second[:1] * gain[None], (0, 0))
    return (1.1 * second, shifted), turned[0] + 1j * second[-1]


def arguments(n_voxels=50):
    draw = lambda seed, *shape: jnp.asarray(np.random.default_rng(seed).uniform(0.2, 0.9, shape))
    return (draw(0, N_ORDERS, n_voxels), draw(1, N_ORDERS, n_voxels)), (draw(2, N_STEPS, 1), draw(3, N_STEPS, n_voxels))


def by_jax(state, inputs):
    return jax.lax.scan(step, state, inputs)


def in_machine_code(state, inputs):
    return as_one_kernel(by_jax)(state, inputs)


def compiled(function, *values):
    return jax.jit(function).lower(*values).compile().as_text()


def assert_alike(found, expected, tolerance=1e-13):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_values_are_those_of_jax():
    given = arguments()
    assert "mrjax_" in compiled(in_machine_code, *given)
    assert "mrjax_" not in compiled(by_jax, *given)
    assert_alike(jax.jit(in_machine_code)(*given), by_jax(*given))


def test_forward_mode_and_vmap_of_it_are_machine_code_too():
    state, inputs = arguments()

    def columns(function):
        along = lambda change: jax.jvp(
            lambda x: function((x[None] * state[0], state[1]), inputs), (jnp.ones(50),), (change,)
        )
        return jax.vmap(along, out_axes=(None, 0))(jnp.stack([jnp.ones(50), jnp.linspace(0, 1, 50)]))

    assert "mrjax_" in compiled(lambda: columns(in_machine_code))
    assert_alike(jax.jit(lambda: columns(in_machine_code))(), columns(by_jax))


@pytest.mark.parametrize("count", [0, 1, 7, N_STEPS])
def test_as_many_steps_as_data_say(count):
    state, inputs = arguments()
    counted = lambda count: counted_scan(step, state, inputs, N_STEPS, count)
    assert "mrjax_" in compiled(counted, jnp.int32(count))
    found, samples = jax.jit(counted)(jnp.int32(count))
    expected = by_jax(state, jax.tree.map(lambda x: x[:count], inputs))
    assert_alike((found, samples[:count]), expected)
    assert not np.any(samples[count:])
    assert_alike(found, plain.counted_scan(step, state, inputs, N_STEPS, jnp.int32(count))[0])


def test_counted_loops_have_forward_mode_and_stay_counted_in_other_loops():
    state, inputs = arguments()
    end = lambda counted, scale: counted(step, jax.tree.map(lambda x: scale * x, state), inputs, N_STEPS, jnp.int32(9))[
        0
    ]
    found = jax.jit(jax.jacfwd(lambda scale: end(counted_scan, scale)))(jnp.float64(0.7))
    assert_alike(found, jax.jacfwd(lambda scale: end(plain.counted_scan, scale))(jnp.float64(0.7)))
    too_long = lambda state: as_one_kernel(lambda state: counted_scan(long, state, inputs, N_STEPS, jnp.int32(9)))(
        state
    )
    long = lambda state, now: (jax.lax.fori_loop(0, 3, lambda _, x: step(x, now)[0], state), None)
    assert "mrjax_" not in compiled(too_long, state)
    expected = jax.lax.scan(long, state, jax.tree.map(lambda x: x[:9], inputs))[0]
    assert_alike(jax.jit(too_long)(state)[0], expected)


def test_counts_that_differ_along_an_axis_are_refused():
    state, inputs = arguments()
    with pytest.raises(ValueError, match="must be one number, also under `vmap`"):
        jax.vmap(lambda count: counted_scan(step, state, inputs, N_STEPS, count)[0])(jnp.arange(3))


@pytest.mark.parametrize("n_parts", [1, 2, 7])
def test_parts_give_the_same_as_the_whole(monkeypatch, n_parts):
    """Bit by bit for values, and to rounding where sums over voxels are divided."""
    sequence = lambda angles: mr.protocols.mrf_fisp(angles, 12e-3, te=5e-3)
    tissue = mr.Tissue(jnp.linspace(0.5, 2.0, 201), jnp.linspace(0.05, 0.1, 201))
    signal = lambda angles: mr.simulate(sequence(angles), tissue, mr.EPG(6))
    angles = jnp.linspace(0.1, 1.0, 30)

    def results():
        jax.clear_caches()
        gradient = jax.jit(jax.grad(lambda angles: jnp.sum(jnp.abs(signal(angles)) ** 2)))(angles)
        return np.asarray(jax.jit(signal)(angles)), np.asarray(gradient)

    whole = results()
    monkeypatch.setattr(calls, "LEAST_OF_PART", 1)
    monkeypatch.setattr(calls, "available_cores", lambda: n_parts)
    parts = results()
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-13)


def test_many_calls_at_once_end(monkeypatch):
    """More calls than threads, each in more parts than threads: none waits for a part that nobody has begun."""
    monkeypatch.setattr(calls, "LEAST_OF_PART", 1)
    monkeypatch.setattr(calls, "available_cores", lambda: 8)
    state, inputs = arguments(256)
    jax.clear_caches()
    run = jax.jit(in_machine_code)
    expected = run(state, inputs)[1]
    with ThreadPoolExecutor(16) as pool:
        for found in pool.map(lambda _: np.asarray(run(state, inputs)[1]), range(400)):
            np.testing.assert_array_equal(found, expected)


def test_small_numbers_are_rounded_alike_on_all_threads(monkeypatch):
    """XLA has all its threads treat numbers below the smallest normal one alike."""
    monkeypatch.setattr(calls, "LEAST_OF_PART", 1)
    monkeypatch.setattr(calls, "available_cores", lambda: 4)
    jax.clear_caches()
    fading = lambda state: as_one_kernel(lambda state: jax.lax.scan(lambda x, _: (0.1 * x, x), state, length=60))(state)
    run = jax.jit(fading)
    for _ in range(5):
        ends = np.asarray(run(jnp.full((1, 2**16), 1e-30, jnp.float32))[1])
        assert np.all(ends == ends[..., :1])


def test_too_many_instructions_are_left_to_xla():
    wide = lambda state: as_one_kernel(lambda state: jax.lax.scan(lambda x, _: (x * x + x, None), state, length=9)[0])(
        state
    )
    assert "mrjax_" in compiled(wide, jnp.ones((100, 16)))
    assert "mrjax_" not in compiled(wide, jnp.ones((3000, 16)))
