"""Pulseq files of imaging sequences become sequences that play the same waveforms, with their loops found again."""

import dataclasses
import itertools
import math
import random
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from costs import calls_of
from test_reader import IMAGING, MOST_CALLS, mutated, read_quietly

import mrjax as mr
from mrjax import units
from mrjax.pulseq import PulseqError, read, to_sequence, write
from mrjax.pulseq.loops import BlockLoop, built, folded
from mrjax.pulseq.playing_order import playings
from mrjax.sequence import Annotation, Label, Together
from mrjax.sequence.walk import events_of

GAMMA_BAR = units.GAMMA_BAR["1H"]
RASTERS = "GradientRasterTime 1e-5\nRadiofrequencyRasterTime 1e-6\nBlockDurationRaster 1e-5\nAdcRasterTime 1e-7\n"


def from_text(folder, text: str, minor: int = 5):
    path = folder / "file.seq"
    rasters = f"[DEFINITIONS]\n{RASTERS}B0 3\n" if minor >= 4 else ""
    path.write_text(f"[VERSION]\nmajor 1\nminor {minor}\nrevision 0\n{rasters}{text}")
    return read(path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", IMAGING)
def test_a_file_lasts_as_long_and_samples_as_often(reference_data, name):
    file = read(reference_data(f"pulseq/{name}.seq"))
    sequence = to_sequence(file)
    n_samples = sum(file.adc[block.adc].n_samples for block in file.blocks if block.adc)
    assert sequence.n_samples == n_samples
    np.testing.assert_allclose(sequence.duration, file.duration, rtol=1e-12)
    # loops were found: these files have 7 to 5636 blocks
    assert len(list(events_of(sequence.events))) <= min(len(file.blocks), 40)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "blocks"), [("write_gre", (0, 10)), ("write_epi", (0, 390)), ("write_tse", (70, 81)), ("write_radial_gre", (0, 10))]
)  # fmt: skip
def test_timelines_and_trajectories_are_those_of_pypulseq(reference_data, name, blocks):
    pypulseq = pytest.importorskip("pypulseq")
    judge = pypulseq.Sequence()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge.read(str(reference_data(f"pulseq/{name}.seq")))
        trajectory, _, _, _, times = judge.calculate_kspace()
    file = read(reference_data(f"pulseq/{name}.seq"))
    start = sum(block.duration for block in file.blocks[: blocks[0]])
    part = dataclasses.replace(file, blocks=file.blocks[slice(*blocks)])
    timeline = to_sequence(part).timeline()
    np.testing.assert_allclose(timeline.edges[-1], part.duration, rtol=1e-12)
    taken = (times > start) & (times < start + part.duration)
    np.testing.assert_allclose(timeline.sample_times + start, times[taken], rtol=0, atol=1e-12)
    # k = - gamma / 2 pi int G dt, so that the signal is int m exp(-2 pi i k r); Pulseq counts the other way
    found = -timeline.trajectory()
    np.testing.assert_allclose(found, trajectory.T[taken], rtol=0, atol=5e-6 * np.abs(trajectory).max())


def waveforms(played, times):
    """RF and gradients along x, y and z of one playing at times in s from its start."""
    rf, gradients = np.zeros(times.size, complex), np.zeros((3, times.size))
    event = played.located.event
    for i, track in enumerate(event.tracks if isinstance(event, mr.sequence.Together) else ()):
        start = 0.0
        for j, part in enumerate(track):
            own = {name: played.values[f"{i}.{j}.{name}"] for name in part.leaves()}
            if isinstance(part, mr.Gradient):
                gradients["xyz".index(part.axis)] += np.interp(
                    times - start, own["times"], own["waveform"], left=0, right=0
                )
            elif isinstance(part, mr.ShapedPulse | mr.ContinuousWave):
                samples = np.atleast_1d(own.get("waveform", own.get("b1")))
                dt = float(own["dt"] if "dt" in own else own["duration"])
                inside = (times > start) & (times < start + dt * samples.size)
                into = times[inside] - start
                turns = np.exp(1j * (2 * np.pi * own["offset"] * into + own["phase"]))
                rf[inside] = samples[(into / dt).astype(int)] * turns
            start += float(own.get("duration", own["times"][-1] if "times" in own else 0.0))
    return rf, gradients


@pytest.mark.exhaustive
@pytest.mark.parametrize("version", [120, 131, 141])
def test_one_sequence_plays_alike_in_four_versions(reference_data, version):
    files = [read(reference_data(f"pulseq/simple_mprage{v}.seq")) for v in (version, 150)]
    pairs = zip(files[0].blocks, *(playings(to_sequence(file)) for file in files), strict=True)
    for block, one, other in itertools.islice(pairs, 30):
        times = (np.arange(round(block.duration / 1e-6)) + 0.5) * 1e-6
        rf, gradients = waveforms(one, times)
        # version 1.2 of this file delays its pulses twice: by 100 us, and by as many zeros at the start of their shape
        late = 1e-4 if version == 120 and block.rf else 0.0
        expected = waveforms(other, times - late)[0], waveforms(other, times)[1]
        if version == 120:
            rf, expected = np.abs(rf), (np.abs(expected[0]), expected[1])
        # shapes are stored with four digits in 1.3
        np.testing.assert_allclose(rf, expected[0], rtol=0, atol=1.5e-3 * 7.9e-6)
        # between the samples of 1.2 and 1.3 corners are cut by a quarter of what the slope gains in a raster
        np.testing.assert_allclose(gradients, expected[1], rtol=0, atol=1e-12 if version == 141 else 0.3e-3)
        np.testing.assert_allclose(gradients[:, 5::10], expected[1][:, 5::10], rtol=0, atol=0.17e-3)


PARTS = """\
[BLOCKS]
1 400 1 0 0 2 0 0
2 500 0 3 0 0 1 0
3 20 0 0 0 0 0 0
[RF]
1 85.1528 1 2 0 1000 100 2 0.5 -200 0.25 r
[GRADIENTS]
3 1e6 0 500000 3 0 20
[TRAP]
2 -4e5 100 3000 200 50
[ADC]
1 64 50000 300 1 0.1 10 0.5 4
[SHAPES]
shape_id 1
num_samples 4
0.25
1
-0.5
0.25
shape_id 2
num_samples 4
0
0.25
0.5
0
shape_id 3
num_samples 3
0.5
1
1
shape_id 4
num_samples 64
0.1
0
0
61
"""


def test_events_become_waveforms_in_tesla(tmp_path):
    sequence = to_sequence(from_text(tmp_path, PARTS))
    excitation, line, rest = sequence
    (rf_delay, pulse), (slice_delay, slice_gradient), (pad,) = excitation.tracks
    larmor = GAMMA_BAR * 3
    np.testing.assert_allclose(float(rf_delay.duration), 100e-6)
    np.testing.assert_allclose(float(pulse.dt), 1e-6)
    samples = np.array([0.25, 1, -0.5, 0.25]) * np.exp(2j * np.pi * np.array([0, 0.25, 0.5, 0]))
    np.testing.assert_allclose(pulse.waveform, 85.1528 / GAMMA_BAR * samples, atol=1e-20)
    np.testing.assert_allclose(float(pulse.offset), -200 + 2e-6 * larmor)
    np.testing.assert_allclose(float(pulse.phase), 0.25 + 0.5e-6 * larmor)
    assert pulse.use == "refocusing"
    np.testing.assert_allclose(float(slice_delay.duration), 50e-6)
    np.testing.assert_allclose(slice_gradient.waveform, np.array([0, -4e5, -4e5, 0]) / GAMMA_BAR)
    np.testing.assert_allclose(slice_gradient.times, [0, 100e-6, 3.1e-3, 3.3e-3])
    assert slice_gradient.axis == "z"
    np.testing.assert_allclose(float(pad.duration), 4e-3)
    (adc_delay, readout), (_, gradient), _ = line.tracks
    np.testing.assert_allclose([float(adc_delay.duration), float(readout.dwell)], [300e-6, 50e-6])
    np.testing.assert_allclose(float(readout.offset), 10 + 1e-6 * larmor)
    np.testing.assert_allclose(float(readout.phase), 0.5 + 0.1e-6 * larmor)
    np.testing.assert_allclose(readout.modulation, np.full(64, 0.1))
    turned = readout.phase + 0.1 + 2 * np.pi * readout.offset * (np.arange(64) + 0.5) * 50e-6
    np.testing.assert_allclose(readout.receiver_phase(), turned, rtol=1e-12)
    # samples lie in the middles of the rasters, edges are stored
    np.testing.assert_allclose(gradient.waveform * GAMMA_BAR, [0, 0.5e6, 1e6, 1e6, 0.5e6])
    np.testing.assert_allclose(gradient.times, np.array([0, 0.5, 1.5, 2.5, 3]) * 1e-5)
    assert isinstance(rest, mr.Delay)
    np.testing.assert_allclose(float(rest.duration), 200e-6)


def test_a_readout_has_a_phase_for_each_sample_or_none():
    with pytest.raises(ValueError, match=r"`modulation` must have 4 entries on its last axis, .* but got shape \(3,\)"):
        mr.Readout(4, 1e-5, modulation=np.zeros(3))


def test_offsets_in_ppm_need_a_field(tmp_path):
    file = from_text(tmp_path, PARTS)
    stronger = to_sequence(file, b0=7.0)[0].tracks[0][1]
    np.testing.assert_allclose(float(stronger.offset), -200 + 14e-6 * GAMMA_BAR)
    path = tmp_path / "file.seq"
    path.write_text(path.read_text().replace("B0 3\n", ""))
    with pytest.raises(PulseqError, match=r"RF event 1: .* gives offsets in ppm but no positive B0"):
        to_sequence(read(path))
    with pytest.raises(ValueError, match=r"`b0` must be positive \(T\), but got 0.0"):
        to_sequence(file, b0=0.0)


def test_gradients_are_sampled_twice_as_densely_where_they_say_so(tmp_path):
    dense = PARTS.replace("3 1e6 0 500000 3 0 20", "3 1e6 0 500000 3 -1 20")
    gradient = to_sequence(from_text(tmp_path, dense))[1].tracks[1][1]
    np.testing.assert_allclose(gradient.times, np.array([0, 0.5, 1, 1.5, 2]) * 1e-5)


def test_a_block_pulse_is_one_number_and_counts_its_phase_from_its_shape(tmp_path):
    text = "[BLOCKS]\n1 0 1 0 0 0 0 0\n[RF]\n1 100 1 0 50 200 0.5\n[SHAPES]\nshape_id 1\nnum_samples 2000130\n"
    file = from_text(tmp_path, text + "0\n0\n98\n1\n0\n0\n1999997\n-1\n0\n0\n27\n", minor=3)
    (delay, pulse), _ = to_sequence(file)[0].tracks
    np.testing.assert_allclose(float(delay.duration), 150e-6)
    np.testing.assert_allclose([float(pulse.b1), float(pulse.duration)], [100 / GAMMA_BAR, 2.0])
    np.testing.assert_allclose(float(pulse.phase), 0.5 + 2 * np.pi * 200 * 100e-6)
    assert pulse.use is None


def test_edges_of_gradients_follow_from_their_neighbours_before_version_5(tmp_path):
    rows = "[BLOCKS]\n1 4 0 1 0 0 0 0\n2 4 0 2 0 0 0 0\n3 5 0 2 0 0 0 0\n[GRADIENTS]\n1 1e6 1 0 0\n2 2e6 2 0 0\n"
    shapes = "[SHAPES]\nshape_id 1\nnum_samples 4\n0.125\n0.375\n0.625\n0.875\nshape_id 2\nnum_samples 4\n0.5\n0.5\n0.25\n0\n"
    ramp, after, alone = to_sequence(from_text(tmp_path, rows + shapes, minor=4))
    np.testing.assert_allclose(ramp.tracks[0][0].waveform[jnp.array([0, -1])] * GAMMA_BAR, [0, 1e6], atol=1e-6)
    # begins where the other ended; lines through 1, 1, 0.5, 0 from there: 1, 1, 0, 0
    np.testing.assert_allclose(after.tracks[0][0].waveform * GAMMA_BAR, [1e6, 1e6, 1e6, 5e5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(alone.tracks[0][0].waveform[0], 0, atol=1e-12)


NOTED = """\
[BLOCKS]
1 0 0 0 0 0 0 1
2 40 0 1 2 0 0 3
3 100 0 0 0 0 0 4
4 40 0 0 0 0 1 5
[TRAP]
1 3e5 100 200 100 0
2 4e5 100 200 100 0
[ADC]
1 16 10000 0 0 0 0 0 0
[EXTENSIONS]
1 1 1 2
2 2 1 0
3 4 1 0
4 3 1 0
5 5 1 0
extension LABELINC 1
1 2 LIN
extension LABELSET 2
1 7 LIN
extension DELAYS 3
1 0 -500 2 TE
extension ROTATIONS 4
1 0.70710678 0 0 0.70710678
extension TRIGGERS 5
1 2 1 0 400
"""


def test_labels_stand_before_their_block_and_set_before_they_count(tmp_path):
    sequence = to_sequence(from_text(tmp_path, NOTED))
    kinds = [type(event) for event in sequence]
    assert kinds == [Label, Label, Together, Annotation, mr.Delay, Annotation, Together]
    assert [(label.name, float(label.value), label.increment) for label in sequence.events[:2]] == [
        ("LIN", 7, False),
        ("LIN", 2, True),
    ]
    assert sequence[3].words == ("0", "-500", "2", "TE")
    assert (sequence[5].name, sequence[5].words) == ("TRIGGERS", ("2", "1", "0", "400"))


def test_a_rotation_turns_the_gradients_of_its_block(tmp_path):
    turned = to_sequence(from_text(tmp_path, NOTED))[2]
    peaks = [float(track[0].waveform[1]) * GAMMA_BAR for track in turned.tracks]
    # 90 degrees about z: x goes to y and y to -x
    np.testing.assert_allclose(peaks, [-4e5, 3e5, 0], atol=1e-3)
    assert [track[0].axis for track in turned.tracks] == ["x", "y", "z"]


def test_soft_delays_last_as_long_as_is_asked(tmp_path):
    file = from_text(tmp_path, NOTED)
    assert float(to_sequence(file)[4].duration) == 1e-3
    np.testing.assert_allclose(float(to_sequence(file, soft_delays={"TE": 5e-3})[4].duration), 2e-3)
    with pytest.raises(
        ValueError, match=r"must leave no delay negative, but TE of 0.0005 s makes block 3 last -0.00025 s"
    ):
        to_sequence(file, soft_delays={"TE": 0.5e-3})
    with pytest.raises(ValueError, match=r"must name soft delays of the file \(TE\), but got 'TR'"):
        to_sequence(file, soft_delays={"TR": 1.0})


def test_an_extension_that_is_not_known_is_kept_with_a_warning(tmp_path):
    file = from_text(tmp_path, NOTED.replace("TRIGGERS", "RF_SHIMS"))
    with pytest.warns(UserWarning, match="kept as annotations, but not played: RF_SHIMS"):
        assert to_sequence(file)[5].name == "RF_SHIMS"


REFUSED = {
    "short block": (PARTS.replace("1 400 1", "1 300 1"), r"block 1 lasts 0.003 s, but its events 0.00335 s\."),
    "both at once": (PARTS.replace("1 400 1 0 0 2 0", "1 400 1 0 0 2 2") + "[ADC]\n", "stands there a second time"),
    "modulation": (PARTS.replace("0.1\n0\n0\n61", "0.1\n0\n0\n60").replace("es 64", "es 63"), "but its phase shape 63"),
    "rotation": (
        NOTED.replace("0.70710678 0 0", "3 0 0"),
        r"row 1 of extension ROTATIONS, '3 0 0 0.70710678', is not under",
    ),
    "soft delay": (NOTED.replace("-500 2", "-500 0"), r"row 1 of extension DELAYS, '0 -500 0 TE', is not understood"),
    "label": (NOTED.replace("1 7 LIN", "1 LIN"), r"row 1 of extension LABELSET, 'LIN', is not understood"),
    "times": (PARTS.replace("3 0 20", "3 3 20"), r"gradient 3: its 3 samples need a time shape with as many times"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_played_says_why(tmp_path, fault):
    text, cause = REFUSED[fault]
    with pytest.raises(PulseqError, match=cause):
        to_sequence(from_text(tmp_path, text))


def test_transmitting_while_receiving_is_refused(tmp_path):
    overlapping = PARTS.replace("1 400 1 0 0 2 0 0", "1 400 1 0 0 2 1 0").replace("64 50000 300", "64 50000 102")
    with pytest.raises(PulseqError, match="block 1 transmits and receives at the same time"):
        to_sequence(from_text(tmp_path, overlapping))
    after = PARTS.replace("1 400 1 0 0 2 0 0", "1 400 1 0 0 2 1 0")
    (_, _, between, _), *_ = to_sequence(from_text(tmp_path, after))[0].tracks
    np.testing.assert_allclose(float(between.duration), 300e-6 - 104e-6)


def places(nodes, later=0):
    """The entries of a folded row, written out again."""
    for node in nodes:
        if isinstance(node, BlockLoop):
            for n in range(node.count):
                yield from places(node.body, later + n * node.period)
        else:
            yield node + later


ROWS = {
    "nested": np.array([9, *([0, *[1, 2] * 16, 3] * 5), 7, 7]),
    "random": np.random.default_rng(1).integers(0, 4, 600),
    "growing": np.concatenate([[0, *[1] * n] for n in range(40)]),
    "all different": np.arange(50),
    "one": np.zeros(1, int),
    "all equal": np.zeros(500, int),
}


@pytest.mark.parametrize("row", ROWS)
def test_folding_changes_no_order(row):
    forms = ROWS[row]
    nodes = folded(forms, forms == 0)
    assert list(places(nodes)) == list(range(forms.size))


def test_nested_loops_are_found():
    forms = ROWS["nested"]
    first, outer, *rest = folded(forms, forms == 0)
    assert first == 0
    assert (outer.start, outer.period, outer.count) == (1, 34, 5)
    assert outer.body[0] == 1
    assert (outer.body[1].period, outer.body[1].count) == (2, 16)
    assert rest == [171, 172]


def test_a_loop_begins_with_a_pulse_or_as_late_as_it_can():
    forms = np.array([2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    assert folded(forms, forms == 0)[1].start == 1
    assert folded(forms, forms == 9)[1].start == 1
    assert folded(forms, forms == 2)[0].start == 0


def test_built_events_know_where_each_repetition_plays_them():
    asked = []

    def event(at):
        asked.append(at)
        return mr.Delay(1.0)

    (outer,) = built((BlockLoop(0, 3, 2, (0, BlockLoop(1, 1, 2, (1,)))),), event)
    assert outer.n_repetitions == 2
    assert [at.tolist() for at in asked] == [[0, 3], [[1, 2], [4, 5]]]


def test_numbers_that_change_are_leaves_and_others_are_not(reference_data):
    sequence = to_sequence(read(reference_data("pulseq/write_gre.seq")))
    (repeat,) = sequence
    assert repeat.n_repetitions == 64
    excitation, encoding, wait, line, spoiler = repeat.events
    pulse = excitation.tracks[0][1]
    assert pulse.phase.shape == (64,)
    assert pulse.waveform.ndim == 1
    assert isinstance(pulse.offset, float)
    assert [track[0].waveform.ndim for track in encoding.tracks] == [1, 2, 1]
    assert wait.duration.shape == ()
    # the receiver follows the pulse
    np.testing.assert_array_equal(line.tracks[0][1].phase, pulse.phase)
    assert float(np.max(np.abs(np.asarray(spoiler.tracks[1][0].waveform + encoding.tracks[1][0].waveform)))) < 1e-9


def tse(n_trains: int, n_echoes: int = 16) -> mr.Sequence:
    """A turbo spin echo sequence with shaped pulses, labels left out."""
    times = (np.arange(600) + 0.5) / 600 - 0.5
    shape = np.sinc(4 * times) * np.cos(np.pi * times) ** 2
    steps = np.linspace(-3e-3, 3e-3, n_trains * n_echoes).reshape(n_trains, n_echoes)
    trapezoid = lambda amplitude, flat, axis: mr.Gradient.trapezoid(amplitude, rise=200e-6, flat=flat, axis=axis)
    pulse = lambda b1, **more: mr.Sequence(mr.Delay(200e-6), mr.ShapedPulse(b1 * shape, 5e-6, **more))
    excitation = mr.Together(
        pulse(8e-6, phase=np.pi / 2, use="excitation"), trapezoid(8e-3, 3e-3, "z"), mr.Delay(3.5e-3)
    )
    offset = np.linspace(-500, 500, n_trains)[:, None]
    refocusing = mr.Together(pulse(16e-6, offset=offset, use="refocusing"), trapezoid(8e-3, 3e-3, "z"))
    line = mr.Together(mr.Sequence(mr.Delay(200e-6), mr.Readout(64, 50e-6)), trapezoid(5e-3, 3.2e-3, "x"))
    encode = lambda sign: mr.Together(trapezoid(sign * steps, 600e-6, "y"), trapezoid(6e-3, 600e-6, "z"))
    echo = mr.Repeat(refocusing, encode(1), line, encode(-1), n_repetitions=n_echoes)
    before = mr.Together(trapezoid(5e-3, 1.4e-3, "x"))
    return mr.Sequence(mr.Repeat(excitation, before, echo, mr.Delay(0.5), n_repetitions=n_trains))


@pytest.mark.exhaustive
def test_ten_thousand_blocks_become_nested_repeats(tmp_path):
    path = tmp_path / "tse.seq"
    sequence = tse(150)
    write(sequence, path)
    file = read(path)
    found = to_sequence(file)
    assert len(file.blocks) == 150 * 67
    assert jax.tree.structure(found) == jax.tree.structure(sequence)
    (outer,) = found
    inner = outer.events[2]
    assert (outer.n_repetitions, inner.n_repetitions) == (150, 16)
    assert inner.events[0].tracks[0][1].offset.shape == (150, 1)
    assert inner.events[1].tracks[0][0].waveform.shape == (150, 16, 4)
    for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(sequence), strict=True):
        np.testing.assert_allclose(leaf, np.broadcast_to(expected, leaf.shape), rtol=1e-9, atol=1e-15)


@pytest.mark.exhaustive
def test_twice_the_blocks_take_twice_the_work(tmp_path):
    write(tse(60), tmp_path / "tse.seq")
    file = read(tmp_path / "tse.seq")

    def calls(n: int) -> int:
        part = dataclasses.replace(file, blocks=file.blocks[:n])
        return calls_of(lambda: to_sequence(part))

    # what is done once for each event of the file is done for none of the blocks
    once, some, more = calls(67), calls(30 * 67), calls(60 * 67)
    assert more - once < 2.3 * (some - once)
    assert more - once < 100 * 60 * 67


class Counted(np.ndarray):
    """An array whose comparisons are counted by elements."""

    n_compared = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **more):
        if ufunc is np.equal:
            Counted.n_compared += max(np.size(value) for value in inputs)
        plain = [np.asarray(value) if isinstance(value, Counted) else value for value in inputs]
        return getattr(ufunc, method)(*plain, **more)


def test_nested_loops_are_found_in_proportion_to_their_length():
    def compared(n_trains: int) -> int:
        forms = np.array([0, *[1, 2, 3, 4] * 16, 5] * n_trains)
        Counted.n_compared = 0
        assert len(folded(forms.view(Counted), forms == 0)) == 1
        return Counted.n_compared

    some, more = compared(75), compared(150)
    assert 0 < more < 2.5 * some
    # each entry is compared with so many others, at most two patterns of the outer loop away
    assert more < 150 * 66 * 2 * 66


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["truncated", "garbled", "a line lost", "a line doubled", "a number changed"])
def test_damage_of_any_kind_gives_a_pulseq_error_or_a_sequence(tmp_path, reference_data, kind):
    rng = random.Random(f"imaging, {kind}")
    names = ("seq1", "seq3", "simple_mprage150", "write_gre_label_softdelay")
    originals = [reference_data(f"pulseq/{name}.seq").read_bytes() for name in names]
    path, refused = tmp_path / "damaged.seq", []

    def attempted(path):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*kept as annotations, but not played.*")
                warnings.filterwarnings("ignore", message=".*does not say what all RF pulses are for.*")
                warnings.filterwarnings("ignore", category=mr.PlausibilityWarning)
                to_sequence(read_quietly(path))
        except PulseqError as error:
            refused.append(error)

    for n in range(40):
        path.write_bytes(mutated(originals[n % len(originals)], kind, rng))
        assert calls_of(partial(attempted, path)) < 10 * MOST_CALLS * len(path.read_bytes())
    assert len(refused) > 10


def test_a_flip_angle_survives_the_way_from_hertz(tmp_path):
    # a block pulse of 250 Hz for 1 ms turns by 90 degrees
    text = "[BLOCKS]\n1 0 1 0 0 0 0 0\n2 0 0 0 0 0 1 0\n[RF]\n1 250 1 0 0 0 0\n[ADC]\n1 1 1000 0 0 0\n"
    file = from_text(tmp_path, text + "[SHAPES]\nshape_id 1\nnum_samples 1000\n1\n0\n0\n997\n", minor=3)
    pulse = to_sequence(file)[0].tracks[0][0]
    np.testing.assert_allclose(2 * math.pi * GAMMA_BAR * float(pulse.b1 * pulse.duration), math.pi / 2, rtol=1e-12)
