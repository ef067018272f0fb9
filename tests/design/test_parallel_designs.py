"""kT-points, limits of transmit channels and virtual observation points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import GAMMA_BAR, cm, ms, mT, us, uT


def waves(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def kt_points(rng, n=4, channels=3):
    fields = waves(rng, channels, n) * uT
    return {
        "real": jnp.asarray(fields.real),
        "imaginary": jnp.asarray(fields.imag),
        "k": rng.normal(size=(n - 1, 3)) * 4,
    }


def test_points_of_little_field_are_a_sum_of_waves(rng):
    points, design = mr.design.KTPoints(n_points=4), kt_points(rng)
    design = {name: values * (1 if name == "k" else 1e-5) for name, values in design.items()}
    maps, place = waves(rng, 3, 6), rng.normal(size=(6, 3)) * 5 * cm
    found = mr.design.parallel_response(points.pulse(design), b1_maps=maps, position=place).excited
    k = np.concatenate([design["k"], np.zeros((1, 3))])
    fields = np.asarray(design["real"] + 1j * design["imaginary"])
    tipped = (maps.T @ fields) * np.exp(2j * np.pi * place @ k.T)
    wanted = -1j * 2 * np.pi * GAMMA_BAR["1H"] * points.block * tipped.sum(axis=1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


def test_points_keep_the_limits_of_what_plays_them(rng):
    points = mr.design.KTPoints(n_points=4, max_b1=3 * uT, max_gradient=10 * mT, max_slew=100.0)
    wild = jax.tree.map(lambda values: 100 * values, kt_points(rng))
    pulse = points.pulse(wild)
    assert float(jnp.abs(pulse.waveforms).max()) == pytest.approx(3 * uT)
    assert float(jnp.abs(pulse.gradient).max()) == pytest.approx(100.0 * 40 * us)  # the slew rate limits it
    assert float(jnp.abs(jnp.diff(pulse.gradient, axis=0)).max() / pulse.dt) == pytest.approx(100.0)
    scanner = mr.Scanner(max_gradient=10 * mT, max_slew=100.0, max_b1=1.0, rf_dead_time=0.0, rf_ringdown=0.0)
    scanner.check(mr.Sequence(pulse.seen([1.0, 1.0, 1.0])))
    assert pulse.duration == pytest.approx(4 * points.block + 3 * points.blip)


def test_one_point_is_a_shim(rng):
    pulse = mr.design.KTPoints(n_points=1).pulse(kt_points(rng, n=1))
    assert pulse.waveforms.shape == (3, 10)
    assert not pulse.gradient.any()


def test_limits_are_those_of_means_and_peaks(rng):
    """Against sums of |b|^2 and of SAR sample by sample."""
    waveforms, tr = waves(rng, 2, 10) * 5 * uT, 8 * ms
    pulse = mr.design.ParallelPulse(waveforms, np.zeros((11, 3)), dt=0.1 * ms)
    local = np.stack([a @ a.conj().T for a in waves(rng, 4, 2, 2)]) * 1e12
    limits = mr.design.TransmitLimits(
        tr=tr,
        max_b1=20 * uT,
        power=3e12,
        max_power=5.0,
        local_q=local,
        max_local_sar=10.0,
        global_q=local[0],
        max_global_sar=3.2,
    )
    shares = limits.utilisation(pulse)
    deposited = np.real([[b.conj() @ q @ b for b in waveforms.T] for q in local]).sum(axis=1) * pulse.dt / tr
    np.testing.assert_allclose(shares["b1"], np.abs(waveforms) / (20 * uT), rtol=1e-12)
    np.testing.assert_allclose(
        shares["power"], 3e12 * np.sum(np.abs(waveforms) ** 2, axis=1) * pulse.dt / tr / 5, rtol=1e-12
    )
    np.testing.assert_allclose(shares["local_sar"], deposited / 10, rtol=1e-12)
    np.testing.assert_allclose(shares["global_sar"], deposited[0] / 3.2, rtol=1e-12)


def test_terms_breaches_and_utilisation_agree():
    pulse = lambda b1: mr.design.ParallelPulse(jnp.full((2, 10), b1), jnp.zeros((11, 3)), dt=0.1 * ms)
    limits = mr.design.TransmitLimits(tr=10 * ms, max_b1=10 * uT, power=1e12, max_power=8.1)
    _, terms = mr.design.weighted_sum(limits.terms(pulse))(9 * uT)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"b1": 0.0, "power": 0.0}, abs=1e-15)
    limits.check(pulse(9 * uT))
    _, terms = mr.design.weighted_sum(limits.terms(pulse))(12 * uT)
    assert float(terms["b1"]) == pytest.approx(20 * 0.2**2)
    assert float(terms["power"]) == pytest.approx(2 * (14.4 / 8.1 - 1) ** 2)
    assert limits.breaches(pulse(12 * uT)) == [
        "`b1` is 1.2 times what it may be.",
        "`power` is 1.778 times what it may be.",
    ]
    with pytest.raises(ValueError, match=r"`b1` is 1\.2 times what it may be"):
        limits.check(pulse(12 * uT))
    _, terms = mr.design.weighted_sum(limits.terms(pulse, margin=0.2))(9 * uT)
    assert float(terms["b1"]) == pytest.approx(20 * 0.1**2)


def test_virtual_points_bound_all_places_and_little_more(rng):
    places = np.arange(300) / 300  # neighbours are alike, as those of a body
    fields = np.stack([np.exp(-((places - c) ** 2) / 0.1 + 2j * c * places) for c in np.linspace(0, 1, 5)], axis=1)
    matrices = fields.conj()[:, :, None] * fields[:, None, :] + 0.02 * np.eye(5)
    points = mr.design.virtual_observation_points(matrices, allowance=0.1)
    assert len(points) < 30
    power = lambda b, of: np.einsum("nc,vcd,nd->nv", b.conj(), of, b).real.max(axis=1)
    b = waves(rng, 2000, 5)
    exact, bound = power(b, matrices), power(b, points)
    largest = np.linalg.norm(matrices, 2, axis=(1, 2)).max()
    assert np.all(bound >= exact * (1 - 1e-12))
    assert np.all(bound <= exact + 0.1 * largest * np.sum(np.abs(b) ** 2, axis=1))
    each = mr.design.virtual_observation_points(matrices, allowance=1e-9)
    np.testing.assert_allclose(power(b, each), exact, rtol=1e-7)


@pytest.mark.exhaustive
def test_points_excite_evenly_what_a_shim_does_not():
    """At 7 T: a coefficient of variation of about 20 percent of the circularly polarised mode, and below 10 of kT-points."""
    x, y = np.meshgrid(np.linspace(-8, 8, 9) * cm, np.linspace(-8, 8, 9) * cm, indexing="ij")
    within = np.hypot(x, y) < 8.5 * cm
    place = np.stack([x, y, 0 * x], axis=-1)[within]
    tissue = mr.Tissue(jnp.ones(len(place)), 0.1, x=place[:, 0], y=place[:, 1], z=place[:, 2])
    maps, angle = mr.phantoms.transmit_array(tissue).b1, np.deg2rad(10)
    points = mr.design.KTPoints(n_points=5)
    angles = lambda design: mr.design.parallel_response(points.pulse(design), b1_maps=maps, position=place).flip_angle
    error = lambda design: mr.design.relative_error(angles(design), jnp.full(len(place), angle))
    rng = np.random.default_rng(0)
    nominal = angle / (2 * np.pi * GAMMA_BAR["1H"] * 5 * points.block)
    start = {
        "real": jnp.full((8, 5), nominal),
        "imaginary": jnp.zeros((8, 5)),
        "k": jnp.asarray(rng.normal(size=(4, 3)) * 3),
    }
    start["k"] = start["k"].at[:, 2].set(0.0)
    found = mr.design.optimise(
        error, start, free=lambda design: design, bounds=points.bounds, steps=200, progress=False
    )
    variation = lambda values: float(jnp.std(values) / jnp.mean(values))
    assert variation(jnp.abs(maps.sum(axis=0))) > 0.18
    assert variation(angles(found.best)) < 0.06


def test_what_cannot_be_of_parallel_designs_says_so(rng):
    with pytest.raises(ValueError, match=r"`blip` must be a multiple of 2e-05 s, but got 7e-05"):
        mr.design.KTPoints(n_points=2, blip=70 * us)
    design = {"real": jnp.ones((3, 2)), "imaginary": jnp.ones((3, 2)), "k": jnp.ones((2, 3))}
    with pytest.raises(ValueError, match=r"`k` of shape \(1, 3\), but has \(3, 2\) and \(2, 3\)"):
        mr.design.KTPoints(n_points=2).pulse(design)
    with pytest.raises(ValueError, match="`power` and `max_power` belong together"):
        mr.design.TransmitLimits(tr=1.0, power=1.0)
    limits = mr.design.TransmitLimits(tr=1 * us, global_q=np.eye(3), max_global_sar=3.2)
    pulse = mr.design.KTPoints(n_points=2).pulse(kt_points(rng, n=2))
    with pytest.raises(ValueError, match="`pulse` must not last longer than `tr`"):
        limits.utilisation(pulse)
    limits = mr.design.TransmitLimits(tr=1.0, global_q=np.eye(2), max_global_sar=3.2)
    with pytest.raises(ValueError, match="must be of the 3 channels of `pulse`, but are of 2"):
        limits.utilisation(pulse)
    with pytest.raises(ValueError, match="must be Hermitian"):
        mr.design.virtual_observation_points(np.array([[1.0, 2.0], [0.0, 1.0]]))
