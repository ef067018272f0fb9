"""Pulseq-CEST files become sequences whose events are those of the reference tables, and whose loops share what they can."""

import dataclasses
import json
import math
import warnings

import jax
import numpy as np
import pytest

import mrjax as mr
from mrjax import ContinuousWave, Conventions, Delay, Repeat, Reset, Sample, SampleLongitudinal, ShapedPulse, Spoil
from mrjax.pulseq import m0_measurements, offsets_ppm, read, saturation_sequence
from mrjax.sequence import unrolled
from mrjax.sequence.base import AbstractEvent

PROTOCOLS = [
    "apt000_2p_creatine", "apt000_3p_MT_Lor", "apt001_2p_creatine", "apt003_3p_MT_Lor", "bmsim_case1", "bmsim_case2",
    "bmsim_case3", "bmsim_case5", "bmsim_case7", "glint_3p", "loas40_3p_MT", "mrf001_7p", "mrf002_2p_larg", "t1map_hypsec",
    "wasabi3T_2p_creatine",
]  # fmt: skip


def file_of(reference_data, name: str):
    """A file of the reference data; some were edited after they were signed."""
    folder = reference_data("cest/seq")
    path = folder / name if (folder / name).exists() else folder / f"{name}.gz"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not the one in .SIGNATURE.*")
        return read(path)


def protocol(reference_data, name: str):
    """The event table, its description, and the file."""
    table = np.load(reference_data(f"cest/protocols/{name}.npz"))
    meta = json.loads(str(table["meta"]))
    return table, meta, file_of(reference_data, meta["seq"])


def converted(file, meta, **options):
    conventions = Conventions.pulseq_cest(meta["gamma_rad_per_s_per_uT"] * 1e6)
    options = {"max_pulse_samples": meta["max_pulse_samples"], "reset": meta["reset_init_mag"]} | options
    return saturation_sequence(file, conventions, **options)


def played(container):
    """Every event in playing order, as its class and its leaves; quicker than `unrolled` for long sequences."""
    return _played(*_written_out(container, ()), ())


def _written_out(container, repeats):
    """The repetitions of a container, and its events with leaves that have all axes."""
    repeats = (*repeats, *container.repetitions)
    entries = []
    for entry in container.events:
        if not isinstance(entry, AbstractEvent):
            entries.append(_written_out(entry, repeats))
            continue
        leaves = {name: np.asarray(leaf) for name, leaf in entry.leaves().items()}
        own = {name: leaf.shape[leaf.ndim - entry.own_axes.get(name, 0) :] for name, leaf in leaves.items()}
        entries.append(
            (type(entry), {name: np.broadcast_to(leaf, (*repeats, *own[name])) for name, leaf in leaves.items()})
        )
    return container.repetitions, entries


def _played(repetitions, entries, at):
    for n in range(*repetitions or (1,)):
        here = (*at, n) if repetitions else at
        for first, second in entries:
            if isinstance(first, type):
                yield first, {name: leaf[here] for name, leaf in second.items()}
            else:
                yield from _played(first, second, here)


def expected(table, reset: bool):
    """The events of a reference table, with delays that adjoin as one."""
    events = [(Reset, {"magnetisation": 1.0})] if reset else []

    def wait(duration):
        if duration > 0 and events and events[-1][0] is Delay:
            events[-1] = (Delay, {"duration": events[-1][1]["duration"] + duration})
        elif duration > 0:
            events.append((Delay, {"duration": duration}))

    rows = zip(
        *(table[f"ev_{name}"] for name in ("type", "dur_s", "freq_hz", "phase_rad", "post_s", "shape")), strict=True
    )
    for kind, duration, frequency, phase, post, shape in rows:
        if kind in (0, 1):
            wait(duration)
        if kind == 1:
            events.append((Spoil, {}))
        if kind == 2:
            b1 = table[f"shape{shape}_amp_T"] * np.exp(1j * table[f"shape{shape}_phase_rad"])
            dt = table[f"shape{shape}_dt_s"]
            when = {"offset": frequency, "phase": phase}
            if b1.size == 1:
                events.append((ContinuousWave, {"b1": b1[0], "duration": dt} | when))
            else:
                events.append((ShapedPulse, {"waveform": b1, "dt": dt} | when))
            wait(post)
        if kind == 3:
            events.append((SampleLongitudinal, {}))
            events += [(Reset, {"magnetisation": 1.0})] if reset else []
    return events[:-1] if reset else events


def assert_same_events(found, reference):
    assert [kind.__name__ for kind, _ in found] == [kind.__name__ for kind, _ in reference]
    for (_, one), (_, other) in zip(found, reference, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-15, err_msg=name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_converted_file_plays_the_events_of_the_reference_table(reference_data, name):
    table, meta, file = protocol(reference_data, name)
    sequence = converted(file, meta)
    assert sequence.n_samples == len(table["mz_exact"])
    assert_same_events(list(played(sequence)), expected(table, meta["reset_init_mag"]))


def test_unrolling_gives_the_same_events(reference_data):
    table, meta, file = protocol(reference_data, "mrf001_7p")
    events = [timed.event for timed in unrolled.unrolled(converted(file, meta))]
    by_name = [event.leaves() for event in events]
    assert_same_events(list(zip(map(type, events), by_name, strict=True)), expected(table, reset=False))


def outer_and_inner(sequence):
    """The last outer repeat of a sequence and the repeats inside it."""
    outer = sequence[-1]
    assert isinstance(outer, Repeat)
    return outer, [entry for entry in outer.events if isinstance(entry, Repeat)]


def shapes(event):
    return {name: np.shape(leaf) for name, leaf in event.leaves().items()}


def test_pulses_of_a_train_differ_in_phase_alone(reference_data):
    _, meta, file = protocol(reference_data, "apt001_2p_creatine")
    sequence = converted(file, meta)
    outer, (inner,) = outer_and_inner(sequence)
    assert len(sequence) == 1
    assert (outer.n_repetitions, inner.n_repetitions) == (34, 36)
    pulse, delay = inner.events
    assert shapes(pulse) == {"waveform": (200,), "dt": (), "offset": (34, 1), "phase": (34, 36)}
    # the last delay of a train is that of the spoiler
    assert shapes(delay) == {"duration": (36,)}
    np.testing.assert_allclose(delay.duration, [5e-3] * 35 + [6.5e-3], rtol=1e-12)
    kinds = [type(event) for event in outer.events]
    assert kinds == [Reset, Delay, Repeat, Spoil, SampleLongitudinal]
    assert shapes(outer.events[1]) == {"duration": ()}


def test_spin_locks_are_one_pattern_of_three_pulses(reference_data):
    _, meta, file = protocol(reference_data, "mrf002_2p_larg")
    outer, (inner,) = outer_and_inner(converted(file, meta))
    assert (outer.n_repetitions, inner.n_repetitions) == (30, 13)
    pulses = inner.events[::2]
    assert [type(pulse) for pulse in pulses] == [ContinuousWave] * 3
    for pulse in pulses:
        # the amplitude changes with the measurement, the phase with the pulse
        assert shapes(pulse) == {"b1": (30, 1), "duration": (), "offset": (), "phase": (13,)}
    assert [shapes(delay)["duration"] for delay in inner.events[1::2]] == [(), (), (13,)]
    assert not [event for event in outer.events if isinstance(event, Reset)]


@pytest.mark.parametrize("name", ["wasabi3T_2p_creatine", "glint_3p"])
def test_an_m0_scan_with_another_delay_stands_alone(reference_data, name):
    table, meta, file = protocol(reference_data, name)
    sequence = converted(file, meta)
    outer, _ = outer_and_inner(sequence)
    assert outer.n_repetitions == len(table["mz_exact"]) - 1
    recovery = [event for event in outer.events if isinstance(event, Delay)]
    assert all(shapes(delay) == {"duration": ()} for delay in recovery)
    assert sum(isinstance(event, SampleLongitudinal) for event in sequence) == 1


@pytest.mark.exhaustive
def test_measurements_with_other_trains_are_repeats_of_their_own(reference_data):
    table, meta, file = protocol(reference_data, "loas40_3p_MT")
    sequence = converted(file, meta)
    assert sequence.n_samples == 40
    assert sum(1 for _ in events_once(sequence)) < len(expected(table, reset=False)) / 4


def events_once(container):
    for entry in container.events:
        if isinstance(entry, AbstractEvent):
            yield entry
        else:
            yield from events_once(entry)


def test_equal_pulses_of_an_inversion_are_played_thrice(reference_data):
    _, meta, file = protocol(reference_data, "t1map_hypsec")
    outer, (inner,) = outer_and_inner(converted(file, meta))
    assert inner.n_repetitions == 3
    assert shapes(inner.events[0]) == {"waveform": (297,), "dt": (), "offset": (), "phase": ()}
    assert np.iscomplexobj(inner.events[0].waveform)
    assert shapes(outer.events[-2]) == {"duration": (18,)}


@pytest.mark.exhaustive
def test_numbers_are_those_of_the_file_to_the_last_digit(reference_data):
    _, meta, file = protocol(reference_data, "bmsim_case7")
    _, (inner,) = outer_and_inner(converted(file, meta))
    phases = np.array([rf.phase for rf in file.rf.values()])
    np.testing.assert_array_equal(np.asarray(inner.events[0].phase)[0], phases[:36])
    assert file.rf[2].phase == 0.389557


def seq(blocks: str, *, rf: str = "", version: str = "3", definitions: str = "", shapes: str = "") -> str:
    """A small file with a block pulse of 1 ms, 100 us of delay and 30 us of zeros."""
    events = rf or "1 100 1 0 100 200 0.5"
    return f"""\
[VERSION]
major 1
minor {version}
revision 0
[DEFINITIONS]
{definitions}
[BLOCKS]
{blocks}
[RF]
{events}
[TRAP]
1 1e6 1000 4500 1000 0
[ADC]
1 1 1000 0 0 0{" 0 0 0" if version == "5" else ""}
[DELAYS]
1 20000
[SHAPES]
shape_id 1
num_samples 1030
1
0
0
997
-1
0
0
27
{shapes}
"""


RASTERS = "BlockDurationRaster 1e-5\nRadiofrequencyRasterTime 1e-6\nGradientRasterTime 1e-5"
PULSE_AND_READOUT = "1 0 1 0 0 0 0 0\n2 0 0 0 0 0 1 0"


def from_text(folder, text: str):
    path = folder / "file.seq"
    path.write_text(text)
    return read(path)


def test_a_block_pulse_is_a_continuous_wave(tmp_path):
    file = from_text(tmp_path, seq(PULSE_AND_READOUT))
    reset, pulse, rest, sample = saturation_sequence(file, Conventions(plays_rf_delay=False)).events
    assert isinstance(reset, Reset)
    assert isinstance(sample, SampleLongitudinal)
    np.testing.assert_allclose(pulse.b1, 2 * math.pi * 100 / Conventions().gyromagnetic_ratio, rtol=1e-14)
    np.testing.assert_allclose(pulse.duration, 1e-3, rtol=1e-14)
    assert (float(pulse.offset), float(pulse.phase)) == (200.0, 0.5)
    np.testing.assert_allclose(rest.duration, 30e-6, rtol=1e-12)


def test_the_rf_delay_replaces_the_zeros_after_a_pulse_as_the_matlab_pulseq_cest_plays_it(tmp_path, reference_data):
    matlab = Conventions(plays_rf_delay=True, edge_zeros="after_pulse")
    file = from_text(tmp_path, seq(PULSE_AND_READOUT))
    *_, rest, _ = saturation_sequence(file, matlab).events
    np.testing.assert_allclose(rest.duration, 100e-6, rtol=1e-12)
    # case 3 of the BMsim challenge agrees with submission S01 so: 100 us and the 6.5 ms of the spoiler
    case3 = saturation_sequence(file_of(reference_data, "case_3_create_seq.seq"), matlab)
    np.testing.assert_allclose(case3[0].events[3].duration, 6.6e-3, rtol=1e-12)
    # from version 1.4 the block says how long it lasts: 50.13 ms for a waveform of 50 ms
    train = saturation_sequence(file_of(reference_data, "APTw_3T_001_2uT_36SincGauss_DC90_2s_braintumor.seq"), matlab)
    np.testing.assert_allclose(train[0].events[2].events[1].duration[0], 5e-3 + 130e-6, rtol=1e-12)


def test_a_measurement_begins_with_a_reset_where_it_is_asked_for(tmp_path):
    file = from_text(tmp_path, seq(f"{PULSE_AND_READOUT}\n{PULSE_AND_READOUT}"))
    (repeat,) = saturation_sequence(file, magnetisation=0.8).events
    assert float(repeat.events[0].magnetisation) == 0.8
    # the default is no leaf, so that engines need not compute it
    (repeat,) = saturation_sequence(file).events
    assert jax.tree.leaves(repeat.events[0]) == []
    (repeat,) = saturation_sequence(file, reset=False).events
    assert [type(event) for event in repeat.events] == [Delay, ContinuousWave, Delay, SampleLongitudinal]


def test_a_transverse_readout_is_a_sample(tmp_path):
    file = from_text(tmp_path, seq(PULSE_AND_READOUT))
    assert isinstance(saturation_sequence(file, readout="transverse")[-1], Sample)


def test_a_pulse_is_resampled_to_the_number_asked_for(reference_data):
    file = file_of(reference_data, "APTw_3T_001_2uT_36SincGauss_DC90_2s_braintumor.seq")
    picked = Conventions(pulse_samples="every_nth", edge_zeros="after_pulse")
    pulses = [saturation_sequence(file, picked, max_pulse_samples=n)[0].events[2].events[0] for n in (50, 500, 50_000)]
    assert [pulse.waveform.shape[-1] for pulse in pulses] == [50, 500, 50_000]
    for pulse in pulses:
        np.testing.assert_allclose(pulse.duration, 0.05, rtol=1e-12)
    np.testing.assert_array_equal(pulses[2].waveform[::100], pulses[1].waveform)


def test_zeros_at_the_edges_of_a_pulse_follow_it_as_pulseq_cest_plays_them(tmp_path):
    # 0, 1, 2, 0, 2, 0, 0: three zeros follow the four samples from the first to the last that count
    shapes = "shape_id 2\nnum_samples 7\n0\n1\n1\n0\n-2\n2\n-2\n0"
    file = from_text(tmp_path, seq(PULSE_AND_READOUT, rf="1 100 2 0 0 0 0", shapes=shapes))
    _, pulse, rest, _ = saturation_sequence(file, Conventions.pulseq_cest()).events
    np.testing.assert_allclose(pulse.waveform / pulse.waveform[0], [1, 2, 0, 2], rtol=1e-12)
    np.testing.assert_allclose(rest.duration, 3e-6, rtol=1e-12)


def test_a_pulse_of_zeros_is_a_delay(tmp_path):
    shapes = "shape_id 2\nnum_samples 500\n0\n0\n498"
    for plays, length in ((False, 500e-6), (True, 520e-6)):
        file = from_text(tmp_path, seq(PULSE_AND_READOUT, rf="1 100 2 0 20 0 0", shapes=shapes))
        _, rest, _ = saturation_sequence(file, Conventions(plays_rf_delay=plays)).events
        np.testing.assert_allclose(rest.duration, length, rtol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_phase_of_a_block_pulses_shape_has_the_sign_of_the_convention(tmp_path, sign):
    shapes = "shape_id 2\nnum_samples 1030\n0.25\n0\n0\n1027"
    file = from_text(tmp_path, seq(PULSE_AND_READOUT, rf="1 100 1 2 0 0 0.5", shapes=shapes))
    pulse = saturation_sequence(file, Conventions(shape_phase_sign=sign))[1]
    np.testing.assert_allclose(pulse.phase, 0.5 + sign * math.pi / 2, rtol=1e-14)


def test_a_shape_with_times_at_edges_is_joined_by_lines(tmp_path):
    # 0 at the start, 1 after 4 us, 1 until 6 us: from version 1.4 shapes that would not shrink stand as they are
    shapes = "shape_id 2\nnum_samples 3\n0\n1\n1\nshape_id 3\nnum_samples 3\n0\n4\n6"
    text = seq(
        "1 1 1 0 0 0 0 0\n2 1 0 0 0 0 1 0", rf="1 1 2 0 3 0 0 0", version="4", definitions=RASTERS, shapes=shapes
    )
    _, pulse, _ = saturation_sequence(from_text(tmp_path, text), Conventions(plays_rf_delay=False)).events
    np.testing.assert_allclose(pulse.waveform / pulse.waveform[-1], [0.125, 0.375, 0.625, 0.875, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(pulse.dt, 1e-6)


def test_a_block_pulse_with_two_times_is_a_continuous_wave(tmp_path):
    shapes = "shape_id 2\nnum_samples 2\n1\n1\nshape_id 3\nnum_samples 2\n0\n2000000"
    text = seq(
        "1 200000 1 0 0 0 0 0\n2 1 0 0 0 0 1 0", rf="1 1 2 0 3 0 0 0", version="4", definitions=RASTERS, shapes=shapes
    )
    _, pulse, _ = saturation_sequence(from_text(tmp_path, text)).events
    np.testing.assert_allclose(pulse.duration, 2.0, rtol=1e-14)


@pytest.mark.parametrize("b0", [None, 7.0])
def test_offsets_in_ppm_follow_the_field(tmp_path, b0):
    rf = "1 100 1 0 0 500 0 3.5 0.01 10 0.5 s"
    text = seq("1 200 1 0 0 0 0 0\n2 1 0 0 0 0 1 0", rf=rf, version="5", definitions=f"{RASTERS}\nB0 3")
    file = from_text(tmp_path, text)
    pulse = saturation_sequence(file, b0=b0)[1]
    larmor = (b0 or 3.0) * mr.units.GAMMA_BAR["1H"]
    np.testing.assert_allclose(pulse.offset, 10 + 3.5e-6 * larmor, rtol=1e-12)
    np.testing.assert_allclose(pulse.phase, 0.5 + 0.01e-6 * larmor, rtol=1e-12)
    np.testing.assert_allclose(offsets_ppm(file, b0=b0), [3.5 + 1e6 * 10 / larmor], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "loas40_3p_MT"])
def test_the_offsets_of_the_measurements_are_those_of_the_reference(reference_data, name):
    table, _, file = protocol(reference_data, name)
    np.testing.assert_array_equal(offsets_ppm(file), table["offsets_ppm"])
    m0 = m0_measurements(file)
    if "M0_offset" in file.definitions and name != "t1map_hypsec":
        assert m0.tolist() == [0]


def test_offsets_that_the_file_does_not_list_follow_from_its_frequencies(reference_data):
    table, meta, file = protocol(reference_data, "bmsim_case3")
    listed = dict(file.definitions)
    del listed["offsets_ppm"]
    file = dataclasses.replace(file, definitions=listed)
    conventions = Conventions.pulseq_cest(meta["gamma_rad_per_s_per_uT"] * 1e6)
    # frequencies have six digits
    np.testing.assert_allclose(offsets_ppm(file, conventions), table["offsets_ppm"], rtol=1e-5, atol=1e-6)
    assert m0_measurements(file, conventions).tolist() == [0]


def test_the_offset_of_a_spin_lock_is_that_of_its_longest_pulse(reference_data):
    _, meta, file = protocol(reference_data, "mrf002_2p_larg")
    file = dataclasses.replace(file, definitions={"B0": (3.0,)})
    conventions = Conventions.pulseq_cest(meta["gamma_rad_per_s_per_uT"] * 1e6)
    # the tips before and after it are on resonance
    np.testing.assert_allclose(offsets_ppm(file, conventions), np.full(30, 3.0), rtol=1e-5)


def test_m0_is_measured_at_its_own_offset_alone(tmp_path):
    readouts = "\n".join(f"{n} 0 0 0 0 0 1 0" for n in (1, 2, 3, 4))
    listed = "offsets_ppm -300 -299 3.5 -300"
    file = from_text(tmp_path, seq(readouts, definitions=f"{listed}\nM0_offset -300"))
    assert m0_measurements(file).tolist() == [0, 3]
    for unknown in ("M0_offset NaN", ""):
        assert m0_measurements(from_text(tmp_path, seq(readouts, definitions=f"{listed}\n{unknown}"))).size == 0


def test_samples_may_be_twice_as_dense_from_version_5(tmp_path):
    shapes = "shape_id 2\nnum_samples 3\n0.2\n1\n0.4"
    rf = "1 1 2 0 -1 0 0 0 0 0 0 u"
    text = seq("1 1 1 0 0 0 0 0\n2 1 0 0 0 0 1 0", rf=rf, version="5", definitions=RASTERS, shapes=shapes)
    pulse = saturation_sequence(from_text(tmp_path, text))[1]
    np.testing.assert_allclose(pulse.waveform / pulse.waveform[1], [0.2, 1, 0.4], rtol=1e-12)
    np.testing.assert_allclose(pulse.dt, 0.5e-6, rtol=1e-12)


def test_what_is_no_saturation_experiment_is_refused(tmp_path, reference_data):
    with pytest.raises(
        ValueError, match=r"write_gre\.seq: block 1 plays rf, gz at once; in a saturation experiment a block"
    ):
        saturation_sequence(read(reference_data("pulseq/write_gre.seq")))
    sideways = from_text(tmp_path, seq("1 0 0 1 0 0 0 0\n2 0 0 0 0 0 1 0"))
    with pytest.raises(ValueError, match=r"block 1 plays gx without gz; in a saturation experiment gradients spoil"):
        saturation_sequence(sideways)
    silent = from_text(tmp_path, seq("1 0 1 0 0 0 0 0"))
    with pytest.raises(
        ValueError, match=r"file\.seq has no ADC, so there is nothing to simulate; a measurement must end"
    ):
        saturation_sequence(silent)


def test_bad_arguments_are_named(tmp_path):
    file = from_text(tmp_path, seq(PULSE_AND_READOUT))
    with pytest.raises(ValueError, match=r"`max_pulse_samples` must be an integer of at least 1, but got 0\."):
        saturation_sequence(file, max_pulse_samples=0)
    with pytest.raises(ValueError, match=r"`b0` must be positive \(T\), but got -3\.0\."):
        saturation_sequence(file, b0=-3.0)
    with pytest.raises(
        ValueError, match=r"file\.seq has no positive B0 in its DEFINITIONS, so ppm are not known; pass `b0`"
    ):
        offsets_ppm(file)
    rf = "1 100 1 0 0 500 0 3.5 0 0 0.5 s"
    text = seq("1 200 1 0 0 0 0 0\n2 1 0 0 0 0 1 0", rf=rf, version="5", definitions=RASTERS)
    with pytest.raises(
        ValueError, match=r"file\.seq gives offsets in ppm but no positive B0 in its DEFINITIONS; pass `b0` in T"
    ):
        saturation_sequence(from_text(tmp_path, text))
