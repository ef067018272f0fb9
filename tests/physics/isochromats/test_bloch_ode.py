"""Every kind of solver, controller and adjoint that `BlochODE` takes, in a loop whose RF changes with the repetition."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import pytest

import mrjax as mr
from mrjax.sequence import ContinuousWave, ShapedPulse

TOLERANCES = {"rtol": 1e-6, "atol": 1e-8}
PID = diffrax.PIDController(**TOLERANCES)

KINDS = {
    "controller": {"stepsize_controller": PID},
    "controller with arrays": {"stepsize_controller": diffrax.PIDController(jnp.asarray(1e-6), jnp.asarray(1e-8))},
    "controller with a norm": {
        "stepsize_controller": diffrax.PIDController(**TOLERANCES, pcoeff=0.2, icoeff=0.3, norm=optimistix.rms_norm)
    },
    "linear": {"waveform": "linear", "stepsize_controller": PID},
    "Tsit5": {"solver": diffrax.Tsit5(), "stepsize_controller": PID},
    "Dopri5": {"solver": diffrax.Dopri5()},
    "Bosh3": {"solver": diffrax.Bosh3(), "stepsize_controller": PID},
    "Heun": {"solver": diffrax.Heun(), "stepsize_controller": diffrax.PIDController(1e-4, 1e-6)},
    "Kvaerno5": {"solver": diffrax.Kvaerno5(), "stepsize_controller": PID},
    "DirectAdjoint": {"adjoint": diffrax.DirectAdjoint(), "stepsize_controller": PID},
    "ForwardMode": {"adjoint": diffrax.ForwardMode(), "stepsize_controller": PID},
    "RecursiveCheckpointAdjoint": {"adjoint": diffrax.RecursiveCheckpointAdjoint(4), "stepsize_controller": PID},
}
SHOWN = ("ForwardMode",)


def varying(scale=1.0):
    """Amplitudes and durations differ by repetition, in a loop within a loop."""
    waveform = scale * jnp.array([[[1.0, 2.0, 1.5]], [[3.0, 1.0, 2.0]]]) * 4e-6
    shaped = ShapedPulse(waveform, jnp.array([1e-4, 2e-4]))
    return mr.Sequence(
        mr.Repeat(mr.Repeat(shaped, mr.Sample(), n_repetitions=2), ContinuousWave(2e-6, [1e-4, 3e-4]), n_repetitions=2),
        mr.Sample(),
    )


TISSUE = mr.Tissue([0.5, 1.0], [0.05, 0.08])


def signal(scale, kind):
    return mr.simulate(varying(scale), TISSUE, mr.BlochODE(**KINDS[kind]))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "kind", [kind if kind in SHOWN else pytest.param(kind, marks=pytest.mark.exhaustive) for kind in KINDS]
)
def test_in_a_loop_whose_rf_changes(kind):
    found = signal(1.0, kind)
    if kind != "linear":
        np.testing.assert_allclose(
            found, mr.simulate(varying(), TISSUE, mr.Isochromats()), atol=1e-3 if kind == "Heun" else 2e-4
        )
    assert np.all(np.abs(found[:, 1:]) > 0.1)


def difference(kind, step=1e-3):
    return (signal(1.0 + step, kind) - signal(1.0 - step, kind)) / (2 * step)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["ForwardMode", "DirectAdjoint"])
def test_forward_mode(kind):
    change = jax.jvp(lambda scale: signal(scale, kind), (1.0,), (1.0,))[1]
    np.testing.assert_allclose(change, difference(kind), atol=1e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["controller", "DirectAdjoint"])
def test_reverse_mode(kind):
    kinds = {**KINDS[kind]}
    if kind == "DirectAdjoint":
        kinds["max_steps"] = 64
    engine = mr.BlochODE(**kinds)
    total = lambda scale: jnp.sum(mr.simulate(varying(scale), TISSUE, engine).imag)
    np.testing.assert_allclose(jax.grad(total)(1.0), jnp.sum(difference(kind).imag), atol=1e-3)
