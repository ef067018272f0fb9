"""Where imaging protocols sample k-space, and when; what scanners can play and files hold of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_kspace import played as played_by

import mrjax as mr
from mrjax.protocols import imaging
from mrjax.units import deg, mm, ms, us

FOV, LX, LY = (200 * mm, 160 * mm), 0.2, 0.16
NX, NY = 16, 8


def line(n, length):
    return (np.arange(n) - n // 2) / length


def cartesian(sequence):
    """Where labels say that samples are, `(n_readouts, n_x, 3)`."""
    table = mr.sequence.readout_table(sequence)
    kx = np.where(table.label("REV")[:, None] > 0, line(NX, LX)[::-1], line(NX, LX))
    ky = (table.label("LIN") - NY // 2) / LY
    return np.stack(np.broadcast_arrays(kx, ky[:, None], 0.0), axis=-1)


CARTESIAN = {
    "flash": (imaging.flash, (20 * deg,), {"te": 3 * ms, "tr": 8 * ms, "n_dummies": 2}),
    "flash of a slice": (imaging.flash, (20 * deg,), {"te": 4.003 * ms, "tr": 9 * ms, "slice_thickness": 5 * mm}),
    "bssfp": (imaging.bssfp, (40 * deg,), {"tr": 6 * ms, "n_dummies": 3}),
    "bssfp of a slice": (imaging.bssfp, (40 * deg,), {"n_dummies": 0, "slice_thickness": 5 * mm}),
    "fse": (imaging.fse, (10 * ms, 4), {"tr": 60 * ms}),
    "fse of a slice": (imaging.fse, (12 * ms, 4), {"te": 24 * ms, "slice_thickness": 5 * mm}),
    "gre_epi": (imaging.gre_epi, (90 * deg,), {"te": 20 * ms}),
    "gre_epi in shots": (imaging.gre_epi, (30 * deg, 20.003 * ms), {"n_shots": 2, "tr": 40 * ms}),
    "gre_epi, partial": (imaging.gre_epi, (90 * deg,), {"partial_fourier": 0.75, "slice_thickness": 5 * mm}),
    "gre_epi, accelerated": (imaging.gre_epi, (90 * deg,), {"acceleration": 2}),
    "se_epi": (imaging.se_epi, (40 * ms,), {}),
    "se_epi of a slice": (imaging.se_epi, (40.006 * ms,), {"n_shots": 2, "tr": 0.1, "slice_thickness": 5 * mm}),
}


@pytest.fixture(scope="module", params=list(CARTESIAN))
def played(request):
    protocol, arguments, options = CARTESIAN[request.param]
    sequence = protocol(FOV, (NX, NY), *arguments, **options)
    return request.param, sequence, played_by(sequence), options


@pytest.mark.exhaustive
def test_lines_are_where_their_labels_say(played):
    _, sequence, found, _ = played
    expected = cartesian(sequence)
    np.testing.assert_allclose(found.k.reshape(expected.shape), expected, rtol=0, atol=1e-9)


def test_echoes_and_repetitions_are_in_time(played):
    name, sequence, found, options = played
    table = mr.sequence.readout_table(sequence)
    center = np.flatnonzero(table.label("LIN") == NY // 2)[0]
    sample = NX - 1 - NX // 2 if table.label("REV")[center] else NX // 2
    of_pulse = {"fse": 5, "fse of a slice": 5, "se_epi": 2, "se_epi of a slice": 2}.get(name, 1)
    excitations = found.pulses[::of_pulse]
    time = found.samples.reshape(-1, NX)[center, sample]
    echo = time - excitations[np.searchsorted(excitations, time) - 1]
    stated = {"gre_epi in shots": 20.003, "se_epi": 40, "se_epi of a slice": 40.006, "fse": 30}
    te = stated[name] * ms if name in stated else options.get("te", echo)
    assert abs(echo - te) <= 0.5 * us + 1e-12
    np.testing.assert_allclose(np.diff(excitations), options.get("tr", np.diff(excitations)), rtol=0, atol=1e-12)
    if of_pulse == 2:
        np.testing.assert_allclose(found.pulses[1::2] - excitations, te / 2, rtol=0, atol=1e-12)
    if of_pulse == 5:
        spacing = 12 * ms if "slice" in name else 10 * ms
        after = found.pulses.reshape(-1, 5) - excitations[:, None]
        np.testing.assert_allclose(after[:, 1:] / spacing, np.broadcast_to(np.arange(4) + 0.5, (2, 4)), atol=1e-12)


@pytest.mark.exhaustive
def test_a_file_holds_the_same_trajectory(played, tmp_path):
    _, sequence, found, _ = played
    mr.pulseq.write(sequence, tmp_path / "image.seq", scanner=mr.Scanner())
    again = mr.pulseq.to_sequence(mr.pulseq.read(tmp_path / "image.seq"))
    read = played_by(again)
    np.testing.assert_allclose(read.samples, found.samples, rtol=0, atol=1e-9)
    np.testing.assert_allclose(read.k, found.k, rtol=0, atol=1e-9 * np.abs(found.k).max())
    tables = [mr.sequence.readout_table(one) for one in (sequence, again)]
    for name in ("LIN", "REV", "ECO", "SEG"):
        np.testing.assert_array_equal(tables[0].label(name), tables[1].label(name))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(CARTESIAN))
def test_timelines_have_the_same_trajectory(name):
    protocol, arguments, options = CARTESIAN[name]
    sequence = protocol(FOV, (NX, NY), *arguments, **options)
    np.testing.assert_allclose(sequence.timeline().trajectory(), played_by(sequence).k, rtol=0, atol=1e-9)


def test_volumes_are_where_their_labels_say():
    sequence = imaging.mprage((200 * mm, 160 * mm, 90 * mm), (NX, 3, 4), 9 * deg, 0.4, 8 * ms, 1.0)
    found, table = played_by(sequence), mr.sequence.readout_table(sequence)
    lin, par = (table.label("LIN") - 1) / LY, (table.label("PAR") - 2) / 0.09
    expected = np.stack(np.broadcast_arrays(line(NX, LX), lin[:, None], par[:, None]), axis=-1)
    np.testing.assert_allclose(found.k.reshape(expected.shape), expected, rtol=0, atol=1e-9)
    centers = found.pulses.reshape(3, 5)
    np.testing.assert_allclose(centers[:, 3] - centers[:, 0], 0.4, rtol=0, atol=1e-12)  # of partition 2 of 4
    np.testing.assert_allclose(np.diff(centers[:, 0]), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.diff(centers[:, 1:], axis=1), 8 * ms, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{"te": 2 * ms}, {"balanced": True, "n_dummies": 2, "slice_thickness": 5 * mm}])
def test_spokes_turn_by_the_golden_angle(options):
    found = played_by(imaging.radial(LX, NX, 5, 40 * deg, tr=8 * ms, dwell_time=10 * us, **options))
    theta = np.arange(5) * math.pi / ((1 + math.sqrt(5)) / 2)
    direction = np.stack([np.cos(theta), np.sin(theta), 0 * theta], axis=-1)
    expected = line(NX, LX)[None, :, None] * direction[:, None, :]
    np.testing.assert_allclose(found.k.reshape(5, NX, 3), expected, rtol=0, atol=1e-9)
    echo = found.since_excitation.reshape(5, NX)[:, NX // 2]
    np.testing.assert_allclose(echo, options.get("te", 4 * ms), rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.diff(found.pulses), 8 * ms, rtol=0, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["bssfp", "radial"])
def test_balanced_repetitions_have_no_area(name):
    balanced = {"n_dummies": 2, "slice_thickness": 5 * mm}
    if name == "bssfp":
        sequence = imaging.bssfp(FOV, (NX, NY), 40 * deg, **balanced)
    else:
        sequence = imaging.radial(LX, NX, 5, 40 * deg, balanced=True, **balanced)
    wound = played_by(sequence).wound
    np.testing.assert_allclose(wound - wound[:1], 0.0, rtol=0, atol=1e-9)


@pytest.mark.exhaustive
@pytest.mark.parametrize("n_shots", [4, 8])
def test_spirals_are_archimedean(n_shots):
    sequence = imaging.spiral(LX, 32, n_shots, 20 * deg, te=2 * ms, tr=20 * ms)
    found = played_by(sequence)
    k = found.k.reshape(n_shots, -1, 3)
    assert np.all(k[..., 2] == 0)
    radius, angle = np.hypot(k[..., 0], k[..., 1]), np.arctan2(k[..., 1], k[..., 0])
    assert np.all(radius[:, -1] > 15.5 / LX)
    # turns of all interleaves are 1 / L apart
    turns = radius * LX / n_shots - (angle - 2 * np.pi * np.arange(n_shots)[:, None] / n_shots) / (2 * np.pi)
    assert np.max(np.abs(turns - np.round(turns)) * n_shots) < 0.1
    assert np.max(np.linalg.norm(np.diff(k, axis=1), axis=-1)) < 1 / LX
    # the spiral begins at TE
    np.testing.assert_allclose(found.since_excitation.reshape(n_shots, -1)[:, 0], 2 * ms + 2 * us, rtol=0, atol=1e-12)


@pytest.mark.exhaustive
def test_lines_sampled_on_ramps():
    sequence = imaging.gre_epi(FOV, (NX, NY), 90 * deg, ramp_sampling=True)
    k = played_by(sequence).k.reshape(NY, -1, 3)
    np.testing.assert_allclose(k[..., 1], np.broadcast_to(line(NY, LY)[:, None], k.shape[:2]), rtol=0, atol=1e-9)
    np.testing.assert_allclose(k[1::2, ::-1, 0], k[::2, :, 0], rtol=0, atol=1e-9)
    assert k[0, 0, 0] <= -NX / 2 / LX + 0.5 / LX
    assert np.all(np.diff(k[0, :, 0]) < 1 / LX * (1 + 1e-9))
    even = imaging.gre_epi(FOV, (NX, NY), 90 * deg)
    assert sequence.duration < 0.8 * even.duration


def test_overlapping_echoes_are_shifted():
    te, shifts = np.array([20.0, 28.0, 37.0]) * ms, np.array([-3.0, 2.0, 4.0])
    sequence = imaging.moled(FOV, (NX, 40), te, echo_shifts=shifts, slice_thickness=5 * mm, acceleration=2)
    found, table = played_by(sequence), mr.sequence.readout_table(sequence)
    pulses, k = found.pulses, found.k.reshape(-1, NX, 3)
    # each echo time is twice the time until the refocusing pulse, and the spin echo forms as long after it
    np.testing.assert_allclose(2 * (pulses[-1] - pulses[:-1])[::-1], te, rtol=0, atol=1e-12)
    line_time = np.diff(table.start)[0]
    middle = table.start[10] + table.dwell[0] * (NX // 2 + 0.5)
    np.testing.assert_allclose(middle - pulses[-1], (te[0] + te[-1]) / 4, rtol=0, atol=0.51 * us)
    lin = (table.label("LIN") - 20) / LY
    kx = np.where(table.label("REV")[:, None] > 0, line(NX, LX)[::-1], line(NX, LX))
    expected = np.stack(np.broadcast_arrays(kx, lin[:, None], 0.0), axis=-1)
    place = lambda m: np.array([shifts[m] / LX, (te[m] - (te[0] + te[-1]) / 2) / 2 / line_time * 2 / LY, 0.0])
    np.testing.assert_allclose(k, expected - place(0), rtol=0, atol=1e-9)
    # what the gradients wind between excitations is the difference of the echoes
    wound = found.wound
    np.testing.assert_allclose(wound[1:3] - wound[:2], [place(2) - place(1), place(1) - place(0)], rtol=0, atol=1e-9)


def test_spatiotemporal_lines_cover_the_time_bandwidth_product():
    sequence = imaging.spen(FOV, (NX, NY), time_bandwidth_product=40.0)
    k = played_by(sequence).k.reshape(NY, NX, 3)
    np.testing.assert_allclose(k[:, 0, 1], line(NY, NY / (40 / LY)), rtol=0, atol=1e-9)


def test_angles_can_be_traced():
    angles = lambda a: imaging.gre_epi(FOV, (NX, NY), a)
    b1 = jax.jit(lambda a: jax.tree.leaves(angles(a)[0].events[1])[0])(jnp.asarray(0.5))
    np.testing.assert_allclose(b1, jax.tree.leaves(angles(0.5)[0].events[1])[0])


WRONG = {
    "`te` must be at least": lambda: imaging.flash(FOV, (NX, NY), 0.3, te=0.5 * ms),
    "`tr` must be at least": lambda: imaging.bssfp(FOV, (NX, NY), 0.3, tr=1 * ms),
    "`te` must be at least 0.0": lambda: imaging.se_epi(FOV, (NX, NY), te=5 * ms),
    "`echo_spacing` must be at least": lambda: imaging.fse(FOV, (NX, NY), 2 * ms, 4),
    "`n_echoes` must divide": lambda: imaging.fse(FOV, (NX, NY), 10 * ms, 3),
    "`te` must be that of one of": lambda: imaging.fse(FOV, (NX, NY), 10 * ms, 4, te=0.1),
    "sample 8 be in the middle": lambda: imaging.fse(FOV, (NX, NY), 10 * ms, 4, dwell_time=5 * us),
    "`dwell_time` must be at least": lambda: imaging.gre_epi(FOV, (NX, NY), 0.3, dwell_time=1 * us),
    "lines in both": lambda: imaging.gre_epi(FOV, (15, NY), 0.3, dwell_time=4.1 * us),
    "`n_shots` must divide": lambda: imaging.gre_epi(FOV, (NX, NY), 0.3, n_shots=3),
    "`partial_fourier` must be": lambda: imaging.gre_epi(FOV, (NX, NY), 0.3, partial_fourier=0.4),
    "`matrix` must be one integer": lambda: imaging.gre_epi(FOV, (NX, NY, 1), 0.3),
    "`fov` must be one length": lambda: imaging.gre_epi((0.2,), (NX, NY), 0.3),
    "`max_slew` of `scanner`": lambda: imaging.gre_epi(FOV, (NX, NY), 0.3, scanner=mr.Scanner(max_slew=math.inf)),
    "exceeds max_b1": lambda: imaging.gre_epi(FOV, (NX, NY), 3.0, pulse_duration=0.1 * ms),
    "bring them nearer": lambda: imaging.moled(FOV, (NX, NY), (20 * ms, 80 * ms), echo_shifts=(1, 2)),
    "`te` must rise by": lambda: imaging.moled(FOV, (NX, 16), (20 * ms, 21 * ms), echo_shifts=(1, 2)),
    "`echo_shifts` must be given": lambda: imaging.moled(FOV, (NX, NY), (20 * ms, 30 * ms)),
    "`directions` must be": lambda: imaging.spamm(8 * mm, directions=("w",)),
    "`flip_angles` must be two": lambda: imaging.spamm(8 * mm, 0.3),
}


@pytest.mark.parametrize("message", list(WRONG))
def test_what_cannot_be_played_is_refused(message):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()
