"""Wrong calls, and the sentence that each is answered with: the argument, what it must be, what it got, what to do."""

import dataclasses
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import nibabel
import numpy as np
import pytest

import mrjax as mr
from mrjax.cli import main
from mrjax.inverse import Dictionary, least_squares, per_voxel_jacobian
from mrjax.phantoms import brain, shepp_logan, tubes
from mrjax.plot import coherence_pathways, parameter_map, sequence_diagram, signal_curves
from mrjax.protocols import bssfp, cpmg, inversion_recovery, mrf_fisp, multi_echo_gre, spgr, spin_echo
from mrjax.signals import relaxation

NAN = np.nan
FID = mr.Sequence(mr.Pulse(1.0), mr.Delay(5e-3), mr.Sample())
WATER = mr.Tissue(1.0, 0.1)
TE = jnp.array([[0.01, 0.03, 0.06]])
TWO = {"m0": jnp.ones(2), "t2": jnp.full(2, 0.1)}
START = {"m0": 1.0, "t2": 0.05}
DATA = jnp.ones((2, 3))
ANGLES = np.ones(3)


@pytest.fixture(autouse=True)
def _as_users_see_it():
    """The run-time type checks of the tests would answer first; users do not have them."""
    disabled = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", disabled)


def decay(p):
    return p["m0"][:, None] * jnp.exp(-TE / p["t2"][:, None])


def atoms():
    return Dictionary.build(lambda p: jnp.exp(-TE / p["t2"][:, None]), {"t2": [0.02, 0.05]})


def state(sequence=FID, tissue=WATER, engine=None):
    return mr.play(sequence, tissue, engine)[1]


def negative_delay():
    """A sequence whose value was changed after it was checked."""
    sequence = mr.Sequence(
        mr.Pulse(1.0), mr.Repeat(mr.Repeat(mr.Sample(), mr.Delay(1e-3), n_repetitions=2), n_repetitions=3)
    )
    return eqx.tree_at(lambda s: s[1].events[0].events[1].duration, sequence, jnp.asarray(-1e-3))


WRONG = {
    # tissues
    "shapes": (
        lambda: mr.Tissue(np.ones(3), np.full(4, 0.1), m0=2.0),
        "Shapes must broadcast to one voxel shape, but got t1 (3,), t2 (4,).",
    ),
    "t2 zero": (lambda: mr.Tissue(1.0, 0.0), "`t2` must be positive (s), but got 0."),
    "t2 negative": (
        lambda: mr.Tissue(1.0, np.array([0.1, -0.1, -0.2])),
        "`t2` must be positive (s), but got -0.1 (2 of 3 values).",
    ),
    "t1 nan": (lambda: mr.Tissue(NAN, 0.1), "`t1` must be positive (s), but got nan."),
    "t1 complex": (
        lambda: mr.Tissue(1 + 1j, 0.1),
        "`t1` must be real, but got complex128; pass its magnitude or its real part.",
    ),
    "t1 text": (lambda: mr.Tissue("1.0", 0.1), "`t1` must be a number or an array of numbers, but got '1.0'."),
    "t1 none": (lambda: mr.Tissue(None, 0.1), "`t1` must be a number or an array of numbers, but got None."),
    "t1 ragged": (
        lambda: mr.Tissue([[1.0], [1.0, 2.0]], 0.1),
        "`t1` must be a number or a rectangular array, but got [[1.0], [1.0, 2.0]].",
    ),
    "t1 replaced": (lambda: dataclasses.replace(WATER, t1=-1.0), "`t1` must be positive (s), but got -1."),
    "m0 nan": (lambda: mr.Tissue(1.0, 0.1, m0=NAN), "`m0` must be finite, but got nan."),
    "b1 negative": (
        lambda: mr.Tissue(1.0, 0.1, b1=-1.0),
        "`b1` must not be negative (relative to nominal), but got -1.",
    ),
    "diffusion negative": (
        lambda: mr.Tissue(1.0, 0.1, diffusion=-1e-9),
        "`diffusion` must not be negative (m^2/s), but got -1e-09.",
    ),
    # pools
    "pool fraction negative": (
        lambda: mr.Pool(-1e-3, 30.0, 1.0, 0.1),
        "`fraction` of `Pool` must not be negative (relative to water), but got -0.001.",
    ),
    "pool rate nan": (
        lambda: mr.Pool(1e-3, NAN, 1.0, 0.1),
        "`exchange_rate` of `Pool` must not be negative (1/s), but got nan.",
    ),
    "pool t2 zero": (lambda: mr.Pool(1e-3, 30.0, 1.0, 0.0), "`t2` of `Pool` must be positive (s), but got 0."),
    "line shape by name": (
        lambda: mr.Pool(0.1, 30.0, 1.0, 1e-5, lineshape="Lorentzian"),
        "`lineshape` must be None or one of mrjax.lineshapes, such as SuperLorentzian(), but got 'Lorentzian'.",
    ),
    "one pool": (
        lambda: mr.Tissue(1.0, 0.1, pools=mr.Pool(1e-3, 30.0, 1.0, 0.1)),
        "`pools` must be a tuple of `Pool`s, but got a single one; write `pools=(pool,)`.",
    ),
    "pools of numbers": (
        lambda: mr.Tissue(1.0, 0.1, pools=(1e-3,)),
        "`pools` must hold `Pool`s, but entry 0 is a float.",
    ),
    "pool shapes": (
        lambda: mr.Tissue(np.ones(3), 0.1, pools=(mr.Pool(np.full(2, 1e-3), 30.0, 1.0, 0.1),)),
        "Shapes must broadcast to one voxel shape, but got t1 (3,), fraction of pools[0] (2,).",
    ),
    "pools in EPG": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, pools=(mr.Pool(1e-3, 30.0, 1.0, 0.1),))),
        "EPG knows no `pools`; use `engine=BlochMcConnell(b0=...)`, or leave it out of the tissue.",
    ),
    "field of the pools": (lambda: mr.BlochMcConnell(0.0), "`b0` must be positive (T), but got 0."),
    "fields of the pools": (
        lambda: mr.BlochMcConnell([1.5, 3.0]),
        "`b0` must be a scalar (T), but got shape (2,).",
    ),
    "t2_prime with pools": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, t2_prime=0.05), mr.BlochMcConnell(3.0)),
        "BlochMcConnell knows no `t2_prime`; use `engine=Isochromats(...)`, or leave it out of the tissue.",
    ),
    "pools that are none": (
        lambda: mr.Tissue(1.0, 0.1, pools=None),
        "`pools` must be a tuple of `Pool`s, but got None.",
    ),
    "method by name": (
        lambda: mr.BlochMcConnell(3.0, method="ode"),
        "`method` must be one such as `Propagator()`, but got 'ode'.",
    ),
    "conventions by name": (
        lambda: mr.BlochMcConnell(3.0, "pulseq"),
        "`conventions` must be one such as `Conventions()`, but got 'pulseq'.",
    ),
    "nothing left for the water": (
        lambda: mr.simulate(
            FID,
            mr.Tissue(1.0, 0.1, pools=(mr.Pool(0.9, 30.0, 1.0, 0.1), mr.Pool(0.3, 30.0, 1.0, 0.1))),
            mr.BlochMcConnell(3.0, mr.Conventions(fractions="of_all")),
        ),
        '`fraction`s must sum to less than 1 where `fractions="of_all"`, but got 1.2.',
    ),
    "state of other pools": (
        lambda: mr.play(
            FID,
            mr.Tissue(1.0, 0.1, pools=(mr.Pool(1e-3, 30.0, 1.0, 0.1),)),
            mr.BlochMcConnell(3.0),
            state=state(engine=mr.BlochMcConnell(3.0)),
        ),
        "`state` must be of a tissue with as many pools as this one, 2 with a transverse part and 2 in all, but it has 1 and 1.",
    ),
    "convention": (
        lambda: mr.Conventions(off_resonance_sign=0),
        "`off_resonance_sign` must be 1 or -1, but got 0.",
    ),
    "parts of a splitting": (
        lambda: mr.propagation.Splitting(0),
        "`n_parts` must be an integer of at least 1, but got 0.",
    ),
    "waveform between samples": (
        lambda: mr.propagation.ODE("cubic"),
        "`waveform` must be 'constant' or 'linear', but got 'cubic'.",
    ),
    # RF that lasts
    "wave of negative duration": (
        lambda: mr.ContinuousWave(2e-6, -1.0),
        "`duration` of `ContinuousWave` must not be negative (s), but got -1.",
    ),
    "wave without end": (
        lambda: mr.ContinuousWave(2e-6, np.inf),
        "`duration` of `ContinuousWave` must be finite, but got inf.",
    ),
    "wave of complex amplitude": (
        lambda: mr.ContinuousWave(2e-6j, 1.0),
        "`b1` must be real, but got complex128; pass its magnitude or its real part.",
    ),
    "waveform without samples": (
        lambda: mr.ShapedPulse(2e-6, 1e-4),
        "`waveform` must have at least one sample on its last axis, but got shape ().",
    ),
    "waveform nan": (
        lambda: mr.ShapedPulse([2e-6, NAN], 1e-4),
        "`waveform` of `ShapedPulse` must be finite, but got nan (1 of 2 values).",
    ),
    "samples that last no time": (
        lambda: mr.ShapedPulse([2e-6, 1e-6], 0.0),
        "`dt` of `ShapedPulse` must be positive (s), but got 0.",
    ),
    "waveforms of many repetitions": (
        lambda: mr.simulate(mr.Repeat(mr.ShapedPulse(np.full((3, 5), 1e-6), 1e-4), mr.Pulse(np.ones(4))), WATER),
        "All leaves in a `Repeat` must have the same number of entries, but got `waveform` of event 0 (ShapedPulse): 3, "
        "`flip_angle` of event 1 (Pulse): 4.",
    ),
    # events and sequences
    "delay negative": (lambda: mr.Delay(-1e-3), "`duration` of `Delay` must not be negative (s), but got -0.001."),
    "delay nan": (lambda: mr.Delay(NAN), "`duration` of `Delay` must not be negative (s), but got nan."),
    "delay negative, nested": (
        lambda: mr.simulate(negative_delay(), WATER),
        "`duration` of `event 1.0.1 (Delay)` must not be negative (s), but got -0.001.",
    ),
    "angle nan": (lambda: mr.Pulse(NAN), "`flip_angle` of `Pulse` must be finite, but got nan."),
    "angle text": (
        lambda: mr.Pulse("90deg"),
        "`flip_angle` must be a number or an array of numbers, but got '90deg'.",
    ),
    "part of a cycle": (
        lambda: mr.Dephase(0.12345),
        "`order` must be a whole number of cycles or a fraction with a denominator of at most 100, but got 0.12345; for others "
        "pass a `fractions.Fraction`.",
    ),
    "order of text": (
        lambda: mr.Dephase("1/2"),
        "`order` must be a Python number (cycles across the voxel: an integer or a fraction), but got '1/2'.",
    ),
    "lengths": (
        lambda: mr.Repeat(mr.Pulse(ANGLES), mr.Delay(np.ones(4)), mr.Sample()),
        "All leaves in a `Repeat` must have the same number of entries, but got `flip_angle` of event 0 (Pulse): 3, "
        "`duration` of event 1 (Delay): 4.",
    ),
    "lengths, nested": (
        lambda: mr.Repeat(mr.Delay(np.ones(2)), mr.Repeat(mr.Pulse(np.ones((3, 4))))),
        "All leaves in a `Repeat` must have the same number of entries, but got `duration` of event 0 (Delay): 2, "
        "`flip_angle` of event 1.0 (Pulse): 3.",
    ),
    "length and count": (
        lambda: mr.Repeat(mr.Pulse(ANGLES), n_repetitions=5),
        "All leaves in a `Repeat` must have the same number of entries, but got n_repetitions: 5, "
        "`flip_angle` of event 0 (Pulse): 3.",
    ),
    "repeat of nothing": (
        lambda: mr.Repeat(n_repetitions=3),
        "`Repeat` must hold at least one event, but got none.",
    ),
    "repeat without a count": (
        lambda: mr.Repeat(mr.Pulse(1.0), mr.Sample()),
        "`Repeat` must know how often to repeat: give one leaf an entry per repetition, or pass `n_repetitions`.",
    ),
    "repeat never": (
        lambda: mr.Repeat(mr.Pulse(np.ones(0))),
        "`Repeat` must repeat at least once, but got 0 from `flip_angle` of event 0 (Pulse).",
    ),
    "count not whole": (
        lambda: mr.Repeat(mr.Pulse(1.0), n_repetitions=3.0),
        "`n_repetitions` must be a Python integer, but got 3.0.",
    ),
    "list of events": (
        lambda: mr.Sequence([mr.Pulse(1.0), mr.Sample()]),
        "`Sequence` takes events, `Sequence`s and `Repeat`s, but entry 0 is a list; to pass a list, unpack it: "
        "`Sequence(*events)`.",
    ),
    "class of an event": (
        lambda: mr.Repeat(mr.Pulse(1.0), mr.Spoil, n_repetitions=2),
        "`Repeat` takes events, `Sequence`s and `Repeat`s, but entry 1 is the class Spoil; write `Spoil(...)`.",
    ),
    "entries outside a repeat": (
        lambda: mr.simulate(mr.Sequence(mr.Pulse(ANGLES), mr.Sample()), WATER),
        "`flip_angle` of event 0 (Pulse) must be a scalar or have one axis per enclosing Repeat, (), but got shape (3,).",
    ),
    "too many axes": (
        lambda: mr.Sequence(mr.Repeat(mr.Delay(np.ones((2, 3))), n_repetitions=3)).duration,
        "`duration` of event 0.0 (Delay) must be a scalar or have one axis per enclosing Repeat, (3,), but got "
        "shape (2, 3).",
    ),
    # protocols
    "te > tr, fisp": (
        lambda: mrf_fisp(ANGLES, tr=0.01, te=0.02),
        "`te` must not be longer than `tr` (tr - te in s), but got -0.01.",
    ),
    "te > tr, spin echo": (
        lambda: spin_echo([0.02, 0.05], tr=0.03),
        "`te` must not be longer than `tr` (tr - te in s), but got -0.02 (1 of 2 values).",
    ),
    "te negative": (lambda: mrf_fisp(ANGLES, tr=0.01, te=-0.002), "`te` must not be negative (s), but got -0.002."),
    "tr negative": (
        lambda: bssfp(0.5, tr=-0.01, n_repetitions=2),
        "`tr` must not be negative (s), but got -0.01.",
    ),
    "ti negative": (
        lambda: inversion_recovery([0.1, -0.1]),
        "`inversion_time` must not be negative (s), but got -0.1 (1 of 2 values).",
    ),
    "ti negative, fisp": (
        lambda: mrf_fisp(ANGLES, 0.01, 0.002, inversion_time=-1.0),
        "`inversion_time` must not be negative (s), but got -1.",
    ),
    "echo spacing negative": (
        lambda: cpmg(ANGLES, echo_spacing=-0.01),
        "`echo_spacing` must not be negative (s), but got -0.01.",
    ),
    "te and tr lengths": (
        lambda: spgr(0.1, tr=np.full(4, 0.01), te=np.full(3, 0.002), n_repetitions=3),
        "`tr` and `te` must be scalars or have the same number of entries, but got tr (4,), te (3,).",
    ),
    "angles and tr lengths": (
        lambda: mrf_fisp(ANGLES, tr=np.full(4, 0.01), te=0.002),
        "All leaves in a `Repeat` must have the same number of entries, but got `flip_angle` of event 0 (Pulse): 3, "
        "`duration` of event 3 (Delay): 4.",
    ),
    "te does not increase": (
        lambda: multi_echo_gre([8e-3, 4e-3], 0.5),
        "`te` must increase from echo to echo (differences in s), but got -0.004 (1 of 2 values).",
    ),
    "te of two axes": (
        lambda: multi_echo_gre(np.ones((2, 2)), 0.5),
        "`te` must be a scalar or one-dimensional, but got shape (2, 2).",
    ),
    "no te": (lambda: multi_echo_gre([], 0.5), "`te` must have at least one entry, but got none."),
    "no repetitions": (
        lambda: spgr(0.1, 0.01, 0.002, n_repetitions=0),
        "`n_repetitions` must be an integer of at least 1, but got 0.",
    ),
    "phase increment text": (
        lambda: spgr(0.1, 0.01, 0.002, n_repetitions=3, phase_increment="117"),
        "`phase_increment` must be a number or an array of numbers, but got '117'.",
    ),
    "phase increment nan": (
        lambda: bssfp(0.1, 0.01, n_repetitions=3, phase_increment=NAN),
        "`phase_increment` must be finite, but got nan.",
    ),
    "phase increments": (
        lambda: bssfp(0.1, 0.01, n_repetitions=3, phase_increment=ANGLES),
        "`phase_increment` must be a scalar (rad), but got shape (3,).",
    ),
    # engines and simulate
    "no states": (lambda: mr.EPG(0), "`n_states` must be an integer of at least 1, but got 0."),
    "negative states": (lambda: mr.EPG(n_states=-2), "`n_states` must be an integer of at least 1, but got -2."),
    "no spins": (lambda: mr.Isochromats(0), "`n` must be an integer of at least 1, but got 0."),
    "voxel sizes": (
        lambda: mr.EPG(voxel_size=ANGLES),
        "`voxel_size` must be a scalar (m), but got shape (3,).",
    ),
    "epg and t2_prime": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, t2_prime=0.05)),
        "EPG knows no `t2_prime`; use `engine=Isochromats(...)`, or leave it out of the tissue.",
    ),
    "epg, diffusion": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, diffusion=1e-9)),
        "Diffusion needs the distance in m that one cycle is wound over: pass `voxel_size` to the engine.",
    ),
    "isochromats, diffusion": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, diffusion=1e-9), mr.Isochromats()),
        "Diffusion needs the distance in m that one cycle is wound over: pass `voxel_size` to the engine.",
    ),
    "diffusion and t2_prime": (
        lambda: mr.simulate(FID, mr.Tissue(1.0, 0.1, 1.0, 0.05, diffusion=1e-9), mr.Isochromats(voxel_size=1e-3)),
        "`Isochromats` cannot combine `diffusion` with a finite `t2_prime`; leave one of them out.",
    ),
    "engine by name": (
        lambda: mr.simulate(FID, WATER, "epg"),
        "`engine` must be an engine such as EPG(), but got str.",
    ),
    "class of an engine": (
        lambda: mr.simulate(FID, WATER, mr.EPG),
        "`engine` must be an engine such as EPG(), but got the class EPG; write `EPG(...)`.",
    ),
    "tissue as a dict": (lambda: mr.simulate(FID, {"t1": 1.0}), "`tissue` must be a Tissue, but got dict."),
    "sequence is an event": (
        lambda: mr.simulate(mr.Pulse(1.0), WATER),
        "`sequence` must be a Sequence, but got Pulse.",
    ),
    "swapped": (lambda: mr.simulate(WATER, FID), "`sequence` must be a Sequence, but got Tissue."),
    "batch of none": (
        lambda: mr.simulate(FID, WATER, batch_size=0),
        "`batch_size` must be an integer of at least 1, but got 0.",
    ),
    "state of other voxels": (
        lambda: mr.play(FID, mr.Tissue(np.ones(3), 0.1), state=state(tissue=mr.Tissue(np.ones(2), 0.1))),
        "`state` must have the voxel shape (3,) on its last axes, but got (1, 2).",
    ),
    "state of more orders": (
        lambda: mr.play(FID, WATER, mr.EPG(2), state=state(mr.Sequence(mr.Dephase(5)))),
        "`n_states` must be at least the 6 of the given state, but got 2.",
    ),
    "state of other spins": (
        lambda: mr.play(FID, WATER, mr.Isochromats(4), state=state(engine=mr.Isochromats(8))),
        "`n` must be the 8 spins of the given state, but got 4.",
    ),
    # inverse problems
    "integers": (
        lambda: per_voxel_jacobian(decay, TWO | {"m0": jnp.ones(2, int)}),
        "`params['m0']` must be floating-point to be differentiated, but got int64; convert integers with "
        "`.astype(float)` and fit real and imaginary parts of complex parameters.",
    ),
    "complex parameters": (
        lambda: per_voxel_jacobian(decay, TWO | {"m0": jnp.ones(2, complex)}),
        "`params['m0']` must be floating-point to be differentiated, but got complex128; convert integers with "
        "`.astype(float)` and fit real and imaginary parts of complex parameters.",
    ),
    "parameters as text": (
        lambda: per_voxel_jacobian(decay, TWO | {"m0": "0.1"}),
        "`params['m0']` must be an array of numbers, but got '0.1'.",
    ),
    "parameter shapes": (
        lambda: per_voxel_jacobian(decay, TWO | {"m0": jnp.ones(3)}),
        "All leaves of `params` must have the same voxel shape, but got ['m0'] (3,), ['t2'] (2,).",
    ),
    "no parameters": (lambda: per_voxel_jacobian(decay, {}), "`params` must hold at least one array, but got {}."),
    "model sums samples": (
        lambda: per_voxel_jacobian(lambda p: decay(p).sum(-1), TWO),
        "`model` must return signals of shape (*voxels, n) with voxels (2,), but got (2,).",
    ),
    "model transposed": (
        lambda: per_voxel_jacobian(lambda p: decay(p).T, TWO),
        "`model` must return signals of shape (*voxels, n) with voxels (2,), but got (3, 2).",
    ),
    "data and model": (
        lambda: least_squares(decay, jnp.ones((2, 4)), START),
        "`model` returns signals of shape (2, 3), but `data` has shape (2, 4).",
    ),
    "data scalar": (
        lambda: least_squares(decay, 1.0, START),
        "`data` must have shape (*voxels, n) with at least one sample, but got ().",
    ),
    "data complex": (
        lambda: least_squares(decay, DATA + 0j, START),
        "`data` is complex but `model` returns real signals; pass magnitudes, or a complex model.",
    ),
    "init shape": (
        lambda: least_squares(decay, DATA, START | {"m0": jnp.ones(5)}),
        "`init['m0']` must broadcast to shape (2,), but got (5,).",
    ),
    "init complex": (
        lambda: least_squares(decay, DATA, START | {"m0": 1j}),
        "`init['m0']` must be real, but got complex128; pass its magnitude or its real part.",
    ),
    "bounds cross": (
        lambda: least_squares(decay, DATA, START, bounds=({"m0": 0.0, "t2": 1.0}, {"m0": 2.0, "t2": 0.5})),
        "Lower bounds of `init['t2']` must be below the upper ones, but got 1 (2 of 2 values).",
    ),
    "bounds not a pair": (
        lambda: least_squares(decay, DATA, START, bounds=3.0),
        "`bounds` must be a pair (lower, upper) of numbers or of PyTrees like `init`.",
    ),
    "bounds shape": (
        lambda: least_squares(decay, DATA, START, bounds=({"m0": np.zeros(7), "t2": 0.0}, 1.0)),
        "`bounds[0]['m0']` must broadcast to the voxel shape (2,), but got (7,).",
    ),
    "no noise": (
        lambda: least_squares(decay, DATA, START, noise_std=0.0),
        "`noise_std` must be positive (unit of data), but got 0.",
    ),
    "noise shape": (
        lambda: least_squares(decay, DATA, START, noise_std=np.ones(5)),
        "`noise_std` must broadcast to shape (2, 3), but got (5,).",
    ),
    "no iterations": (
        lambda: least_squares(decay, DATA, START, max_iterations=0),
        "`max_iterations` must be at least 1, but got 0.",
    ),
    "no grid": (lambda: Dictionary.build(decay, {}), "`grid` must name at least one parameter, but is empty."),
    "grid empty": (
        lambda: Dictionary.build(decay, {"t2": []}),
        "Grid values of `t2` must be one-dimensional and not empty, but got shape (0,).",
    ),
    "nothing kept": (
        lambda: Dictionary.build(decay, {"t2": [0.02, 0.05]}, where=lambda p: p["t2"] > 1),
        "`where` must keep at least one combination of the grid, but keeps none.",
    ),
    "atoms of one sample": (
        lambda: Dictionary.build(lambda p: p["t2"], {"t2": [0.02, 0.05]}),
        "`model` must return signals of shape (n_atoms, n) with 2 atoms, but got (2,).",
    ),
    "other samples": (
        lambda: atoms().match(np.ones((5, 4))),
        "`signals` must have 3 samples on the last axis, as the atoms, but got (5, 4).",
    ),
    "unknown known": (
        lambda: atoms().match(np.ones((5, 3)), known={"b1": 1.0}),
        "`known` names `b1`, but the dictionary has t2.",
    ),
    "known of other voxels": (
        lambda: atoms().match(np.ones((5, 3)), known={"t2": np.ones(4)}),
        "`known['t2']` must have the voxel shape (5,), but got (4,).",
    ),
    "batch of no signals": (
        lambda: atoms().match(np.ones((5, 3)), batch_size=0),
        "`batch_size` must be an integer of at least 1, but got 0.",
    ),
    # closed forms
    "te > tr, closed form": (
        lambda: relaxation.spgr(0.1, tr=0.01, t1=1.0, te=0.02),
        "`te` must not exceed `tr` (s), but got 0.02.",
    ),
    "sample lengths": (
        lambda: relaxation.spgr([0.1, 0.2], tr=[0.01, 0.02, 0.03], t1=1.0),
        "Arguments along the sample axis must have one length (or be numbers), but got flip_angle 2, tr 3.",
    ),
    # pictures
    "volume": (
        lambda: parameter_map(np.ones((3, 4, 5)), "t1"),
        "`values` must be a two-dimensional map, but got shape (3, 4, 5); select a slice.",
    ),
    "complex map": (
        lambda: parameter_map(np.ones((3, 4), complex)),
        "`values` must be real, but got complex128; pass its magnitude or its phase.",
    ),
    "mask of a map": (
        lambda: parameter_map(np.ones((3, 4)), "t1", mask=np.ones((4, 3))),
        "`mask` must have the shape of `values`, (3, 4), but got (4, 3).",
    ),
    "traced diagram": (
        lambda: jax.eval_shape(lambda t: (sequence_diagram(mr.Sequence(mr.Pulse(1.0), mr.Delay(t))), t)[1], 1.0),
        "`sequence` must hold known numbers to be written out, but some are traced; leave `jit` or `grad` first.",
    ),
    "diagram of a list": (
        lambda: sequence_diagram([mr.Pulse(1.0)]),
        "`sequence` must be a Sequence, but got list.",
    ),
    "diagram of no time": (
        lambda: sequence_diagram(FID, time_range=(1.0, 2.0)),
        "`time_range` must hold at least one event, but 1 s to 2 s holds none.",
    ),
    "many pulses": (
        lambda: coherence_pathways(cpmg(np.full(31, np.pi), 0.01)),
        "`sequence` must have at most 30 pulses for its pathways to be seen, but has 32.",
    ),
    "pathways of two voxels": (
        lambda: coherence_pathways(FID, mr.Tissue(np.ones(2), 0.1)),
        "`tissue` must be one voxel, but has the shape (2,).",
    ),
    "many curves": (
        lambda: signal_curves(np.ones((21, 3))),
        "`signals` must hold at most 20 voxels to be told apart, but got 21; select some.",
    ),
    "curve of one number": (
        lambda: signal_curves(1.0),
        "`signals` must have at least one sample on the last axis, but got shape ().",
    ),
    "times of curves": (
        lambda: signal_curves(np.ones((2, 3)), times=np.ones(4)),
        "`times` must have shape (3,), as the signals do, but got (4,).",
    ),
    "labels of curves": (
        lambda: signal_curves(np.ones((2, 3)), labels=["a"]),
        "`labels` must have one entry for each of the 2 voxels, but got 1.",
    ),
    # phantoms
    "field of the spheres": (
        lambda: tubes(field_strength=7),
        "`field_strength` must be 1.5 or 3 (T), but got 7.",
    ),
    "slice of the brain": (
        lambda: brain(slice=100),
        "`slice` must be an integer from -81 to 80, but got 100.",
    ),
    "shape of the head": (
        lambda: shepp_logan((64, -1)),
        "`shape` must have 2 or 3 positive integers, but got (64, -1).",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_call_is_answered_with_one_sentence(name):
    call, sentence = WRONG[name]
    with pytest.raises(ValueError, match=r"\w") as error:
        call()
    assert type(error.value) is ValueError
    assert str(error.value) == sentence


def test_the_same_sentence_from_inside_jit():
    @jax.jit
    def signal(duration, t1):
        train = mr.Sequence(mr.Spoil(), mr.Repeat(mr.Pulse(1.0), mr.Delay(duration), mr.Sample()))
        return mr.simulate(train, mr.Tissue(t1, 0.1))

    with pytest.raises(Exception, match=r"`duration` of `event 1\.1 \(Delay\)` must not be negative \(s\)\."):
        signal(jnp.array([1e-3, -1e-3]), 1.0).block_until_ready()
    with pytest.raises(Exception, match=r"`t1` must be positive \(s\)\."):
        signal(jnp.array([1e-3, 2e-3]), NAN).block_until_ready()


MILLISECONDS = {
    "t1": (lambda: mr.Tissue(800, 0.08), "t1", "800", "30"),
    "t2": (lambda: mr.Tissue(1.0, np.array([50.0, 0.1])), "t2", "50", "30"),
    "multi_echo_gre": (lambda: multi_echo_gre([4, 8], 0.5), "te", "8", "1"),
    "spin_echo": (lambda: spin_echo(te=[0.02, 80]), "te", "80", "1"),
    "cpmg": (lambda: cpmg(np.full(3, np.pi), echo_spacing=10), "echo_spacing", "10", "0.5"),
    "mrf_fisp": (lambda: mrf_fisp(ANGLES, tr=12, te=5), "te", "5", "1"),
    "spgr": (lambda: spgr(0.3, tr=10, te=3, n_repetitions=2), "te", "3", "1"),
    "bssfp": (lambda: bssfp(0.3, tr=5, te=0.5, n_repetitions=2), "tr", "5", "1"),
    "inversion_recovery": (lambda: inversion_recovery([50, 400]), "inversion_time", "400", "30"),
    "closed form": (lambda: relaxation.t2_decay([20.0, 80.0], 0.1), "te", "80", "1"),
}


@pytest.mark.parametrize("name", MILLISECONDS)
def test_milliseconds_are_noticed(name):
    call, argument, reached, longest = MILLISECONDS[name]
    with pytest.warns(mr.PlausibilityWarning, match="milliseconds") as warned:
        call()
    assert str(warned[0].message) == (
        f"`{argument}` is in s and reaches {reached}, more than is plausible ({longest}). "
        "If you meant milliseconds, multiply by `mrjax.units.ms`."
    )
    assert {warning.filename for warning in warned} == {__file__}


def test_too_few_spins_are_noticed():
    with pytest.warns(UserWarning, match="too few") as warned:
        mr.simulate(mr.Sequence(mr.Pulse(1.0), mr.Dephase(5), mr.Sample()), WATER, mr.Isochromats(2))
    assert str(warned[0].message) == (
        "Isochromats(n=2) is too few: the sequence winds up to 5 cycles across the voxel, and what is wound by 2 looks "
        "unwound again. Use at least n=6."
    )


# files, by way of the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images and tables with mistakes in them, as the working directory."""
    here = tmp_path_factory.mktemp("wrong")
    series = np.exp(-np.array([4.0, 8.0, 12.0]) / 30) * np.ones((4, 4, 2, 1))
    noise = np.random.default_rng(0).random((8, 8, 8, 3))
    images = {
        "good.nii": series,
        "volume.nii": series[..., 0],
        "smaller.nii": series[:3, ..., 0],
        "mask.nii": np.ones((4, 4, 3)),
        "nothing.nii": np.zeros((4, 4, 2)),
        "nan.nii": np.full((4, 4, 2, 3), NAN),
        "b1.nii": np.ones((5, 4, 2)),
        "noise.nii.gz": noise,
    }
    for name, image in images.items():
        nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), np.eye(4)), here / name)
    (here / "cut.nii").write_bytes((here / "good.nii").read_bytes()[:500])
    (here / "cut.nii.gz").write_bytes((here / "noise.nii.gz").read_bytes()[:2000])
    texts = {
        "text.nii": "hello",
        "text.txt": "hello",
        "ragged.csv": "a,b,c\n1,2,3\n1,2\n",
        "word.csv": "a,b,c\n1,2,3\n1,x,3\n",
        "hole.csv": "a,b,c\n1,2,3\n1,nan,3\n",
        "good.csv": "a,b,c\n3,2,1.3\n3,2,1.2\n",
        "cells.csv": "label,s\nv1,1 2 3\nv2,1 2\n",
        "header.csv": "a,b\n",
        "empty.csv": "",
    }
    for name, text in texts.items():
        (here / name).write_text(text)
    return here


ECHOES = "--te 4ms 8ms 12ms"
VFA = "--flip-angle 2deg 5deg 12deg --tr 5.4ms"
WRONG_FILES = {
    f"t2star missing.nii {ECHOES}": "missing.nii does not exist or is no file; check the path.",
    f"t2star text.txt {ECHOES}": "text.txt is not a NIfTI image: expected a .nii or .nii.gz file.",
    f"t2star text.nii {ECHOES}": "text.nii is not a NIfTI image: expected a .nii or .nii.gz file.",
    f"t2star cut.nii {ECHOES}": "cut.nii cannot be read: it is truncated or damaged (Expected 384 bytes, got 148 bytes "
    "from cut.nii - could the file be damaged?). Copy or export it again.",
    f"t2star cut.nii.gz {ECHOES}": "cut.nii.gz cannot be read: it is truncated or damaged (Compressed file ended before "
    "the end-of-stream marker was reached). Copy or export it again.",
    "t2star good.nii --te 4ms 8ms": "good.nii has 3 images (shape (4, 4, 2, 3)), but --te gives 2 values; give one for "
    "each, in order.",
    "t2star good.nii --te 4ms": "t2star fits 2 parameters and needs as many images, but --te has 1 values.",
    f"t2star good.nii {ECHOES} --mask mask.nii": "--mask must have the shape of the images, (4, 4, 2), but got (4, 4, 3).",
    f"t2star good.nii {ECHOES} --mask nothing.nii": "No voxel is left to fit: the mask is empty or the data are not finite.",
    f"t2star nan.nii {ECHOES}": "No voxel is left to fit: the mask is empty or the data are not finite.",
    f"t2star good.nii {ECHOES} --noise-std 0": "--noise-std must be positive, but got 0.",
    "t2star volume.nii smaller.nii --te 4ms 8ms": "All images must have the same shape, but got (3, 4, 2), (4, 4, 2).",
    "t2star good.nii good.nii --te 4ms 8ms": "good.nii is a series, (4, 4, 2, 3); pass one series alone, or "
    "three-dimensional images.",
    f"vfa good.nii {VFA} --b1 b1.nii": "--b1 must have the shape of the images, (4, 4, 2), but got (5, 4, 2).",
    "vfa good.nii --flip-angle 2deg 5deg": "--tr is not given and there is no good.json with RepetitionTime; write --tr 5.4ms.",
    "ir good.nii --ti 0.1s 0.5s 1s --tr 0.4s": "--ti must lie between 0 and --tr (0.4 s), but got 0.1 to 1 s.",
    f"t2star ragged.csv {ECHOES}": "ragged.csv, row 3: 2 cells, but the first row has 3.",
    f"t2star word.csv {ECHOES}": "word.csv, row 3: 'x' is not a number.",
    f"t2star hole.csv {ECHOES}": "hole.csv, row 3: 'nan' is not finite.",
    f"t2star cells.csv {ECHOES} --column q": "cells.csv has no column 'q'; it has label, s.",
    f"t2star cells.csv {ECHOES} --column s": "cells.csv, column 's': rows hold 2 to 3 numbers; all need the same.",
    f"t2star header.csv {ECHOES}": "header.csv has a header but no rows.",
    f"t2star empty.csv {ECHOES}": "empty.csv is empty.",
    "t2star good.csv --te 4ms 8ms": "good.csv has 3 signals in each row, but --te gives 2 values; give one for each, in "
    "order.",
    f"t2star good.csv {ECHOES} --mask mask.nii": "A CSV is fitted alone, without further images, --mask or maps.",
}


@pytest.mark.parametrize("arguments", WRONG_FILES)
def test_wrong_file_ends_the_command_with_one_sentence(arguments, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["fit", *arguments.split()]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"mrjax fit: {WRONG_FILES[arguments]}\n"
    assert "wrote" not in captured.out
    assert not (folder / "mrjax_fit").exists()


WRONG_OPTIONS = {
    "t2star good.nii --te 4 8 12": "mrjax fit t2star: error: argument --te: '4' is not a time with a unit; write 4ms or "
    "0.004s",
    "t2star good.nii --te nanms 8ms": "mrjax fit t2star: error: argument --te: 'nanms' is not a time with a unit; write "
    "4ms or 0.004s",
    "vfa good.nii --flip-angle 2 5deg 12deg --tr 5ms": "mrjax fit vfa: error: argument --flip-angle: '2' is not an angle "
    "with a unit; write 12deg or 0.2rad",
}


@pytest.mark.parametrize("arguments", WRONG_OPTIONS)
def test_wrong_option_ends_the_command_with_one_sentence(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments.split()])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == WRONG_OPTIONS[arguments]


@pytest.mark.skipif(os.name == "nt", reason="paths of another kind")
def test_a_folder_that_cannot_be_made_is_named(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["fit", "t2star", "good.csv", *ECHOES.split(), "--out", "text.txt"]) == 2
    # a line before it says what is compiled, where that takes long
    assert capsys.readouterr().err.splitlines()[-1] == "mrjax fit: cannot write or read text.txt: File exists"
