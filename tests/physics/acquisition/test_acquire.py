"""The signal of whole objects: the sum over voxels of what `simulate` gives, however it is computed."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compilations, compiled_quickly

import mrjax as mr
from mrjax.physics.imaging.blocks import KnownSamples
from mrjax.units import deg, mm, ms, mT, us

N = 12


def echo_planar(n=N, offset=0.0, angle=80 * deg):
    """A train of lines that go to and fro, with a sample between blips too."""
    pre = mr.Together(
        mr.Gradient.trapezoid(area=-1.2e-6, rise=0.1 * ms, flat=0.2 * ms, axis="x"),
        mr.Gradient.trapezoid(area=-0.6e-6, rise=0.1 * ms, flat=0.2 * ms, axis="y"),
    )
    sign = np.where(np.arange(6) % 2, -1.0, 1.0)
    line = mr.Together(
        mr.Gradient.trapezoid(sign * 2 * mT, rise=0.1 * ms, flat=n * 0.1 * ms, axis="x"),
        mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(n, 0.1 * ms, phase=0.3, offset=offset)),
    )
    blip = mr.Gradient.trapezoid(area=0.2e-6, rise=0.05 * ms, flat=0.05 * ms, axis="y")
    return mr.Sequence(mr.Pulse(angle, 0.2), mr.Delay(2 * ms), pre, mr.Repeat(line, blip, n_repetitions=6))


def turning(n=40):
    """Samples along a curve in three dimensions, twice, with a pulse between."""
    times = np.linspace(0, 4 * ms, 9)
    curve = mr.Together(
        mr.Gradient(0.8 * mT * np.cos(np.arange(9.0)), times, "x"),
        mr.Gradient(0.8 * mT * np.sin(np.arange(9.0)), times, "y"),
        mr.Gradient(0.3 * mT * np.cos(np.arange(9.0) / 3), times, "z"),
        mr.Readout(n, 0.1 * ms),
    )
    pulse = mr.ShapedPulse(np.hanning(22)[1:-1] * 6e-6, 50 * us)
    return mr.Sequence(pulse, curve, mr.Pulse(150 * deg, 1.0), mr.Delay(1 * ms), curve)


SEQUENCES = {"lines": echo_planar, "curves": turning}


def grid(shape=(7, 5), t1=0.8, **others):
    """Voxels on a grid whose coordinates broadcast."""
    rng = np.random.default_rng(1)
    x = (np.arange(shape[0]) - 3.0) * 4 * mm
    y = (np.arange(shape[1]) - 1.5) * 5 * mm
    maps = {
        "m0": rng.uniform(0.5, 1.5, shape),
        "off_resonance": rng.uniform(-60, 90, shape),
        "b1": rng.uniform(0.8, 1.1, shape),
        "x": x[:, None],
        "y": y,
        "z": 2 * mm,
    }
    return mr.Tissue(t1, rng.uniform(0.02, 0.1, shape), **(maps | others))


def scattered(n=30):
    """Voxels anywhere."""
    rng = np.random.default_rng(2)
    places = {axis: rng.uniform(-0.02, 0.02, n) for axis in "xyz"}
    return mr.Tissue(0.8, rng.uniform(0.02, 0.1, n), off_resonance=rng.uniform(-60, 90, n), **places)


def listed():
    """Voxels of a grid in any order, some missing, some places held twice."""
    whole = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (7, 5)).ravel(), grid())
    order = np.random.default_rng(3).permutation(35)[:28]
    order = np.append(order, order[:3])
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[order]), whole)


def oblique():
    """Voxels of a grid that is turned."""
    straight = grid()
    x, y = (np.broadcast_to(leaf, (7, 5)) for leaf in (straight.x, straight.y))
    return dataclasses.replace(straight, x=jnp.asarray(0.8 * x - 0.6 * y), y=jnp.asarray(0.6 * x + 0.8 * y))


def stacked():
    """Tissues that share the voxels of a volume."""
    shape = (2, 4, 3, 3)
    rng = np.random.default_rng(4)
    return mr.Tissue(
        np.array([0.8, 1.5]).reshape(2, 1, 1, 1),
        np.array([0.05, 0.09]).reshape(2, 1, 1, 1),
        rng.uniform(0.0, 1.0, shape),
        x=np.linspace(-0.01, 0.02, 4)[:, None, None],
        y=np.linspace(-0.02, 0.01, 3)[:, None],
        z=np.linspace(-0.01, 0.01, 3),
        off_resonance=rng.uniform(-40, 80, shape),
    )


OBJECTS = {"grid": grid, "scattered": scattered, "listed": listed, "oblique": oblique, "stacked": stacked}


def coils_for(tissue, n=3):
    rng = np.random.default_rng(5)
    return rng.normal(size=(n, *tissue.voxel_shape)) + 1j * rng.normal(size=(n, *tissue.voxel_shape))


def summed(sequence, tissue, coils, engine=None):
    """Voxel by voxel."""
    signal = mr.simulate(sequence, tissue, mr.Isochromats() if engine is None else engine)
    coils = np.asarray(coils)
    coils = coils.reshape(len(coils), *(1,) * (len(tissue.voxel_shape) + 1 - coils.ndim), *coils.shape[1:])
    return np.broadcast_to(coils, (len(coils), *tissue.voxel_shape)).reshape(len(coils), -1) @ np.asarray(
        signal
    ).reshape(-1, signal.shape[-1])


def error(found, due):
    return float(np.abs(np.asarray(found) - np.asarray(due)).max() / np.abs(np.asarray(due)).max())


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("name", SEQUENCES)
def test_it_is_the_sum_over_voxels(kind, name):
    with jax.enable_x64(True):
        sequence, tissue = SEQUENCES[name](), OBJECTS[kind]()
        coils = coils_for(tissue)
        due = summed(sequence, tissue, coils)
        assert error(mr.acquire(sequence, tissue, coils=coils, tolerance=0), due) < 1e-13
        for tolerance in (1e-4, 1e-9):
            assert error(mr.acquire(sequence, tissue, coils=coils, tolerance=tolerance), due) < tolerance


@pytest.mark.exhaustive
def test_one_coil_has_no_axis():
    sequence, tissue = echo_planar(), grid()
    alone = mr.acquire(sequence, tissue)
    assert alone.shape == (sequence.n_samples,)
    np.testing.assert_allclose(alone, mr.acquire(sequence, tissue, coils=jnp.ones((1, 7, 5)))[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(alone, mr.acquire(sequence, tissue, coils=jnp.ones((1, 5)))[0], rtol=0, atol=1e-4)


@pytest.mark.exhaustive
@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
def test_parts_add_up(batch_size):
    with jax.enable_x64(True):
        tissue = grid()
        due = mr.acquire(echo_planar(), tissue, coils=coils_for(tissue))
        for tolerance in (0, 1e-5):
            found = mr.acquire(
                echo_planar(), tissue, coils=coils_for(tissue), batch_size=batch_size, tolerance=tolerance
            )
            assert error(found, due) < 1e-5


@pytest.mark.exhaustive
def test_spins_within_voxels_are_those_of_the_engine():
    with jax.enable_x64(True):
        for effects, engine in (
            ({}, mr.Isochromats(n=12, voxel_size=3 * mm)),
            ({"t2_prime": 0.03}, mr.Isochromats(n=60, voxel_size=(3 * mm, 2 * mm, 1 * mm))),
            ({"t2_prime": 0.03}, mr.Isochromats(n=50)),
        ):
            tissue = grid(**effects)
            coils = coils_for(tissue)
            for sequence in (echo_planar(), turning()):
                due = summed(sequence, tissue, coils, engine)
                for tolerance in (0, 1e-6):
                    found = mr.acquire(sequence, tissue, coils=coils, engine=engine, tolerance=tolerance)
                    assert error(found, due) < max(tolerance, 1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("engine", [mr.EPG(), mr.BlochMcConnell(b0=3.0)])
def test_other_engines_are_encoded_too(engine):
    with jax.enable_x64(True):
        pools = (mr.Pool(0.02, 40.0, 1.0, 0.05, 3.5),) if isinstance(engine, mr.BlochMcConnell) else ()
        tissue = grid(pools=pools)
        coils = coils_for(tissue)
        due = summed(echo_planar(30), tissue, coils, engine)
        for tolerance in (0, 1e-5):
            found = mr.acquire(echo_planar(30), tissue, coils=coils, engine=engine, tolerance=tolerance)
            assert error(found, due) < max(1e-13, tolerance)


@pytest.mark.exhaustive
def test_samples_off_a_readout_and_of_z():
    with jax.enable_x64(True):
        sequence = mr.Sequence(mr.SampleLongitudinal(), echo_planar(), mr.Sample(0.4))
        tissue = grid()
        coils = coils_for(tissue)
        for end in (sequence, mr.Sequence(echo_planar(), mr.Sample(0.4))):
            found = mr.acquire(end, tissue, coils=coils)
            assert error(found, summed(end, tissue, coils)) < 1e-5


@pytest.mark.exhaustive
def test_moving_spins_go_sample_by_sample():
    with jax.enable_x64(True):
        tissue = grid(velocity_x=0.3)
        coils = coils_for(tissue)
        motion = mr.motion.RigidMotion([0.0, 8 * ms], translation=[[0.0, 0.0, 0.0], [3 * mm, 0.0, 0.0]])
        for engine in (mr.Isochromats(), mr.Isochromats(motion=motion)):
            found = mr.acquire(echo_planar(), tissue, coils=coils, engine=engine)
            assert error(found, summed(echo_planar(), tissue, coils, engine)) < 1e-12


@pytest.fixture(scope="module")
def slopes():
    """Derivatives in tissue, coils and sequence: by differences, reverse and forward."""
    found = {}
    with jax.enable_x64(True):
        weights = np.random.default_rng(6).normal(size=(2, 72))
        tissue, known = grid(), echo_planar()
        maps = {name: getattr(tissue, name) for name in ("m0", "t2", "off_resonance", "b1", "x")} | {
            "t1": jnp.asarray(0.8)
        }
        maps["coils"] = jnp.asarray(coils_for(tissue, 2))
        events = {"angle": jnp.asarray(1.4), "receiver": jnp.asarray(20.0)}

        def loss(values, tolerance):
            own = {name: value for name, value in values.items() if name not in ("coils", "angle", "receiver")}
            sequence = echo_planar(offset=values["receiver"], angle=values["angle"]) if "angle" in values else known
            signal = mr.acquire(
                sequence, dataclasses.replace(tissue, **own), coils=values["coils"], tolerance=tolerance
            )
            return jnp.sum(weights * (signal.real + 0.3 * signal.imag))

        for name, values, tolerance in (
            ("fast", maps, 1e-10),
            ("exact", maps, 0.0),
            ("sequence", maps | events, 1e-5),
        ):
            rng = np.random.default_rng(7)
            change = jax.tree.map(
                lambda x, rng=rng: jnp.asarray(rng.normal(size=x.shape) * np.abs(x).max() + 0 * x), values
            )
            moved = lambda by, values=values, change=change: jax.tree.map(lambda x, d: x + by * d, values, change)
            value = compiled_quickly(lambda values, tolerance=tolerance: loss(values, tolerance))
            step = 1e-6
            difference = (value(moved(step)) - value(moved(-step))) / (2 * step)
            gradient = compiled_quickly(jax.grad(lambda v, tolerance=tolerance: loss(v, tolerance)))(values)
            forward = jax.jvp(lambda v, tolerance=tolerance: loss(v, tolerance), (values,), (change,))[1]
            reverse = sum(jnp.sum((gradient[key] * change[key]).real) for key in values)
            found[name] = (difference, reverse, forward)
    return found


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["fast", "exact", "sequence"])
def test_derivatives_are_those_of_differences(slopes, name):
    difference, reverse, forward = slopes[name]
    np.testing.assert_allclose([reverse, forward], difference, rtol=1e-6)


@pytest.mark.exhaustive
def test_it_works_under_jit_and_vmap():
    tissue, sequence = grid(), echo_planar()
    due = mr.acquire(sequence, tissue)
    traced = jax.jit(lambda m0: mr.acquire(sequence, dataclasses.replace(tissue, m0=m0)))
    np.testing.assert_allclose(traced(tissue.m0), due, rtol=0, atol=3e-5 * np.abs(due).max())
    several = jax.vmap(traced)(jnp.stack([tissue.m0, 2 * tissue.m0]))
    np.testing.assert_allclose(several[1], 2 * due, rtol=0, atol=6e-5 * np.abs(due).max())


def test_traced_values_beyond_what_is_plausible_are_refused():
    tissue, sequence = grid(), echo_planar()
    traced = jax.jit(lambda df: mr.acquire(sequence, dataclasses.replace(tissue, off_resonance=df)))
    traced(tissue.off_resonance)
    with pytest.raises(Exception, match="`off_resonance` must be within -500 to 500 Hz"):
        jax.block_until_ready(traced(tissue.off_resonance + 600))


@pytest.mark.slow
def test_lines_are_found_and_encoded_as_such():
    tissue = grid()
    with jax.enable_x64(True):
        found = {}
        original = KnownSamples._in_blocks

        # what is encoded shows in the blocks alone
        def noted(self, cuts, *rest):
            found["kinds"] = [(cut.are_lines, len(cut.starts)) for cut in cuts]
            return original(self, cuts, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(KnownSamples, "_in_blocks", noted)
            mr.acquire(echo_planar(), tissue)
            assert found["kinds"] == [(True, 6)]
            mr.acquire(turning(), tissue)
            assert [are_lines for are_lines, _ in found["kinds"]] == [False]


def test_another_sequence_of_like_size_compiles_nothing():
    tissue = grid()
    mr.acquire(echo_planar(), tissue)
    with compilations() as programs:
        mr.acquire(echo_planar(offset=30.0, angle=1.0), tissue)
        mr.acquire(echo_planar(offset=30.0, angle=1.0), grid(t1=0.9))
    assert not programs


def test_mistakes_are_told():
    sequence, tissue = echo_planar(), grid()
    nowhere = mr.Tissue(1.0, 0.1)
    with pytest.raises(ValueError, match="`tissue` has no positions along x, y"):
        mr.acquire(sequence, nowhere)
    with pytest.raises(
        ValueError, match=r"`coils` must have the shape \(n_coils, \*voxels\).*\(7, 5\), but got \(2, 7, 4\)"
    ):
        mr.acquire(sequence, tissue, coils=jnp.ones((2, 7, 4)))
    with pytest.raises(ValueError, match="`coils` must be finite"):
        mr.acquire(sequence, tissue, coils=jnp.full((2, 7, 5), jnp.nan))
    with pytest.raises(ValueError, match="`tolerance` must be a number from 0 to below 1"):
        mr.acquire(sequence, tissue, tolerance=-1e-5)
    with pytest.raises(ValueError, match="`sequence` has no samples"):
        mr.acquire(mr.Sequence(mr.Pulse(1.0)), tissue)
    with pytest.raises(ValueError, match=r"`gradient` must be Checkpoints\(\) or Direct\(\)"):
        mr.acquire(sequence, tissue, gradient=mr.gradient.ForwardJacobian())


def test_neighbours_that_alias_are_told():
    far = dataclasses.replace(grid(), x=grid().x * 10)
    with pytest.warns(UserWarning, match="wound by .* turns from one spin to the next along x"):
        mr.acquire(echo_planar(), far)


@pytest.mark.slow
def test_a_phantom_is_acquired_where_its_affine_says():
    affine = np.diag([4.0, 5.0, 3.0, 1.0])
    affine[:3, 3] = -12.0, -7.5, 0.0
    rng = np.random.default_rng(8)
    fractions = rng.uniform(0, 0.5, (2, 7, 5))
    phantom = mr.phantoms.Phantom(("a", "b"), fractions, [0.8, 1.2], [0.05, 0.08], [1.0, 0.7], affine)
    with jax.enable_x64(True):
        coils = jnp.asarray(rng.normal(size=(2, 7, 5)) + 0j)
        signal = mr.acquire(echo_planar(), phantom, coils=coils)
        tissue = phantom.compartments()
        tissue = dataclasses.replace(
            tissue, x=jnp.asarray((np.arange(7) - 3.0) * 4 * mm)[:, None], y=jnp.asarray((np.arange(5) - 1.5) * 5 * mm)
        )
        assert error(signal, summed(echo_planar(), tissue, coils)) < 1e-5


@pytest.mark.exhaustive
def test_gradients_of_one_kind_serve_where_the_other_does():
    tissue = grid()
    loss = lambda m0, gradient: jnp.sum(
        abs(mr.acquire(echo_planar(), eqx.tree_at(lambda t: t.m0, tissue, m0), gradient=gradient)) ** 2
    )
    one, other = (jax.grad(loss)(tissue.m0, kind) for kind in (mr.gradient.Checkpoints(), mr.gradient.Direct()))
    np.testing.assert_allclose(one, other, rtol=1e-4)
