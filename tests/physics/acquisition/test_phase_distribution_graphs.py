"""Images that phase distribution graphs simulated, by spins: as near as their number allows."""

import numpy as np
import pytest

import mrjax as mr
from mrjax.units import GAMMA_BAR


def played(file):
    """The sequence of a file: pulses of no time, constant gradients from event to event, samples at the end of events."""
    n = len(file["rep_angle"])
    lasting = file["event_time"].astype(float).reshape(n, -1)[0]
    edges = np.concatenate([[0.0], np.cumsum(lasting)])
    wound = file["gradm"].astype(float).reshape(n, lasting.size, 3) / file["size_m"]
    strength = -wound / GAMMA_BAR["1H"] / lasting[:, None]
    jumps = np.abs(np.diff(strength, axis=1)).max(axis=(0, 2)) > 1e-6 * np.abs(strength).max()
    first = np.flatnonzero(np.append(True, jumps))
    times = np.repeat(np.append(edges[first], edges[-1]), 2)[1:-1]
    gradients = [
        mr.Gradient(np.repeat(strength[:, first, i], 2, axis=1), times, axis)
        for i, axis in enumerate("xyz")
        if strength[..., i].any()
    ]
    sampled = np.flatnonzero(file["adc_usage"].reshape(n, -1)[0] > 0)
    phase = file["adc_phase"].astype(float).reshape(n, -1)
    receiver, now = [], 0.0
    for run in np.split(sampled, np.flatnonzero(np.diff(sampled) > 1) + 1):
        dwell = lasting[run[0]]
        start = edges[run[0]] + dwell / 2
        receiver += [mr.Delay(start - now), mr.Readout(run.size, dwell, -phase[:, run[0]])]
        now = start + run.size * dwell
    together = mr.Together(*gradients, mr.Sequence(*receiver), mr.Delay(edges[-1]))
    return mr.Sequence(mr.Repeat(mr.Pulse(file["rep_angle"], file["rep_phase"]), together, n_repetitions=n))


def points(file, per_voxel=None, reach=3):
    """Its voxels, each in one place, or as so many points per voxel along x that reach so many voxels to either side.

    To those graphs a voxel has no extent up to its Nyquist frequency, and is not seen beyond; so are points with weights of
    a low-pass filter between that and the next pathways of the spoiler, from 33 to 63 of 64 cycles per voxel. The field turns
    magnetisation the other way there, and the transmit field of a voxel is negative.
    """
    of = lambda name: file[name].astype(float)
    x, y, z = of("voxel_pos_m").T
    if per_voxel:
        offset = (np.arange(2 * reach * per_voxel) + 0.5) / per_voxel - reach
        weight = np.sinc(1.5 * offset) * np.kaiser(offset.size, 5.65)
        x, y, z = x[:, None] + offset * file["size_m"][0] / 64, y[:, None], z[:, None]
        of = lambda name: file[name].astype(float)[:, None] * (weight / weight.sum() if name == "PD" else 1.0)
    return mr.Tissue(
        *map(of, ("T1", "T2", "PD", "T2dash")),
        off_resonance=-of("B0_Hz"),
        b1=file["B1"][0].astype(complex).reshape(of("T1").shape),
        x=x,
        y=y,
        z=z,
    )


@pytest.mark.exhaustive
@pytest.mark.parametrize(("n_spins", "bound"), [(30, 1.2e-2), (300, 1.2e-3)])
def test_an_echo_planar_image_of_a_brain_converges_with_the_number_of_spins(reference_data, n_spins, bound):
    """T2' is what is left to spins: 0.3 / n of the signal, down to 8e-5 with 4,000 of them."""
    with np.load(reference_data("pdg/epi64.npz")) as file:
        signal = mr.acquire(played(file), points(file), engine=mr.Isochromats(n=n_spins))
        error = np.linalg.norm(signal - file["signal"]) / np.linalg.norm(file["signal"])
    assert bound / 3 < error < bound


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:When samples are taken")  # of what is wound in later repetitions
@pytest.mark.parametrize(("n_spins", "bound"), [(16, 0.12), (64, 0.025)])
def test_a_spoiled_gradient_echo_of_a_brain_converges_with_the_number_of_spins(reference_data, n_spins, bound):
    """The first six of its 64 lines: nine points in a voxel tell what is wound so far from what is not."""
    n_lines = 6
    with np.load(reference_data("pdg/flash64_acc1e-6.npz")) as file:
        n_events = file["events_per_rep"][0]
        first = {name: file[name][:n_lines] for name in ("rep_angle", "rep_phase")}
        events = ("event_time", "gradm", "adc_usage", "adc_phase")
        sequence = played({**file} | first | {name: file[name][: n_lines * n_events] for name in events})
        signal = mr.acquire(sequence, points(file, 9), engine=mr.Isochromats(n=n_spins), tolerance=1e-4)
        expected = file["signal"][: n_lines * 64]
        error = np.linalg.norm(signal - expected) / np.linalg.norm(expected)
    assert bound / 3 < error < bound
