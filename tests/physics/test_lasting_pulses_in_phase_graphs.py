"""RF that lasts and slice profiles in phase distribution graphs, against isochromats and extended phase graphs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.sequence.precision import is_known
from mrjax.units import GAMMA_BAR, deg, mm, ms, us, uT

SIZE = 2 * mm
ALONG_X = np.array([SIZE, 1e-9, 1e-9])
"""Voxels that gradients wind along x alone; along z they are points."""


def selected(n_steps: int, repetitions: int = 6) -> mr.Sequence:
    """Pulses under slice gradients, shaped and with an offset, a block without gradients, and windings along x."""
    shape = 5 * uT * np.hanning(n_steps) * np.exp(0.3j)
    lasts = n_steps * 50 * us
    slope = mr.Gradient([0.0, 8e-3, 8e-3, 0.0], [0.0, 0.2 * ms, 0.3 * ms + lasts, 0.5 * ms + lasts], "z")
    under = lambda pulse: mr.Together(mr.Sequence(mr.Delay(0.1 * ms), pulse, mr.Delay(0.4 * ms)), slope)
    first = under(mr.ShapedPulse(shape, 50 * us, offset=120.0))
    other = under(mr.ShapedPulse(2 * shape, 50 * us, phase=np.linspace(0, 2, repetitions)))
    block = mr.ContinuousWave(1 * uT, 3 * ms, offset=50.0)
    wind = mr.Gradient.trapezoid(area=2 / SIZE / GAMMA_BAR["1H"], rise=0.1 * ms, flat=1 * ms, axis="x")
    train = mr.Repeat(other, mr.Delay(2 * ms), mr.Sample(), wind, mr.Delay(1 * ms))
    return mr.Sequence(first, block, mr.Delay(3 * ms), mr.Sample(), train, block, mr.Sample())


def voxels(**more) -> mr.Tissue:
    spread = lambda low, high: jnp.linspace(low, high, 5)
    return mr.Tissue(
        spread(0.5, 1.5),
        spread(0.03, 0.2),
        off_resonance=spread(-60, 80),
        b1=spread(0.7, 1.3) * jnp.exp(0.4j),
        z=spread(-8 * mm, 8 * mm),
        **more,
    )


@pytest.mark.parametrize("n_steps", [40, 31])
def test_rf_that_lasts_is_that_of_isochromats_with_relaxation_meanwhile(n_steps):
    spins = mr.Isochromats(4096, voxel_size=[SIZE, 1e-12, 1e-12])
    expected = mr.simulate(selected(n_steps), voxels(), spins)
    assert np.abs(expected).max() > 0.1
    graph = mr.simulate(selected(n_steps), voxels(), mr.PDG(0.0, voxel_size=ALONG_X))
    np.testing.assert_allclose(graph, expected, atol=1e-10)


def test_diffusion_while_rf_lasts_is_that_of_extended_phase_graphs():
    """Those relax before and after a pulse, but diffuse as these."""
    tissue = mr.Tissue(jnp.inf, jnp.inf, diffusion=3e-9, off_resonance=30.0)
    cycles = 0.05 * 4 * ms * GAMMA_BAR["1H"] * SIZE
    strength = 0.05 * round(cycles) / cycles
    lobe = mr.Gradient([strength, strength], [0.0, 4 * ms], "x")
    pulse = mr.Together(mr.Sequence(mr.Delay(1 * ms), mr.ShapedPulse(3 * uT * np.hanning(20), 100 * us)), lobe)
    sequence = mr.Sequence(mr.Repeat(pulse, mr.Delay(1 * ms), mr.Sample(), n_repetitions=4))
    expected = mr.simulate(sequence, tissue, mr.EPG(voxel_size=SIZE, axis="x"))
    undamped = mr.simulate(sequence, mr.Tissue(jnp.inf, jnp.inf, off_resonance=30.0), mr.EPG(voxel_size=SIZE, axis="x"))
    graph = mr.simulate(sequence, tissue, mr.PDG(0.0, voxel_size=SIZE))
    np.testing.assert_allclose(graph, expected, atol=1e-12)
    assert np.abs(expected - undamped).max() > 1e-3


def test_single_precision_holds_rf_that_lasts():
    single = jax.tree.map(lambda x: x.astype(jnp.complex64 if jnp.iscomplexobj(x) else jnp.float32), voxels())
    exact = mr.simulate(selected(40), voxels(), mr.PDG(0.0, voxel_size=ALONG_X))
    with jax.enable_x64(False):
        found = mr.simulate(selected(40), single, mr.PDG(0.0, voxel_size=ALONG_X))
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_nothing_transverse_is_left_of_a_short_t2():
    """Relaxation that would be taken back without bound."""
    sequence = mr.Sequence(mr.ContinuousWave(1 * uT, 20 * ms), mr.Sample(), mr.SampleLongitudinal())
    tissue = mr.Tissue(1.0, jnp.array([10e-6, 1e-3]))
    expected = mr.simulate(sequence, tissue, mr.Isochromats())
    found = mr.simulate(sequence, tissue, mr.PDG(0.0))
    np.testing.assert_allclose(found[1], expected[1], atol=1e-12)
    np.testing.assert_allclose(found[0, 1], expected[0, 1], atol=1e-4)


@pytest.mark.parametrize("accuracy", [0.0, 1e-3])
def test_derivatives_in_rf_that_lasts_agree_with_finite_differences(accuracy):
    sequence, tissue = selected(31, 3), voxels()
    engine = mr.PDG(accuracy, voxel_size=ALONG_X).with_graph(sequence, tissue)

    def signal(scale, t2, off_resonance):
        where = lambda sequence: sequence.events[0].tracks[0][1].waveform
        scaled = eqx.tree_at(where, sequence, replace_fn=lambda samples: scale * samples)
        leaves = lambda tissue: (tissue.t2, tissue.off_resonance)
        changed = eqx.tree_at(leaves, tissue, (t2 * tissue.t2, off_resonance * tissue.off_resonance))
        samples = mr.simulate(scaled, changed, engine)
        return jnp.sum(samples.real * jnp.cos(jnp.arange(samples.shape[-1]))[None]) + jnp.sum(samples.imag)

    check_grads(signal, (1.0, 1.0, 1.0), 1, ("fwd", "rev"), atol=1e-5, rtol=1e-5, eps=1e-4)


def test_leaving_out_states_keeps_the_stated_accuracy_under_rf_that_lasts():
    exact = mr.simulate(selected(40, 12), voxels(), mr.PDG(0.0, voxel_size=ALONG_X))
    for accuracy in (1e-2, 1e-4):
        engine = mr.PDG(accuracy, voxel_size=ALONG_X)
        error = np.abs(mr.simulate(selected(40, 12), voxels(), engine) - exact).max() / np.abs(exact).max()
        assert error < accuracy
    whole = mr.PDG(0.0, voxel_size=ALONG_X).with_graph(selected(40, 12), voxels()).graph
    few = mr.PDG(1e-2, voxel_size=ALONG_X).with_graph(selected(40, 12), voxels()).graph
    assert few.count.sum() < whole.count.sum()


def image(engine, tolerance=1e-6) -> np.ndarray:
    """A slice-selective gradient echo of few lines, of spins across the slice."""
    sequence = imaging.flash((80 * mm, 80 * mm), (8, 6), 20 * deg, te=4 * ms, slice_thickness=5 * mm)
    x, y, z = (np.linspace(-1, 1, n) * reach for n, reach in ((8, 15 * mm), (6, 14 * mm), (9, 4 * mm)))
    t2 = 0.04 + 0.05 * np.random.default_rng(2).uniform(size=(8, 6, 1))
    tissue = mr.Tissue(0.8, t2, off_resonance=20.0, x=x[:, None, None], y=y[:, None], z=z)
    return np.asarray(mr.acquire(sequence, tissue, engine=engine, tolerance=tolerance))


def test_images_of_selected_slices_are_those_of_isochromats():
    expected = image(mr.Isochromats())
    found = image(mr.PDG(1e-6))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def profile() -> mr.SliceProfile:
    return mr.slice_profile(mr.ShapedPulse(3 * uT * np.hanning(64), 40 * us), gradient=8e-3, thickness=5 * mm)


def test_a_slice_profile_is_that_of_extended_phase_graphs():
    n = 8
    turns = mr.Pulse(np.linspace(0.2, 0.9, n), phase=np.linspace(0, 3, n))
    train = mr.Sequence(mr.Repeat(turns, mr.Delay(4 * ms), mr.Sample(), mr.Dephase(1), mr.Delay(4 * ms)))
    tissue = mr.Tissue(jnp.array([0.8, 1.2]), jnp.array([0.05, 0.09]), off_resonance=jnp.array([5.0, -10.0]))
    expected = mr.simulate(train, tissue, mr.EPG(slice_profile=profile()))
    np.testing.assert_allclose(mr.simulate(train, tissue, mr.PDG(0.0, slice_profile=profile())), expected, atol=1e-13)
    graph = mr.PDG(1e-3, slice_profile=profile()).with_graph(train, tissue)
    found = mr.simulate(train, tissue, graph)
    assert 0 < np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("n_coils", [0, 2])
def test_images_with_a_slice_profile_are_those_of_every_voxel(n_coils):
    line = mr.Gradient.trapezoid(10e-3, rise=0.1 * ms, flat=1.28 * ms, axis="x")
    lobe = mr.Gradient.trapezoid(area=-10e-3 * 0.69 * ms, rise=0.1 * ms, flat=0.5 * ms, axis="x")
    readout = mr.Together(line, mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(64, 20 * us)))
    sequence = mr.Sequence(mr.Repeat(mr.Pulse(np.linspace(0.2, 0.9, 5)), lobe, readout, mr.Dephase(1)))
    x = np.linspace(-10, 10, 9) * mm
    tissue = mr.Tissue(1.0, np.linspace(0.03, 0.2, 9), x=x)
    coils = np.stack([np.ones(9), np.exp(100j * x)]) if n_coils else None
    acquired = lambda engine, tolerance: mr.acquire(sequence, tissue, coils=coils, engine=engine, tolerance=tolerance)
    expected = acquired(mr.EPG(slice_profile=profile()), 0.0)
    np.testing.assert_allclose(acquired(mr.PDG(0.0, slice_profile=profile()), 0.0), expected, atol=1e-13)
    together = acquired(mr.PDG(0.0, slice_profile=profile()), 1e-5)
    np.testing.assert_allclose(together, expected, atol=1e-5 * np.abs(expected).max())


def test_a_slice_profile_is_refused_with_rf_that_lasts():
    sequence = mr.Sequence(mr.ContinuousWave(1 * uT, 1 * ms), mr.Sample())
    with pytest.raises(ValueError, match="`slice_profile` is that of `Pulse`s"):
        mr.simulate(sequence, mr.Tissue(1.0, 0.1), mr.PDG(slice_profile=profile()))


@pytest.mark.parametrize(("flip_angle", "share"), [(180, 1 / 2), (90, 1 / np.pi), (10, (10 * deg) ** 2 / 6)])
def test_what_extended_phase_graphs_lack_of_relaxation_during_rf_is_as_documented(flip_angle, share):
    lasts, t2 = 1 * ms, 0.1
    field = flip_angle * deg / (2 * np.pi * GAMMA_BAR["1H"] * lasts)
    sequence = mr.Sequence(mr.ContinuousWave(field, lasts), mr.SampleLongitudinal())
    graph, states = (mr.simulate(sequence, mr.Tissue(jnp.inf, t2), engine) for engine in (mr.PDG(0.0), mr.EPG()))
    np.testing.assert_allclose((graph - states) * t2 / lasts, share, rtol=0.02)


def test_a_slice_profile_leaves_a_grid_known_inside_of_jit():
    """Of positions that are traced, nobody could tell that they are a grid, which is faster to encode."""
    tissue, found = mr.Tissue(1.0, 0.1, x=np.linspace(-1e-2, 1e-2, 9)), []

    @jax.jit
    def traced(t2):
        spread = mr.PDG(slice_profile=profile()).spread(eqx.tree_at(lambda one: one.t2, tissue, t2))
        found.append((is_known(spread.x), is_known(spread.t2)))
        return t2

    traced(0.1)
    assert found == [(True, False)]
