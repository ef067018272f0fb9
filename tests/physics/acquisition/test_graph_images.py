"""Images by phase distribution graphs: reference data, brute force, the stated accuracy, derivatives and memory."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly
from test_phase_distribution_graphs import played

import mrjax as mr
from mrjax.units import GAMMA_BAR


def brain(file, every=1):
    """The voxels of a file, or each of so many."""
    of = lambda name: file[name].astype(float)[::every]
    x, y, z = of("voxel_pos_m").T
    return mr.Tissue(
        *map(of, ("T1", "T2", "PD", "T2dash")),
        off_resonance=-of("B0_Hz"),
        b1=file["B1"][0].astype(complex)[::every],
        diffusion=of("D_1e_9_m2_s") * 1e-9,
        x=x,
        y=y,
        z=z,
    )


def engine(file, accuracy):
    """As the reference was computed: nothing is seen beyond the highest spatial frequency of a voxel."""
    return mr.PDG(accuracy, 1 / (2 * file["nyquist"].astype(float)), "sinc")


@pytest.mark.parametrize(("name", "bound"), [("flash64_acc1e-6", 2e-5), ("epi64", 2e-6)])
@pytest.mark.exhaustive
def test_images_of_a_brain_are_those_of_another_simulator(reference_data, name, bound):
    with np.load(reference_data(f"pdg/{name}.npz")) as file:
        signal = mr.acquire(played(file), brain(file), engine=engine(file, 1e-3))
        largest = np.abs(file["signal"]).max()
        assert np.abs(signal - file["signal"]).max() < bound * largest


def balanced(n: int, fov: float, tr: float, flip_angle=0.8) -> mr.Sequence:
    """Half a pulse, then a line of k-space after each pulse, with echoes in the middle of readouts."""
    dwell, step = tr / 4 / n, 1 / fov / GAMMA_BAR["1H"]
    side = (tr - n * dwell) / 2
    lobe = lambda area, axis: mr.Gradient(np.repeat(np.asarray(area)[..., None] / side, 2, axis=-1), [0.0, side], axis)
    line, lines = mr.Gradient([-step / dwell] * 2, [0.0, n * dwell], "x"), step * (np.arange(n) - n // 2)
    phase = np.pi * np.arange(n)
    across = lobe(n / 2 * step, "x")
    repetition = mr.Repeat(
        mr.Pulse(np.full(n, flip_angle), phase),
        mr.Together(across, lobe(-lines, "y")),
        mr.Together(line, mr.Readout(n, dwell, phase)),
        mr.Together(across, lobe(lines, "y")),
    )
    return mr.Sequence(mr.Pulse(flip_angle / 2, np.pi), mr.Delay(tr / 2), repetition)


def square(n: int, fov: float) -> mr.Tissue:
    """Voxels on a grid, each another."""
    rng, place = np.random.default_rng(3), (np.arange(n) - n // 2) / n * fov
    values = lambda low, high: rng.uniform(low, high, (n, n))
    return mr.Tissue(
        values(0.5, 2.0),
        values(0.04, 0.2),
        values(0.5, 1.0),
        values(0.02, 0.05),
        off_resonance=values(-60, 60),
        b1=values(0.8, 1.2),
        diffusion=1e-9,
        x=place[:, None],
        y=place,
    )


@pytest.mark.parametrize("shape", ["box", pytest.param("sinc", marks=pytest.mark.exhaustive)])
def test_readouts_encoded_together_are_those_of_every_voxel_at_every_sample(shape):
    """With echoes within readouts, at which dephasing within voxels turns."""
    sequence, object_, graph = balanced(6, 0.1, 8e-3), square(6, 0.1), mr.PDG(0.0, 0.1 / 6, shape)
    together = mr.acquire(sequence, object_, engine=graph, tolerance=1e-8)
    each = mr.acquire(sequence, object_, engine=graph, tolerance=0.0)
    np.testing.assert_allclose(together, each, atol=1e-8 * np.abs(each).max())


@pytest.mark.parametrize("accuracy", [pytest.param(1e-2, marks=pytest.mark.exhaustive), 1e-3])
def test_what_is_left_out_keeps_the_stated_accuracy(accuracy):
    """Gradients that never wind the same again, of which whole graphs grow threefold with each pulse."""
    n, rng, cycles = 7, np.random.default_rng(4), 1 / 4e-3 / GAMMA_BAR["1H"]
    lobes = [mr.Gradient.trapezoid(area=rng.normal(size=n) * cycles, rise=1e-4, flat=2e-3, axis=axis) for axis in "xy"]
    train = mr.Sequence(
        mr.Repeat(mr.Pulse(rng.uniform(0.2, 2.5, n), rng.uniform(0, 6, n)), mr.Sample(), mr.Together(*lobes)),
        mr.Sample(),
    )
    voxels = square(5, 0.1)
    whole = mr.PDG(0.0, 4e-3).with_graph(train, voxels)
    few = mr.PDG(accuracy, 4e-3).with_graph(train, voxels)
    exact, signal = (np.asarray(mr.simulate(train, voxels, one)) for one in (whole, few))
    missing = np.abs(signal - exact).max(axis=-1) / np.abs(exact).max(axis=-1)
    assert few.graph.count.sum() < 0.9 * whole.graph.count.sum()
    assert 0 < few.graph.error <= accuracy
    # of other voxels than those that were tried
    assert missing.max() < 2 * accuracy


def test_too_few_states_are_warned_of_with_their_error():
    sequence, voxels = balanced(6, 0.1, 8e-3), square(6, 0.1)
    with pytest.warns(UserWarning, match="too coarse: samples are off by about"):
        few = mr.PDG(1e-4, 0.1 / 6, most_states=3).with_graph(sequence, voxels)
    assert few.graph.error > 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mr.PDG(1e-4, 0.1 / 6).with_graph(sequence, voxels)


@pytest.mark.exhaustive
def test_derivatives_in_angles_and_tissue_agree_with_finite_differences():
    base, voxels = balanced(4, 0.1, 8e-3), square(4, 0.1)
    graph = mr.PDG(0.0, 0.1 / 4).with_graph(base, voxels)
    fields = lambda tissue: (tissue.t1, tissue.t2, tissue.t2_prime, tissue.off_resonance, tissue.b1)

    def loss(angles, numbers):
        sequence = eqx.tree_at(lambda s: s[2].events[0].flip_angle, base, angles)
        signal = mr.acquire(sequence, eqx.tree_at(fields, voxels, numbers), engine=graph, tolerance=1e-9)
        return jnp.sum(jnp.abs(signal) ** 2 * jnp.arange(1.0, 17.0))

    at = (base[2].events[0].flip_angle, fields(voxels))
    rng = np.random.default_rng(1)
    steps = jax.tree.map(lambda x: x * jnp.asarray(rng.normal(size=x.shape)), at)
    value = compiled_quickly(loss)
    along = lambda h: value(*jax.tree.map(lambda x, step: x + h * step, at, steps))
    expected = (8 * (along(1e-4) - along(-1e-4)) - (along(2e-4) - along(-2e-4))) / 12e-4
    forward = compiled_quickly(lambda: jax.jvp(loss, at, steps)[1])()
    gradient = compiled_quickly(jax.grad(loss, (0, 1)))(*at)
    reverse = jax.tree.reduce(jnp.add, jax.tree.map(lambda a, b: jnp.sum(a * b), gradient, steps))
    np.testing.assert_allclose([forward, reverse], expected, rtol=1e-7)


@pytest.mark.exhaustive
def test_the_gradient_in_all_angles_of_a_balanced_image_is_small(reference_data):
    """A plain graph of this image does not fit into 22 GB."""
    single = lambda x: x.astype(jnp.complex64 if jnp.iscomplexobj(x) else jnp.float32)
    with jax.enable_x64(False), np.load(reference_data("pdg/epi64.npz")) as file:
        base, voxels = balanced(64, 0.2, 5e-3), jax.tree.map(single, brain(file))
        graph = engine(file, 1e-3).with_graph(base, voxels)
        loss = lambda angles: jnp.sum(
            jnp.abs(mr.acquire(eqx.tree_at(lambda s: s[2].events[0].flip_angle, base, angles), voxels, engine=graph))
            ** 2
        )
        program = jax.jit(jax.grad(loss)).lower(base[2].events[0].flip_angle).compile()
        assert program.memory_analysis().temp_size_in_bytes < 2**28


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mr.PDG(1.0), "`accuracy` must be a number from 0 to below 1"),
        (lambda: mr.PDG(most_states=0), "`most_states` must be an integer of at least 1"),
    ],
)
def test_arguments_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_cannot_be_played_is_said():
    train, longer = (mr.protocols.spgr(0.2, tr=5e-3, te=2e-3, n_repetitions=n) for n in (4, 40))
    voxel = mr.Tissue(1.0, 0.1)
    with pytest.raises(ValueError, match="`engine` must have its graph"):
        jax.jit(lambda t2: mr.simulate(train, mr.Tissue(1.0, t2), mr.PDG()))(0.1)
    with pytest.raises(ValueError, match="`graph` must be that of the sequence"):
        mr.simulate(longer, voxel, mr.PDG().with_graph(train, voxel))
    with pytest.raises(ValueError, match="`graph` must be that of the sequence"):
        mr.simulate(train, dataclasses.replace(voxel, t2_prime=jnp.array(0.03)), mr.PDG().with_graph(train, voxel))
    wound = lambda *orders: mr.Sequence(*(e for n in orders for e in (mr.Pulse(0.5), mr.Dephase(n))), mr.Sample())
    same_rows = mr.PDG(voxel_size=1e-3).with_graph(wound(1, 1, 2), voxel)
    assert mr.simulate(wound(2, 2, 4), voxel, same_rows).shape == (1,)  # what is one state stays one
    with pytest.raises(ValueError, match="wound before change 3 keeps states apart"):
        mr.simulate(wound(1, 2, 1), voxel, same_rows)
    with pytest.raises(ValueError, match="Diffusion needs the distance"):
        mr.simulate(train, mr.Tissue(1.0, 0.1, diffusion=1e-9), mr.PDG(0.0))
    with pytest.raises(ValueError, match="`accuracy` must be above 0"):
        mr.simulate(longer, voxel, mr.PDG(0.0, most_states=8))
