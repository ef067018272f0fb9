"""Phase distribution graphs against extended phase graphs, isochromats and closed forms, with no state left out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from experiments import VOXEL_SIZE, every_event, protocols, tissue

import mrjax as mr
from mrjax.sequence.moments import b_value

EXACT = mr.PDG(0.0, voxel_size=VOXEL_SIZE)


def test_every_event_agrees_with_extended_phase_graphs():
    epg = mr.simulate(every_event(), tissue(), mr.EPG(voxel_size=VOXEL_SIZE))
    np.testing.assert_allclose(mr.simulate(every_event(), tissue(), EXACT), epg, atol=1e-14)


@pytest.mark.parametrize(
    "name", [name if name == "mrf_fisp" else pytest.param(name, marks=pytest.mark.exhaustive) for name in protocols()]
)
def test_every_protocol_agrees_with_extended_phase_graphs(name):
    epg = mr.simulate(protocols()[name], tissue(), mr.EPG(voxel_size=VOXEL_SIZE))
    np.testing.assert_allclose(mr.simulate(protocols()[name], tissue(), EXACT), epg, atol=1e-13)


def crossing(n: int, size: float, parts: float = 1.0) -> mr.Sequence:
    """Gradients along all axes that wind whole cycles, or parts of them, another number in each of `n` repetitions."""
    rng = np.random.default_rng(5)
    cycles = rng.integers(-2, 3, (3, n)) * parts
    areas = cycles / size / mr.units.GAMMA_BAR["1H"]
    lobes = [
        mr.Gradient.trapezoid(area=area, rise=1e-4, flat=1e-3, axis=axis)
        for area, axis in zip(areas, "xyz", strict=True)
    ]
    turns = mr.Pulse(rng.uniform(0.3, 2.0, n), rng.uniform(0, 6, n))
    return mr.Sequence(mr.Repeat(turns, mr.Delay(1e-3), mr.Sample(), mr.Together(*lobes)), mr.Pulse(0.7), mr.Sample())


def test_gradients_in_three_dimensions_agree_with_isochromats():
    size = 2e-3
    voxels = mr.Tissue(1.0, jnp.array([0.05, 0.2]), off_resonance=20.0, x=jnp.array([0.0, 7e-3]), y=1e-3, z=-3e-3)
    spins = mr.simulate(crossing(4, size), voxels, mr.Isochromats(4096, voxel_size=size))
    graph = mr.simulate(crossing(4, size), voxels, mr.PDG(0.0, voxel_size=size))
    assert np.abs(graph).max() > 0.1
    np.testing.assert_allclose(graph, spins, atol=1e-12)


def test_parts_of_cycles_in_three_dimensions_agree_with_isochromats_at_nodes_of_a_quadrature():
    """Gauss and Legendre integrate over the box to the last digit; any lattice of isochromats would only converge."""
    size = 2e-3
    nodes, weights = np.polynomial.legendre.leggauss(16)
    x, y, z = (place.ravel() for place in np.meshgrid(*[nodes * size / 2] * 3, indexing="ij"))
    box = np.einsum("i,j,k->ijk", *[weights / 2] * 3).ravel()
    spins = mr.simulate(crossing(3, size, 0.25), mr.Tissue(1.0, 0.1, x=x, y=y, z=z), mr.Isochromats())
    graph = mr.simulate(crossing(3, size, 0.25), mr.Tissue(1.0, 0.1), mr.PDG(0.0, voxel_size=size))
    np.testing.assert_allclose(graph, box @ np.asarray(spins), atol=1e-13)


def test_a_lorentzian_line_rephases_at_echoes():
    r"""Of a spin echo $\sin \alpha \sin^2 (\beta / 2)$ comes back, of a stimulated one half of three sines, each as a line."""
    t2_prime, first, second, line = 0.02, 3e-3, 11e-3, mr.Tissue(jnp.inf, jnp.inf, t2_prime=0.02, off_resonance=17.0)
    late = np.array([-2e-3, 0.0, 1.5e-3]) + 4e-3
    waits = np.diff(np.concatenate([[0.0], late]))
    readout = [event for wait in waits for event in (mr.Delay(wait), mr.Sample())]
    crushed = mr.Sequence(
        mr.Pulse(0.9), mr.Dephase(1), mr.Delay(first), mr.Pulse(1.2), mr.Dephase(5), mr.Delay(second), mr.Pulse(1.7)
    )
    # only the stimulated echo is wound back
    stimulated = mr.simulate(mr.Sequence(crushed, mr.Dephase(1), *readout), line, mr.PDG(0.0))
    tau = late - first
    expected = 0.5 * np.sin(0.9) * np.sin(1.2) * np.sin(1.7) * np.exp(-np.abs(tau) / t2_prime)
    np.testing.assert_allclose(np.abs(stimulated), expected, rtol=1e-12)
    turned = np.angle(stimulated[1:] / stimulated[:-1])
    np.testing.assert_allclose(turned, 2 * np.pi * 17.0 * np.diff(late), rtol=1e-9)


def test_a_box_is_seen_by_its_fourier_transform_and_a_sinc_up_to_its_edge():
    size, cycles = 4e-3, np.array([0.3, 0.45, 0.55, 1.4])
    area = cycles / size / mr.units.GAMMA_BAR["1H"]
    wound = [
        mr.Sequence(mr.Pulse(np.pi / 2), mr.Gradient.trapezoid(area=a, rise=1e-4, flat=1e-3, axis="y"), mr.Sample())
        for a in area
    ]
    still = mr.Tissue(jnp.inf, jnp.inf)
    of = lambda shape: [abs(complex(mr.simulate(s, still, mr.PDG(0.0, size, shape))[0])) for s in wound]
    np.testing.assert_allclose(of("box"), np.abs(np.sinc(cycles)), atol=1e-12)
    np.testing.assert_allclose(of("sinc"), [1.0, 1.0, 0.0, 0.0], atol=1e-12)


def test_diffusion_between_gradients_follows_stejskal_and_tanner():
    lobe = mr.Gradient([40e-3, 40e-3], [0.0, 5e-3], axis="z")
    echo = mr.Sequence(
        *(mr.Pulse(np.pi / 2), lobe, mr.Delay(7e-3), mr.Pulse(np.pi, np.pi / 2), mr.Delay(7e-3), lobe, mr.Sample())
    )
    b = b_value(echo.timeline())
    signal = mr.simulate(echo, mr.Tissue(jnp.inf, jnp.inf, diffusion=2e-9), mr.PDG(0.0, 1e-3))
    np.testing.assert_allclose(np.abs(signal), np.exp(-b * 2e-9), rtol=1e-10)
    assert np.exp(-b[0] * 2e-9) < 0.91


def test_playing_in_parts_equals_playing_at_once():
    sequence, line = crossing(3, 2e-3), mr.Tissue(1.0, jnp.array([0.1, 0.05]), t2_prime=0.03, x=1e-3)
    first, second = mr.Sequence(sequence[0]), sequence[1:]
    engine = mr.PDG(0.0, 2e-3)
    whole, _ = mr.play(sequence, line, engine)
    begun, state = mr.play(first, line, engine)
    ended, _ = mr.play(second, line, engine, state=state)
    np.testing.assert_allclose(np.concatenate([begun, ended], axis=-1), whole, atol=1e-14)


def test_longitudinal_magnetisation_is_sampled():
    sequence = mr.Sequence(mr.Pulse(1.1), mr.Dephase(1), mr.Pulse(0.8), mr.Delay(0.1), mr.SampleLongitudinal())
    voxel = mr.Tissue(0.7, 0.08, t2_prime=0.05)
    np.testing.assert_allclose(
        mr.simulate(sequence, voxel, mr.PDG(0.0)), mr.simulate(sequence, mr.Tissue(0.7, 0.08), mr.EPG()), atol=1e-14
    )


def changed(numbers):
    """A sequence and a tissue that follow from numbers."""
    sequence = eqx.tree_at(
        lambda s: (s[0].events[0].flip_angle, s[0].events[3].tracks[1][0].waveform, s[0].events[1].duration),
        crossing(3, 2e-3),
        (numbers["flip"], numbers["gradient"], numbers["time"]),
    )
    t1, t2, t2_prime, df, b1, d = numbers["tissue"]
    return sequence, mr.Tissue(t1, t2, t2_prime=t2_prime, off_resonance=df, b1=b1, diffusion=d, x=1e-3, y=-2e-3)


@pytest.mark.exhaustive
def test_derivatives_in_everything_agree_with_finite_differences():
    base = crossing(3, 2e-3)
    values = {
        "flip": base[0].events[0].flip_angle,
        "gradient": base[0].events[3].tracks[1][0].waveform,
        "time": base[0].events[1].duration,
        "tissue": jnp.array([0.8, 0.09, 0.04, 8.0, 1.1, 1e-9]),
    }
    engine = mr.PDG(0.0, 2e-3).with_graph(*changed(values))
    rng, scale = np.random.default_rng(2), {"flip": 1.0, "gradient": 1e-3, "time": 1e-3, "tissue": 1.0}
    steps = {name: jnp.asarray(rng.normal(size=value.shape)) * scale[name] for name, value in values.items()}
    steps["tissue"] = values["tissue"] * steps["tissue"]

    @jax.jit
    def loss(values):
        signal = mr.simulate(*changed(values), engine)
        return jnp.sum(jnp.abs(signal - 0.3) ** 2 * jnp.arange(1.0, signal.size + 1))

    along = lambda h: loss(jax.tree.map(lambda value, step: value + h * step, values, steps))
    expected = (8 * (along(1e-4) - along(-1e-4)) - (along(2e-4) - along(-2e-4))) / 12e-4
    forward = jax.jvp(loss, (values,), (steps,))[1]
    reverse = jax.tree.reduce(jnp.add, jax.tree.map(lambda a, b: jnp.sum(a * b), jax.grad(loss)(values), steps))
    np.testing.assert_allclose([forward, reverse], expected, rtol=1e-7)
