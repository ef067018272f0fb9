"""Limits of scanners: every breach is found in every repetition, and named; what is within passes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import ms, mT, us

SCANNER = mr.Scanner(max_gradient=40 * mT, max_slew=150.0, max_b1=15e-6)


def trapezoid(amplitude, axis="z", rise=400 * us, flat=1 * ms):
    return mr.Gradient.trapezoid(amplitude, rise=rise, flat=flat, axis=axis)


def pulse(b1, before=100 * us, after=30 * us, n=100, dt=10 * us):
    return mr.Sequence(mr.Delay(before), mr.ShapedPulse(b1 * np.hanning(n + 2)[1:-1], dt), mr.Delay(after))


def played_well():
    """A gradient echo that keeps every limit."""
    lines = np.linspace(-1, 1, 5)
    return mr.Sequence(
        mr.Repeat(
            mr.Together(pulse(10e-6, after=100 * us), trapezoid(15 * mT, rise=100 * us)),
            mr.Together(trapezoid(lines * 20 * mT, "y"), trapezoid(-10 * mT, "x"), trapezoid(-7 * mT)),
            mr.Together(
                mr.Sequence(mr.Delay(100 * us), mr.Readout(64, 15.6 * us), mr.Delay(101.6 * us)),
                trapezoid(8 * mT, "x", rise=100 * us),
            ),
            mr.Delay(3 * ms),
        ),
        mr.Gradient.sampled(5 * mT * np.sin(np.linspace(0, 3, 50)), 10 * us, "x", last=1 * mT),
    )


def test_a_sequence_within_the_limits_is_returned():
    sequence = played_well()
    assert SCANNER.breaches(sequence) == []
    assert SCANNER.check(sequence) is sequence
    assert SCANNER.breaches(mr.Sequence()) == []


def test_the_rounding_of_single_precision_breaks_no_limit():
    """Steps of 10 us are known to 0.4 permille after 60 ms, and seconds to a tenth of a raster."""
    sawtooth = 0.74999 * mT * (np.arange(6001) % 2)
    late = mr.Together(mr.Gradient.sampled(sawtooth, 10 * us, "x"), mr.Delay(100 * ms))
    sequence = mr.Sequence(mr.Delay(9.87654), late)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), sequence)
    steps = np.diff(np.asarray(single.events[1].tracks[0][0].times, float)[1:-1])
    assert np.ptp(steps) > 3e-4 * 10 * us
    scanner = mr.Scanner(max_slew=75.0)
    assert scanner.breaches(single) == scanner.breaches(sequence) == []
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), played_well())
    assert SCANNER.breaches(single) == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            mr.Together(pulse(10e-6, after=770 * us), trapezoid(45 * mT)),
            "event 1 (Together), track 1 (Gradient z): 45 mT/m at 0.4 ms of the event exceeds max_gradient 40 mT/m",
        ),
        (
            trapezoid(-45 * mT, rise=1 * ms),
            "event 1 (Gradient), axis z: 45 mT/m at 1 ms of the event exceeds max_gradient 40 mT/m",
        ),
        (
            mr.Together(trapezoid(25 * mT), trapezoid(25 * mT), trapezoid(30 * mT, "x")),
            "event 1 (Together), tracks 0 and 1 (Gradient z): 50 mT/m at 0.4 ms of the event exceeds max_gradient 40 mT/m",
        ),
        (
            mr.Gradient([0, 30 * mT, 0], [0, 0.5 * ms, 0.6 * ms], "x"),
            "event 1 (Gradient), axis x: 300 T/m/s from 0.5 to 0.6 ms of the event exceeds max_slew 150 T/m/s",
        ),
        (
            mr.Gradient([0, 30 * mT, 10 * mT, 0], [0, 0.5 * ms, 0.5 * ms, 1 * ms], "x"),
            "event 1 (Gradient), axis x: a jump by 20 mT/m at 0.5 ms of the event exceeds what max_slew 150 T/m/s allows "
            "within a gradient_raster, 1.5 mT/m",
        ),
        (
            mr.Together(mr.Sequence(mr.Delay(1 * ms), mr.Gradient([5 * mT, 0], [0, 1 * ms], "y"))),
            "event 1 (Together), track 0.1 (Gradient y): a jump by 5 mT/m at 1 ms of the event exceeds what max_slew "
            "150 T/m/s allows within a gradient_raster, 1.5 mT/m",
        ),
        (
            mr.Together(pulse(40e-6 / 2)),
            "event 1 (Together), track 0.1 (ShapedPulse): 19.9952 uT at 0.59 ms of the event exceeds max_b1 15 uT",
        ),
        (
            mr.Together(mr.Sequence(mr.Delay(1 * ms), mr.ContinuousWave(-16e-6, 1 * ms), mr.Delay(1 * ms))),
            "event 1 (Together), track 0.1 (ContinuousWave): 16 uT at 1 ms of the event exceeds max_b1 15 uT",
        ),
        (mr.Delay(1.234 * ms), "event 1 (Delay): lasts 1234 us, no multiple of block_raster 10 us"),
        (mr.Delay(jnp.inf), "event 1 (Delay): lasts forever"),
        (
            mr.Gradient([0, 1 * mT, 0], [0, 333 * us, 1 * ms], "x"),
            "event 1 (Gradient), axis x: a corner at 333 us of the event is on no multiple of gradient_raster 10 us",
        ),
        (
            mr.Together(mr.Sequence(mr.Delay(100.5 * us), mr.ContinuousWave(1e-6, 99.5 * us), mr.Delay(100 * us))),
            "event 1 (Together), track 0.1 (ContinuousWave): lasts 99.5 us, no multiple of rf_raster 1 us",
        ),
        (
            mr.Together(pulse(1e-6, after=850 * us, dt=0.5 * us)),
            "event 1 (Together), track 0.1 (ShapedPulse): samples last 0.5 us, no multiple of rf_raster 1 us",
        ),
        (
            mr.Together(mr.Sequence(mr.Delay(10.5 * us), mr.Readout(10, 10 * us), mr.Delay(19.5 * us))),
            "event 1 (Together), track 0.1 (Readout): begins at 10.5 us, no multiple of rf_raster 1 us",
        ),
        (
            mr.Together(mr.Sequence(mr.Delay(10 * us), mr.Readout(8, 1.25 * us), mr.Delay(10 * us))),
            "event 1 (Together), track 0.1 (Readout): dwells 1.25 us, no multiple of adc_raster 0.1 us",
        ),
        (
            mr.Together(pulse(1e-6, before=50 * us)),
            "event 1 (Together), track 0.1 (ShapedPulse): the pulse begins 50 us after the event does, but rf_dead_time "
            "100 us must pass; put a Delay there",
        ),
        (
            mr.Together(pulse(1e-6, after=20 * us)),
            "event 1 (Together), track 0.1 (ShapedPulse): the event ends 20 us after the pulse, but rf_ringdown 30 us must "
            "pass; put a Delay there",
        ),
        (
            mr.Together(
                mr.Sequence(mr.Delay(100 * us), mr.ContinuousWave(1e-6, 100 * us), mr.Delay(30 * us), mr.Readout(10, 10 * us)),
                mr.Delay(1 * ms),
            ),
            "event 1 (Together), track 0.3 (Readout): the readout begins 30 us after the pulse before it, but rf_ringdown "
            "30 us and adc_dead_time 10 us must pass; put a Delay there",
        ),
        (mr.Pulse(0.1), "event 1 (Pulse): cannot be played; write a ShapedPulse or a ContinuousWave"),
        (mr.Dephase(1), "event 1 (Dephase): cannot be played; write a Gradient"),
        (mr.Spoil(), "event 1 (Spoil): cannot be played; write a Gradient along each axis"),
        (mr.Sample(), "event 1 (Sample): cannot be played; write a Readout"),
        (mr.Reset(), "event 1 (Reset): cannot be played; write a Delay that is long enough"),
    ],
)  # fmt: skip
def test_each_breach_is_found_and_named(event, message):
    sequence = mr.Sequence(mr.Delay(1 * ms), event)
    found = SCANNER.breaches(sequence)
    assert message in found
    with pytest.raises(ValueError, match="`sequence` must be within the limits of the scanner") as refused:
        SCANNER.check(sequence)
    assert message in str(refused.value)
    if "raster" not in message or "jump" in message:
        assert len(found) == 1, found


def test_what_changes_nothing_needs_not_be_played():
    assert SCANNER.breaches(mr.Sequence(mr.Pulse(0.0), mr.Dephase(0), mr.Delay(1 * ms))) == []


# from event to event


def test_gradients_may_go_on_through_events():
    up, down = mr.Gradient([0, 20 * mT], [0, 0.5 * ms], "x"), mr.Gradient([20 * mT, 0], [0, 0.5 * ms], "x")
    flat = mr.Gradient([20 * mT] * 2, [0, 2 * ms], "x")
    assert SCANNER.breaches(mr.Sequence(up, flat, flat, down)) == []
    assert SCANNER.breaches(mr.Sequence(up, mr.Pulse(0.0), mr.Delay(0.0), down)) == []  # neither takes time
    allowed = "exceeds what max_slew 150 T/m/s allows within a gradient_raster, 1.5 mT/m"
    assert SCANNER.breaches(mr.Sequence(flat, down)) == [
        f"event 0 (Gradient): a jump along x from 0 to 20 mT/m at the start of the sequence {allowed}"
    ]
    assert SCANNER.breaches(mr.Sequence(up, mr.Delay(1 * ms), down)) == [
        f"event 1 (Delay): a jump along x from 20 to 0 mT/m after event 0 (Gradient) {allowed}",
        f"event 2 (Gradient): a jump along x from 0 to 20 mT/m after event 1 (Delay) {allowed}",
    ]
    assert SCANNER.breaches(mr.Sequence(up)) == [
        f"event 0 (Gradient): a jump along x from 20 to 0 mT/m at the end of the sequence {allowed}"
    ]
    other = mr.Gradient([20 * mT, 0], [0, 0.5 * ms], "y")
    assert len(SCANNER.breaches(mr.Sequence(up, other))) == 2


def test_gradients_may_go_on_from_repetition_to_repetition():
    start = np.array([0.0, 1.0, 1.0]) * mT
    end = np.array([1.0, 1.0, 0.0]) * mT
    rows = lambda first, last: np.stack([first, last], axis=-1)
    steps = mr.Repeat(mr.Gradient(10 * rows(start, end), [0, 1 * ms], "z"))
    assert SCANNER.breaches(steps) == []
    wrong = mr.Repeat(mr.Gradient(10 * rows(start[::-1], end[::-1]), [0, 1 * ms], "z"))
    (found,) = SCANNER.breaches(wrong)[:1]
    assert found.startswith("event 0.0 (Gradient), repetition ")
    pairs = mr.Repeat(mr.Repeat(steps.events[0], mr.Delay(0.0)), n_repetitions=2)
    assert SCANNER.breaches(pairs) == []


# repetitions


def test_the_repetition_is_named():
    amplitude = np.array([10.0, 30.0, 44.0, -46.0, 5.0]) * mT
    table = mr.Sequence(mr.Repeat(mr.Delay(1 * ms), trapezoid(amplitude, "y")))
    assert SCANNER.breaches(table) == [
        "event 0.1 (Gradient), axis y, repetition 3: 46 mT/m at 0.4 ms of the event exceeds max_gradient 40 mT/m"
    ]
    waits = mr.Repeat(mr.Repeat(mr.Delay(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 1.234]]) * ms)))
    assert SCANNER.breaches(waits) == [
        "event 0.0.0 (Delay), repetition 1.2: lasts 1234 us, no multiple of block_raster 10 us"
    ]


def test_repeats_are_checked_as_they_are_written_out():
    """The same breaches, of as many events."""
    amplitude = np.array([[20.0], [70.0]]) * mT
    wait = np.array([1.0, 1.003, 2.0]) * ms
    nested = mr.Repeat(
        mr.Repeat(trapezoid(amplitude, "x"), mr.Delay(wait), mr.Gradient([0, 9 * mT], [0, wait[0]], "y"))
    )
    written = [
        event
        for row in amplitude
        for w in wait
        for event in (trapezoid(row[0], "x"), mr.Delay(w), mr.Gradient([0, 9 * mT], [0, wait[0]], "y"))
    ]
    kinds = lambda found: {line.split(": ")[1].split(" after ")[0].split(" at the end")[0] for line in found}
    one, other = SCANNER.breaches(nested), SCANNER.breaches(mr.Sequence(*written))
    assert len(one) < len(other)
    assert kinds(one) == kinds(other)
    assert len(kinds(one)) == 4


def test_many_repetitions_are_quick_and_many_breaches_are_cut_short():
    """A hundred thousand repetitions; as fast as one, but for the numbers that differ."""
    amplitude = np.linspace(-39, 39, 100_000) * mT
    table = mr.Sequence(mr.Repeat(trapezoid(amplitude, "y"), mr.Delay(1 * ms)))
    assert SCANNER.breaches(table) == []
    with pytest.raises(ValueError, match="and 5 more"):
        SCANNER.check(mr.Sequence(*(mr.Spoil() for _ in range(25))))


# the scanner


def test_limits_that_do_not_limit():
    nothing = {"rf_dead_time": 0, "rf_ringdown": 0, "adc_dead_time": 0}
    rasters = dict.fromkeys(("rf_raster", "gradient_raster", "adc_raster", "block_raster"), 0)
    free = mr.Scanner(max_gradient=np.inf, max_slew=np.inf, max_b1=np.inf, **nothing, **rasters)
    square = mr.Gradient([1.0, 1.0], [0, 0.123456], "x")
    assert free.breaches(mr.Sequence(square, mr.ContinuousWave(5e-3, 0.1234567), mr.Readout(3, 1.23456e-6))) == []


@pytest.mark.parametrize("limit", [-1.0, np.nan, True])
def test_wrong_limits_are_refused(limit):
    with pytest.raises(ValueError, match="`max_slew` must be a number, zero or more, but got"):
        mr.Scanner(max_slew=limit)


def test_traced_sequences_cannot_be_checked():
    with pytest.raises(ValueError, match="must hold known numbers"):
        jax.eval_shape(lambda g: SCANNER.check(mr.Sequence(trapezoid(g))) and g, 1 * mT)
