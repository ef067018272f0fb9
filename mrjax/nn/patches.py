"""Functions of patches, applied to whole volumes."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax import _checks


def in_patches(
    function: Callable[[Array], Array],
    volume: Any,
    patch_shape: Sequence[int],
    overlap: int | Sequence[int],
    *,
    batch_size: int = 1,
) -> Array:
    r"""What a function of patches, such as a network, makes of a whole volume, blended where patches overlap.

    $$y(r) = \frac{\sum_p w(r - r_p)\, f(x_p)(r - r_p)}{\sum_p w(r - r_p)}$$

    with weights $w$ that rise linearly from the faces of a patch over the overlap. The last patch along an axis is moved inward;
    an axis shorter than a patch gets zeros. So a function of single voxels gives what it would give for the volume, to rounding.

    Patches are computed one batch after the other, in the memory of one batch. Inside `jax.jit` it compiles once; called
    outside, it compiles anew each time. A network must be in evaluation mode (`network.eval()`).

    **Arguments:**

    - `function`: Takes patches `(batch_size, *patch_shape, channels)`, returns `(batch_size, *patch_shape, new_channels)`.
    - `volume`: Shape `(*voxels, channels)`, any number of voxels.
    - `patch_shape`: Voxels of a patch along each axis.
    - `overlap`: Voxels that neighbours share at least, one number or one for each axis. Not negative, less than a patch.
    - `batch_size`: Patches at a time.

    **Returns:** Shape `(*voxels, new_channels)`, of the type that `function` returns.

    **Derivatives:** in `volume`, and what `function` closes over; reverse mode keeps what `function` keeps, of all patches.

    **Raises:** `ValueError` where a shape does not fit, or `function` returns patches of another shape.

    !!! example

        ```python
        >>> import jax, jax.numpy as jnp
        >>> import mrjax as mr
        >>> volume = jax.random.normal(jax.random.key(0), (11, 7, 9, 2))
        >>> squared = mr.nn.in_patches(lambda x: x**2, volume, (4, 4, 4), overlap=2, batch_size=8)
        >>> squared.shape, bool(jnp.allclose(squared, volume**2, rtol=1e-5))
        ((11, 7, 9, 2), True)

        ```
    """
    volume = _checks.number_array(volume, "volume")
    shape, overlaps = _checked_sizes(patch_shape, overlap, volume.ndim - 1)
    _checks.positive_integer(batch_size, "batch_size")
    margins = [(0, max(0, size - n)) for n, size in zip(volume.shape, shape, strict=False)]
    padded = jnp.pad(volume, [*margins, (0, 0)])
    along_axes = [_starts(*sizes) for sizes in zip(padded.shape, shape, overlaps, strict=False)]
    batches = _in_batches(np.array(list(itertools.product(*along_axes))), batch_size)
    patches = jax.ShapeDtypeStruct((batch_size, *shape, volume.shape[-1]), volume.dtype)
    like = _checked_answer(jax.eval_shape(function, patches), patches)
    windows = [_window(size, shared) for size, shared in zip(shape, overlaps, strict=True)]
    shares = [_sum_at(starts, window, n) for starts, window, n in zip(along_axes, windows, padded.shape, strict=False)]
    weight, sums = (jnp.asarray(_outer(factors)[..., None], like.dtype) for factors in (windows, shares))

    def with_batch(total: Array, corners: Array) -> tuple[Array, None]:
        cut = lambda corner: jax.lax.dynamic_slice(padded, (*corner, 0), patches.shape[1:])
        answers = function(jax.vmap(cut)(corners[:, :-1]))
        for corner, answer in zip(corners, answers, strict=True):
            total = _added(total, corner[-1].astype(like.dtype) * weight * answer, corner[:-1])
        return total, None

    nothing = jnp.zeros((*padded.shape[:-1], like.shape[-1]), like.dtype)
    total, _ = jax.lax.scan(with_batch, nothing, jnp.asarray(batches))
    return (total / sums)[tuple(slice(n) for n in volume.shape[:-1])]


def _added(total: Array, patch: Array, corner: Array) -> Array:
    place = (*corner, 0)
    return jax.lax.dynamic_update_slice(total, jax.lax.dynamic_slice(total, place, patch.shape) + patch, place)


def _checked_sizes(
    patch_shape: Sequence[int], overlap: int | Sequence[int], rank: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape = tuple(_checks.positive_integer(size, "patch_shape") for size in patch_shape)
    if len(shape) != rank:
        raise ValueError(
            f"`patch_shape` must have {rank} entries, one for each axis of `volume` but the channels, but got {shape}."
        )
    overlaps = np.asarray(overlap)
    if overlaps.dtype.kind not in "iu" or overlaps.shape not in ((), (rank,)):
        raise ValueError(f"`overlap` must be an integer or {rank} of them, but got {overlap!r}.")
    overlaps = tuple(np.broadcast_to(overlaps, rank).tolist())
    if any(not 0 <= shared < size for shared, size in zip(overlaps, shape, strict=True)):
        raise ValueError(f"`overlap` must be from 0 to less than `patch_shape`, {shape}, but got {overlap!r}.")
    return shape, overlaps


def _checked_answer(answer: Any, patches: jax.ShapeDtypeStruct) -> Any:
    shape = getattr(answer, "shape", None)
    if shape is None or shape[:-1] != patches.shape[:-1] or len(shape) != len(patches.shape):
        raise ValueError(
            f"`function` must return an array of shape {patches.shape[:-1]} and channels for patches of {patches.shape}, "
            f"but returns {answer}."
        )
    return answer


def _starts(n: int, size: int, overlap: int) -> list[int]:
    """Where patches begin along an axis."""
    return [*range(0, n - size, size - overlap), n - size]


def _in_batches(corners: np.ndarray, batch_size: int) -> np.ndarray:
    """Corners with weight one; the last one again with weight zero until the last batch is full."""
    missing = -len(corners) % batch_size
    weights = np.repeat([1, 0], [len(corners), missing])
    filled = np.concatenate([corners, np.repeat(corners[-1:], missing, axis=0)])
    return np.column_stack([filled, weights]).reshape(-1, batch_size, filled.shape[1] + 1)


def _window(size: int, overlap: int) -> Float[np.ndarray, " size"]:
    """The weight along an axis, above zero and at most one."""
    inward = np.minimum(np.arange(size), np.arange(size)[::-1])
    return np.minimum(1.0, (inward + 1) / (overlap + 1))


def _sum_at(starts: Sequence[int], window: np.ndarray, n: int) -> Float[np.ndarray, " n"]:
    """The weights of all patches along an axis; those of a volume are products, as patches lie on a grid."""
    total = np.zeros(n)
    for start in starts:
        total[start : start + len(window)] += window
    return total


def _outer(factors: Sequence[np.ndarray]) -> np.ndarray:
    product = np.ones(())
    for factor in factors:
        product = product[..., None] * factor
    return product
