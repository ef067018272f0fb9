"""Build the brain that ships with mrjax (`brain_2mm.npz`) from the MNI ICBM-152 2009a templates.

    python scripts/build_brain_phantom.py FOLDER_OF_TEMPLATES

The folder holds `mni_icbm152_{t1,gm,wm}_tal_nlin_sym_09a_converted.nii.gz`, as in the data of nilearn 0.14:
T1-weighted intensity (skull-stripped), grey- and white-matter probability, 1 mm, symmetric, 0..255.

Three steps turn a smooth group average into the tissue fractions of something brain-like:

1. CSF. Inside a brain mask (the skull-stripped intensity, closed by 10 mm and filled, so that ventricles and
   cisterns belong to it) what is neither grey nor white is CSF; outside is air.
2. Sharpening at 1 mm. A probability of 0.7 in a group average mostly means that the tissue's border lies
   elsewhere in 3 of 10 people, not that the voxel is a mixture. Each voxel gets `w_i p_i^6 / sum_j w_j
   p_j^6`, with three weights such that the volume of each tissue stays what the unsharpened maps say.
3. Averaging over 2 mm cubes, which makes the partial volume that a 2 mm voxel truly has, and rounding to
   1/255.
"""

import argparse
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

SHARPNESS = 6
CLOSING_RADIUS = 10  # mm
# Centres of the first and last voxel in MNI space, mm. Square in the axial plane; x = 0 is a plane of voxels.
FIRST, LAST, SPACING = (-108, -126, -72), (108, 90, 88), 2
OUTPUT = Path(__file__).parents[1] / "mrjax" / "phantoms" / "data" / "brain_2mm.npz"


def build(folder: Path) -> dict[str, np.ndarray]:
    """`fractions` of grey matter, white matter and CSF in 255ths (uint8), and the 4x4 `affine` in mm."""
    (t1, affine), (grey, _), (white, _) = (load(folder, kind) for kind in ("t1", "gm", "wm"))
    mask = brain_mask(t1 > 0)
    probabilities = np.stack([grey[mask], white[mask], np.clip(1 - grey[mask] - white[mask], 0, 1)])
    fractions = np.zeros((3, *mask.shape), np.float32)
    fractions[:, mask] = sharpened(probabilities)
    coarse = [on_output_grid(average_pairs(fraction), affine) for fraction in fractions]
    return {"fractions": rounded(np.stack(coarse)), "affine": output_affine()}


def load(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """One template as float64 in 0..1, and its affine."""
    image = nibabel.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
    return np.asarray(image.dataobj, np.float64) / 255, np.asarray(image.affine)


def brain_mask(head: np.ndarray) -> np.ndarray:
    """`head` closed by a ball, its holes filled, and the largest piece of that."""
    padded = np.pad(head, CLOSING_RADIUS + 2)
    grown = ndimage.distance_transform_edt(~padded) <= CLOSING_RADIUS
    closed = ndimage.distance_transform_edt(grown) > CLOSING_RADIUS
    inner = slice(CLOSING_RADIUS + 2, -CLOSING_RADIUS - 2)
    filled = ndimage.binary_fill_holes(closed[inner, inner, inner] | head)
    pieces, _ = ndimage.label(filled)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])


def sharpened(probabilities: np.ndarray) -> np.ndarray:
    """Powers of the probabilities, normalised in each voxel, weighted so that tissues keep their volumes."""
    volumes = probabilities.sum(1)
    powers = probabilities**SHARPNESS
    weights = np.ones(len(powers))
    for _ in range(40):
        result = weights[:, None] * powers
        result /= result.sum(0)
        # A volume answers weakly to its weight once tissues are sharp: the exponent makes up for that.
        weights *= (volumes / result.sum(1)) ** SHARPNESS
    return result


def average_pairs(fine: np.ndarray) -> np.ndarray:
    """Means over 2 mm cubes centred on every second 1 mm voxel, which is cut in half at either side."""
    for axis in range(3):
        fine = ndimage.convolve1d(fine, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return fine[::2, ::2, ::2]


def on_output_grid(coarse: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """`coarse` cut, and padded with air, to the grid of the phantom."""
    shape = output_shape()
    result = np.zeros(shape, coarse.dtype)
    source, target = [], []
    for axis in range(3):
        offset = round((affine[axis, 3] - FIRST[axis]) / SPACING)
        start, stop = max(offset, 0), min(offset + coarse.shape[axis], shape[axis])
        target.append(slice(start, stop))
        source.append(slice(start - offset, stop - offset))
    result[tuple(target)] = coarse[tuple(source)]
    return result


def rounded(fractions: np.ndarray) -> np.ndarray:
    """Fractions in 255ths that never add up to more than 255."""
    total = np.rint(255 * fractions.sum(0))
    grey, white = np.rint(255 * fractions[0]), np.rint(255 * fractions[1])
    white = np.minimum(white, total - grey)
    return np.stack([grey, white, total - grey - white]).astype(np.uint8)


def output_shape() -> tuple[int, ...]:
    return tuple((last - first) // SPACING + 1 for first, last in zip(FIRST, LAST, strict=True))


def output_affine() -> np.ndarray:
    affine = np.diag([SPACING, SPACING, SPACING, 1.0])
    affine[:3, 3] = FIRST
    return affine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("templates", type=Path, help="folder with the MNI ICBM-152 2009a templates")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    arrays = build(arguments.templates)
    np.savez_compressed(arguments.output, **arrays)
    volumes = arrays["fractions"].sum((1, 2, 3), dtype=float) / 255 * SPACING**3 / 1000
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB, grid {output_shape()}")
    print("grey, white, CSF in ml:", volumes.round(1))


if __name__ == "__main__":
    main()
