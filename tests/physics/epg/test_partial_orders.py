"""Parts of a cycle across the voxel, against spins one by one."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.sequence import walk

TISSUE = mr.Tissue(
    jnp.array([0.5, 1.0]), jnp.array([0.05, 0.1]), off_resonance=jnp.array([3.0, -20.0]), b1=jnp.array([0.9, 1.1])
)


def events() -> list:
    """Halves and thirds of cycles, of both signs, with samples where parts of cycles are wound."""
    return [
        mr.Pulse(1.2, 0.3),
        mr.Dephase(0.5, 2e-3),
        mr.Sample(0.4),
        mr.Pulse(2.0, 1.0),
        mr.Dephase(Fraction(1, 3)),
        mr.Delay(3e-3),
        mr.Sample(),
        mr.Pulse(0.7),
        mr.Dephase(-2.5, 1e-3),
        mr.Sample(),
        mr.Pulse(1.0),
        mr.Dephase(5 / 3),
        mr.Sample(),
    ]


def spins(played: list, tissue: mr.Tissue, n: int = 8000) -> np.ndarray:
    """The samples of many spins across each voxel, event by event."""
    x = (np.arange(n) + 0.5) / n - 0.5
    t1, t2, frequency, b1 = (
        np.asarray(leaf)[:, None] for leaf in (tissue.t1, tissue.t2, tissue.off_resonance, tissue.b1)
    )
    m, z = np.zeros((len(t1), n), complex), np.ones((len(t1), n))
    samples = []
    for event in played:
        match event:
            case mr.Pulse():
                axis = np.exp(1j * float(event.phase))
                cosine, sine = np.cos(float(event.flip_angle) * b1), np.sin(float(event.flip_angle) * b1)
                along, across = (m / axis).real, (m / axis).imag
                m, z = (along + 1j * (cosine * across - sine * z)) * axis, sine * across + cosine * z
            case mr.Delay() | mr.Dephase():
                time = float(event.duration)
                m, z = m * np.exp(time * (2j * np.pi * frequency - 1 / t2)), 1 + (z - 1) * np.exp(-time / t1)
                m = m * np.exp(2j * np.pi * float(event.winding) * x)
            case mr.Sample():
                samples.append(np.exp(-1j * float(event.phase)) * m.mean(axis=1))
    return np.stack(samples, axis=-1)


def test_parts_of_cycles_agree_with_spins():
    signal = mr.simulate(mr.Sequence(*events()), TISSUE)
    assert np.all(np.abs(signal[:, 0]) > 0.5)  # half a cycle leaves sinc(1/2) of the signal
    np.testing.assert_allclose(signal, spins(events(), TISSUE), atol=1e-7)


@pytest.mark.exhaustive
def test_parts_of_cycles_are_repeated():
    train = mr.Sequence(mr.Repeat(*events(), n_repetitions=4))
    np.testing.assert_allclose(mr.simulate(train, TISSUE), spins(events() * 4, TISSUE), atol=1e-7)


@pytest.mark.exhaustive
@pytest.mark.parametrize("cut", [2, 6])
def test_a_state_takes_its_parts_of_cycles_along(cut):
    """After the cut the second half has, by itself, a coarser grid than the first, or another."""
    whole = mr.simulate(mr.Sequence(*events()), TISSUE)
    first, state = mr.play(mr.Sequence(*events()[:cut]), TISSUE)
    second, _ = mr.play(mr.Sequence(*events()[cut:]), TISSUE, state=state)
    np.testing.assert_allclose(jnp.concatenate([first, second], axis=1), whole, atol=1e-14)


@pytest.mark.exhaustive
def test_a_whole_number_of_parts_is_a_cycle():
    cycles = mr.Sequence(mr.Pulse(1.0), mr.Dephase(1), mr.Pulse(2.0), mr.Delay(0.01), mr.Dephase(1), mr.Sample())
    parts = mr.Sequence(
        mr.Pulse(1.0), mr.Dephase(0.25), mr.Dephase(0.75), mr.Pulse(2.0), mr.Delay(0.01), mr.Dephase(1), mr.Sample()
    )
    expected = mr.simulate(cycles, TISSUE)
    np.testing.assert_allclose(mr.simulate(parts, TISSUE), expected, atol=1e-14)
    np.testing.assert_allclose(mr.simulate(cycles, TISSUE, mr.EPG(orders_per_cycle=3)), expected, atol=1e-14)


def test_a_wound_voxel_has_the_signal_of_a_sinc():
    winding = mr.Sequence(mr.Pulse(np.pi / 2), mr.Repeat(mr.Dephase(0.25), mr.Sample(), n_repetitions=9))
    signal = mr.simulate(winding, mr.Tissue(1.0, 0.1))
    np.testing.assert_allclose(signal, -1j * np.sinc(np.arange(1, 10) / 4), atol=1e-15)


def test_diffusion_counts_cycles_not_parts():
    """The same gradient in halves and at once."""
    tissue = mr.Tissue(1.0, 0.1, diffusion=2e-9)
    engine = mr.EPG(voxel_size=3e-5)
    echo = lambda *winding: mr.Sequence(mr.Pulse(1.5), *winding, mr.Pulse(3.0), *winding, mr.Sample())
    whole = mr.simulate(echo(mr.Dephase(1, 4e-3)), tissue, engine)
    halves = mr.simulate(echo(mr.Dephase(0.5, 2e-3), mr.Dephase(0.5, 2e-3)), tissue, engine)
    without = mr.simulate(echo(mr.Dephase(1, 4e-3)), mr.Tissue(1.0, 0.1), engine)
    np.testing.assert_allclose(halves, whole, rtol=1e-12)
    assert abs(whole[0]) < 0.9 * abs(without[0])


def test_states_that_are_dropped_are_counted():
    train = mr.Repeat(mr.Pulse(0.6), mr.Dephase(0.5), mr.Sample(), mr.Dephase(1.5), n_repetitions=12)
    with pytest.warns(UserWarning, match=r"EPG\(n_states=6\) truncates.*49 are exact"):
        mr.simulate(train, TISSUE, mr.EPG(n_states=6))


@pytest.mark.exhaustive
def test_chunks_of_voxels_give_what_few_voxels_give():
    train = mr.Sequence(mr.Repeat(*events(), n_repetitions=4))
    many = jax.tree.map(lambda leaf: jnp.tile(leaf, 75), TISSUE)
    together = mr.simulate(train, many, batch_size=64)
    np.testing.assert_allclose(together, jnp.tile(mr.simulate(train, TISSUE), (75, 1)), atol=1e-14)


@pytest.mark.slow
def test_derivatives_of_a_train_in_parts_of_cycles():
    def signal(t2, angle, duration):
        train = mr.Repeat(
            mr.Pulse(angle),
            mr.Dephase(0.5, duration),
            mr.Sample(),
            mr.Dephase(Fraction(4, 3), duration),
            n_repetitions=5,
        )
        return jnp.stack([(s := mr.simulate(train, mr.Tissue(1.0, t2))).real, s.imag])

    point = (jnp.array([0.05, 0.1]), jnp.asarray(0.7), jnp.asarray(2e-3))
    direction = (jnp.array([0.3, -0.2]), jnp.asarray(0.5), jnp.asarray(0.01))
    along = compiled_quickly(lambda step: signal(*(p + step * d for p, d in zip(point, direction, strict=True))))
    difference = (along(1e-5) - along(-1e-5)) / 2e-5
    forward = compiled_quickly(lambda point: jax.jvp(signal, point, direction)[1])
    np.testing.assert_allclose(forward(point), difference, atol=1e-7)
    weight = jnp.cos(jnp.arange(20.0).reshape(2, 2, 5))
    gradient = jax.grad(lambda *x: jnp.sum(weight * signal(*x)), argnums=(0, 1, 2))(*point)
    pulled = sum(jnp.vdot(g, d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(pulled, jnp.sum(weight * difference), rtol=1e-6)


def test_whole_numbers_stay_integers():
    assert mr.Dephase(2.0).order == 2
    assert type(mr.Dephase(2.0).order) is int
    assert mr.Dephase(1 / 3).order == Fraction(1, 3)
    assert mr.Dephase(np.float32(0.1)).order == Fraction(1, 10)
    assert mr.Dephase(Fraction(355, 113)).order == Fraction(355, 113)
    assert "order 1/2" in repr(mr.Sequence(mr.Dephase(0.5)))


def test_winding_is_counted_in_parts():
    train = mr.Sequence(mr.Repeat(mr.Dephase(0.5), mr.Dephase(-1 / 3), n_repetitions=3), mr.Dephase(2))
    assert walk.orders_per_cycle(train) == 6
    assert walk.winding(train) == 5  # 4.5, rounded up
    assert walk.winding(train, 6) == 27


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mr.Dephase(0.12345),
            "or a fraction with a denominator of at most 100, but got 0.12345; for others pass",
        ),
        (lambda: mr.Dephase(float("nan")), "`order` must be a whole number of cycles or a fraction"),
        (
            lambda: mr.simulate(mr.Sequence(mr.Dephase(0.5)), TISSUE, mr.EPG(orders_per_cycle=3)),
            "`orders_per_cycle` must be a multiple of the 2 that the sequence or the state needs, but got 3.",
        ),
        (
            lambda: mr.simulate(mr.Sequence(mr.Dephase(0.5)), mr.Tissue(1.0, 0.1), mr.BlochMcConnell(b0=3.0)),
            "`BlochMcConnell` winds whole cycles alone",
        ),
    ],
)
def test_wrong_orders_are_named(call, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        call()
    assert message in str(error.value)


@pytest.mark.exhaustive
def test_pathways_are_drawn_in_cycles():
    axes = mr.plot.coherence_pathways(mr.Sequence(*events()[:8]))
    ends = np.concatenate([np.asarray(lines.get_segments()).reshape(-1, 2)[:, 1] for lines in axes.collections])
    # half a cycle, then a third, and their stimulated and refocused combinations
    assert {0.5, round(5 / 6, 6), round(-1 / 6, 6)} <= {round(float(order), 6) for order in ends}
