"""EPG against signals of independent simulators (sycomore, blochsim)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def fisp(reference) -> mr.Sequence:
    half = float(reference["TE"])
    return mr.Sequence(
        mr.Pulse(jnp.pi),
        mr.Delay(float(reference["TI"])),
        mr.Repeat(
            mr.Pulse(np.deg2rad(reference["flips_deg"])),
            mr.Delay(half),
            mr.Sample(),
            mr.Delay(float(reference["TR"]) - half),
            mr.Dephase(),
        ),
    )


def cpmg(reference) -> mr.Sequence:
    return mr.protocols.cpmg(
        refocusing_angle=np.full(int(reference["n_echo"]), np.deg2rad(float(reference["refoc_deg"]))),
        echo_spacing=float(reference["ESP"]),
        excitation_angle=np.deg2rad(float(reference["exc_deg"])),
        excitation_phase=np.deg2rad(float(reference["exc_phase_deg"])),
        refocusing_phase=np.deg2rad(float(reference["refoc_phase_deg"])),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-13), (False, 2e-6)])
def test_fisp_with_all_orders(reference_data, x64, tolerance):
    reference = np.load(reference_data("epg/fisp_mrf_exact.npz"))
    with jax.enable_x64(x64):
        signal = mr.simulate(fisp(reference), mr.Tissue(reference["T1"], reference["T2"]), mr.EPG())
        assert signal.dtype == (jnp.complex128 if x64 else jnp.complex64)
    np.testing.assert_allclose(signal, reference["signal"], atol=tolerance)


@pytest.mark.slow
def test_fisp_with_twenty_states(reference_data):
    """The reference is float32 and 4.3e-6 off itself, so float64 bounds it and float32 is held against float64."""
    reference = np.load(reference_data("epg/fisp_mrf_20_states_f32.npz"))
    engine = mr.EPG(n_states=int(reference["states"]))
    exact = mr.simulate(fisp(reference), mr.Tissue(reference["T1"], reference["T2"]), engine)
    # there, minus a real number stands for the +i of a phase-0 train (see the README of the data)
    np.testing.assert_allclose(exact, -1j * reference["signal"], atol=5e-6)
    with jax.enable_x64(False):
        signal = mr.simulate(fisp(reference), mr.Tissue(reference["T1"], reference["T2"]), engine)
    np.testing.assert_allclose(signal, exact, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-13), (False, 2e-6)])
def test_cpmg_with_b1(reference_data, x64, tolerance):
    reference = np.load(reference_data("epg/cpmg_exact.npz"))
    with jax.enable_x64(x64):
        tissue = mr.Tissue(reference["T1"], reference["T2"], b1=reference["B1"])
        signal = mr.simulate(cpmg(reference), tissue)
    np.testing.assert_allclose(signal, reference["signal"], atol=tolerance)


def test_fisp_of_isochromats(reference_data):
    reference = np.load(reference_data("epg/fisp_mrf_exact.npz"))
    few = slice(0, 100, 25)
    tissue = mr.Tissue(reference["T1"][few], reference["T2"][few])
    signal = mr.simulate(fisp(reference), tissue, mr.Isochromats())
    np.testing.assert_allclose(signal, reference["signal"][few], atol=1e-12)
