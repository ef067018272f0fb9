"""`mrjax demo`: a fingerprinting experiment on a brain slice, from the schedule to quantitative maps with error bars."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import mrjax as mr
from mrjax.cli import demo_figure
from mrjax.cli.batches import Result, fit_in_batches
from mrjax.inverse import Dictionary
from mrjax.io import write_nifti
from mrjax.phantoms import Phantom, brain
from mrjax.units import ms

PURE = 0.95
"""Volume fraction from which a voxel counts as of one tissue in the table of errors."""
BOUNDS = {"t1": (0.05, 8.0), "t2": (0.004, 5.0), "m0_real": (-10.0, 10.0), "m0_imaginary": (-10.0, 10.0)}
STATES_OF_TRUTH, STATES_OF_FIT = 64, 24


@dataclass(frozen=True)
class Experiment:
    """What was played on what, and what came out; signals of the voxels inside the brain alone."""

    phantom: Phantom
    sequence: mr.Sequence
    b1: np.ndarray
    """Over the slice."""
    mask: np.ndarray
    noise_std: float
    signals: np.ndarray


class Fingerprint(eqx.Module):
    """The model that is fitted: one tissue per voxel, known B1, complex M0."""

    sequence: mr.Sequence
    b1: Float[Array, " voxel"]

    def __call__(self, params: dict[str, Array]) -> Complex[Array, "voxel n"]:
        tissue = mr.Tissue(params["t1"], params["t2"], b1=self.b1)
        m0 = params["m0_real"] + 1j * params["m0_imaginary"]
        return m0[:, None] * mr.simulate(self.sequence, tissue, mr.EPG(STATES_OF_FIT))


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="simulate a fingerprinting scan of a brain and map T1 and T2 from it")
    parser.add_argument("--shape", type=int, nargs=2, metavar=("NX", "NY"), help="voxels of the slice; 2 mm voxels by default")
    parser.add_argument("--slice", type=int, default=None, help="axial slice of the phantom; through the ventricles by default")
    parser.add_argument("--field-strength", type=float, default=3.0, help="1.5 or 3 T")
    parser.add_argument("--noise-std", type=float, default=0.005, help="of real and imaginary part, relative to M0 of water (0.005)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--out", type=Path, default=Path("mrjax_demo"), help="folder to write to (mrjax_demo)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Scan, match, refine, write and tell."""
    if not options.noise_std > 0:
        raise ValueError(f"--noise-std must be positive, but got {options.noise_std:g}.")
    console = Console()
    with Progress(console=console) as progress:
        experiment = scanned(options, progress)
        matched = _step(progress, "matching the dictionary", lambda: match(experiment))
        refined = refine(experiment, matched, progress)
        paths = _step(progress, "writing maps and figure", lambda: write(experiment, refined, options.out))
    console.print(errors_by_tissue(experiment, refined))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0 if refined.finished.all() else 130


def scanned(options: argparse.Namespace, progress: Progress) -> Experiment:
    """The published schedule, played on every tissue of every voxel; the signals of a voxel add up, with noise."""
    shape = (None, None) if options.shape is None else options.shape
    phantom = brain(None if options.shape is None else shape, slice=options.slice, field_strength=options.field_strength)
    if len(phantom.shape) == 3:
        phantom = brain((phantom.shape[0], phantom.shape[1]), slice=options.slice, field_strength=options.field_strength)
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    sequence = mr.protocols.mrf_fisp(flip_angle, tr, te=1.908 * ms, inversion_time=18 * ms)
    b1, mask = transmit_field(phantom.shape), np.asarray(phantom.mask)
    fractions = np.asarray(phantom.fractions)[:, mask]
    tissues = mr.Tissue(
        phantom.t1[:, None], phantom.t2[:, None], m0=fractions * np.asarray(phantom.proton_density)[:, None], b1=b1[mask][None]
    )
    engine = mr.EPG(STATES_OF_TRUTH)
    signals = _step(progress, "simulating the scan", lambda: np.asarray(mr.simulate(sequence, tissues, engine).sum(axis=0)))
    rng = np.random.default_rng(options.seed)
    noise = options.noise_std * (rng.standard_normal(signals.shape) + 1j * rng.standard_normal(signals.shape))
    return Experiment(phantom, sequence, b1, mask, options.noise_std, (signals + noise).astype(np.complex64))


def transmit_field(shape: tuple[int, ...]) -> np.ndarray:
    """B1 as it is in a head at 3 T: 15 % too strong in the centre, 20 % too weak at the rim, tilted a little."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return (1.15 - 0.35 * (x**2 + y**2) / 0.8 + 0.04 * x - 0.03 * y).clip(0.6, 1.2).astype(np.float32)


def match(experiment: Experiment) -> dict[str, np.ndarray]:
    """A coarse dictionary over T1, T2 and B1; B1 is known, as from a field map."""
    b1 = experiment.b1[experiment.mask]
    grid = {
        "t1": np.geomspace(0.3, 6.0, 24),
        "t2": np.geomspace(0.02, 3.0, 24),
        "b1": np.linspace(b1.min(), b1.max(), 7),
    }
    signal = lambda p: mr.simulate(experiment.sequence, mr.Tissue(p["t1"], p["t2"], b1=p["b1"]), mr.EPG(STATES_OF_FIT))
    dictionary = Dictionary.build(signal, grid, where=lambda p: p["t2"] < p["t1"])
    best = dictionary.match(experiment.signals, known={"b1": b1})
    start = {"t1": best.parameters["t1"], "t2": best.parameters["t2"], "m0_real": best.m0.real, "m0_imaginary": best.m0.imag}
    return {name: np.asarray(value) for name, value in start.items()}


def refine(experiment: Experiment, start: dict[str, np.ndarray], progress: Progress) -> Result:
    """Least squares through the simulation itself, from the matched atom, with standard deviations."""
    b1 = jnp.asarray(experiment.b1[experiment.mask])
    model_of = lambda here: Fingerprint(experiment.sequence, b1[here])
    lower, upper = ({name: limits[i] for name, limits in BOUNDS.items()} for i in (0, 1))
    return fit_in_batches(
        model_of, experiment.signals, start, (lower, upper), progress, noise_std=experiment.noise_std, batch_size=1024
    )


def maps(experiment: Experiment, result: Result) -> dict[str, np.ndarray]:
    """True, estimated and error maps over the slice; nan outside the brain."""
    truth = experiment.phantom.tissue()
    found = result.parameters | {"m0": np.hypot(result.parameters["m0_real"], result.parameters["m0_imaginary"])}
    drawn = {"b1": np.where(experiment.mask, experiment.b1, np.nan)}
    for name in ("t1", "t2", "m0"):
        drawn[f"{name}_true"] = np.where(experiment.mask, np.asarray(getattr(truth, name)), np.nan)
        drawn[name] = _on_grid(experiment.mask, found[name])
    for name in ("t1", "t2"):
        drawn[f"{name}_std"] = _on_grid(experiment.mask, result.standard_deviation[name])
        drawn[f"{name}_error"] = drawn[name] / drawn[f"{name}_true"] - 1
    return drawn


def errors_by_tissue(experiment: Experiment, result: Result) -> Table:
    """Median errors and the coverage of the error bars, for pure voxels of each tissue and for mixed ones."""
    drawn = maps(experiment, result)
    table = Table(title=f"noise {experiment.noise_std:g} of M0 of water in real and imaginary part")
    columns = ("voxels", "T1", "|T1 error|", "T2", "|T2 error|", "T1 in 95 % interval", "T2 in 95 % interval")
    for column in ("tissue", *columns):
        table.add_column(column, justify="left" if column == "tissue" else "right")
    fractions = np.asarray(experiment.phantom.fractions)
    pure = {name: fraction >= PURE for name, fraction in zip(experiment.phantom.names, fractions, strict=True)}
    reached = np.isfinite(drawn["t1"])
    for name, voxels in (pure | {"mixed": experiment.mask & ~np.any(list(pure.values()), axis=0)}).items():
        voxels = voxels & reached
        if voxels.any():
            table.add_row(name, f"{voxels.sum():,}", *_cells(drawn, voxels, truth_is_exact=name != "mixed"))
    table.caption = f"medians; pure voxels are at least {PURE:.0%} of one tissue; 'mixed' against the proton-weighted geometric mean"
    return table


def _cells(drawn: dict[str, np.ndarray], voxels: np.ndarray, truth_is_exact: bool) -> list[str]:
    medians, covered = [], []
    for name in ("t1", "t2"):
        medians += [f"{np.median(drawn[name][voxels]) * 1e3:.0f} ms", f"{np.median(np.abs(drawn[f'{name}_error'][voxels])):.2%}"]
        deviation = np.abs(drawn[name] - drawn[f"{name}_true"]) / drawn[f"{name}_std"]
        covered.append(f"{np.mean(deviation[voxels] < 1.96):.0%}" if truth_is_exact else "")
    return medians + covered


def write(experiment: Experiment, result: Result, out: Path) -> list[Path]:
    """NIfTI maps and the figure."""
    affine = np.array(experiment.phantom.affine)
    drawn = maps(experiment, result)
    saved = [name for name in drawn if not name.endswith("_error")]
    paths = [write_nifti(out / f"{name}.nii.gz", np.nan_to_num(drawn[name]), affine) for name in saved]
    figure = demo_figure.draw(experiment.sequence, experiment.signals, experiment.phantom, experiment.mask, drawn)
    figure.savefig(out / "demo.png", dpi=130)
    return [*paths, out / "demo.png"]


def _on_grid(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    grid = np.full(mask.shape, np.nan)
    grid[mask] = values
    return grid


def _step(progress: Progress, name: str, work: Any) -> Any:
    """Run one piece of work under a bar of its own."""
    task = progress.add_task(name, total=None)
    done = jax.block_until_ready(work())
    progress.update(task, total=1, completed=1)
    return done
