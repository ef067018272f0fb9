"""From the k-space of several contrasts to maps of parameters, by regularised Gauss-Newton steps."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, Float, Inexact, PRNGKeyArray

from mrjax import _checks
from mrjax._module import Module
from mrjax._shapes import with_rank
from mrjax.encoding import LinearOperator
from mrjax.inverse.first_guess import guesses_of_any_size
from mrjax.inverse.model_based.gain import mean_gain
from mrjax.inverse.model_based.penalty import Penalty
from mrjax.inverse.model_based.unknowns import Unknowns
from mrjax.reconstruction import cg_sense
from mrjax.signals.models import SignalModel

WEIGHT = 1e-3
"""Of the length of a step, in units of the mean curvature: it holds voxels without signal, of which nothing is known."""
LONGEST = 0.3
"""The largest change of an unknown in a step."""
FIRST_IMAGES = 15
"""Conjugate gradients for the images from which the first maps are fitted."""


class MapsFromKSpace(eqx.Module):
    """What `maps_from_k_space` returns; leaves have the shape of the voxels."""

    parameters: dict[str, Inexact[Array, "*voxels"]]
    """By name; amplitudes are complex."""
    standard_deviation: dict[str, Float[Array, "*voxels"]]
    """By noise alone, to first order; of amplitudes that of one part."""
    misfit: Float[Array, " n_steps"]
    """Before each step, the mean square of the residual over the variance of the noise: one where noise alone is left."""
    change: Float[Array, " n_steps"]
    """Of each step, the root mean square over all unknowns."""


def maps_from_k_space(
    model: SignalModel,
    k_space: Any,
    encoding: LinearOperator,
    *,
    noise_std: float,
    regularisation: Penalty | None = None,
    n_steps: int = 8,
    n_iterations: int = 30,
    n_draws: int = 24,
    key: PRNGKeyArray | None = None,
) -> MapsFromKSpace:
    r"""Maps of a signal model's parameters straight from undersampled k-space, with standard deviations.

    $$\hat u = \arg\min_u \frac{1}{2 \sigma^2} \| E \, q(u) - y \|^2 + R(u)$$

    over unknowns $u$ of order one, see `Unknowns`: logarithms of relaxation times, complex amplitudes. damped Gauss-Newton
    steps of limited length, each solved by conjugate gradients that are preconditioned by the curvature of every voxel alone.
    They begin at the fit of CG-SENSE images. Voxels without signal go on changing, since nothing is known of them.

    **Arguments:**

    - `model`: A `mrjax.signals.models.SignalModel` $q$, of signals with their sign and phase. Its maps, such as B1, have the
        shape of the image.
    - `k_space`: $y$, of the shape that the encoding makes of `(n_samples, *voxels)`, zero where nothing was measured.
    - `encoding`: $E$, of the contrasts `(n_samples, *voxels)`, as `mrjax.encoding.sense(coils, mask=masks)` with a mask for each.
    - `noise_std`: $\sigma$, the standard deviation of the noise in real and imaginary part of k-space. Positive.
    - `regularisation`: $R$, a `TotalVariation`, `SparseDetails` or `Tikhonov`. None for none.
    - `n_steps`, `n_iterations`: Gauss-Newton steps, and conjugate gradients in each.
    - `n_draws`: Draws of noise that are sent through the last step for the standard deviations: 24 know them to 15 %. 0 leaves
        them nan.
    - `key`: For the draws.

    **Returns:** a `MapsFromKSpace`. Its standard deviations are of noise alone: what a regularisation blurs is not in them.

    **Derivatives:** in k-space and encoding, through the steps, forward and reverse.

    **Raises:** `ValueError` where shapes do not fit, or numbers are out of range.

    **Source:** the method of F. Bauer, S. Kannengiesser, SIAM J Sci Comput 28 (2006) as M. Uecker et al., Magn Reson Med 60
    (2008) 674-682 have it for coils, here for maps.

    !!! example

        ```python
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.02, 0.05, 0.1])
        >>> images = jnp.moveaxis(model({"t2": jnp.full((8, 8), 0.08), "m0": jnp.ones((8, 8))}), -1, 0)
        >>> coils = jnp.ones((1, 8, 8), jnp.complex64)
        >>> encoding = mr.encoding.sense(coils, mask=jnp.ones((3, 8, 8), bool))
        >>> found = mr.inverse.maps_from_k_space(model, encoding(images), encoding, noise_std=1e-3)
        >>> round(float(found.parameters["t2"][3, 4]), 3)
        0.08

        ```
    """
    data = _checks.number_array(k_space, "k_space")
    counts = checked_counts(n_steps, n_iterations, n_draws)
    deviation = _checks.positive(_checks.real_array(noise_std, "noise_std"), "noise_std", "unit of k_space")
    _require_images_of(model, encoding, data)
    images = cg_sense(encoding, data, n_iterations=FIRST_IMAGES)
    key = jax.random.key(0) if key is None else key
    sampled = jnp.abs(data) > 0
    return reconstructed(model, data, sampled, images, encoding, deviation, regularisation, counts, key)


def checked_counts(n_steps: int, n_iterations: int, n_draws: int) -> tuple[int, int, int]:
    """The three, or `ValueError`."""
    for name, value in {"n_steps": n_steps, "n_iterations": n_iterations}.items():
        _checks.positive_integer(value, name)
    if n_draws < 0:
        raise ValueError(f"`n_draws` must be zero or more, but got {n_draws}.")
    return n_steps, n_iterations, n_draws


def _require_images_of(model: SignalModel, encoding: LinearOperator, data: Array) -> None:
    if encoding.in_shape[0] != model.n_samples:
        raise ValueError(
            f"`encoding` must take ({model.n_samples}, *voxels) for the samples of the model, but takes {encoding.in_shape}; "
            "`mrjax.encoding.sense` makes one with a mask for each."
        )
    made = encoding.out_structure().shape
    if data.shape != made:
        raise ValueError(f"`k_space` must have the shape {made} that `encoding` makes, but got {data.shape}.")


@eqx.filter_jit
def reconstructed(
    model: SignalModel,
    data: Array,
    sampled: Bool[Array, "..."],
    images: Array,
    encoding: LinearOperator,
    noise_std: Array,
    regularisation: Penalty | None,
    counts: tuple[int, int, int],
    key: PRNGKeyArray,
) -> MapsFromKSpace:
    """The search, from the fit of `images` of shape `(n_samples, *voxels)` on."""
    n_steps, n_iterations, n_draws = counts
    first = {name: value[0] for name, value in guesses_of_any_size(model, jnp.moveaxis(images, 0, -1), 1).items()}
    amplitudes = jnp.stack([first[one.name] for one in model.parameters if one.is_amplitude])
    unknowns = Unknowns(model, jnp.quantile(jnp.abs(amplitudes), 0.95), 2 if jnp.iscomplexobj(amplitudes) else 1)
    gain = mean_gain(encoding, data)
    problem = _Problem(unknowns, encoding, sampled, noise_std, regularisation, n_iterations, gain)

    def improved(now: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        change, misfit = problem.step(now, data, WEIGHT)
        nearer = unknowns.within(now + jnp.clip(change, -LONGEST, LONGEST))
        return nearer, (misfit, jnp.sqrt(jnp.mean((nearer - now) ** 2)))

    start = unknowns.within(unknowns.unknowns(first))
    found, (misfit, change) = jax.lax.scan(improved, start, length=n_steps)
    deviation = problem.deviation(found, key, n_draws, data) if n_draws else jnp.full(found.shape, jnp.nan, found.dtype)
    return MapsFromKSpace(unknowns.maps(found), unknowns.deviations(found, deviation), misfit, change)


class _Problem(Module):
    """The system of one Gauss-Newton step, in units of the noise."""

    unknowns: Unknowns
    encoding: LinearOperator
    sampled: Bool[Array, "..."]
    """Where there are data."""
    noise_std: Array
    regularisation: Penalty | None
    n_iterations: int = eqx.field(static=True)
    gain: Array
    """The mean eigenvalue of the encoding's normal operator."""

    def predicted(self, unknowns: Array) -> Array:
        """K-space in units of the noise."""
        return self.encoding.mv(jnp.moveaxis(self.unknowns.signals(unknowns), -1, 0)) / self.noise_std

    def step(self, now: Array, data: Array, weight: float) -> tuple[Array, Array]:
        """What to add, and the misfit before."""
        predicted, back, solve, pull = self._linearised(now, weight)
        measured = jnp.sum(self.sampled) * (2 if jnp.iscomplexobj(data) else 1)
        residual = data / self.noise_std - predicted
        misfit = jnp.sum(jnp.abs(residual) ** 2) / measured
        return solve(back(residual) - pull), misfit

    def deviation(self, at: Array, key: PRNGKeyArray, n_draws: int, data: Array) -> Array:
        """Standard deviations of the unknowns: noise is sent through the last step."""
        predicted, back, solve, _ = self._linearised(at, 0.0)

        def drawn(one: PRNGKeyArray) -> Array:
            parts = jax.random.normal(one, (2, *data.shape), predicted.real.dtype)
            noise = jax.lax.complex(parts[0], parts[1]) if jnp.iscomplexobj(data) else parts[0]
            return solve(back(jnp.where(self.sampled, noise, 0).astype(predicted.dtype))) ** 2

        return jnp.sqrt(jnp.mean(jax.lax.map(drawn, jax.random.split(key, n_draws)), axis=0))

    def _linearised(self, now: Array, weight: float) -> tuple[Array, Callable, Callable, Array]:
        """The prediction, the transposed Jacobian, the solution of the normal equations, and the slope of the penalty."""
        predicted, along = jax.linearize(self.predicted, now)
        transposed = jax.linear_transpose(along, now)
        back = lambda values: transposed(values.conj())[0]
        of_voxels = self._of_voxels(now)
        # what keeps a step short is relative to the curvature, of which brightness decides
        shortening = weight * jnp.mean(jnp.trace(of_voxels, axis1=-2, axis2=-1)) / now.shape[-1]
        added, diagonal, pull = None, shortening, jnp.zeros_like(now)
        if self.regularisation is not None:
            added, own = self.regularisation.curvature(now)
            diagonal, pull = shortening + own[..., None, None], added(now)
        tiny = 1e-6 * jnp.max(jnp.trace(of_voxels, axis1=-2, axis2=-1))
        near = jnp.linalg.inv(
            of_voxels + (diagonal + tiny) * with_rank(jnp.eye(now.shape[-1], dtype=now.dtype), now.ndim + 1)
        )

        def matrix(change: Array) -> Array:
            result = back(along(change)) + (shortening + tiny) * change
            return result if added is None else result + added(change)

        precondition = lambda vector: jnp.einsum("...pq,...q->...p", jax.lax.stop_gradient(near), vector)
        solve = lambda right: cg(matrix, right, tol=1e-5, maxiter=self.n_iterations, M=precondition)[0]
        return predicted, back, solve, pull

    def _of_voxels(self, now: Array) -> Float[Array, "*voxels p p"]:
        """The curvature of the data in the unknowns of each voxel, as if the encoding were a number."""
        along = lambda one: jax.jvp(self.unknowns.signals, (now,), (jnp.broadcast_to(one, now.shape),))[1]
        columns = jax.vmap(along)(jnp.eye(now.shape[-1], dtype=now.dtype))
        products = jnp.einsum("p...n,q...n->...pq", columns.conj(), columns).real
        return self.gain / self.noise_std**2 * products
