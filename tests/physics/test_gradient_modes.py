"""Every way of differentiating gives the same numbers, at first and second order."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr

MODES = {
    "checkpoints": mr.gradient.Checkpoints(),
    "three checkpoints": mr.gradient.Checkpoints(3),
    "direct": mr.gradient.Direct(),
    "forward": mr.gradient.Forward(),
    "forward jacobian": mr.gradient.ForwardJacobian(),
}
ENGINES = {"EPG": mr.EPG(11), "Isochromats": mr.Isochromats(41)}


def slow_but_for(*quick):
    """The names of all modes, those that are not named marked as slow."""
    return [mode if mode in quick else pytest.param(mode, marks=pytest.mark.slow) for mode in MODES]


def fisp(flip_angle=None) -> mr.Sequence:
    return mr.protocols.mrf_fisp(jnp.linspace(0.2, 1.0, 20) if flip_angle is None else flip_angle, 12e-3, te=5e-3)


def tissue(p) -> mr.Tissue:
    return mr.Tissue(p["t1"], p["t2"], m0=p["m0"], b1=p["b1"], off_resonance=p["off_resonance"])


def parameters() -> dict:
    return {
        "t1": jnp.array([0.4, 1.2, 2.0]),
        "t2": jnp.array([0.03, 0.08, 0.3]),
        "m0": jnp.array([1.0, 0.8, 1.3]),
        "b1": jnp.array(0.9),
        "off_resonance": jnp.array([3.0, -5.0, 1.0]),
    }


def loss(p, gradient, engine=ENGINES["EPG"], batch_size=None):
    signal = mr.simulate(fisp(), tissue(p), engine, gradient=gradient, batch_size=batch_size)
    return jnp.sum(jnp.abs(signal - (0.1 + 0.2j)) ** 2)


@functools.cache
def value_and_gradient(engine, mode, batch_size=None):
    differentiated = compiled_quickly(jax.value_and_grad(lambda p: loss(p, MODES[mode], ENGINES[engine], batch_size)))
    return differentiated(parameters())


@pytest.mark.parametrize(
    ("engine", "mode", "batch_size"),
    [
        *[("EPG", mode, None) for mode in ("checkpoints", "forward", "forward jacobian")],
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [
                ("EPG", "three checkpoints", None),
                *[("Isochromats", mode, None) for mode in ("checkpoints", "forward", "forward jacobian")],
                *[("EPG", mode, 2) for mode in ("checkpoints", "direct", "forward jacobian")],
            ]
        ),
    ],
)
def test_gradients_in_the_tissue_agree(engine, mode, batch_size):
    """Each mode; each of their kinds with the other engine and in batches."""
    value, gradient = value_and_gradient(engine, mode, batch_size)
    expected_value, expected = value_and_gradient(engine, "direct")
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    for name in expected:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-9, atol=1e-13, err_msg=name)
        assert np.all(np.abs(gradient[name]) > 0)


@compiled_quickly
def plain_signal(p):
    return mr.simulate(fisp(), tissue(p), ENGINES["EPG"])


@pytest.mark.parametrize("mode", slow_but_for("checkpoints", "forward jacobian"))
def test_directional_derivatives_agree(mode):
    p = parameters()
    direction = jax.tree.map(lambda x: 0.1 * x, p)
    simulated = lambda p: mr.simulate(fisp(), tissue(p), ENGINES["EPG"], gradient=MODES[mode])
    signal, change = compiled_quickly(lambda p: jax.jvp(simulated, (p,), (direction,)))(p)
    step = 1e-6
    shifted = lambda sign: plain_signal(jax.tree.map(lambda x, d: x + sign * step * d, p, direction))
    np.testing.assert_allclose(change, (shifted(1) - shifted(-1)) / (2 * step), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(signal, plain_signal(p), rtol=1e-12, atol=1e-15)


direct_gradient = compiled_quickly(jax.grad(lambda p: loss(p, mr.gradient.Direct())))


@pytest.mark.parametrize("mode", slow_but_for("checkpoints"))
def test_hessian_vector_products_agree_with_differences_of_gradients(mode):
    p = parameters()
    direction = jax.tree.map(lambda x: 0.1 * x, p)
    gradient = jax.grad(lambda p: loss(p, MODES[mode]))
    product = compiled_quickly(lambda p: jax.jvp(gradient, (p,), (direction,))[1])(p)
    step = 1e-5
    shifted = lambda sign: direct_gradient(jax.tree.map(lambda x, d: x + sign * step * d, p, direction))
    for name in p:
        expected = (shifted(1)[name] - shifted(-1)[name]) / (2 * step)
        np.testing.assert_allclose(product[name], expected, rtol=1e-5, atol=1e-7, err_msg=name)


@functools.cache
def gradient_in_angles(mode):
    def in_angles(angles):
        signal = mr.simulate(fisp(angles), tissue(parameters()), ENGINES["EPG"], gradient=MODES[mode])
        return jnp.sum(jnp.abs(signal - 0.2j) ** 2)

    return compiled_quickly(jax.grad(in_angles))(jnp.linspace(0.2, 1.0, 20))


@pytest.mark.parametrize("mode", ["checkpoints", pytest.param("forward", marks=pytest.mark.slow)])
def test_gradients_in_the_sequence_agree(mode):
    np.testing.assert_allclose(gradient_in_angles(mode), gradient_in_angles("direct"), rtol=1e-9, atol=1e-13)


def test_forward_jacobian_refuses_the_sequence():
    def in_angles(angles):
        signal = mr.simulate(fisp(angles), tissue(parameters()), gradient=mr.gradient.ForwardJacobian())
        return jnp.sum(jnp.abs(signal) ** 2)

    with pytest.raises(ValueError, match=r"differentiates in the tissue alone.*use `gradient=Checkpoints\(\)`"):
        jax.grad(in_angles)(jnp.linspace(0.2, 1.0, 20))


@pytest.mark.parametrize("mode", slow_but_for("checkpoints"))
def test_final_states_are_differentiable(mode):
    def in_t1(t1):
        _, state = mr.play(fisp(), mr.Tissue(t1, 0.1), ENGINES["EPG"], gradient=MODES[mode])
        return jnp.sum(state.z[0])

    differentiated, t1, step = compiled_quickly(jax.value_and_grad(in_t1)), jnp.array([0.5, 1.5]), 1e-6
    difference = (differentiated(t1 + step)[0] - differentiated(t1 - step)[0]) / (2 * step)
    np.testing.assert_allclose(jnp.sum(differentiated(t1)[1]), difference, rtol=1e-6)


def test_a_design_may_differentiate_through_the_jacobian():
    """Reverse mode in the flip angles, through derivatives in T1 and T2: what an optimal experiment asks for."""
    model = lambda angles: lambda p: mr.simulate(fisp(angles), mr.Tissue(p["t1"], p["t2"]), ENGINES["EPG"])
    p = {"t1": jnp.array([0.8, 1.4]), "t2": jnp.array([0.05, 0.1])}

    @compiled_quickly
    @jax.value_and_grad
    def information(angles):
        jacobian = mr.inverse.per_voxel_jacobian(model(angles), p)
        return jnp.sum(jnp.abs(jacobian["t1"]) ** 2) + jnp.sum(jnp.abs(jacobian["t2"]) ** 2) * 1e-2

    angles, step = jnp.linspace(0.2, 1.0, 20), 1e-5
    direction = jnp.cos(jnp.arange(20.0))
    difference = (information(angles + step * direction)[0] - information(angles - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(information(angles)[1] @ direction, difference, rtol=1e-6)


def test_signal_and_jacobian_are_those_of_each():
    model = lambda p: mr.simulate(fisp(), mr.Tissue(p["t1"], p["t2"]), ENGINES["EPG"])
    p = {"t1": jnp.array([0.8, 1.4]), "t2": jnp.array([0.05, 0.1])}
    signal, jacobian = mr.inverse.signal_and_jacobian(model, p)
    np.testing.assert_allclose(signal, model(p), rtol=1e-12, atol=1e-15)
    step = 1e-6
    up, down = ({**p, "t2": p["t2"] + sign * step} for sign in (1, -1))
    np.testing.assert_allclose(jacobian["t2"], (model(up) - model(down)) / (2 * step), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n", "got"), [(0, "0"), (-3, "-3"), (True, "True")])
def test_number_of_segments_is_checked(n, got):
    with pytest.raises(ValueError, match=rf"`n_segments` must be an integer of at least 1, but got {got}"):
        mr.gradient.Checkpoints(n)
