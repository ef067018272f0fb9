"""Maps from Z-spectra: known truth recovered within its error bars, published asymmetries, derivatives, error sentences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.inverse import FitStatus, cest

OFFSETS = np.concatenate([np.linspace(-8, 8, 65), [-100, -50, -20, -12, 12, 20, 50, 100]])


def dip(offset, shift=0.0):
    """Smooth, and asymmetric by a known amount."""
    x = offset - shift
    return 1 - 0.9 / (1 + x**2) - 0.04 / (1 + (x - 3.5) ** 2)


# normalisation and resampling


def test_z_is_the_signal_over_the_mean_of_the_m0_scans(rng):
    offset = np.array([-300.0, 3.5, -3.5, 300.0, 0.0])
    signal = rng.uniform(1, 2, size=(3, 2, 5))
    z, kept = cest.z_spectrum(signal, offset)
    m0 = (signal[..., 0] + signal[..., 3])[..., None] / 2
    np.testing.assert_allclose(z, signal[..., [1, 2, 4]] / m0, rtol=1e-14)
    np.testing.assert_array_equal(kept, [3.5, -3.5, 0.0])
    for chosen in ([0, 3], np.array([True, False, False, True, False])):
        np.testing.assert_allclose(cest.z_spectrum(signal, offset, chosen)[0], z, rtol=1e-14)
    only_first, kept = cest.z_spectrum(signal, offset, 0)
    np.testing.assert_allclose(only_first, signal[..., 1:] / signal[..., :1], rtol=1e-14)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_resampling_is_exact_for_the_polynomials_of_its_order(method, rng):
    offset = np.sort(rng.uniform(-5, 5, 30))
    at = np.linspace(offset[0], offset[-1], 101)
    polynomial = lambda x: 0.3 - 0.1 * x + (0.05 * x**2 if method == "cubic" else 0)
    order = rng.permutation(30)
    values = cest.correct_b0(polynomial(offset)[order], offset[order], 0.0, at, method=method)
    np.testing.assert_allclose(values, polynomial(at), atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("method", "order"), [("linear", 2), ("cubic", 3)])
def test_resampling_converges_with_the_spacing(method, order):
    at = np.linspace(-3, 3, 77)
    error = [
        np.abs(cest.correct_b0(dip(x), x, 0.0, at, method=method) - dip(at)).max()
        for x in (np.linspace(-5, 5, 101), np.linspace(-5, 5, 201))
    ]
    assert error[0] / error[1] > 0.85 * 2**order


def test_correct_b0_brings_the_water_of_every_voxel_to_zero():
    shift = np.array([[-0.31, 0.0, 0.24]])
    offset = np.linspace(-6, 6, 241)
    z = dip(offset[None, None], shift[..., None])
    corrected = cest.correct_b0(z, offset, shift)
    assert corrected.shape == (1, 3, 241)
    inside = np.abs(offset) < 5.5
    np.testing.assert_allclose(
        corrected[..., inside], np.broadcast_to(dip(offset[inside]), (1, 3, inside.sum())), atol=2e-5
    )
    assert np.all(np.isnan(corrected[0, 0, :3]))
    assert np.all(np.isnan(corrected[0, 2, -3:]))


# asymmetry and contrasts


def test_asymmetry_of_a_known_spectrum():
    offset = np.linspace(-6, 6, 241)
    at = offset[offset > 0]
    expected = dip(-at) - dip(at)
    np.testing.assert_allclose(cest.mtr_asymmetry(dip(offset), offset), expected, atol=1e-12)
    shifted = cest.mtr_asymmetry(dip(offset, 0.2), offset, at[:100], shift_ppm=0.2)
    np.testing.assert_allclose(shifted, expected[:100], atol=3e-5)
    mirrored = cest.mtr_asymmetry(dip(-offset), offset)
    np.testing.assert_allclose(mirrored, -expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("case", [1, 2, 3, 5, 7])
def test_asymmetry_of_the_published_bmsim_spectra(reference_data, case):
    """At the offsets whose both sides survived in the published figure."""
    read = lambda kind: np.genfromtxt(
        reference_data(f"cest/bmsim_S01/case{case}_{kind}.csv"), delimiter=",", skip_header=1
    )
    # the last vertex of each line is there twice
    spectrum, asymmetry = (np.unique(read(kind), axis=0) for kind in ("Z", "MTRasym"))
    measured = set(np.round(spectrum[:, 0], 3))
    both = np.array([{round(x, 3), round(-x, 3)} <= measured for x in asymmetry[:, 0]])
    assert both.sum() >= 3
    result = cest.mtr_asymmetry(spectrum[:, 1], spectrum[:, 0], asymmetry[both, 0])
    np.testing.assert_allclose(result, asymmetry[both, 1], atol=3e-8)


@pytest.mark.exhaustive
def test_asymmetry_is_differentiable_in_spectrum_and_shift():
    offset = np.linspace(-6, 6, 49)
    asymmetry = jax.jit(lambda z, shift: cest.mtr_asymmetry(z, offset, jnp.array([1.0, 3.5]), shift))
    z = jnp.asarray(dip(offset[None], np.array([[0.1], [-0.03]])))
    check_grads(asymmetry, (z, jnp.array([0.11, -0.02])), 1, modes=("fwd", "rev"), rtol=1e-6)
    per_voxel = jax.vmap(asymmetry)(z, jnp.array([0.11, -0.02]))
    np.testing.assert_allclose(asymmetry(z, jnp.array([0.11, -0.02])), per_voxel, rtol=1e-12)


@pytest.mark.exhaustive
def test_contrasts_of_a_known_spectrum():
    offset = np.linspace(-6, 6, 241)
    z = dip(offset[None], np.array([[0.0], [0.15]]))
    shift = np.array([0.0, 0.15])
    difference = lambda x: dip(-x) - dip(x)
    apt = np.mean([difference(x) for x in (3.25, 3.5, 3.75)])
    np.testing.assert_allclose(cest.apt_weighted(z, offset, shift), np.full(2, apt), atol=2e-6)
    np.testing.assert_allclose(cest.glucest_ratio(z, offset, shift), np.full(2, difference(3.0) / dip(-3.0)), atol=2e-6)


def test_arex_is_the_exchange_of_the_pool_in_the_steady_state():
    """AREX = R_ex / cos^2: spillover and T1 of the water drop out."""
    amide = mr.Pool(1e-3, 50.0, 1.0, 0.1, 3.5)
    offset, b1 = np.array([3.5e-6 * mr.units.GAMMA_BAR["1H"] * 3.0]), 1e-6
    tilt = np.arctan2(mr.units.GAMMA["1H"] * b1, 2 * np.pi * offset)
    for t1, t2 in ((1.3, 0.08), (0.8, 0.03)):
        z = [mr.signals.cest.spin_lock(offset, b1, np.inf, t1, t2, pools) for pools in (amide, ())]
        rates = [mr.signals.cest.r1rho(offset, b1, t1, t2, pools) for pools in (amide, ())]
        np.testing.assert_allclose(
            cest.arex(*z, t1), (np.asarray(rates[0]) - np.asarray(rates[1])) / np.cos(tilt) ** 2, rtol=1e-10
        )


# Lorentzian fits

TRUTH = {
    "baseline": 1.0,
    "water": {"amplitude": 0.8, "width_ppm": 1.6, "position_ppm": 0.12},
    "amide": {"amplitude": 0.05, "width_ppm": 1.2, "position_ppm": 3.5},
    "noe": {"amplitude": 0.08, "width_ppm": 2.8, "position_ppm": -3.4},
    "mt": {"amplitude": 0.12, "width_ppm": 30.0, "position_ppm": -1.5},
}
SIX = TRUTH | {
    "guanidine": {"amplitude": 0.03, "width_ppm": 0.9, "position_ppm": 2.0},
    "amine": {"amplitude": 0.02, "width_ppm": 0.7, "position_ppm": 2.7},
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("truth", [TRUTH, SIX], ids=["four lines", "six lines"])
def test_lorentzian_fit_gives_back_exact_spectra(truth):
    z = cest.lorentzian_spectrum(truth, OFFSETS)
    fit = cest.lorentzian_fit(z, OFFSETS, lines=tuple(name for name in truth if name != "baseline"), max_iterations=500)
    assert fit.status == FitStatus.CONVERGED
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), fit.parameters, truth)


@pytest.mark.exhaustive
def test_lorentzian_fits_recover_the_truth_within_their_error_bars(rng):
    """All voxels at once; over voxels the error over its standard deviation has mean 0 and deviation 1."""
    shift = rng.uniform(-0.3, 0.3, 300)
    truth = jax.tree.map(lambda value: np.full(300, value), TRUTH)
    truth["water"]["position_ppm"] = shift
    noise = 0.002
    z = np.asarray(cest.lorentzian_spectrum(truth, OFFSETS))
    fit = cest.lorentzian_fit(z + noise * rng.normal(size=z.shape), OFFSETS, noise_std=noise)
    good = np.asarray(fit.status) == FitStatus.CONVERGED
    assert good.mean() > 0.95
    for line in ("water", "amide", "noe", "mt"):
        for name in ("amplitude", "width_ppm", "position_ppm"):
            error = np.asarray(fit.parameters[line][name]) - truth[line][name]
            score = (error / np.asarray(fit.standard_deviation[line][name]))[good]
            assert abs(score.mean()) < 0.3, (line, name)
            assert 0.8 < score.std() < 1.25, (line, name)
    np.testing.assert_allclose(fit.parameters["water"]["position_ppm"], shift, atol=5e-3)


def test_a_line_left_out_is_the_label_against_the_reference():
    z = cest.lorentzian_spectrum(TRUTH, OFFSETS)
    reference = cest.lorentzian_spectrum(TRUTH, OFFSETS, without=("amide",))
    np.testing.assert_allclose(reference - z, 0.05 * 0.6**2 / (0.6**2 + (OFFSETS - 3.62) ** 2), atol=1e-12)


@pytest.mark.exhaustive
def test_lorentzian_difference_shows_the_solutes():
    """All of narrow lines, which leave the water alone; the documented part of those as broad as in tissue."""
    narrow = TRUTH | {name: TRUTH[name] | {"width_ppm": 0.5} for name in ("amide", "noe")}
    peaks = np.array([np.argmin(np.abs(OFFSETS - x)) for x in (3.5, -3.25)])
    for truth, within, shown in ((narrow, 0.5, (0.97, 1.0)), (TRUTH, 0.5, (0.87, 0.93)), (TRUTH, 1.0, (0.65, 0.75))):
        z = cest.lorentzian_spectrum(truth, OFFSETS)
        solutes = cest.lorentzian_spectrum(truth, OFFSETS, without=("amide", "noe")) - z
        difference, fit = cest.lorentzian_difference(z, OFFSETS, within_ppm=within)
        assert fit.status == FitStatus.CONVERGED
        ratio = np.asarray(difference / solutes)[peaks]
        assert shown[0] < ratio.min(), (within, ratio)
        assert ratio.max() < shown[1], (within, ratio)


# WASABI

PULSE = {"rf_amplitude": 3.7e-6, "duration": 5e-3}
AROUND = np.linspace(-2, 2, 31)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bias"), [("wasabi3T_2p_creatine", 1e-3), ("wasabi3T_5p_BMsim", 0.015)])
def test_wasabi_of_reference_spectra_without_inhomogeneity(reference_data, name, bias):
    """The second has a T2 of 40 ms and a semisolid pool, which the model does not know."""
    data = np.load(reference_data(f"cest/protocols/{name}.npz"))
    pulse = {"rf_amplitude": float(data["shape0_amp_T"][0]), "duration": float(data["shape0_dt_s"])}
    z, offset = cest.z_spectrum(data["mz_exact"], data["offsets_ppm"])
    fit = cest.wasabi_fit(np.abs(z), offset, **pulse)
    assert fit.status == FitStatus.CONVERGED
    assert abs(fit.parameters["shift_ppm"]) < 1e-3
    assert abs(fit.parameters["b1"] - 1) < bias


def bloch_z(shift, b1, t1, t2):
    """Magnitude after one block pulse, by the Bloch equations of each voxel and offset."""
    larmor = mr.units.GAMMA_BAR["1H"] * 3e-6
    w1 = mr.units.GAMMA["1H"] * PULSE["rf_amplitude"] * b1
    z = np.empty((len(shift), AROUND.size))
    for i in range(len(shift)):
        for j, ppm in enumerate(AROUND):
            w = 2 * np.pi * larmor * (ppm - shift[i])
            a = np.array([[-1 / t2, w, 0], [-w, -1 / t2, w1[i]], [0, -w1[i], -1 / t1]])
            values, vectors = np.linalg.eig(a)
            steady = np.linalg.solve(a, [0, 0, -1 / t1])
            moved = vectors @ (np.exp(values * PULSE["duration"]) * np.linalg.solve(vectors, [0, 0, 1] - steady))
            z[i, j] = (moved.real + steady)[2]
    return np.abs(z)


@jax.jit
def fitted_fields(z):
    return cest.wasabi_fit(z, AROUND, **PULSE).parameters


@pytest.mark.exhaustive
@pytest.mark.parametrize(("t1", "t2", "bias"), [(3.0, 2.0, 1e-3), (1.3, 0.08, 0.03), (1.0, 0.04, 0.065)])
def test_wasabi_of_bloch_spectra_over_the_fields_of_a_head(rng, t1, t2, bias):
    """Within the bias of a model without relaxation, known for each T2, and the noise."""
    shift, b1 = rng.uniform(-0.5, 0.5, 60), rng.uniform(0.5, 1.5, 60)
    noiseless = bloch_z(shift, b1, t1, t2)
    fit = fitted_fields(noiseless)
    np.testing.assert_allclose(fit["shift_ppm"], shift, atol=0.005)
    np.testing.assert_allclose(fit["b1"], b1, atol=bias)
    noisy = fitted_fields(noiseless + 0.01 * rng.normal(size=noiseless.shape))
    np.testing.assert_allclose(noisy["shift_ppm"], fit["shift_ppm"], atol=0.02)
    np.testing.assert_allclose(noisy["b1"], fit["b1"], atol=0.02)


@pytest.mark.slow
def test_wasabi_recovers_its_own_spectra_within_the_error_bars(rng):
    shift, b1 = rng.uniform(-0.5, 0.5, (20, 30)), rng.uniform(0.5, 1.5, (20, 30))
    c, d = rng.uniform(0.85, 1.0, (20, 30)), rng.uniform(1.5, 2.0, (20, 30))
    z = np.asarray(cest.wasabi_spectrum(shift, b1, c, d, offset_ppm=AROUND, **PULSE))
    fit = cest.wasabi_fit(z + 0.005 * rng.normal(size=z.shape), AROUND, **PULSE, noise_std=0.005)
    for name, truth in {"shift_ppm": shift, "b1": b1, "c": c, "d": d}.items():
        score = (np.asarray(fit.parameters[name]) - truth) / np.asarray(fit.standard_deviation[name])
        assert np.abs(score).max() < 6, name
        assert 0.85 < score.std() < 1.15, name


@pytest.mark.exhaustive
def test_fits_run_inside_jit_and_in_float32():
    z = cest.wasabi_spectrum(0.3, 0.8, 0.95, 1.8, offset_ppm=AROUND, **PULSE)
    fit = jax.jit(lambda z: cest.wasabi_fit(z, AROUND, **PULSE).parameters)
    np.testing.assert_allclose(fit(z)["shift_ppm"], 0.3, atol=1e-6)
    single = fit(z.astype(jnp.float32))
    assert single["b1"].dtype == jnp.float32
    np.testing.assert_allclose(single["b1"], 0.8, atol=1e-4)
    spectrum = cest.lorentzian_spectrum(TRUTH, OFFSETS).astype(jnp.float32)
    amide = jax.jit(lambda z: cest.lorentzian_fit(z, OFFSETS).parameters["amide"]["amplitude"])(spectrum)
    assert amide.dtype == jnp.float32
    np.testing.assert_allclose(amide, 0.05, atol=2e-3)


def test_what_does_not_fit_is_refused():
    offset = np.linspace(-4, 4, 9)
    z = np.ones(9)
    with pytest.raises(ValueError, match="`z` must have the 9 offsets of `offset_ppm` on its last axis"):
        cest.mtr_asymmetry(np.ones(8), offset)
    with pytest.raises(ValueError, match="`offset_ppm` must hold each offset once"):
        cest.mtr_asymmetry(z, np.abs(offset), 1.0)
    with pytest.raises(ValueError, match="Some, not all, of the scans must be M0 scans, but 0 of 9 are"):
        cest.z_spectrum(z, offset)
    with pytest.raises(ValueError, match="`m0_scans` must be indices below 9"):
        cest.z_spectrum(z, offset, 9)
    with pytest.raises(ValueError, match="`shift_ppm` must broadcast to the voxel shape"):
        cest.correct_b0(z, offset, np.zeros(3))
    with pytest.raises(ValueError, match="`lines` must be names out of water, amide, noe, mt"):
        cest.lorentzian_fit(z, offset, lines=("water", "fat"))
    with pytest.raises(ValueError, match="`lines` must hold the water"):
        cest.lorentzian_fit(z, offset, lines=("amide",))
    with pytest.raises(ValueError, match="must leave more than the 7 offsets"):
        cest.lorentzian_difference(z, offset)
    with pytest.raises(ValueError, match="`without` must name lines"):
        cest.lorentzian_spectrum(TRUTH, OFFSETS, without=("fat",))
    with pytest.raises(ValueError, match="`t1` must be positive"):
        cest.arex(0.5, 0.6, 0.0)
