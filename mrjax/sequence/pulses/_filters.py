"""Filters whose frequency response is the polynomial B of a Shinnar-Le Roux pulse."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float

RIPPLES = {
    "small_tip": lambda d1, d2: (d1, d2),
    "excitation": lambda d1, d2: (math.sqrt(d1 / 2), d2 / math.sqrt(2)),
    "refocusing": lambda d1, d2: (d1 / 4, math.sqrt(d2)),
    "inversion": lambda d1, d2: (d1 / 8, math.sqrt(d2 / 2)),
    "saturation": lambda d1, d2: (d1 / 2, math.sqrt(d2)),
}
"""Ripples of B in pass and stop band, relative to the pass band, for given ones of the magnetisation, by kind of pulse."""

_OVERSAMPLING = 32  # places at which a ripple is looked for, relative to the samples of the filter
_STEPS = 12  # from a guess to nine times or a ninth of it
_MARGIN = 1.05  # a root stays off the unit circle where a ripple is raised by a little more than its height


@lru_cache(maxsize=64)
def equiripple(
    n_samples: int, time_bandwidth_product: float, ripples: tuple[float, float], minimum_phase: bool
) -> Float[np.ndarray, " n_samples"]:
    """Coefficients of a low-pass filter of gain one with the given ripples, and the narrowest transition that allows them."""
    if not minimum_phase:
        return _narrowest(n_samples, n_samples, time_bandwidth_product, ripples)
    # A minimum-phase filter is the root of one of twice the length, s H + r, that is nowhere negative.
    d1, d2 = ripples
    r = d2**2 * _MARGIN / (1 + _MARGIN)
    s = 1 + d1**2 - r
    squared = (2 * d1 / s, d2**2 / (1 + _MARGIN) / s)
    return _root_of_minimum_phase(
        s * _narrowest(2 * n_samples - 1, n_samples, time_bandwidth_product, squared), r, n_samples
    )


def _narrowest(
    length: int, n_samples: int, time_bandwidth_product: float, ripples: tuple[float, float]
) -> Float[np.ndarray, " length"]:
    """The linear-phase filter of narrowest transition; the band refers to a pulse of `n_samples`."""
    from scipy import optimize

    half = time_bandwidth_product / 2 / n_samples
    design = lambda width: _parks_mcclellan(length, half * (1 - width), half * (1 + width), ripples)
    excess = lambda width: math.log(design(width)[1])
    guess = _d_infinity(*ripples) / time_bandwidth_product * n_samples / length
    widest = min(0.98, 0.98 * (0.5 / half - 1))
    try:
        bracket = _bracket(excess, min(guess, widest), widest)
        taps, ripple = design(optimize.root_scalar(excess, bracket=bracket, rtol=1e-3).root)
        if ripple > 1.05:
            raise ValueError("the ripples change too abruptly with the width of the transition")
    except ValueError as error:
        raise ValueError(
            f"`time_bandwidth_product` of {time_bandwidth_product:g} allows no filter of {n_samples} samples with these "
            "ripples; raise it, allow larger ripples, or take another `n_samples`, 16 to 64 times the product."
        ) from error
    taps.setflags(write=False)
    return taps


def _bracket(excess: Callable[[float], float], guess: float, widest: float) -> tuple[float, float]:
    """Two widths between which the ripples are as wanted, by steps away from a guess."""
    # Not by the extremes: the ripples of much wider transitions are below what double precision can design.
    factor = 1.2 if excess(guess) > 0 else 1 / 1.2
    for _ in range(_STEPS):
        nearer, guess = guess, min(guess * factor, widest)
        if (excess(guess) > 0) == (factor < 1):
            return min(nearer, guess), max(nearer, guess)
    raise ValueError("no width of the transition has these ripples")


def _parks_mcclellan(
    length: int, passed: float, stopped: float, ripples: tuple[float, float]
) -> tuple[Float[np.ndarray, " length"], float]:
    """A filter of linear phase, and by how much its ripples exceed the wanted ones; edges in cycles per sample."""
    from scipy import signal  # takes a fifth of the time that the whole package takes to import

    d1, d2 = ripples
    taps = signal.remez(length, [0, passed, stopped, 0.5], [1, 0], weight=[1, d1 / d2], maxiter=100)
    size = _OVERSAMPLING * length
    frequency, response = np.arange(size // 2 + 1) / size, np.abs(np.fft.rfft(taps, size))
    below = (1 - response[frequency <= passed].min()) / d1
    above = (response.max() - 1) / d1  # also in the transition, where a broad one may rise
    return taps, float(max(below, above, response[frequency >= stopped].max() / d2))


def _root_of_minimum_phase(
    taps: Float[np.ndarray, " length"], raised: float, n_samples: int
) -> Float[np.ndarray, " n_samples"]:
    """The minimum-phase filter whose squared response is that of symmetric `taps`, raised."""
    size = 2 ** math.ceil(math.log2(256 * taps.size))
    response = np.fft.rfft(np.roll(np.pad(taps, (0, size - taps.size)), -(taps.size // 2))).real
    cepstrum = np.fft.irfft(np.log(response + raised) / 2, size)
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    root = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:n_samples]
    root.setflags(write=False)
    return root


def _d_infinity(d1: float, d2: float) -> float:
    """Transition width times duration of a long linear-phase filter, an empirical fit to within a factor of two."""
    l1, l2 = math.log10(d1), math.log10(d2)
    return (5.309e-3 * l1**2 + 7.114e-2 * l1 - 4.761e-1) * l2 - 2.66e-3 * l1**2 - 5.941e-1 * l1 - 4.278e-1
