"""Loops in machine code of our own against JAX, which computes and transposes the same loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.jax_rules import PLAIN_JAX, scan_by_adjoint

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(PLAIN_JAX, reason="plain JAX has no machine code of our own")

N_STEPS, N_VOXELS, N_ORDERS = 71, 21, 5


def plain_scan(body, carry, inputs):
    return jax.lax.scan(body, carry, inputs)


def played(body, carry, inputs, native):
    if not native:
        return plain_scan(body, carry, inputs)
    return scan_by_adjoint(body, carry, inputs, jax.tree.leaves(inputs)[0].shape[0], plain_scan)


def uniform(seed, *shape, low=0.2, high=0.9):
    return jnp.asarray(np.random.default_rng(seed).uniform(low, high, shape))


def real_train(native):
    """Orders that are mixed by what is the same for all voxels and by what is not, and wound by one."""

    def run(decay, state, angle, weight):
        def body(state, now):
            (plus, minus), (angle, weight) = state, now
            cosine, sine = 0.9 * angle, angle**2
            sample = plus[0] * weight + sine * minus[-1]
            cosine, sine, left = cosine[None], sine[None], decay[None]
            mixed = left * (cosine * plus + sine * minus), left * (cosine * minus - sine * plus)
            wound = jax.lax.pad(mixed[0], 0.0, [(1, -1, 0), (0, 0, 0)])
            wound = jax.lax.dynamic_update_slice(wound, mixed[1][1:2], (0, 0))
            return (wound, jnp.maximum(mixed[1], 0.1 * wound)), (sample, jnp.sum(wound, axis=0))

        return played(body, state, (angle, weight), native)

    return run


def arguments_of_train():
    state = uniform(1, N_ORDERS, N_VOXELS), uniform(2, N_ORDERS, N_VOXELS)
    return uniform(0, N_VOXELS), state, uniform(3, N_STEPS, 1), uniform(4, N_STEPS, N_VOXELS)


def complex_train(native):
    """Complex numbers that turn, by an angle that is one for each step, and by one for each voxel."""

    def run(turn, state, angle):
        def body(state, now):
            after = state * turn[None] * (now[None] + 0.5j) + jnp.conj(state) * 0.1
            return after, (jnp.real(after) ** 2 + jnp.imag(after), after[1])

        return played(body, state, angle, native)

    return run


def arguments_of_complex_train():
    state = uniform(1, 3, N_VOXELS) + 1j * uniform(2, 3, N_VOXELS)
    return uniform(0, N_VOXELS) + 1j * uniform(5, N_VOXELS), state, uniform(3, N_STEPS, 1) + 0.2j


CASES = {"real": (real_train, arguments_of_train), "complex": (complex_train, arguments_of_complex_train)}


def loss_of(run):
    """A real number that depends on all outputs."""

    def loss(*arguments):
        leaves = jax.tree.leaves(run(*arguments))
        return sum(jnp.sum(jnp.cos(jnp.arange(x.size).reshape(x.shape)) * (x.real + 0.3 * x.imag**2)) for x in leaves)

    return loss


def worst(found, expected):
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return max(float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b))) for a, b in pairs)


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_jax(case):
    train, arguments = CASES[case]
    with jax.enable_x64(True):
        given = arguments()
        places = tuple(range(len(given)))
        found, expected = (jax.value_and_grad(loss_of(train(native)), places)(*given) for native in (True, False))
        assert worst(found, expected) < 1e-12


def test_machine_code_is_used_in_reverse_mode_alone():
    gradient = jax.make_jaxpr(jax.grad(loss_of(real_train(True))))(*arguments_of_train())
    assert str(gradient).count("native_loop") == 2
    flips = jnp.linspace(0.1, 1.0, 30)
    signal = lambda flips: mr.simulate(mr.protocols.mrf_fisp(flips, 12e-3, te=5e-3), mr.Tissue(1.0, 0.1), mr.EPG(8))
    assert "native_loop" in str(jax.make_jaxpr(jax.grad(lambda flips: abs(signal(flips)).sum()))(flips))


@pytest.mark.parametrize(
    "mode", ["vmap of grad", "grad of vmap", "forward over reverse", "reverse over forward", "twice"]
)
@pytest.mark.exhaustive
def test_other_modes_are_those_of_jax(mode):
    def derivative(native):
        decay, state, angle, weight = arguments_of_train()
        loss = loss_of(real_train(native))
        by_angle = lambda angle: loss(decay, state, angle, weight)
        change, many = uniform(7, N_STEPS, 1), jnp.stack([angle, angle[::-1]])
        match mode:
            case "vmap of grad":
                return jax.vmap(jax.grad(by_angle))(many)
            case "grad of vmap":
                return jax.grad(lambda many: jnp.sum(jax.vmap(by_angle)(many)))(many)
            case "forward over reverse":
                return jax.jvp(jax.grad(by_angle), (angle,), (change,))
            case "reverse over forward":
                return jax.grad(lambda angle: jax.jvp(by_angle, (angle,), (change,))[1])(angle)
            case _:
                return jax.grad(lambda angle: jnp.vdot(jax.grad(by_angle)(angle), change))(angle)

    with jax.enable_x64(True):
        assert worst(derivative(True), derivative(False)) < 1e-12


@pytest.mark.parametrize("n_voxels", [1, 5])
def test_gradients_under_vmap_are_machine_code_for_more_voxels(n_voxels):
    """Those of what is one number for all voxels, too, in which each entry has a sum of its own."""
    flips = jnp.linspace(0.1, 1.0, 30)[None] * jnp.linspace(0.5, 1.0, 7)[:, None]
    t2 = jnp.linspace(0.05, 0.1, n_voxels)

    def loss(flips, t2):
        train = mr.protocols.mrf_fisp(flips, 12e-3, te=5e-3)
        return jnp.sum(jnp.abs(mr.simulate(train, mr.Tissue(1.0, t2), mr.EPG(6))) ** 2)

    gradient = jax.grad(loss, (0, 1))
    each = jax.jit(jax.vmap(gradient, (0, None)))
    assert "mrjax_" in each.lower(flips, t2).compile().as_text()
    expected = [gradient(row, t2) for row in flips]
    for found, alone in zip(each(flips, t2), zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(found, jnp.stack(alone), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("n_voxels", [1, 3, 16, 40])
@pytest.mark.parametrize("n_steps", [4, 32, 33])
@pytest.mark.exhaustive
def test_any_number_of_voxels_and_steps(n_voxels, n_steps):
    with jax.enable_x64(True):
        decay, state, angle, weight = arguments_of_train()
        state = jax.tree.map(lambda x: jnp.resize(x, (N_ORDERS, n_voxels)), state)
        given = (
            jnp.resize(decay, (n_voxels,)),
            state,
            angle[:n_steps],
            jnp.resize(weight[:n_steps], (n_steps, n_voxels)),
        )
        found, expected = (jax.grad(loss_of(real_train(native)), (0, 1, 2, 3))(*given) for native in (True, False))
        assert worst(found, expected) < 1e-12


ELEMENTWISE = {
    "abs": lambda x, y: jnp.abs(x - y),
    "sign": lambda x, y: jnp.sign(x - y) * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**3 + y**-2,
    "smallest and largest": lambda x, y: jnp.minimum(x, y) - jnp.maximum(x, 2 * y),
    "chosen": lambda x, y: jnp.where((x > y) & ~(x >= 0.8) | (y <= 0.3) | (x != x), x, y * x),
    "root": lambda x, y: jnp.sqrt(x * y),
    "rounded": lambda x, y: jnp.round(5 * x) * y,
    "whole numbers": lambda x, y: jnp.where(jnp.round(9 * x).astype(jnp.int32) % 3 == 1, x, -y),
    "finite": lambda x, y: jnp.where(jnp.isfinite(x / jnp.round(y)), x, y),
    "magnitude": lambda x, y: jnp.abs(x + 1j * y),
    "complex quotient": lambda x, y: jnp.imag((x + 1j * y) / y * 1j),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.exhaustive
def test_arithmetic_is_that_of_jax(name):
    def loss(x, y, native):
        body = lambda state, now: (0.5 * state + ELEMENTWISE[name](now, y), state * now)
        return loss_of(lambda x, y: played(body, jnp.zeros_like(y), x, native))(x, y)

    with jax.enable_x64(True):
        given = uniform(1, 9, N_VOXELS), uniform(2, N_VOXELS)
        assert "native_loop" in str(jax.make_jaxpr(jax.grad(loss), static_argnums=2)(*given, True))
        found, expected = (jax.value_and_grad(loss, (0, 1))(*given, native) for native in (True, False))
        assert worst(found, expected) < 1e-12


REFUSED = {
    "a sum over voxels": lambda state, now: (state * now[None], jnp.sum(state, axis=-1, keepdims=True)),
    "a neighbour": lambda state, now: (jnp.roll(state, 1, axis=-1) * now[None], state),
    "an exponential": lambda state, now: (jnp.exp(-state) * now[None], state),
    "a sort": lambda state, now: (jnp.sort(state, axis=0) * now[None], state),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_for_each_voxel_alone_is_left_to_jax(name):
    run = lambda state, inputs, native: played(REFUSED[name], state, inputs, native)
    given = uniform(1, 3, N_VOXELS), uniform(2, 9, 1)
    losses = [loss_of(lambda *arguments, native=native: run(*arguments, native)) for native in (True, False)]
    assert "native_loop" not in str(jax.make_jaxpr(jax.grad(losses[0]))(*given))
    found, expected = (jax.grad(loss, (0, 1))(*given) for loss in losses)
    assert worst(found, expected) == 0


def test_without_llvm_jax_transposes(monkeypatch):
    monkeypatch.setattr("mrjax.jax_rules.native.IS_AVAILABLE", False)
    assert "native_loop" not in str(jax.make_jaxpr(jax.grad(loss_of(real_train(True))))(*arguments_of_train()))


def test_what_is_no_number_stays_none():
    body = lambda state, now: (jnp.maximum(state, now), state)
    loss = loss_of(lambda now: played(body, jnp.zeros(3), now, native=True))
    value = jax.value_and_grad(loss)(jnp.array([0.1, jnp.nan, 0.3, 0.4])[:, None])[0]
    assert jnp.isnan(value)


@pytest.mark.exhaustive
@pytest.mark.parametrize("complex_b1", [False, True])
def test_gradients_of_sequences_with_phases_and_fields(complex_b1):
    with jax.enable_x64(True):
        flips, phases = uniform(1, 60), uniform(2, 60, high=6.0)
        b1 = uniform(3, 10) * (jnp.exp(1j * uniform(4, 10)) if complex_b1 else 1.0)

        def loss(flips, phases, df, gradient):
            pulses = mr.Repeat(mr.Pulse(flips, phases), mr.Delay(5e-3), mr.Sample(), mr.Delay(7e-3), mr.Dephase())
            tissue = mr.Tissue(uniform(5, 10) * 2, uniform(6, 10) * 0.1, b1=b1, off_resonance=df)
            signal = mr.simulate(mr.Sequence(pulses), tissue, mr.EPG(12), gradient=gradient)
            weight = jnp.cos(jnp.arange(signal.size)).reshape(signal.shape)
            return jnp.sum(weight * (signal.real + 0.5 * signal.imag))

        given = flips, phases, uniform(7, 10) * 20
        gradient = lambda mode: jax.grad(lambda *x: loss(*x, mode), (0, 1, 2))(*given)
        assert worst(gradient(mr.gradient.Checkpoints()), gradient(mr.gradient.Direct())) < 1e-12
