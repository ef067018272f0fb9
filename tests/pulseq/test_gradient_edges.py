"""Where a Pulseq file before version 1.5 does not store the edges of a sampled gradient, its neighbours tell them."""

import itertools

import numpy as np
import pytest
from test_imaging import from_text

import mrjax as mr
from mrjax import units
from mrjax.pulseq import read, to_sequence, write
from mrjax.sequence.unrolled import unrolled

GAMMA_BAR = units.GAMMA_BAR["1H"]

LOBE = np.interp(np.arange(12) + 0.5, [0, 3.5, 8, 12], [0, 1, 1, 0])


def block_rows(ids: list[int], lengths: list[int], minor: int) -> str:
    """Blocks that play gradients along x; 0 is a block of nothing, which takes no time before version 1.4."""
    first = lengths if minor >= 4 else [0] * len(ids)
    extension = "" if minor < 3 else " 0"
    return "".join(
        f"{n} {long} 0 {i} 0 0 0{extension}\n" for n, (i, long) in enumerate(zip(ids, first, strict=True), 1)
    )


def file_of(folder, ids, gradients, *, minor=4, more=""):
    """Blocks of sampled gradients: amplitude in Hz/m and samples by id."""
    lengths = [len(gradients[i][1]) if i in gradients else 10 if i else 0 for i in ids]
    time = "" if minor < 4 else " 0"
    rows = "".join(f"{i} {amplitude} {i}{time} 0\n" for i, (amplitude, _) in gradients.items())
    shapes = "".join(
        f"shape_id {i}\nnum_samples {len(samples)}\n" + "\n".join(map(repr, stored(samples, minor))) + "\n"
        for i, (_, samples) in gradients.items()
    )
    text = f"[BLOCKS]\n{block_rows(ids, lengths, minor)}[GRADIENTS]\n{rows}{more}[SHAPES]\n{shapes}"
    return from_text(folder, text, minor)


def stored(samples, minor: int) -> list[float]:
    """Samples as they are, or, before version 1.4, as differences of which no two are equal side by side."""
    samples = [float(sample) for sample in samples]
    return samples if minor >= 4 else np.diff(samples, prepend=0.0).tolist()


def waveforms(sequence) -> list[np.ndarray]:
    """The points of the gradients along x in Hz/m, block by block."""
    events = [timed.event for timed in unrolled(sequence)]
    tracks = [track[-1] for event in events if isinstance(event, mr.sequence.Together) for track in event.tracks[:1]]
    return [np.asarray(gradient.waveform) * GAMMA_BAR for gradient in tracks]


def area_of(sequence) -> float:
    """Of all gradients along x in 1/m."""
    return float(sequence.timeline().area_until(np.array([np.asarray(sequence.duration)]))[0, 0]) * GAMMA_BAR


@pytest.mark.exhaustive
@pytest.mark.parametrize("minor", [2, 3, 4])
def test_edges_do_not_drift_from_block_to_block(tmp_path, minor):
    # lines through the samples lead to zero at both ends of each lobe; 350 kHz/m * 8.25 rasters of 10 us * 40 less what the
    # samples cut off its corners
    samples = LOBE + 1e-7 * np.arange(12) ** 2 if minor < 4 else LOBE
    file = file_of(tmp_path, [1] * 40, {1: (350e3, samples)}, minor=minor)
    sequence = to_sequence(file)
    edges = np.array([[wave[0], wave[-1]] for wave in waveforms(sequence)])
    np.testing.assert_allclose(edges, 0, atol=350e3 * 1e-5)
    expected = 40 * 350e3 * 1e-5 * (np.sum(samples) - (samples[0] + samples[-1]) / 4)
    np.testing.assert_allclose(area_of(sequence), expected, rtol=2e-5)
    np.testing.assert_allclose(expected, 1150.6, atol=0.5)
    write(sequence, tmp_path / "newer.seq")
    again = to_sequence(read(tmp_path / "newer.seq"))
    np.testing.assert_allclose(np.ravel(waveforms(again)), np.ravel(waveforms(sequence)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_cut", [1, 5, 6])
def test_a_waveform_cut_into_blocks_is_whole_again(tmp_path, n_cut):
    """Of blocks of `n_cut` rasters, the edges lie on a smooth waveform to the second order."""
    turn = 2 * np.pi / 60
    wave = lambda rasters: np.sin(turn * np.asarray(rasters))
    n = 30 // n_cut
    pieces = {k + 1: (1e6, wave(np.arange(k * n_cut, (k + 1) * n_cut) + 0.5)) for k in range(n)}
    found = waveforms(to_sequence(file_of(tmp_path, list(pieces), pieces)))
    for k, points in enumerate(found):
        expected = wave([k * n_cut, *np.arange(k * n_cut, (k + 1) * n_cut) + 0.5, (k + 1) * n_cut])
        np.testing.assert_allclose(points / 1e6, expected, atol=turn**2 / 2)
    for one, other in itertools.pairwise(found):
        assert one[-1] == other[0]


@pytest.mark.slow
def test_noise_on_samples_grows_in_no_edge(tmp_path, rng):
    gradients = {i: (4e5, rng.uniform(-1, 1, n)) for i, n in enumerate([1, 2, 3, 5, 8, 1, 2, 3, 5, 8], 1)}
    ids = rng.integers(1, 11, 60).tolist()
    found = waveforms(to_sequence(file_of(tmp_path, ids, gradients)))
    assert len(found) == 60
    for before, after in itertools.pairwise(found):
        assert before[-1] == after[0]
        assert min(0, before[-2], after[1]) <= before[-1] <= max(0, before[-2], after[1])
    assert (found[0][0], found[-1][-1]) == (0, 0)


def test_a_neighbour_that_is_known_gives_the_edge(tmp_path):
    flat = np.ones(8)
    # a ramp with times of its own before, one after, a block of labels that takes no time, a trapezoid, a late gradient
    more = "2 1e6 20 21 0\n3 1e6 22 21 0\n5 1e6 1 0 10\n[TRAP]\n4 1e6 20 60 20 0\n"
    shapes = "[EXTENSIONS]\n1 1 1 0\nextension LABELSET 1\n1 1 LIN\n[SHAPES]\n"
    ramps = "shape_id 20\nnum_samples 2\n0\n1\nshape_id 21\nnum_samples 2\n0\n10\nshape_id 22\nnum_samples 2\n1\n0\n"
    rows = ["10 0 2", "8 0 1", "0 0 0", "8 0 1", "10 0 3", "10 0 4", "8 0 1", "9 0 5", "10 0 4"]
    blocks = "".join(f"{n} {row} 0 0 0 {int(row == '0 0 0')}\n" for n, row in enumerate(rows, 1))
    shape = "shape_id 1\nnum_samples 8\n" + "\n".join(map(str, flat)) + "\n"
    text = f"[BLOCKS]\n{blocks}[GRADIENTS]\n1 1e6 1 0 0\n{more}{shapes}{shape}{ramps}"
    found = waveforms(to_sequence(from_text(tmp_path, text, 4)))
    edges = [(wave[0], wave[-1]) for wave in found]
    expected = [(0, 1), (1, 1), (1, 1), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)]
    np.testing.assert_allclose(edges, 1e6 * np.array(expected), atol=1e-6)
