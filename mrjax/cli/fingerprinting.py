"""The experiment of `mrjax demo`: a fingerprinting scan of a brain slice, and the maps estimated from it."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Complex, Float
from rich.progress import Progress

import mrjax as mr
from mrjax.cli.batches import Result, fit_in_batches
from mrjax.inverse import Dictionary
from mrjax.phantoms import Phantom
from mrjax.units import ms

BOUNDS = {"t1": (0.05, 8.0), "t2": (0.004, 5.0)}
STATES_OF_TRUTH, STATES_OF_FIT = 64, 24
VOXELS_AT_ONCE = 1024
"""In every batch, so that one program serves all: fewer keep no core busy, and with more all wait for the slowest fit."""


@dataclass(frozen=True)
class FingerprintingExperiment:
    """What was played on what, and what came out."""

    phantom: Phantom
    sequence: mr.Sequence
    b1: np.ndarray
    """Over the slice."""
    mask: np.ndarray
    """The brain."""
    noise_std: float
    signals: np.ndarray
    """Of the voxels inside the mask, `(n_voxels, n_samples)`."""


class Fingerprint(eqx.Module):
    """The model that is fitted: one tissue per voxel and known B1; the complex M0 that fits best is solved for inside.

    M0 is linear, so projecting it out (variable projection) leaves two parameters to search for, with the same errors.
    """

    sequence: mr.Sequence
    b1: Float[Array, " voxel"]
    signals: Complex[Array, "voxel n"]

    def __call__(self, params: dict[str, Array]) -> Complex[Array, "voxel n"]:
        atoms = self.atoms(params)
        return self.m0(atoms)[:, None] * atoms

    def at(self, voxels: slice) -> "Fingerprint":
        """The model of some voxels."""
        return Fingerprint(self.sequence, self.b1[voxels], self.signals[voxels])

    def atoms(self, params: dict[str, Array]) -> Complex[Array, "voxel n"]:
        """Signals for M0 = 1."""
        return played(self.sequence, {**params, "b1": self.b1})

    @eqx.filter_jit  # its sums one by one are a program each
    def m0(self, atoms: Complex[Array, "voxel n"]) -> Complex[Array, " voxel"]:
        """The scale that brings atoms nearest to the measured signals."""
        return jnp.sum(jnp.conj(atoms) * self.signals, axis=-1) / jnp.sum(jnp.abs(atoms) ** 2, axis=-1)


def played(sequence: mr.Sequence, params: Mapping[str, Float[ArrayLike, " voxel"]]) -> Complex[Array, "voxel n"]:
    """Signals for M0 = 1 of tissues with T1, T2 and B1."""
    return mr.play(sequence, mr.Tissue(params["t1"], params["t2"], b1=params["b1"]), mr.EPG(STATES_OF_FIT))[0]


def played_in_batches(sequence: mr.Sequence, params: dict[str, np.ndarray]) -> Complex[np.ndarray, "voxel n"]:
    """As `played`, of any number of tissues by one program; the last batch is filled up with its last tissue."""
    n = len(params["t1"])
    starts = range(0, n, VOXELS_AT_ONCE)
    batch = lambda start: np.minimum(np.arange(start, start + VOXELS_AT_ONCE), n - 1)
    signals = [played(sequence, {name: value[batch(start)] for name, value in params.items()}) for start in starts]
    return np.concatenate([np.asarray(each) for each in signals])[:n]


def scan(phantom: Phantom, noise_std: float, seed: int) -> FingerprintingExperiment:
    """The published schedule, played on every tissue of every voxel; the signals of a voxel add up, with noise."""
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = mr.protocols.mrf_fisp(flip_angle, tr, te=1.908 * ms, inversion_time=18 * ms)
    b1, mask = transmit_field(phantom.shape), np.asarray(phantom.mask)
    protons = np.asarray(phantom.fractions)[:, mask] * np.asarray(phantom.proton_density)[:, None]
    tissues = mr.Tissue(phantom.t1[:, None], phantom.t2[:, None], m0=protons, b1=b1[mask][None])
    signals = np.asarray(mr.simulate(sequence, tissues, mr.EPG(STATES_OF_TRUTH)).sum(axis=0))
    rng = np.random.default_rng(seed)
    noise = noise_std * (rng.standard_normal(signals.shape) + 1j * rng.standard_normal(signals.shape))
    return FingerprintingExperiment(phantom, sequence, b1, mask, noise_std, (signals + noise).astype(np.complex64))


def transmit_field(shape: tuple[int, ...]) -> np.ndarray:
    """B1 much as in a head at 3 T: 15 % too strong in the centre, 20 % too weak at the rim, tilted a little."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return (1.15 - 0.35 * (x**2 + y**2) / 0.8 + 0.04 * x - 0.03 * y).clip(0.6, 1.2).astype(np.float32)


def match(experiment: FingerprintingExperiment) -> dict[str, np.ndarray]:
    """The best atom of a coarse dictionary over T1, T2 and B1; B1 is known, as from a field map."""
    b1 = experiment.b1[experiment.mask]
    grid = {
        "t1": np.geomspace(0.3, 6.0, 24),
        "t2": np.geomspace(0.02, 3.0, 24),
        "b1": np.linspace(b1.min(), b1.max(), 7),
    }
    to_numpy = lambda p: {name: np.asarray(value) for name, value in p.items()}
    signal = lambda p: jnp.asarray(played_in_batches(experiment.sequence, to_numpy(p)))
    dictionary = Dictionary.build(signal, grid, where=lambda p: p["t2"] < p["t1"])
    best = dictionary.match(experiment.signals, known={"b1": b1})
    return {name: np.asarray(best.parameters[name]) for name in BOUNDS}


def refine(experiment: FingerprintingExperiment, start: dict[str, np.ndarray], progress: Progress) -> Result:
    """Least squares through the simulation itself, from the matched atoms, with standard deviations."""
    model = _model(experiment)
    limits = ({name: low for name, (low, _) in BOUNDS.items()}, {name: high for name, (_, high) in BOUNDS.items()})
    n = len(experiment.signals)
    # as many batches, but equal ones: the last reaches back over no voxel that is done
    batch_size = math.ceil(n / math.ceil(n / VOXELS_AT_ONCE))
    noise_std = experiment.noise_std
    return fit_in_batches(
        model, experiment.signals, progress, init=start, bounds=limits, noise_std=noise_std, batch_size=batch_size
    )


def maps(experiment: FingerprintingExperiment, result: Result) -> dict[str, np.ndarray]:
    """True, estimated and error maps over the slice; nan outside the brain."""
    model = _model(experiment)
    # voxels that an interrupt left unfitted stay nan; any possible value stands in for the simulation
    reached = {name: np.where(result.finished, value, 1.0) for name, value in result.parameters.items()}
    with warnings.catch_warnings():
        # noise may take an estimate to where no tissue is; its standard deviation says so
        warnings.filterwarnings("ignore", category=mr.PlausibilityWarning)
        atoms = played_in_batches(experiment.sequence, reached | {"b1": experiment.b1[experiment.mask]})
    m0 = np.where(result.finished, np.abs(model.m0(jnp.asarray(atoms))), np.nan)
    found = result.parameters | {"m0": m0}
    truth = experiment.phantom.tissue()
    drawn = {"b1": np.where(experiment.mask, experiment.b1, np.nan)}
    for name in ("t1", "t2", "m0"):
        drawn[f"{name}_true"] = np.where(experiment.mask, np.asarray(getattr(truth, name)), np.nan)
        drawn[name] = _on_grid(experiment.mask, found[name])
    for name in BOUNDS:
        drawn[f"{name}_std"] = _on_grid(experiment.mask, result.standard_deviation[name])
        drawn[f"{name}_error"] = drawn[name] / drawn[f"{name}_true"] - 1
    return drawn


def _model(experiment: FingerprintingExperiment) -> Fingerprint:
    b1 = jnp.asarray(experiment.b1[experiment.mask])
    return Fingerprint(experiment.sequence, b1, jnp.asarray(experiment.signals))


def _on_grid(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    grid = np.full(mask.shape, np.nan)
    grid[mask] = values
    return grid
