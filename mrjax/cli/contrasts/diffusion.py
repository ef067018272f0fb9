"""Diffusion-weighted images: apparent diffusion, IVIM, tensors, kurtosis and neurites."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from mrjax.cli.acquisition import Acquisition
from mrjax.cli.contrasts import gradients
from mrjax.cli.contrasts.contrast import Contrast, Derived, Known
from mrjax.inverse import diffusion
from mrjax.inverse.diffusion.constrained_kurtosis import spread_directions
from mrjax.signals import models


def _options(*, directions: bool) -> Callable[[argparse.ArgumentParser], None]:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--bval", type=Path, help="file of b-values in s/mm^2; beside the image by default")
        if directions:
            parser.add_argument(
                "--bvec", type=Path, help="file of directions along the axes of the image; beside it by default"
            )

    return add


def _read(options: argparse.Namespace) -> Acquisition:
    bval = options.bval or gradients.beside(options.data[0], ".bval")
    b_values, remarks = gradients.read_b_values(bval), []
    values = {"bval": b_values}
    if not hasattr(options, "bvec"):
        if np.any(np.diff(b_values) < 0):
            remarks.append(f"the b-values of {bval} do not ascend; each goes with the image of its place")
    else:
        bvec = options.bvec or gradients.beside(options.data[0], ".bvec")
        values["bvec"] = gradients.read_directions(bvec, b_values)
    return Acquisition(values, str(bval), tuple(remarks))


def _with_directions(model_class: Any) -> Callable[[Known], Any]:
    return lambda known: model_class(
        known.played.samples, gradients.in_scanner_axes(known.played.values["bvec"], known.affine)
    )


OF_TENSOR = (
    Derived("FA", "", "fractional anisotropy"),
    Derived("MD", "m^2/s", "mean diffusivity"),
    Derived("AD", "m^2/s", "axial diffusivity, the largest eigenvalue"),
    Derived("RD", "m^2/s", "radial diffusivity, the mean of the other two eigenvalues"),
    Derived("V1", "", "principal direction along the axes of the scanner (RAS+)"),
)
OF_KURTOSIS = (
    Derived("MK", "", "mean kurtosis"),
    Derived("AK", "", "axial kurtosis"),
    Derived("RK", "", "radial kurtosis"),
    Derived("MKT", "", "mean of the kurtosis tensor"),
)


def _of_tensor(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    maps = diffusion.tensor_maps(_in_single(parameters))
    values = (
        *(maps.fractional_anisotropy, maps.mean_diffusivity, maps.axial_diffusivity),
        *(maps.radial_diffusivity, maps.principal_direction),
    )
    return {one.name: np.asarray(value) for one, value in zip(OF_TENSOR, values, strict=True)}


def _of_kurtosis(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    maps = diffusion.kurtosis_maps(_in_single(parameters))
    of_kurtosis = {one.name: np.asarray(value) for one, value in zip(OF_KURTOSIS, maps, strict=True)}
    return _of_tensor(parameters) | of_kurtosis


def _in_single(parameters: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: jnp.asarray(value, jnp.float32) for name, value in parameters.items()}


DIRECTIONS = spread_directions(30)
EXAMPLE = {"bval": np.repeat([0.0, 1e9, 2e9], [1, 30, 30]), "bvec": np.vstack([np.zeros(3), DIRECTIONS, DIRECTIONS])}

CONTRASTS = (
    Contrast(
        *("adc", "apparent diffusion coefficient from several b-values", "diffusion"),
        *(models.ApparentDiffusion, lambda known: models.ApparentDiffusion(known.played.samples)),
        read=_read,
        example_values={"bval": np.array([0.0, 5e8, 1e9])},
        add_options=_options(directions=False),
        example="--bval images.bval",
        suffixes={"diffusion": "ADC"},
    ),
    Contrast(
        *("ivim", "diffusion and perfusion (intravoxel incoherent motion)", "diffusion"),
        *(models.IntravoxelIncoherentMotion, lambda known: models.IntravoxelIncoherentMotion(known.played.samples)),
        read=_read,
        example_values={"bval": 1e6 * np.array([0.0, 10, 20, 40, 80, 120, 200, 400, 600, 800])},
        add_options=_options(directions=False),
        example="--bval images.bval",
    ),
    Contrast(
        *("dti", "diffusion tensor, its anisotropy and diffusivities", "FA"),
        *(models.DiffusionTensor, _with_directions(models.DiffusionTensor)),
        read=_read,
        example_values=EXAMPLE,
        add_options=_options(directions=True),
        example="--bval images.bval --bvec images.bvec",
        has_curve=False,
        estimator=diffusion.positive_tensor_fit,
        derived=OF_TENSOR,
        derive=_of_tensor,
    ),
    Contrast(
        *("dki", "diffusion and kurtosis tensors, and their maps", "MK"),
        *(models.DiffusionKurtosis, _with_directions(models.DiffusionKurtosis)),
        read=_read,
        example_values=EXAMPLE,
        add_options=_options(directions=True),
        example="--bval images.bval --bvec images.bvec",
        has_curve=False,
        estimator=diffusion.constrained_kurtosis_fit,
        takes_noise=False,
        derived=(*OF_TENSOR, *OF_KURTOSIS),
        derive=_of_kurtosis,
    ),
    Contrast(
        *("noddi", "density and dispersion of neurites, of two shells or more", "neurite_density"),
        *(models.DispersedNeurites, _with_directions(models.DispersedNeurites)),
        read=_read,
        example_values=EXAMPLE,
        add_options=_options(directions=True),
        example="--bval images.bval --bvec images.bvec",
        has_curve=False,
    ),
)
