"""Sequences and files are written such that reading them gives the same, here and in PyPulseq."""

import dataclasses
import warnings

import jax
import numpy as np
import pytest
from test_imaging import waveforms
from test_reader import IMAGING

import mrjax as mr
from mrjax import units
from mrjax.pulseq import PulseqFile, Rasters, Shape, from_sequence, read, to_sequence, write
from mrjax.pulseq.playing_order import playings
from mrjax.pulseq.shapes import compressed, decompressed, from_samples
from mrjax.sequence import AbstractNote, Annotation, Label

GAMMA_BAR = units.GAMMA_BAR["1H"]


def assert_same_shapes(one: dict[int, Shape], other: dict[int, Shape], rounding: float):
    assert one.keys() == other.keys()
    for identifier in one:
        np.testing.assert_array_equal(one[identifier].counts, other[identifier].counts)
        np.testing.assert_allclose(one[identifier].values, other[identifier].values, rtol=0, atol=rounding)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", IMAGING)
def test_a_file_that_is_written_reads_as_the_same(tmp_path, reference_data, name):
    file = read(reference_data(f"pulseq/{name}.seq"))
    write(file, tmp_path / "again.seq")
    # warnings are errors, so the signature is right
    again = read(tmp_path / "again.seq")
    for field in dataclasses.fields(PulseqFile):
        if field.name not in ("path", "signature", "shapes", "definitions"):
            assert getattr(again, field.name) == getattr(file, field.name), field.name
    assert repr(again.definitions) == repr(file.definitions)
    assert_same_shapes(again.shapes, file.shapes, rounding=0)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["seq5", "simple_mprage131", "write_epi_label", "write_gre_label_softdelay", "write_tse"]
)
def test_a_sequence_that_is_written_reads_as_the_same(tmp_path, reference_data, name):
    sequence = to_sequence(read(reference_data(f"pulseq/{name}.seq")))
    write(sequence, tmp_path / "again.seq", definitions={"FOV": (0.256, 0.256, 0.003), "Name": "again"})
    file = read(tmp_path / "again.seq")
    assert file.definitions["FOV"] == (0.256, 0.256, 0.003)
    assert file.definitions["Name"] == "again"
    np.testing.assert_allclose(file.definitions["TotalDuration"][0], file.duration, rtol=1e-9)
    again = to_sequence(file)
    assert jax.tree.structure(again) == jax.tree.structure(sequence)
    for leaf, expected in zip(jax.tree.leaves(again), jax.tree.leaves(sequence), strict=True):
        np.testing.assert_allclose(leaf, expected, rtol=1e-9, atol=1e-12 * np.max(np.abs(expected), initial=0))


@pytest.mark.parametrize(
    "samples",
    [
        np.linspace(0, 1, 500),
        np.ones(3),
        np.zeros(10),
        np.array([0.3]),
        np.sin(np.arange(100)),
        np.repeat([0, 1.0, 0], 40),
    ],
)
def test_shapes_are_compressed_without_loss(samples):
    shape = from_samples(samples)
    stored = compressed(shape, plain_allowed=True)
    assert stored.size <= samples.size
    np.testing.assert_array_equal(decompressed(stored, samples.size, plain_allowed=True).samples(), samples)
    older = compressed(shape, plain_allowed=False)
    np.testing.assert_allclose(decompressed(older, samples.size, plain_allowed=False).samples(), samples, atol=1e-14)


def test_ramps_and_constants_take_few_numbers():
    assert compressed(from_samples(np.ones(10**6)), plain_allowed=True).tolist() == [1, 0, 0, 999997]
    ramp = decompressed(np.array([0.01, 0.01, 98]), 100, plain_allowed=False)
    assert compressed(ramp, plain_allowed=True).tolist() == [0.01, 0.01, 98]


def gre(n: int = 4) -> mr.Sequence:
    """A gradient echo with everything that a block can hold."""
    times = (np.arange(500) + 0.5) / 500 - 0.5
    shape = np.sinc(4 * times)
    phases = np.arange(n) * 0.7
    pulse = mr.ShapedPulse(5e-6 * shape, 2e-6, phase=phases, offset=-200.0, use="excitation")
    extended = mr.Gradient([0, 5e-3, 5e-3, -8e-3, 0], [0, 100e-6, 1.3e-3, 1.5e-3, 1.7e-3], axis="z")
    arbitrary = mr.Gradient.sampled(3e-3 * (1 - abs(np.arange(100) - 49.5) / 50), 1e-5, "y")
    steps = np.linspace(-2e-3, 2e-3, n)
    encode = mr.Gradient.trapezoid(steps, rise=100e-6, flat=500e-6, axis="y")
    back = mr.Gradient.trapezoid(-4e-3, rise=100e-6, flat=1e-3, axis="x")
    line = mr.Gradient.trapezoid(4e-3, rise=100e-6, flat=2e-3, fall=200e-6, axis="x")
    return mr.Sequence(
        Label("LIN", 0),
        mr.Repeat(
            mr.Together(mr.Sequence(mr.Delay(150e-6), pulse), extended),
            mr.Together(back, mr.Sequence(mr.Delay(50e-6), encode)),
            Label("LIN", 1, increment=True),
            mr.Together(mr.Sequence(mr.Delay(100e-6), mr.Readout(50, 40e-6, phase=phases)), line, arbitrary),
            Annotation("TRIGGERS", ("2", "1", "0", "400")),
            mr.Delay(3e-3),
            mr.Together(mr.ContinuousWave(2e-6, 1e-3, use="saturation"), mr.Delay(1.1e-3)),
        ),
    )


@pytest.mark.parametrize("version", ["1.4.1", "1.5.0"])
def test_every_kind_of_event_comes_back(tmp_path, version):
    sequence = gre()
    write(sequence, tmp_path / "gre.seq", version=version)
    file = read(tmp_path / "gre.seq")
    assert str(file.version) == version
    assert (len(file.rf), len(file.adc), len(file.trapezoids), len(file.gradients)) == (5, 4, 6, 2)
    assert len(file.blocks) == 20
    # version 1.4 does not hold what pulses are for
    uses = {"1.4.1": dict.fromkeys(file.rf, "excitation"), "1.5.0": {}}[version]
    for one, other in zip(playings(to_sequence(file, uses=uses)), playings(sequence), strict=True):
        assert type(one.located.event) is type(other.located.event)
        assert list(one.values) == list(other.values)
        for name in one.values:
            tolerance = 1e-9 * np.max(np.abs(other.values[name]))
            np.testing.assert_allclose(one.values[name], other.values[name], rtol=0, atol=tolerance)


def test_a_rotated_and_a_summed_gradient_are_written_as_they_are_played(tmp_path):
    two = mr.Together(
        mr.Gradient.trapezoid(1e-3, rise=1e-4, flat=8e-4, axis="x"),
        mr.Gradient.trapezoid(2e-3, rise=3e-4, flat=4e-4, axis="x"),
    )
    write(mr.Sequence(two), tmp_path / "sum.seq")
    (gradient,) = to_sequence(read(tmp_path / "sum.seq"))[0].tracks[0]
    np.testing.assert_allclose(gradient.times, [0, 1e-4, 3e-4, 7e-4, 9e-4, 1e-3], atol=1e-12)
    np.testing.assert_allclose(gradient.waveform[2:4], 3e-3, rtol=1e-9)
    np.testing.assert_allclose(gradient.area, 1e-3 * 9e-4 + 2e-3 * 7e-4, rtol=1e-9)


def test_a_gradient_of_half_rasters_is_written_as_such_from_version_5(tmp_path):
    dense = mr.Gradient(1e-3 * np.sin(np.arange(9)), np.arange(9) * 5e-6, axis="x")
    write(mr.Sequence(dense), tmp_path / "dense.seq")
    file = read(tmp_path / "dense.seq")
    assert file.gradients[1].time_shape == -1
    np.testing.assert_allclose(to_sequence(file)[0].tracks[0][0].waveform, dense.waveform, atol=1e-15)
    with pytest.raises(
        ValueError, match=r"point of a gradient at 5e-06 s lies between the gradient rasters of 1e-05 s"
    ):
        from_sequence(mr.Sequence(dense), version="1.4.0")


def test_what_comes_again_is_stored_once_in_single_precision_too():
    times = np.arange(400) / 100
    scaled = np.linspace(0.2, 1, 50)[:, None] * np.sinc(times)[None]
    pulses = mr.ShapedPulse(np.float32(1e-5) * scaled.astype(np.float32), np.float32(1e-6))
    ramps = mr.Gradient.sampled(np.float32(1e-2) * np.abs(scaled[:, :100]).astype(np.float32), 1e-5, "x")
    file = from_sequence(mr.Sequence(mr.Repeat(mr.Together(pulses, mr.Delay(1e-3)), ramps)))
    # magnitude, its signs as phase, and the gradient
    assert (len(file.rf), len(file.gradients), len(file.shapes)) == (50, 50, 3)


def test_a_negative_field_is_written_as_a_phase(tmp_path):
    write(mr.Sequence(mr.ContinuousWave(-1e-6, 1e-3, phase=0.5)), tmp_path / "negative.seq")
    (pulse,) = to_sequence(read(tmp_path / "negative.seq"))[0].tracks[0]
    np.testing.assert_allclose([float(pulse.b1), float(pulse.phase)], [1e-6, 0.5 + np.pi])


def test_labels_keep_their_order(tmp_path):
    notes = [Label("LIN", 1, increment=True), Label("LIN", 5), Label("ECO", 1, increment=True)]
    write(mr.Sequence(*notes, mr.Delay(1e-3), Label("REP", 2)), tmp_path / "labels.seq")
    file = read(tmp_path / "labels.seq")
    # a label that is set after another has counted needs a block of its own, and so does what ends the sequence
    assert [block.duration for block in file.blocks] == [0, 1e-3, 0]
    found = [event for event in to_sequence(file) if isinstance(event, Label)]
    assert [(n.name, float(n.value), n.increment) for n in found] == [
        ("LIN", 1, True), ("LIN", 5, False), ("ECO", 1, True), ("REP", 2, False),
    ]  # fmt: skip


PULSE = mr.ShapedPulse(np.ones(10) * 1e-6, 1e-6)
LINE = mr.Gradient.trapezoid(1e-3, rise=1e-4, flat=1e-3, axis="x")

REFUSED = {
    "instant": (mr.Pulse(1.0), r"event 1 \(Pulse\) cannot be played by a scanner; write a ShapedPulse or a Con"),
    "winding": (mr.Dephase(), r"event 1 \(Dephase\) cannot be played by a scanner; write a Gradient in its place"),
    "spoiler": (mr.Spoil(), r"\(Spoil\) cannot be played by a scanner; write a Gradient along each axis"),
    "sample": (mr.Sample(), r"event 1 \(Sample\) cannot be played by a scanner; write a Readout in its place"),
    "delay": (mr.Delay(1.003e-3), r"event 1 \(Delay\) cannot be written: a duration of 0.001003 s is no multiple of the"),
    "nearest": (mr.Delay(1.003e-3), r"raster, 1e-05 s; the nearest are 0.001 s and 0.00101 s"),
    "endless": (mr.Delay(np.inf), r"event 1 \(Delay\) cannot be written: it never ends"),
    "dt": (mr.ShapedPulse(np.full(20, 1e-6), 0.5e-6), r"a `dt` of 5e-07 s is no multiple of the RF raster, 1e-06 s"),
    "dwell": (mr.Readout(100, 1.23e-6), r"a dwell time of 1.23e-06 s is no multiple of the ADC raster, 1e-07 s"),
    "start": (mr.Together(mr.Sequence(mr.Delay(4e-6), LINE)), r"a start of 4e-06 s is no multiple of the gradient raster"),
    "jump": (mr.Gradient([0, 1e-3, 2e-3, 0, 0], [0, 1e-4, 1e-4, 2e-4, 3e-4], axis="x"), "jumps, which no amplifier can"),
    "pulses": (mr.Together(mr.Sequence(PULSE, PULSE)), r"\(Together\) .* but it has 2 pulses; write a block for each"),
    "label": (Label("LIN", 0.5), r"`value` of event 1 \(Label\) must be a whole number to be written, but is 0.5"),
    "modulation": (mr.Readout(4, 1e-5, modulation=np.ones(4)), r"a phase for each sample needs version 1.5"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_no_scanner_plays_is_refused_by_name(fault):
    event, cause = REFUSED[fault]
    with pytest.raises(ValueError, match=cause):
        from_sequence(mr.Sequence(mr.Delay(1e-3), event), version="1.4.0")


def test_messages_say_which_repetition():
    delays = mr.Repeat(mr.Delay(np.array([1e-3, 1.0001e-3])))
    with pytest.raises(ValueError, match=r"event 0.0 \(Delay\) in repetition 1 cannot be written"):
        from_sequence(mr.Sequence(delays))


def test_traced_numbers_cannot_be_written():
    with pytest.raises(ValueError, match="must hold known numbers to be written, but some are traced"):
        jax.jit(lambda t: from_sequence(mr.Sequence(mr.Delay(t))).duration)(1e-3)


@pytest.mark.parametrize("version", ["1.3.1", "1.5", "2.0.0"])
def test_other_versions_are_refused(version):
    with pytest.raises(ValueError, match=r'`version` must be one such as "1.4.1" or "1.5.0", but got'):
        from_sequence(mr.Sequence(mr.Delay(1e-3)), version=version)


def test_a_file_keeps_its_version(tmp_path, reference_data):
    file = read(reference_data("pulseq/simple_mprage131.seq"))
    with pytest.raises(ValueError, match=r"written as it is, in version 1.3.1; for another `version`"):
        write(file, tmp_path / "newer.seq", version="1.5.0")


class Scanner:
    """Coarse rasters, and a list of what was checked."""

    gradient_raster = 2e-5
    block_raster = 2e-5

    def __init__(self):
        self.checked = []

    def check(self, sequence):
        self.checked.append(sequence)


def test_a_scanner_checks_the_sequence_and_gives_its_rasters():
    scanner, sequence = Scanner(), mr.Sequence(mr.Delay(1e-3))
    assert from_sequence(sequence, scanner=scanner).block_raster == 2e-5
    assert scanner.checked == [sequence]
    with pytest.raises(ValueError, match="no multiple of the block raster, 2e-05 s"):
        from_sequence(mr.Sequence(mr.Delay(1.01e-3)), scanner=scanner)
    assert from_sequence(mr.Sequence(mr.Delay(1.01e-3)), scanner=scanner, rasters=Rasters()).duration == 1.01e-3


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.seq"
    write(mr.Sequence(mr.Delay(1e-3)), path)
    before = path.read_text()
    with pytest.raises(ValueError, match="cannot be played by a scanner"):
        write(mr.Sequence(mr.Pulse(1.0)), path)
    assert path.read_text() == before
    write(mr.Sequence(mr.Delay(2e-3)), path)
    assert [child.name for child in tmp_path.iterdir()] == ["file.seq"]
    assert read(path).duration == 2e-3
    with pytest.raises(FileNotFoundError):
        write(mr.Sequence(mr.Delay(1e-3)), tmp_path / "nowhere" / "file.seq")


def in_pypulseq(path):
    """A file as PyPulseq reads it."""
    pypulseq = pytest.importorskip("pypulseq")
    judge = pypulseq.Sequence()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge.read(str(path))
    return judge


@pytest.mark.parametrize("version", ["1.4.1", "1.5.0"])
def test_pypulseq_reads_the_same_waveforms(tmp_path, version):
    write(gre(), tmp_path / "gre.seq", version=version)
    judge = in_pypulseq(tmp_path / "gre.seq")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _, _, sampled, _ = judge.waveforms_and_times(append_RF=True)
    np.testing.assert_allclose(sampled, gre().sample_times, rtol=0, atol=1e-12)
    np.testing.assert_allclose(judge.duration()[0], gre().duration, rtol=1e-12)
    at = lambda row, times: np.interp(times, theirs[row][0].real, theirs[row][1].real, left=0, right=0)
    start = 0.0
    lasting = [played for played in playings(gre()) if not isinstance(played.located.event, AbstractNote)]
    for played, block in zip(lasting, read(tmp_path / "gre.seq").blocks, strict=True):
        # in the middles of the rasters of gradients and of samples of RF, between which PyPulseq draws lines
        middles = (np.arange(round(block.duration / 1e-5)) + 0.5) * 1e-5
        _, gradients = waveforms(played, middles)
        for axis in range(3):
            np.testing.assert_allclose(at(axis, start + middles) / GAMMA_BAR, gradients[axis], rtol=0, atol=1e-6 * 8e-3)
        if block.rf:
            samples = 150e-6 + (np.arange(500) + 0.5) * 2e-6
            expected, _ = waveforms(played, samples)
            found = at(3, start + samples) + 1j * np.interp(start + samples, theirs[3][0].real, theirs[3][1].imag)
            inside = np.abs(expected) > 0
            np.testing.assert_allclose(found[inside] / GAMMA_BAR, expected[inside], rtol=0, atol=1e-5 * 5e-6)
        start += block.duration


def test_pypulseq_reads_labels_and_triggers(tmp_path):
    write(gre(), tmp_path / "gre.seq")
    judge = in_pypulseq(tmp_path / "gre.seq")
    assert judge.evaluate_labels()["LIN"] == 4
    np.testing.assert_allclose(judge.get_block(4).trigger[0].duration, 400e-6)


def test_what_pypulseq_writes_reads_as_it_was_meant(tmp_path):
    pypulseq = pytest.importorskip("pypulseq")
    system = pypulseq.Opts(max_grad=40, grad_unit="mT/m", max_slew=150, slew_unit="T/m/s")
    judge = pypulseq.Sequence(system)
    pulse, select, rephase = pypulseq.make_sinc_pulse(
        np.pi / 6, duration=2e-3, slice_thickness=5e-3, freq_offset=300, phase_offset=0.4, system=system, return_gz=True,
        use="excitation",
    )  # fmt: skip
    angle = np.arange(400) / 30
    spiral = [pypulseq.make_arbitrary_grad(axis, 400 * angle * turn(angle), first=0, last=0, system=system)
              for axis, turn in (("x", np.cos), ("y", np.sin))]  # fmt: skip
    points = np.array([0, 2e5, 2e5, -1e5, 0])
    extended = pypulseq.make_extended_trapezoid("z", points, times=np.array([0, 2, 10, 14, 15]) * 1e-4, system=system)
    adc = pypulseq.make_adc(200, dwell=2e-5, phase_offset=0.4, phase_modulation=np.linspace(0, 3, 200), system=system)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge.add_block(pulse, select)
        judge.add_block(rephase)
        judge.add_block(*spiral, adc, pypulseq.make_label(type="INC", label="LIN", value=1))
        judge.add_block(extended)
        judge.add_block(pypulseq.make_delay(5e-3))
        judge.write(str(tmp_path / "theirs.seq"))
    sequence = to_sequence(read(tmp_path / "theirs.seq"))
    excitation, back, label, line, last, rest = sequence
    (_, shaped), (_, slice_gradient) = (track if len(track) == 2 else (None, *track) for track in excitation.tracks[:2])
    signal = pulse.signal / GAMMA_BAR
    np.testing.assert_allclose(shaped.waveform, signal, rtol=0, atol=1e-5 * np.abs(signal).max())
    assert (float(shaped.offset), shaped.use) == (300, "excitation")
    np.testing.assert_allclose([float(shaped.phase), float(shaped.dt)], [0.4, 1e-6])
    areas = [slice_gradient.area, back.tracks[0][0].area, last.tracks[0][0].area]
    np.testing.assert_allclose(areas, np.array([select.area, rephase.area, extended.area]) / GAMMA_BAR, rtol=1e-5)
    assert (label.name, float(label.value), label.increment) == ("LIN", 1, True)
    readout, x, y = (track[-1] for track in line.tracks)
    np.testing.assert_allclose(readout.modulation, np.linspace(0, 3, 200), atol=1e-6)
    for gradient, theirs in ((x, spiral[0]), (y, spiral[1])):
        scale = np.abs(theirs.waveform).max() / GAMMA_BAR
        np.testing.assert_allclose(gradient.waveform[1:-1], theirs.waveform / GAMMA_BAR, rtol=0, atol=1e-5 * scale)
    np.testing.assert_allclose(last.tracks[0][0].times, np.array([0, 2, 10, 14, 15]) * 1e-4, atol=1e-12)
    assert float(rest.duration) == 5e-3
