"""Designs by the Cramér-Rao bound: known optima, published ones, and noise that agrees with what the bound says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import deg, ms

TR, T1 = 5 * ms, 1.0


def of_angles(angles):
    return mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=TR)


def bound_of_t1(noise_std=1e-3):
    tissue = {"t1": jnp.array([T1]), "m0": jnp.ones(1)}
    return mr.design.crlb(of_angles, tissue, noise_std=noise_std, weights={"t1": 1.0})


def best_angles():
    r"""Those of a signal of $1/\sqrt 2$ of that at the Ernst angle, on both sides of it.

    With $x = \tan(\alpha / 2) / \tan(\alpha_E / 2) = \tan \theta$ the signal is $\sin 2\theta$ of the most, its logarithmic
    derivative in T1 is linear in $\cos^2 \theta$, and the bound of two angles with $x_1 x_2 = 1$ goes as
    $1 / \sin^2 2\theta \cos^2 2\theta$, which is least at $2 \theta = \pi / 4$.
    """
    ernst = float(mr.signals.relaxation.ernst_angle(TR, T1)[0])
    return 2 * np.arctan(np.tan(ernst / 2) * np.tan(np.pi / 8 * np.array([1, 3])))


@pytest.mark.exhaustive
def test_two_flip_angles_are_those_of_the_closed_form():
    start = jnp.array([4.0, 10.0]) * deg
    result = mr.design.optimise(
        bound_of_t1(), start, free=lambda x: x, bounds=(1 * deg, 90 * deg), steps=500, progress=False
    )
    np.testing.assert_allclose(result.best, best_angles(), rtol=1e-5)
    signal = of_angles(result.best)({"t1": jnp.array([T1]), "m0": jnp.ones(1)})
    ernst = mr.signals.relaxation.spgr(mr.signals.relaxation.ernst_angle(TR, T1), TR, T1)
    np.testing.assert_allclose(signal[0] / ernst, np.sqrt(0.5), rtol=1e-5)


@pytest.mark.exhaustive
def test_noise_spreads_estimates_as_the_bound_says():
    """Of T1 from the best angles and from others, each within a twentieth: four deviations of what 4000 fits tell."""
    bound = bound_of_t1(noise_std=2e-4)
    spread = []
    for angles in (np.array([4.0, 10.0]) * deg, best_angles()):
        found = bound.fitted_deviation(jnp.asarray(angles), jax.random.key(3), n_fits=4000)["t1"]
        np.testing.assert_allclose(found, bound.relative_deviation(jnp.asarray(angles))["t1"], rtol=0.05)
        spread.append(float(found[0]))
    assert spread[1] < 0.85 * spread[0]


@pytest.mark.exhaustive
def test_both_parts_of_complex_signals_have_noise():
    """The phase of two echoes tells the frequency, and its standard deviation that of the noise across the signal."""
    te = jnp.array([0.0, 0.01])
    turn = lambda p: 2j * jnp.pi * p["off_resonance"][..., None] * te.reshape((1,) * p["m0"].ndim + (2,))
    turning = lambda te: lambda p: p["m0"][..., None] * jnp.exp(turn(p))
    tissues = {"off_resonance": jnp.array([5.0]), "m0": jnp.ones(1)}
    bound = mr.design.crlb(turning, tissues, noise_std=0.01)
    exact = {"off_resonance": 0.01 / (2 * np.pi * 0.01) / 5.0, "m0": 0.01 / np.sqrt(2)}
    found = bound.fitted_deviation(te, jax.random.key(1), n_fits=4000)
    for name, value in exact.items():
        np.testing.assert_allclose(bound.relative_deviation(te)[name], [value], rtol=1e-9)
        np.testing.assert_allclose(found[name], [value], rtol=0.05)


@pytest.mark.exhaustive
def test_the_objective_is_the_mean_of_weighted_relative_variances():
    te, noise_std = np.array([0.01, 0.03, 0.09]), 0.1
    t2, m0 = np.array([0.05, 0.12]), np.array([2.0, 3.0])
    decay = np.exp(-te / t2[:, None])
    columns = np.stack([decay, m0[:, None] * decay * te / t2[:, None] ** 2])
    inverse = np.linalg.inv(np.einsum("pvn,qvn->vpq", columns, columns)) * noise_std**2
    expected = np.mean(0.25 * inverse[:, 0, 0] / m0**2 + 2 * inverse[:, 1, 1] / t2**2)
    model_of = lambda te: mr.signals.models.Decay(te=te)
    tissues = {"t2": t2, "m0": m0}
    bound = mr.design.crlb(model_of, tissues, noise_std=noise_std, weights={"t2": 2.0, "m0": 0.25})
    np.testing.assert_allclose(bound(jnp.asarray(te)), expected, rtol=1e-12)
    np.testing.assert_allclose(bound.relative_deviation(jnp.asarray(te))["t2"], np.sqrt(inverse[:, 1, 1]) / t2)


@pytest.mark.parametrize(
    ("tissues", "options", "sentence"),
    [
        ({"t1": [1.0]}, {"weights": {"t2": 1.0}}, r"`weights` names 't2', which `tissues` \(t1\) does not have"),
        ({"t1": [1.0]}, {"weights": {"t1": -1.0}}, r"`weights\['t1'\]` must be finite and not negative, but got -1.0"),
        ({"t1": [1.0]}, {"weights": {"t1": 0.0}}, "`weights` must be positive for at least one parameter"),
        ({"t1": [1.0], "offset": [0.0]}, {}, r"`tissues\['offset'\]` must not be zero"),
        ({"t1": [1.0, 2.0], "m0": [1.0]}, {}, "All leaves of `tissues` must have the same voxel shape"),
        ({"t1": [1.0]}, {"noise_std": -1.0}, "`noise_std` must be positive"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(tissues, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        mr.design.crlb(of_angles, tissues, **{"noise_std": 1.0, **options})


def echoes_of(angles):
    train = mr.protocols.cpmg(angles, echo_spacing=10 * ms)
    return lambda p: p["m0"][..., None] * mr.simulate(train, mr.Tissue(1.0, p["t2"])).real


def bound_of_t2():
    return mr.design.crlb(echoes_of, {"t2": jnp.array([0.1]), "m0": jnp.ones(1)}, noise_std=0.01, weights={"t2": 1.0})


@pytest.mark.exhaustive
def test_derivatives_through_a_simulation_agree_with_differences():
    bound = jax.jit(bound_of_t2())
    angles, along = jnp.array([2.0, 1.5, 1.2, 1.0]), jnp.array([0.3, -0.2, 0.5, 0.1])
    step = 1e-5
    difference = (bound(angles + step * along) - bound(angles - step * along)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(bound))(angles) @ along, difference, rtol=1e-7)
    np.testing.assert_allclose(jax.jvp(bound, (angles,), (along,))[1], difference, rtol=1e-7)


@pytest.mark.exhaustive
def test_refocusing_angles_are_the_published_ones(reference_data):
    """32 echoes of the power of 60 degrees, for T2 of 100 ms with M0 unknown, from 60 degrees on."""
    published = np.loadtxt(reference_data("mrf/fse_fisher_angles_32.csv")) * deg
    most = (60 * deg) ** 2
    result = mr.design.optimise(
        bound_of_t2(),
        jnp.full(32, 60 * deg),
        free=lambda angles: angles,
        bounds=(0.0, 180 * deg),
        constraints=[mr.design.Constraint(mr.design.energy, upper=most)],
        optimiser=mr.design.Constrained(tolerance=1e-7),
        progress=False,
    )
    np.testing.assert_allclose(mr.design.energy(published), most, rtol=1e-5)  # theirs are at the limit
    assert result.objective < bound_of_t2()(jnp.asarray(published)) < result.objective * 1.001
    np.testing.assert_allclose(result.best[:31], published[:31], atol=0.5 * deg)  # the last hardly matters
