"""EPG and isochromats: the same sequence, the same answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from experiments import VOXEL_SIZE, every_event, protocols, tissue

import mrjax as mr

# events by the dozen compile longest for isochromats, which the protocols check as well
ENGINES = [
    mr.EPG(voxel_size=VOXEL_SIZE),
    pytest.param(mr.Isochromats(64, voxel_size=VOXEL_SIZE), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", protocols())
def test_every_protocol_agrees_between_engines(name):
    sequence = protocols()[name]
    epg = mr.simulate(sequence, tissue(), mr.EPG(voxel_size=VOXEL_SIZE))
    isochromats = mr.simulate(sequence, tissue(), mr.Isochromats(voxel_size=VOXEL_SIZE))
    assert epg.shape == (3, sequence.n_samples)
    assert np.abs(epg).max() > 0.05
    np.testing.assert_allclose(epg, isochromats, atol=1e-13)


def test_nested_repeats_signed_orders_and_timed_gradients_agree():
    epg = mr.simulate(every_event(), tissue(), mr.EPG(voxel_size=VOXEL_SIZE))
    isochromats = mr.simulate(every_event(), tissue(), mr.Isochromats(voxel_size=VOXEL_SIZE))
    np.testing.assert_allclose(epg, isochromats, atol=1e-14)


@pytest.mark.parametrize("effect", ["off_resonance", "b1", "diffusion"])
def test_every_effect_changes_the_signal(effect):
    without = tissue(**{effect: {"off_resonance": jnp.zeros(3), "b1": jnp.ones(3), "diffusion": jnp.zeros(3)}[effect]})
    engine = mr.EPG(voxel_size=VOXEL_SIZE)
    change = mr.simulate(every_event(), tissue(), engine) - mr.simulate(every_event(), without, engine)
    assert np.all(np.abs(change).max(axis=-1)[[0, 2]] > 1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_neutral_arrays_equal_neutral_defaults(engine):
    plain = mr.Tissue(t1=jnp.array([0.5, 1.0]), t2=0.08)
    neutral = mr.Tissue(
        t1=jnp.array([0.5, 1.0]),
        t2=0.08,
        m0=jnp.ones(()),
        off_resonance=jnp.zeros(()),
        b1=jnp.ones(2),
        diffusion=jnp.zeros(()),
    )
    expected = mr.simulate(every_event(), plain, engine)
    np.testing.assert_allclose(mr.simulate(every_event(), neutral, engine), expected, atol=1e-15)


def test_sequence_is_unrolled_the_way_numpy_broadcasts():
    """Nested repeats against the same events written out one by one."""
    angles, outer, inner = np.array([[0.2, 0.5, 0.9], [1.0, 0.4, 0.1]]), [3e-3, 9e-3], [1e-3, 2e-3, 4e-3]
    nested = mr.Sequence(
        mr.Repeat(
            mr.Delay(jnp.array(outer)),
            mr.Repeat(
                mr.Pulse(angles),
                mr.Delay(jnp.array(inner)),
                mr.Sample(),
                mr.Dephase(),
                mr.Delay(np.array(outer)[:, None]),
            ),
        )
    )
    written_out = mr.Sequence(
        *(
            event
            for i in range(2)
            for event in (
                mr.Delay(outer[i]),
                *(
                    event
                    for j in range(3)
                    for event in (
                        mr.Pulse(angles[i, j]),
                        mr.Delay(inner[j]),
                        mr.Sample(),
                        mr.Dephase(),
                        mr.Delay(outer[i]),
                    )
                ),
            )
        )
    )
    np.testing.assert_allclose(
        mr.simulate(nested, tissue(diffusion=0.0)), mr.simulate(written_out, tissue(diffusion=0.0)), atol=1e-15
    )
    np.testing.assert_allclose(nested.sample_times, written_out.sample_times, atol=1e-15)
    assert nested.n_samples == written_out.n_samples == 6
    assert float(nested.duration) == pytest.approx(float(written_out.duration), abs=1e-15)


@pytest.mark.parametrize("engine", [mr.EPG(), mr.Isochromats(8)])
def test_conventions_of_rotation_and_precession(engine):
    """A 90 degree pulse about x takes +z to -y; positive off-resonance turns counter-clockwise."""
    fid = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Sample(), mr.Delay(1e-3), mr.Sample(), mr.Sample(phase=jnp.pi / 2))
    free = mr.Tissue(t1=jnp.inf, t2=jnp.inf, off_resonance=250.0)  # a quarter turn in 1 ms
    np.testing.assert_allclose(mr.simulate(fid, free, engine), [-1j, 1.0, -1j], atol=1e-15)
    about_y = mr.Sequence(mr.Pulse(jnp.pi / 2, phase=jnp.pi / 2), mr.Sample())
    np.testing.assert_allclose(mr.simulate(about_y, free, engine), [1.0], atol=1e-15)


@pytest.mark.parametrize("engine", [mr.EPG(n_states=24), mr.Isochromats(24)])
def test_pulses_and_gradients_keep_the_energy(engine):
    """Parseval: RF and dephasing rotate each spin, so the mean of |M|^2 stays one without relaxation."""
    rng = np.random.default_rng(3)
    train = mr.Sequence(mr.Repeat(mr.Pulse(rng.uniform(0, 3, 10), rng.uniform(0, 6, 10)), mr.Delay(1e-3), mr.Dephase()))
    free = mr.Tissue(t1=jnp.inf, t2=jnp.inf, off_resonance=jnp.array([0.0, 40.0]))
    _, state = mr.play(train, free, engine)
    if isinstance(engine, mr.EPG):
        transverse = np.abs(state.f_plus) ** 2 + np.abs(state.f_minus) ** 2 + 2 * np.abs(state.z) ** 2
        energy = transverse.sum(axis=0) - np.abs(state.f_plus[0]) ** 2 - np.abs(state.z[0]) ** 2
    else:
        energy = np.mean(state.x**2 + state.y**2 + state.z**2, axis=0)
    np.testing.assert_allclose(energy, 1.0, atol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
def test_playing_in_parts_equals_playing_at_once(engine):
    sequence = every_event()
    first, second = mr.Sequence(*sequence.events[:4]), mr.Sequence(*sequence.events[4:])
    whole, final = mr.play(sequence, tissue(), engine)
    begun, state = mr.play(first, tissue(), engine)
    ended, state = mr.play(second, tissue(), engine, state=state)
    np.testing.assert_allclose(np.concatenate([begun, ended], axis=-1), whole, atol=1e-15)
    np.testing.assert_allclose(state.z[0], final.z[0], atol=1e-15)


def test_carr_purcell_diffusion_in_a_constant_gradient():
    r"""A spin echo in a constant gradient is damped by exp(-D (gamma G)^2 TE^3 / 12) (Carr and Purcell 1954)."""
    te, diffusion, size = 0.04, 2e-9, 0.2e-3
    echo = mr.Sequence(
        mr.Pulse(jnp.pi / 2),
        mr.Dephase(1, duration=te / 2),
        mr.Pulse(jnp.pi, jnp.pi / 2),
        mr.Dephase(1, duration=te / 2),
        mr.Sample(),
    )
    gradient = 2 * np.pi / size / (te / 2)  # gamma G in rad/m/s
    expected = np.exp(-diffusion * gradient**2 * te**3 / 12)
    liquid = mr.Tissue(t1=jnp.inf, t2=jnp.inf, diffusion=diffusion)
    for engine in (mr.EPG(voxel_size=size), mr.Isochromats(voxel_size=size)):
        np.testing.assert_allclose(np.abs(mr.simulate(echo, liquid, engine)), expected, rtol=1e-13)


def test_stejskal_tanner_diffusion_between_short_gradients():
    r"""Short gradients a time Delta apart: exp(-D q^2 Delta), q the winding in rad/m (Stejskal and Tanner 1965)."""
    delta, diffusion, size = 0.05, 1e-9, 0.1e-3
    sequence = mr.Sequence(mr.Pulse(jnp.pi / 2), mr.Dephase(), mr.Delay(delta), mr.Dephase(-1), mr.Sample())
    liquid = mr.Tissue(t1=jnp.inf, t2=jnp.inf, diffusion=diffusion)
    expected = np.exp(-diffusion * (2 * np.pi / size) ** 2 * delta)
    for engine in (mr.EPG(voxel_size=size), mr.Isochromats(voxel_size=size)):
        np.testing.assert_allclose(np.abs(mr.simulate(sequence, liquid, engine)), expected, rtol=1e-13)


def test_t2_prime_decays_a_gradient_echo():
    te, t2_prime = np.geomspace(1e-4, 0.1, 40), 0.02
    echoes = mr.simulate(
        mr.protocols.multi_echo_gre(te, jnp.pi / 2), mr.Tissue(1.0, jnp.inf, t2_prime=t2_prime), mr.Isochromats()
    )
    error = np.abs(1j * echoes - np.exp(-te / t2_prime))
    assert error[te > 0.1 * t2_prime].max() < 5e-4
    assert error.max() < 1 / (3 * np.sqrt(2000))


def test_t2_prime_is_refocused_by_spin_echoes():
    lorentzian = mr.Tissue(t1=1.0, t2=0.3, t2_prime=np.array([0.005, 0.1]))
    train = mr.protocols.cpmg(np.full(6, np.pi), echo_spacing=8e-3)
    echoes = mr.simulate(train, lorentzian, mr.Isochromats())
    np.testing.assert_allclose(echoes, np.exp(-8e-3 * np.arange(1, 7) / 0.3) * np.ones((2, 1)), atol=1e-12)


def test_t2_prime_with_gradients_between():
    """What is wound stays dephased, whatever the Lorentzian does to it, until it is unwound again."""
    lorentzian = mr.Tissue(t1=1.0, t2=jnp.inf, t2_prime=0.02)
    sequence = mr.Sequence(
        mr.Pulse(jnp.pi / 2), mr.Delay(5e-3), mr.Dephase(3), mr.Sample(), mr.Delay(5e-3), mr.Dephase(-3), mr.Sample()
    )
    np.testing.assert_allclose(1j * mr.simulate(sequence, lorentzian, mr.Isochromats()), [0, np.exp(-0.5)], atol=5e-4)


def test_derivative_in_t2_prime_is_that_of_the_ideal_decay():
    te, t2_prime = np.array([0.01, 0.02, 0.05]), 0.02
    decay = lambda t2_prime: (
        mr.simulate(
            mr.protocols.multi_echo_gre(te, jnp.pi / 2), mr.Tissue(1.0, jnp.inf, t2_prime=t2_prime), mr.Isochromats()
        ).imag
    )
    slope = jax.jacfwd(decay)(t2_prime) * t2_prime
    np.testing.assert_allclose(slope, -te / t2_prime * np.exp(-te / t2_prime), atol=2e-3)


def test_lorentzian_average_converges_in_the_number_of_spins():
    te = np.geomspace(1e-5, 0.06, 200)
    sequence, sample = mr.protocols.multi_echo_gre(te, jnp.pi / 2), mr.Tissue(t1=1.0, t2=jnp.inf, t2_prime=0.02)
    counts = np.array([100, 400, 1600, 6400])
    errors = [
        np.abs(1j * mr.simulate(sequence, sample, mr.Isochromats(int(n))) - np.exp(-te / 0.02)).max() for n in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.1
