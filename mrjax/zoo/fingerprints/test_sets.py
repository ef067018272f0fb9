"""What trained systems are judged on: tissues they have not seen."""

import dataclasses
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mrjax.io import read_nifti, require_same_place
from mrjax.nn import BlochDecoder
from mrjax.phantoms import Phantom, brain
from mrjax.tissue import Tissue
from mrjax.units import ms
from mrjax.zoo.fingerprints.data import simulated

SLICES = (32, 38, 44, 50, 56)
SHAPE = (64, 64)
SPREAD = 0.1
"""Relative standard deviation of the relaxation times of a tissue between draws."""

VOXELS_AT_ONCE = 5000


@dataclasses.dataclass(frozen=True)
class Voxels:
    """T1 and T2 of a list of voxels, in s."""

    t1: Float[np.ndarray, " voxel"]
    t2: Float[np.ndarray, " voxel"]

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """By name, as `Tissue` takes them."""
        return {"t1": self.t1, "t2": self.t2}

    def signals(self, decoder: BlochDecoder) -> Float[np.ndarray, "voxel n"]:
        """The fingerprint of every voxel."""
        starts = range(0, len(self.t1), VOXELS_AT_ONCE)
        part = lambda i: {name: jnp.asarray(t[i : i + VOXELS_AT_ONCE]) for name, t in self.parameters.items()}
        return np.concatenate([np.asarray(simulated(decoder, part(i))) for i in starts])


def phantom(seed: int = 0, draws: int = 2, slices: Sequence[int] = SLICES, shape: tuple[int, int] = SHAPE) -> Voxels:
    """Slices of the brain phantom, each with relaxation times drawn anew around those of its tissues.

    Voxels at borders take the mean of their tissues' relaxation times, as in the phantoms that networks were published on.

    **Arguments:**

    - `seed`: Of the draws.
    - `draws`: Of tissues for each slice.
    - `slices`: Axial slices of the phantom, 0 to 80.
    - `shape`: Voxels of a slice.

    **Returns:** the `Voxels` inside the brain.

    !!! example

        ```python
        >>> from mrjax import zoo
        >>> voxels = zoo.fingerprints.phantom(slices=(44,), shape=(32, 32))
        >>> bool((voxels.t2 <= voxels.t1).all())
        True

        ```
    """
    random = np.random.default_rng(seed)
    tissues = [_drawn(brain(shape, slice=index), random) for index in slices for _ in range(draws)]
    return Voxels(*(np.concatenate([t[i] for t in tissues]).astype(np.float32) for i in range(2)))


def _drawn(phantom: Phantom, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    fractions, inside = np.asarray(phantom.fractions), np.asarray(phantom.mask)
    draw = lambda values: np.asarray(values) * np.exp(SPREAD * random.standard_normal(len(values)))
    mean = lambda values: np.einsum("c,c...->...", values, fractions)[inside] / fractions.sum(0)[inside]
    t1, t2 = draw(phantom.t1), draw(phantom.t2)
    return mean(t1), np.minimum(mean(t1), mean(t2))


def maps(t1: Path | str, t2: Path | str | None = None, milliseconds: bool = False) -> Voxels:
    """Any T1 and T2 maps: one npz file with arrays `t1` and `t2`, or two NIfTI files; voxels of zero are left out.

    **Arguments:**

    - `t1`: The npz file, or the T1 map.
    - `t2`: The T2 map, on the same grid; None with an npz file.
    - `milliseconds`: Whether the maps are in ms, not in s.

    **Returns:** the `Voxels` where both maps are above zero.

    **Raises:** `ValueError` where files do not hold such maps, shapes differ, or T2 exceeds T1.
    """
    unit = ms if milliseconds else 1.0
    first, second = _both(Path(t1), None if t2 is None else Path(t2))
    if first.shape != second.shape:
        raise ValueError(f"The maps of T1 and T2 must have one shape, but have {first.shape} and {second.shape}.")
    inside = (first > 0) & (second > 0)
    if not inside.any():
        raise ValueError("The maps hold no voxel with T1 and T2 above zero.")
    found = Voxels((first[inside] * unit).astype(np.float32), (second[inside] * unit).astype(np.float32))
    if (wrong := int(np.sum(found.t2 > found.t1))) > 0:
        raise ValueError(
            f"T2 must not exceed T1, but does in {wrong} of {found.t1.size} voxels; were the maps exchanged?"
        )
    Tissue(found.t1, found.t2)  # warns of milliseconds
    return found


def _both(t1: Path, t2: Path | None) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    if t2 is not None:
        first, second = read_nifti(t1), read_nifti(t2)
        require_same_place(str(t2), second, str(t1), first)
        return np.asarray(first.data, float), np.asarray(second.data, float)
    try:
        with np.load(t1) as stored:
            return np.asarray(stored["t1"], float), np.asarray(stored["t2"], float)
    except FileNotFoundError:
        raise
    except (KeyError, ValueError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{t1} must be an npz file with arrays `t1` and `t2`, or come with a T2 map: {error}"
        ) from None
