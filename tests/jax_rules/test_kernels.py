"""The fast forms of the hot steps against the plain ones, and the hints to the compiler where they once broke it."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import plain_kernels
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.jax_rules import one_kernel
from mrjax.jax_rules.one_kernel import as_one_kernel, computed_once, may_be_marked
from mrjax.physics.epg import mixing
from mrjax.physics.execution import chunks, cores, known
from mrjax.physics.isochromats import kernel as bloch_kernel
from mrjax.physics.maths.trigonometry import cosine_and_sine

N_ORDERS, N_VOXELS = 5, 3


def random_components(rng, is_complex):
    imaginary = 1j if is_complex else 0.0
    draw = lambda: jnp.asarray(
        rng.normal(size=(N_ORDERS, N_VOXELS)) + imaginary * rng.normal(size=(N_ORDERS, N_VOXELS))
    )
    return draw(), draw(), draw()


def random_mixing(rng, is_complex, absent=()):
    names = {"stay", "swap", "tip", "untip", "keep", "tipped", "recovered"} - set(absent)
    imaginary = {name: 1j if is_complex and name not in ("keep", "recovered") else 0.0 for name in names}
    draw = lambda name: jnp.asarray(rng.normal(size=N_VOXELS) + imaginary[name] * rng.normal(size=N_VOXELS))
    return mixing.Mixing(**{name: draw(name) for name in sorted(names)})


@pytest.mark.exhaustive
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(
    "absent", [(), ("swap", "tip", "untip", "tipped"), ("stay", "swap", "tip", "tipped", "recovered")]
)
def test_mixing_and_winding_agree_with_the_plain_form(rng, is_complex, absent):
    components, mix = random_components(rng, is_complex), random_mixing(rng, is_complex, absent)
    for given in (mix, None):
        fast, plain = mixing.mixed_and_wound(components, given), plain_kernels.mixed_and_wound(components, given)
        for a, b in zip(fast, plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("is_complex", [False, True])
def test_composed_mixings_do_what_one_after_the_other_does(rng, is_complex):
    components = random_components(rng, is_complex)
    first, second = random_mixing(rng, is_complex), random_mixing(rng, is_complex)
    together = mixing.mixed(components, second.after(first))
    in_turn = mixing.mixed(mixing.mixed(components, first), second)
    for a, b in zip(together, in_turn, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    for order in (0, N_ORDERS - 1):
        np.testing.assert_allclose(second.plus_of_order(components, order), mixing.mixed(components, second)[0][order])


@pytest.mark.exhaustive
def test_rotations_agree_with_the_plain_form(rng):
    """From no angle at all to many turns in one step, and across the limit where the series takes over."""
    scale = jnp.asarray([0.0, 1e-9, 4e-3, 9e-3, 1.2e-2, 1.0, 3.1, 60.0])
    draw = lambda: jnp.asarray(rng.normal(size=8))
    magnetisation, position = (draw(), draw(), draw()), scale
    angles = (jnp.asarray(0.0), jnp.asarray(0.0), (jnp.asarray(0.7),), ())
    decay = (jnp.full(8, 0.9), jnp.full(8, 0.8))
    arguments = (magnetisation, angles, None, (position,), 0.3 * scale, decay)
    for a, b in zip(bloch_kernel.step(*arguments), plain_kernels.step(*arguments), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    skewed = (scale * 0.5, -scale, (jnp.asarray(0.2),), (jnp.asarray(0.3),))
    oblique = (magnetisation, skewed, scale, (position,), draw(), decay)
    for a, b in zip(bloch_kernel.step(*oblique), plain_kernels.step(*oblique), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("largest", [1.0, 30.0, 1e4])
def test_cosine_and_sine(rng, dtype, largest):
    angle = np.concatenate([rng.uniform(-largest, largest, 20000), np.arange(-8, 9) * np.pi / 4]).astype(dtype)
    exact = angle.astype(np.longdouble)
    cosine, sine = cosine_and_sine(jnp.asarray(angle))
    assert cosine.dtype == dtype
    assert np.abs(np.asarray(cosine) - np.cos(exact)).max() < 2 * np.finfo(dtype).eps
    assert np.abs(np.asarray(sine) - np.sin(exact)).max() < 2 * np.finfo(dtype).eps


@pytest.mark.exhaustive
def test_derivatives_of_cosine_and_sine():
    angles = jnp.array([0.0, 0.7, -2.0, 5.0])
    product = lambda x: cosine_and_sine(jnp.asarray(x))[0] * cosine_and_sine(jnp.asarray(x))[1] ** 2
    check_grads(product, (angles,), order=3, rtol=1e-6)


def test_marked_loops_may_have_arguments_that_nothing_uses():
    """XLA aborts the process for those, so they must look used; constants, which it would fold into the loop, too."""
    unused = lambda state, unused, x: jax.lax.scan(lambda s, now: (s * now, s), state, x)
    x = jnp.linspace(0.5, 1.5, 60)
    marked = jax.jit(lambda x: as_one_kernel(unused)(jnp.ones((1, 2)), jnp.zeros(3), x))(x)
    for a, b in zip(marked, unused(jnp.ones((1, 2)), None, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def marks_in(function, *arguments):
    return jax.jit(function).lower(*arguments).as_text().count('xla_cpu_small_call = "true"')


def loop(x):
    return as_one_kernel(lambda x: jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, length=3)[0])(x)


def test_marks_are_on_values_and_forward_mode_and_on_nothing_that_is_linearized():
    x = jnp.array([0.2, 0.5])
    total = lambda x: jnp.sum(loop(x))
    forward = lambda function: lambda x: jax.jvp(function, (x,), (x,))[1]
    for function in (loop, jax.vmap(loop), forward(loop), forward(forward(loop)), jax.checkpoint(loop)):
        assert marks_in(function, x)
    for function in (jax.grad(total), jax.grad(jax.checkpoint(total)), jax.grad(jax.jit(total)), jax.hessian(total)):
        assert not marks_in(function, x)


def test_marks_are_on_nothing_that_is_not_understood(monkeypatch):
    x = jnp.linspace(0.1, 0.9, 60)
    of = lambda function: may_be_marked(jax.make_jaxpr(function)(x))
    assert of(lambda x: jnp.sin(x) * x[0])
    assert not of(jnp.sum)
    assert not of(jnp.fft.fft)
    assert not of(jnp.sort)
    assert not of(lambda x: x + np.arange(60.0))
    assert not of(lambda x: jax.lax.scan(lambda s, now: (s + jnp.sum(x), now), x[0], x))
    monkeypatch.setattr(one_kernel, "MOST_STEPS", 2)
    assert not of(lambda x: jnp.sin(jnp.cos(jnp.exp(x))))


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_voxels", [1, 2, 64])
def test_spoiled_trains_of_one_order_compile(n_voxels):
    """Their transverse states are constants between repetitions; once that ended in an abort of the compiler."""
    sequence = mr.protocols.spgr(0.3, tr=0.01, te=3e-3, n_repetitions=60, phase_increment=None)
    tissue = mr.Tissue(jnp.linspace(0.3, 0.9, n_voxels), jnp.linspace(0.04, 0.1, n_voxels))
    signal = mr.simulate(sequence, tissue)
    e1 = np.exp(-0.01 / np.linspace(0.3, 0.9, n_voxels))
    steady = (1 - e1) / (1 - np.cos(0.3) * e1)  # approached in a geometric series
    z = steady + (1 - steady) * (np.cos(0.3) * e1) ** 59
    expected = np.sin(0.3) * z * np.exp(-3e-3 / np.linspace(0.04, 0.1, n_voxels))
    np.testing.assert_allclose(-signal[:, -1].imag, expected, rtol=1e-12)


@pytest.mark.slow
def test_computing_once_changes_no_value_and_no_derivative(rng):
    function = lambda x: jnp.sin(x) * x
    x = jnp.asarray(rng.normal(size=7))
    np.testing.assert_array_equal(computed_once(function)(x), function(x))
    check_grads(computed_once(function), (x,), order=2, rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_voxels", [1, 15, 16, 17, 63, 64, 200, 203])
def test_chunks_are_joined_again(n_voxels):
    x = jnp.arange(2.0 * n_voxels).reshape(2, n_voxels)
    outputs = chunks.in_chunks(lambda x: (x + 1, x.T * 2), x, lambda outputs: (1, 0), n_voxels, 16)
    np.testing.assert_array_equal(outputs[0], x + 1)
    np.testing.assert_array_equal(outputs[1], 2 * x.T)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_parts", [2, 3])
def test_cores_give_what_one_gives(monkeypatch, n_parts):
    sequence = mr.protocols.mrf_fisp(np.linspace(0.1, 1.0, 30), 12e-3, te=5e-3)
    tissue = mr.Tissue(np.linspace(0.5, 2.0, 101)[:, None], np.linspace(0.05, 0.1, 2), b1=0.9)
    alone, state = mr.play(sequence, tissue, mr.EPG(10))
    monkeypatch.setattr(known, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(cores, "available_cores", lambda: n_parts)
    signal, state_of_parts = mr.play(sequence, copy.copy(tissue), mr.EPG(10))  # a call is remembered by its objects
    assert signal.shape == (101, 2, 30)
    np.testing.assert_array_equal(signal, alone)
    np.testing.assert_array_equal(state_of_parts.z, state.z)
    onward = mr.play(sequence, tissue, mr.EPG(), state=state_of_parts)[0]
    np.testing.assert_allclose(onward, mr.play(sequence, tissue, mr.EPG(), state=state)[0], rtol=1e-13, atol=1e-15)


def test_threads_keep_to_the_callers_precision(monkeypatch):
    monkeypatch.setattr(known, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(cores, "available_cores", lambda: 2)
    with jax.enable_x64(False):
        t2 = np.linspace(0.05, 0.1, 64, dtype=np.float32)
        assert mr.simulate(mr.protocols.spin_echo(te=0.05), mr.Tissue(1.0, t2)).dtype == jnp.complex64
