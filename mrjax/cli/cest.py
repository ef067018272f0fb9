"""`mrjax cest`: Z-spectra from the files of Pulseq-CEST, and pools fitted to measured ones."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rich.console import Console
from rich.progress import Progress

from mrjax import pulseq
from mrjax.cli import measurement, outcome, z_spectra
from mrjax.cli.batches import Result, fit_in_batches
from mrjax.cli.steps import bars, step
from mrjax.io import PoolFile, read_pools
from mrjax.physics import BlochMcConnell, simulate
from mrjax.sequence import Sequence
from mrjax.tissue import Tissue

BOUNDS = {
    "t1": lambda start: (start / 20, start * 20),
    "t2": lambda start: (start / 20, start * 20),
    "fraction": lambda start: (0.0, max(20 * start, 0.01)),
    "exchange_rate": lambda start: (0.0, max(20 * start, 100.0)),
    "shift_ppm": lambda start: (start - 1.0, start + 1.0),
    "b1": lambda start: (0.2, 2.0),
    "off_resonance_ppm": lambda start: (-2.0, 2.0),
}
"""Where a fit looks, from its start."""


class SaturationExperiment(eqx.Module):
    """Measurements of one Pulseq file on the pools of one YAML file."""

    pools: PoolFile = eqx.field(static=True)
    sequence: Sequence
    engine: BlochMcConnell
    offset_ppm: tuple[float, ...] = eqx.field(static=True)
    m0_scans: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def read(cls, options: argparse.Namespace) -> "SaturationExperiment":
        """From the files and options of the command line."""
        pools = read_pools(options.pools, legacy_lineshape=options.legacy_lineshape)
        # a pulse that pulseq-cest would resample to a longer one keeps its duration and its area
        conventions = dataclasses.replace(
            pools.conventions, plays_rf_delay=options.plays_rf_delay, pulse_samples="means"
        )
        pools = dataclasses.replace(pools, conventions=conventions)
        file = pulseq.read(options.sequence)
        sequence = pools.sequence(file)
        offsets = pulseq.offsets_ppm(file, conventions, b0=pools.b0)
        m0_scans = pulseq.m0_measurements(file, conventions, b0=pools.b0)
        engine = BlochMcConnell(pools.b0, conventions)
        return cls(pools, sequence, engine, tuple(offsets.tolist()), tuple(m0_scans.tolist()))

    @property
    def saturated(self) -> list[int]:
        """The measurements that are no M0 scans."""
        return [i for i in range(len(self.offset_ppm)) if i not in self.m0_scans]

    def magnetisation(self, tissue: Tissue) -> Float[Array, "*voxels n"]:
        """Of the water, at every readout."""
        return simulate(self.sequence, tissue, self.engine).real

    def spectrum(self) -> Float[Array, "*voxels n"]:
        """Of the pools as they are in the file."""
        return self.normalised(self.magnetisation(self.pools.tissue))

    def normalised(self, magnetisation: Array) -> Float[Array, "*voxels n"]:
        """Divided by the mean of the M0 scans, and without them; as it is where there are none."""
        if not self.m0_scans:
            return magnetisation
        m0 = jnp.mean(magnetisation[..., jnp.array(self.m0_scans)], axis=-1, keepdims=True)
        return magnetisation[..., jnp.array(self.saturated)] / m0


class Model(eqx.Module):
    """The measurements as a function of the parameters that are fitted."""

    experiment: SaturationExperiment
    free: tuple[str, ...] = eqx.field(static=True)
    in_units_of_m0: bool = eqx.field(static=True)

    def __call__(self, params: dict[str, Array]) -> Float[Array, "voxel n"]:
        tissue = self.experiment.pools.tissue
        for name in self.free:
            tissue = replaced(tissue, name, params[name], self.experiment)
        magnetisation = self.experiment.magnetisation(tissue)
        if self.in_units_of_m0:
            return self.experiment.normalised(magnetisation)
        return params["m0"][:, None] * magnetisation


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("cest")
    actions = parser.add_subparsers(dest="action", required=True, metavar="simulate|fit")
    simulating = actions.add_parser("simulate", help="the Z-spectrum of a pool file under a sequence")
    _add_files(simulating)
    simulating.add_argument("--out", type=Path, default=Path("mrjax_cest"), help="folder to write to (mrjax_cest)")
    simulating.set_defaults(run=run_simulate)
    fitting = actions.add_parser("fit", help="parameters of pools from measured Z-spectra")
    _add_files(fitting)
    fitting.add_argument(
        "data",
        nargs="+",
        type=Path,
        help="CSV with a row for each voxel, or NIfTI with the measurements on its last axis: all of the sequence, in any "
        "unit, or all but the M0 scans, divided by M0; or a z_spectrum.csv as simulate writes it",
    )
    fitting.add_argument(
        "--free",
        nargs="+",
        required=True,
        metavar="NAME",
        help="what to fit, such as amide.fraction amide.exchange_rate water.t1 b1 off_resonance_ppm; all else is as in the "
        "pool file, where fits start, too",
    )
    measurement.add_options(fitting)
    fitting.set_defaults(run=run_fit)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pools", type=Path, help="YAML file of pulseq-cest: water, pools and field")
    parser.add_argument("sequence", type=Path, help="Pulseq file, .seq or .seq.gz")
    parser.add_argument(
        "--legacy-lineshape", action="store_true", help="the super-Lorentzian as BMCTool and pulseq-cest sum it up"
    )
    parser.add_argument(
        "--plays-rf-delay", action="store_true", help="play the delay of RF events, as the MATLAB pulseq-cest does"
    )


def run_simulate(options: argparse.Namespace) -> int:
    """Simulate, write and draw."""
    console = Console()
    with bars(console=console) as progress:
        experiment = step(progress, "reading", lambda: SaturationExperiment.read(options))
        z = step(progress, "simulating", lambda: np.asarray(experiment.spectrum()))
        paths = step(progress, "writing", lambda: _written_spectrum(experiment, z, options.out))
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True)
    return 0


def _written_spectrum(experiment: SaturationExperiment, z: np.ndarray, out: Path) -> list[Path]:
    offsets = np.array(experiment.offset_ppm)[experiment.saturated]
    paths = [z_spectra.write(out / "z_spectrum.csv", offsets, z), _written_conventions(experiment, out)]
    title = ", ".join(("water", *experiment.pools.names))
    return [*paths, z_spectra.draw(out / "z_spectrum.png", offsets, z, title)]


def run_fit(options: argparse.Namespace) -> int:
    """Read, fit, write and tell."""
    console = Console()
    experiment = SaturationExperiment.read(options)
    starts = {name: float(start_of(experiment, name)) for name in options.free}
    measured, in_units_of_m0 = _read(options, experiment)
    model = Model(experiment, tuple(starts), in_units_of_m0)
    if measured.remark():
        console.print(measured.remark())
    console.print(f"fitting {', '.join(starts)} in {len(measured.signals):,} voxels")
    with bars(console=console) as progress:
        result = _fit(model, starts, measured, options, progress)
    if not result.finished.any():
        return 130
    paths = measurement.write("cest", options.out, measured, result)
    paths.append(outcome.write_record(options, measured, result, outcome.units_of(result), {"remarks": []}))
    console.print(outcome.summary("cest", result))
    for path in [*paths, _written_conventions(experiment, options.out)]:
        console.print(f"wrote {path}", soft_wrap=True)
    return outcome.exit_status("cest", measured, result)


def _read(options: argparse.Namespace, experiment: SaturationExperiment) -> tuple[measurement.Measurement, bool]:
    """The data, and whether they are divided by M0, which their number tells."""
    n_all, n_saturated = len(experiment.offset_ppm), len(experiment.saturated)
    if z_spectra.is_one(options.data[0]):
        return _of_spectrum(options, experiment), n_saturated < n_all
    try:
        return measurement.read(options, n_all, str(options.sequence)), False
    except measurement.CountError:
        if n_saturated == n_all:
            raise
    try:
        return measurement.read(options, n_saturated, str(options.sequence)), True
    except measurement.CountError as error:
        raise ValueError(f"{error} All {n_all} measurements, or the {n_saturated} without M0 scans.") from error


def _of_spectrum(options: argparse.Namespace, experiment: SaturationExperiment) -> measurement.Measurement:
    """One voxel, from a table as `simulate` writes it."""
    if len(options.data) > 1 or options.mask is not None:
        raise ValueError(f"{options.data[0]} is a spectrum, which is fitted alone, without further files or --mask.")
    offsets = np.array(experiment.offset_ppm)[experiment.saturated]
    z = z_spectra.read(options.data[0], offsets)
    return measurement.Measurement(z[None], {}, None, None, [options.data[0].stem])


def _fit(
    model: Model, starts: dict[str, float], measured: measurement.Measurement, options: Any, progress: Progress
) -> Result:
    scale = 1.0 if model.in_units_of_m0 else float(np.percentile(np.abs(measured.signals), 99)) or 1.0
    data = (measured.signals / scale).astype(jnp.result_type(float))
    limits = {name: BOUNDS[name.rpartition(".")[2]](start) for name, start in starts.items()}
    if not model.in_units_of_m0:
        starts, limits = starts | {"m0": 1.0}, limits | {"m0": (0.0, np.inf)}
    init = {name: np.full(len(data), start, data.dtype) for name, start in starts.items()}
    bounds = {name: limit[0] for name, limit in limits.items()}, {name: limit[1] for name, limit in limits.items()}
    noise_std = None if options.noise_std is None else options.noise_std / scale
    result = fit_in_batches(model, data, progress, init=init, bounds=bounds, noise_std=noise_std)
    for values in (result.parameters, result.standard_deviation):
        if "m0" in values:
            values["m0"] *= scale
    result.residual_rms[:] *= scale
    return result


def start_of(experiment: SaturationExperiment, name: str) -> Array:
    """The value of a parameter in the pool file; its name is checked."""
    tissue = experiment.pools.tissue
    if name == "b1":
        return jnp.asarray(tissue.b1)
    if name == "off_resonance_ppm":
        return jnp.asarray(tissue.off_resonance) / _hz_per_ppm(experiment)
    owner, _, parameter = name.rpartition(".")
    if owner == "water" and parameter in ("t1", "t2"):
        return getattr(tissue, parameter)
    if owner in experiment.pools.names and parameter in BOUNDS and parameter not in ("b1", "off_resonance_ppm"):
        return jnp.asarray(getattr(tissue.pools[experiment.pools.names.index(owner)], parameter))
    known = ["b1", "off_resonance_ppm", "water.t1", "water.t2"]
    known += [
        f"{pool}.NAME with NAME one of fraction, exchange_rate, t1, t2, shift_ppm" for pool in experiment.pools.names
    ]
    raise ValueError(f"--free must name {'; '.join(known)}; but got {name!r}.")


def replaced(tissue: Tissue, name: str, value: Array, experiment: SaturationExperiment) -> Tissue:
    """The tissue with one parameter changed."""
    owner, _, parameter = name.rpartition(".")
    if name == "off_resonance_ppm":
        return dataclasses.replace(tissue, off_resonance=value * _hz_per_ppm(experiment))
    if owner in ("", "water"):
        return dataclasses.replace(tissue, **{parameter: value})
    index = experiment.pools.names.index(owner)
    pools = list(tissue.pools)
    pools[index] = dataclasses.replace(pools[index], **{parameter: value})
    return dataclasses.replace(tissue, pools=tuple(pools))


def _hz_per_ppm(experiment: SaturationExperiment) -> float:
    return experiment.pools.b0 * experiment.pools.conventions.gyromagnetic_ratio / (2e6 * np.pi)


def _written_conventions(experiment: SaturationExperiment, out: Path) -> Path:
    """What the result rests on, beside it."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "conventions.json"
    of_pools = zip(experiment.pools.names, experiment.pools.tissue.pools, strict=True)
    lines = {name: type(pool.lineshape).__name__ for name, pool in of_pools if pool.is_semisolid}
    settings = {"b0": experiment.pools.b0, "max_pulse_samples": experiment.pools.max_pulse_samples, "lineshapes": lines}
    path.write_text(json.dumps(settings | experiment.pools.conventions.as_dict(), indent=2) + "\n")
    return path
