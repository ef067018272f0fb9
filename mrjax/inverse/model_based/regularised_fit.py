"""Maps of parameters from images, of which the neighbours count."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from mrjax import _checks
from mrjax.encoding import Mask
from mrjax.inverse.model_based.penalty import Penalty
from mrjax.inverse.model_based.reconstruction import MapsFromKSpace, checked_counts, reconstructed
from mrjax.signals.models import SignalModel


def regularised_fit(
    model: SignalModel,
    images: Any,
    *,
    noise_std: Any,
    regularisation: Penalty,
    n_steps: int = 12,
    n_iterations: int = 30,
    n_draws: int = 24,
    key: PRNGKeyArray | None = None,
) -> MapsFromKSpace:
    r"""Maps of a signal model's parameters from images that are there, with neighbours that are alike.

    $$\hat u = \arg\min_u \frac12 \sum_{r n} \frac{|q_n(u_r) - s_{r n}|^2}{\sigma_{r n}^2} + R(u)$$

    `maps_from_k_space` with images in the place of k-space: the same unknowns, steps and penalties. Noise is taken to be
    Gaussian, so that real images have their sign, or are magnitudes far above the noise. Where neighbours tell nothing,
    `least_squares` does more: bounds, likelihoods of magnitudes, the status of every voxel.

    **Arguments:**

    - `model`: A `mrjax.signals.models.SignalModel` $q$; its maps, such as B1, have the shape of the image.
    - `images`: $s$, real or complex. Shape `(*voxels, n_samples)`. With complex images of a real model amplitudes are complex.
    - `noise_std`: $\sigma$, the standard deviation of the noise, of complex images in each part. Positive; broadcasts to
        the images.
    - `regularisation`: $R$, a `Tikhonov`, `TotalVariation` or `SparseDetails`.
    - `n_steps`, `n_iterations`, `n_draws`, `key`: As of `maps_from_k_space`.

    **Returns:** a `MapsFromKSpace`. Its standard deviations are those of repeated scans, by noise sent through the last step, and
    smaller than those of a fit of each voxel alone; what the regularisation blurs is not in them. Its misfit is less than one
    by the share of the samples that parameters take.

    **Derivatives:** in images and noise, through the steps, forward and reverse.

    **Raises:** `ValueError` where shapes do not fit, numbers are out of range, or images are real and the model is complex.

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.02, 0.05, 0.1])
        >>> images = model({"t2": jnp.full((16, 16), 0.08), "m0": jnp.ones((16, 16))})
        >>> images = images + 0.02 * jax.random.normal(jax.random.key(0), images.shape)
        >>> alike = mr.inverse.Tikhonov(1000.0)
        >>> found = mr.inverse.regularised_fit(model, images, noise_std=0.02, regularisation=alike)
        >>> bool(abs(found.parameters["t2"] - 0.08).max() < 0.004)
        True

        ```
    """
    data = _checks.number_array(images, "images")
    counts = checked_counts(n_steps, n_iterations, n_draws)
    if data.ndim < 2 or data.shape[-1] != model.n_samples:
        raise ValueError(f"`images` must have shape (*voxels, {model.n_samples}) for this model, but got {data.shape}.")
    deviation = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of images")
    if _checks.broadcast_shape({"noise_std": deviation, "images": data}) != data.shape:
        raise ValueError(f"`noise_std` must broadcast to the images, {data.shape}, but got {deviation.shape}.")
    unit = {one.name: jnp.ones(data.shape[:-1], data.real.dtype) for one in model.parameters}
    if jnp.issubdtype(jax.eval_shape(model, unit).dtype, jnp.complexfloating) and not jnp.iscomplexobj(data):
        raise ValueError("`images` is real but the model's signals are complex; pass complex images.")
    per_noise = jnp.moveaxis(jnp.broadcast_to(1 / deviation, data.shape), -1, 0).astype(data.real.dtype)
    stacked = jnp.moveaxis(data, -1, 0)
    one, everywhere = jnp.ones((), data.real.dtype), jnp.ones(stacked.shape, bool)
    key = jax.random.key(0) if key is None else key
    weighted = stacked * per_noise
    return reconstructed(model, weighted, everywhere, stacked, Mask(per_noise), one, regularisation, counts, key)
