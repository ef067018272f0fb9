"""Values in another unit are noticed, once and where the user wrote them; what is unusual but real is not."""

import re
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import mrjax as mr
from mrjax.inverse import least_squares
from mrjax.protocols import bssfp, spgr
from mrjax.signals import relaxation
from mrjax.synthesis import LogUniform, add_complex_noise, rician_magnitude
from mrjax.units import deg, mm, ms, mT, us, uT

TE = jnp.array([[10.0, 30.0]]) * ms
N = np.arange(3000)
SPOILED = 117 * deg * N * (N + 1) / 2


@pytest.fixture(autouse=True)
def _as_users_see_it():
    """The run-time type checks of the tests stand between the user's line and ours; users do not have them."""
    disabled = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", disabled)


def decay(p):
    return p["m0"][:, None] * jnp.exp(-TE / p["t2"][:, None])


def fitted(noise_std):
    return least_squares(decay, jnp.ones((1, 2)), {"m0": jnp.ones(1), "t2": jnp.ones(1)}, noise_std=noise_std)


IMPLAUSIBLE = {
    "flip angle": (
        lambda: mr.Pulse(90.0),
        "`flip_angle` is in rad and reaches 90, more than is plausible (6.28).*degrees",
    ),
    "phase": (
        lambda: mr.Pulse(0.5, phase=117),
        "`phase` is in rad and holds whole numbers of more than a turn.*degrees",
    ),
    "phases": (lambda: mr.Pulse(0.5, 117 * N[:4] * N[1:5] / 2), "`phase` is in rad and holds whole numbers"),
    "flip angles": (lambda: spgr(np.array([2, 5, 15]), 10 * ms, 3 * ms, 3), "`flip_angle` is in rad and reaches 10"),
    "increment": (lambda: spgr(0.1, 10 * ms, 3 * ms, 3, 117), "`phase_increment` is in rad and reaches 100"),
    "increment of bssfp": (lambda: bssfp(0.1, 5 * ms, 3, phase_increment=180), "`phase_increment` is in rad"),
    "closed form": (lambda: relaxation.spgr(15.0, 10 * ms, 1.0), "`flip_angle` is in rad and reaches 10"),
    "b1": (lambda: mr.Tissue(1.0, 0.1, b1=95.0), "`b1` is relative to nominal and reaches 90.*percent"),
    "delay": (
        lambda: mr.Sequence(mr.Pulse(0.5), mr.Delay(5), mr.Sample()),
        "`duration` is in s and reaches 5, more than is plausible (4).*milliseconds",
    ),
    "long delay": (lambda: mr.Delay(500), "`duration` is in s and reaches 500"),
    "gradient": (
        lambda: mr.Gradient.trapezoid(12, rise=100 * us, flat=1 * ms, axis="x"),
        "`waveform` is in T/m and reaches 10, more than is plausible (2).*`mrjax.units.mT`",
    ),
    "rf": (
        lambda: mr.ContinuousWave(2.0, 1 * ms),
        "`b1` is in T and reaches 2, more than is plausible (0.01).*microtesla",
    ),
    "waveform": (lambda: mr.ShapedPulse(np.full(5, -2j), 1 * ms), "`waveform` is in T and reaches 2"),
    "dwell": (lambda: mr.Readout(4, 10), "`dwell` is in s and reaches 10, more than is plausible (1).*microseconds"),
    "fraction": (lambda: mr.Pool(14.0, 30.0, 1.0, 0.1), "`fraction` is relative to water and reaches 10.*percent"),
    "diffusion": (lambda: mr.Tissue(1.0, 0.1, diffusion=1e-3), "`diffusion` is in m^2/s and reaches 0.001"),
    "voxel": (lambda: mr.EPG(voxel_size=2), "`voxel_size` is in m and reaches 2, more than is plausible (0.5)"),
    "voxels": (lambda: mr.Isochromats(8, voxel_size=[2, 2, 5]), "`voxel_size` is in m and reaches 5"),
    "position": (lambda: mr.Tissue(1.0, 0.1, x=np.array([-120.0, 3.0])), "`x` is in m and reaches 100"),
    "velocity": (lambda: mr.Tissue(1.0, 0.1, velocity_z=50), "`velocity_z` is in m/s and reaches 50"),
    "exchanged": (lambda: mr.Tissue(0.1, 1.0), "`t2` is longer than two `t1` in some voxels"),
    "snr": (
        lambda: add_complex_noise(jax.random.key(0), jnp.ones(3), 0.01),
        "`snr` is signal over noise and falls to 0.01",
    ),
    "noise": (lambda: fitted(50.0), "`noise_std` is in the unit of the data and larger than all of them"),
    "prior": (lambda: LogUniform({"t1": (100, 3000)}), r"`limits['t1']` is in s and reaches 3000"),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_what_is_not_plausible_is_noticed_where_it_stands(name):
    call, message = IMPLAUSIBLE[name]
    with pytest.warns(mr.PlausibilityWarning) as warned:
        call()
    pattern = ".*".join(map(re.escape, message.split(".*")))
    assert any(re.match(pattern, str(warning.message)) for warning in warned), [str(w.message) for w in warned]
    assert {warning.filename for warning in warned} == {__file__}
    assert {warning.category for warning in warned} == {mr.PlausibilityWarning}


REAL = {
    "spoiling": lambda: [mr.Pulse(0.1, SPOILED.astype(kind)) for kind in (np.float32, np.float64)],
    "spgr": lambda: spgr(10 * deg, 5 * ms, 2 * ms, 3000),
    "a turn": lambda: mr.Pulse(np.float32(360 * deg), np.float32(-360 * deg)),
    "full recovery": lambda: mr.Sequence(mr.Pulse(np.pi), mr.Delay(5), mr.Pulse(0.5), mr.Sample(), mr.Delay(10)),
    "endless": lambda: mr.Sequence(mr.Pulse(0.5), mr.Delay(np.inf), mr.Sample()),
    "preclinical gradient": lambda: mr.Gradient.trapezoid(1.0, rise=100 * us, flat=1 * ms, axis="x"),
    "adiabatic": lambda: mr.ShapedPulse(25 * uT * mr.protocols.cest.pulse_shapes.hyperbolic_secant(500), 20 * us),
    "b1 at 7 T": lambda: mr.Tissue(1.0, 0.1, b1=np.array([0.0, 1.9])),
    "no relaxation": lambda: mr.Tissue(np.inf, np.inf),
    "no decay": lambda: mr.Tissue(1.0, np.inf),
    "twice": lambda: mr.Tissue(jnp.float32(0.7), jnp.float32(1.4)),
    "semisolid": lambda: mr.Pool(0.2, 50.0, 1.0, 9e-6, lineshape=mr.lineshapes.SuperLorentzian()),
    "helium": lambda: mr.Tissue(20.0, 5.0, diffusion=9e-5),
    "microscopy": lambda: mr.EPG(voxel_size=20e-6),
    "blood": lambda: mr.Tissue(1.6, 0.2, x=-300 * mm, velocity_z=-1.5),
    "low snr": lambda: rician_magnitude(jax.random.key(0), jnp.zeros(3), np.array([0.5, np.inf, 1000.0])),
    "noisy fit": lambda: fitted(0.9),
    "traced": lambda: jax.jit(lambda t1: mr.Tissue(t1, 0.1, b1=t1).t1)(1000.0),
    "protocols": lambda: mr.Gradient([0, 40 * mT, 0], [0, 1 * ms, 2 * ms], "x"),
}


@pytest.mark.parametrize("name", REAL)
def test_what_is_unusual_but_real_is_not(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        REAL[name]()


def test_a_line_warns_once_for_a_quantity_however_often_it_runs():
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for t1 in np.linspace(1000.0, 1099.0, 20):
            mr.Tissue(t1, 0.1)
    assert len(warned) == 1


def test_one_line_silences_them_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=mr.PlausibilityWarning)
        for call, _ in IMPLAUSIBLE.values():
            call()


def test_the_sentence_under_compilation_as_the_documentation_says():
    def signal(t2):
        return mr.simulate(mr.Sequence(mr.Pulse(1.0), mr.Delay(5e-3), mr.Sample()), mr.Tissue(1.0, t2))

    sentence = r"`t2` must be positive \(s\)"
    with pytest.raises(ValueError, match=rf"^{sentence}, but got -0\.1\.$"):
        signal(-0.1)
    with jax.disable_jit(), pytest.raises(ValueError, match=rf"^{sentence}, but got -0\.1\.$"):
        jax.jit(signal)(-0.1)
    with pytest.raises(eqx.EquinoxRuntimeError, match=rf"EquinoxRuntimeError: {sentence}\.\n"):
        eqx.filter_jit(signal)(-0.1)
    with pytest.raises(Exception, match=rf"EquinoxRuntimeError: {sentence}\."):
        jax.jit(signal)(-0.1)
