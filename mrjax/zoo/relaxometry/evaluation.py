"""How maps from undersampled k-space are scored, and what `mrjax evaluate` prints of them."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from mrjax.io import read_nifti, require_same_place
from mrjax.units import ms
from mrjax.zoo.relaxometry.config import PARAMETERS, RelaxometryConfig
from mrjax.zoo.relaxometry.data import AXES, Batch, Measurement, coils, measured
from mrjax.zoo.relaxometry.maps import relaxation_model
from mrjax.zoo.relaxometry.objects import unseen_brains, with_phases
from mrjax.zoo.system import Evaluation, Report

MOST_SLICES = 5
"""Of a map that a user gives."""

Estimate = Callable[[Measurement], dict[str, Array]]
"""From a `Measurement` to "t1" or "t2" in s and the complex "m0", each of shape `(image, nx, ny)`."""


def nrmse(
    found: Float[Array, "*shape"] | Complex[Array, "*shape"],
    true: Float[Array, "*shape"] | Complex[Array, "*shape"],
    inside: Bool[Array, "*shape"],
) -> float:
    r"""Normalised root mean square error, $\| \hat x - x \|_2 / \| x \|_2$ over what is inside.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.zoo import relaxometry
        >>> inside = jnp.array([True, True, False])
        >>> print(relaxometry.nrmse(jnp.array([1.1, 0.9, 7.0]), jnp.array([1.0, 1.0, 0.0]), inside).__round__(3))
        0.1

        ```
    """
    square = lambda values: jnp.sum(jnp.where(inside, jnp.abs(values) ** 2, 0))
    return float(jnp.sqrt(square(found - true) / square(true)))


def test_scan(config: RelaxometryConfig, options: argparse.Namespace) -> Batch:
    """What a network or method is judged on: slices of the brain phantom, or maps of a user."""
    config = configured_by(options, config)
    time, m0 = unseen_brains(config) if options.maps is None else _of_user(options, config)
    shape = (time.shape[1], time.shape[2])
    model, key = relaxation_model(config), jax.random.key(config.seed + 1)
    return measured(key, time, m0, coils(config, shape), model, config)


def configured_by(options: argparse.Namespace, config: RelaxometryConfig) -> RelaxometryConfig:
    """The configuration with what the options say of the scan."""
    changes = {name: getattr(options, name) for name in ("parameter", "acceleration", "snr")}
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(config, **given)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is imaged, and how."""
    parser.add_argument("--maps", type=Path, help="NIfTI map of T1 or T2; slices of the brain phantom by default")
    parser.add_argument("--m0", type=Path, help="NIfTI map of M0 on the same voxels; 1 where T1 or T2 is by default")
    parser.add_argument("--milliseconds", action="store_true", help="the map is in ms, not in s")
    parser.add_argument("--acceleration", type=float, help="as configured by default")
    parser.add_argument("--snr", type=float, help="as configured by default")
    parser.add_argument("--parameter", choices=PARAMETERS, help="for methods that map both; as configured by default")


def report(config: RelaxometryConfig, estimate: Estimate, options: argparse.Namespace) -> Report:
    """Errors of the relaxation time and of M0."""
    scanned = configured_by(options, config)
    batch = test_scan(config, options)
    found = estimate({name: batch[name] for name in AXES})
    name, model, inside = scanned.parameter, batch["model"], batch["inside"]
    if name not in found:
        raise ValueError(f"--parameter {name} is not what this network maps, {' and '.join(sorted(found))}.")
    time, m0 = model.parted(batch["maps"])
    low, high = model.limits
    return Report(
        f"{name.upper()} of {low / ms:g} to {high / ms:g} ms, R = {scanned.acceleration:g}, SNR {scanned.snr:g}",
        ("images", "pixels", f"NRMSE of {name.upper()}", "NRMSE of M0"),
        [
            (
                f"{len(inside)}",
                f"{int(inside.sum())}",
                f"{100 * nrmse(found[name], time, inside):.2f} %",
                f"{100 * nrmse(found['m0'], m0, inside):.2f} %",
            )
        ],
    )


def _of_user(
    options: argparse.Namespace, config: RelaxometryConfig
) -> tuple[Float[Array, "image nx ny"], Complex[Array, "image nx ny"]]:
    """Up to five slices with tissue, evenly spread."""
    image = read_nifti(options.maps)
    time = _volume(options.maps, image.data) * (ms if options.milliseconds else 1.0)
    m0 = (np.isfinite(time) & (time > 0)).astype(float)
    if options.m0 is not None:
        other = read_nifti(options.m0)
        if other.data.shape != image.data.shape:
            raise ValueError(
                f"{options.m0} must have the shape {image.data.shape} of the map, but has {other.data.shape}."
            )
        require_same_place(str(options.m0), other, str(options.maps), image)
        m0 = m0 * np.nan_to_num(np.abs(_volume(options.m0, other.data)))
        m0 = m0 / max(m0.max(), np.finfo(float).tiny)
    if not (slices := np.flatnonzero(m0.any((0, 1)))).size:
        raise ValueError(f"{options.maps} holds no voxel above zero.")
    chosen = slices[np.linspace(0, slices.size - 1, min(MOST_SLICES, slices.size)).round().astype(int)]
    m0, time = (np.moveaxis(values[..., chosen], -1, 0) for values in (m0, time))
    dtype = jnp.result_type(float)
    return jnp.asarray(np.where(m0 > 0, time, 1.0), dtype), with_phases(jnp.asarray(m0, dtype), config.seed)


def _volume(file: Path, data: np.ndarray) -> np.ndarray:
    """One map of three axes."""
    volume = data.reshape(*data.shape, *(1,) * (3 - data.ndim)) if data.ndim < 3 else data
    if volume.ndim != 3:
        raise ValueError(f"{file} must hold one map, of three axes at most, but has shape {data.shape}.")
    return volume


EVALUATION = Evaluation(add_options, report)
