"""Objects on a fine grid of spins, and images of what is acquired of them."""

import numpy as np

import mrjax as mr
from mrjax.protocols import imaging


def places(n_pixels, length, n_spins=1):
    """Of spins in m, so many in each pixel; the middle of pixel n // 2 is 0."""
    return ((np.arange(n_pixels * n_spins) + 0.5) / n_spins - 0.5 - n_pixels // 2) * length / n_pixels


def blob(fov, matrix, centre, width, n_spins=4, **tissue):
    """A Gaussian with a middle and a width in pixels: neither image nor k-space has an edge. T2 is endless by default."""
    x, y = (places(n, length, n_spins) for n, length in zip(matrix, fov, strict=True))
    along = [
        np.exp(-((r / length * n - at) ** 2) / 2 / width**2)
        for r, length, n, at in zip((x, y), fov, matrix, centre, strict=True)
    ]
    m0 = along[0][:, None] * along[1] / n_spins**2
    return mr.Tissue(**({"t1": np.inf, "t2": np.inf} | tissue), m0=m0, x=x[:, None], y=y[None])


def image_of(kspace):
    """By the sum over k of exp(+2 pi i k r), index n // 2 of both sides in the middle."""
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(np.asarray(kspace))))


def cartesian_image(sequence, tissue, matrix, **options):
    """What `acquire` says, sorted and transformed."""
    return image_of(imaging.cartesian_kspace(mr.acquire(sequence, tissue, **options), sequence, matrix))


def middle_of(image):
    """The middle of the squared magnitude along each axis, in pixels from n // 2; the field of view is a circle."""
    power, middle = np.abs(image) ** 2, []
    for axis, n in enumerate(image.shape):
        others = tuple(a for a in range(image.ndim) if a != axis)
        turn = np.sum(power.sum(axis=others) * np.exp(2j * np.pi * (np.arange(n) - n // 2) / n))
        middle.append(np.angle(turn) * n / 2 / np.pi)
    return np.array(middle)


def line_time(sequence):
    """From line to line of an echo-planar readout, in s."""
    return np.diff(mr.sequence.readout_table(sequence).start)[0]
