"""Diffusion-weighted images: apparent diffusion, IVIM, tensors and kurtosis."""

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


def _of_tensor(parameters: Mapping[str, np.ndarray]) -> dict[str, Derived]:
    maps = diffusion.tensor_maps({name: jnp.asarray(value) for name, value in parameters.items()})
    return {
        "FA": Derived(np.asarray(maps.fractional_anisotropy), "", "fractional anisotropy"),
        "MD": Derived(np.asarray(maps.mean_diffusivity), "m^2/s", "mean diffusivity"),
        "AD": Derived(np.asarray(maps.axial_diffusivity), "m^2/s", "axial diffusivity, the largest eigenvalue"),
        "RD": Derived(np.asarray(maps.radial_diffusivity), "m^2/s", "radial diffusivity, the mean of the other two"),
        "V1": Derived(
            np.asarray(maps.principal_direction), "", "principal direction along the axes of the scanner (RAS+)"
        ),
    }


def _of_kurtosis(parameters: Mapping[str, np.ndarray]) -> dict[str, Derived]:
    maps = diffusion.kurtosis_maps({name: jnp.asarray(value) for name, value in parameters.items()})
    return _of_tensor(parameters) | {
        "MK": Derived(np.asarray(maps.mean_kurtosis), "", "mean kurtosis"),
        "AK": Derived(np.asarray(maps.axial_kurtosis), "", "axial kurtosis"),
        "RK": Derived(np.asarray(maps.radial_kurtosis), "", "radial kurtosis"),
        "MKT": Derived(np.asarray(maps.mean_kurtosis_tensor), "", "mean of the kurtosis tensor"),
    }


EXAMPLE = {"bval": np.array([0.0, *[1e9] * 30, *[2e9] * 30]), "bvec": np.eye(3)[np.arange(61) % 3]}

CONTRASTS = (
    Contrast(
        *("adc", "apparent diffusion coefficient from several b-values", "diffusion"),
        *(models.ApparentDiffusion, lambda known: models.ApparentDiffusion(known.played.samples)),
        read=_read,
        example_values=EXAMPLE,
        add_options=_options(directions=False),
        example="--bval images.bval",
        suffixes={"diffusion": "ADC"},
    ),
    Contrast(
        *("ivim", "diffusion and perfusion (intravoxel incoherent motion)", "diffusion"),
        *(models.IntravoxelIncoherentMotion, lambda known: models.IntravoxelIncoherentMotion(known.played.samples)),
        read=_read,
        example_values=EXAMPLE,
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
        derived=_of_tensor,
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
        derived=_of_kurtosis,
    ),
)
