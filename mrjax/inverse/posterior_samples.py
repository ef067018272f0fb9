"""What data leave possible: samples of the parameters of every voxel, by blackjax."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

from mrjax import _checks
from mrjax._module import Module
from mrjax.inverse._unbounded import bounded, unbounded
from mrjax.inverse.least_squares import least_squares
from mrjax.jax_rules import nan_where_it_does_not_hold
from mrjax.signals.models import SignalModel

LogPrior = Callable[[dict[str, Array]], Array]

SPREAD = 2.0
"""Standard deviations by which chains start apart."""
LOOSEST = 10.0
"""The standard deviation, of a coordinate of order one, that is taken where the data say nothing."""


class Posterior(eqx.Module):
    """What `posterior` returns."""

    samples: dict[str, Float[Array, "*voxels n_chains n_samples"]]
    """Of each parameter."""
    r_hat: dict[str, Float[Array, "*voxels"]]
    """Spread of all half chains together over that within them: one where all have seen the same, above 1.01 too few."""
    effective_samples: dict[str, Float[Array, "*voxels"]]
    """Independent samples that would know the mean as well."""
    divergences: Int[Array, "*voxels"]
    """Steps on which energy was not kept: where there are any, parts of the posterior may not have been reached."""

    @property
    def mean(self) -> dict[str, Float[Array, "*voxels"]]:
        """Of each parameter."""
        return {name: jnp.mean(value, axis=(-2, -1)) for name, value in self.samples.items()}

    @property
    def standard_deviation(self) -> dict[str, Float[Array, "*voxels"]]:
        """Of each parameter."""
        return {name: jnp.std(value, axis=(-2, -1)) for name, value in self.samples.items()}

    def interval(self, level: float = 0.9) -> tuple[dict[str, Array], dict[str, Array]]:
        """The lower and the upper end of what holds a parameter with probability `level`, as much beyond it on either side."""
        if not 0 < level < 1:
            raise ValueError(f"`level` must be between 0 and 1, but got {level}.")
        flat = {name: value.reshape(*value.shape[:-2], -1) for name, value in self.samples.items()}
        at = lambda share: {name: jnp.quantile(value, share, axis=-1) for name, value in flat.items()}
        return at((1 - level) / 2), at((1 + level) / 2)


def posterior(
    model: SignalModel,
    data: Any,
    noise_std: Any,
    *,
    key: PRNGKeyArray,
    log_prior: LogPrior | None = None,
    n_samples: int = 1000,
    n_warmup: int = 500,
    n_chains: int = 4,
) -> Posterior:
    r"""Samples of the parameters that data with Gaussian noise leave possible, in every voxel, by the No-U-Turn sampler.

    $$\log p(x | d) = -\sum_n \frac{|d_n - s_n(x)|^2}{2 \sigma_n^2} + \log p(x) + \mathrm{const}$$

    The sampler moves in coordinates $z$ without limits, $x = l + (u - l) / (1 + e^{-z})$ or $x = l + e^z$, with
    $\log |\mathrm{d}x / \mathrm{d}z|$ added; these are turned and scaled by the information of the data at the fit of
    `least_squares`, about which chains start apart. Step sizes and masses are adapted in windows during the warm-up.

    **Arguments:**

    - `model`: A `mrjax.signals.models.SignalModel` $s$.
    - `data`: $d$, measured signals, `(*voxels, n)`; complex if the model is.
    - `noise_std`: $\sigma$, of complex data in each of real and imaginary part. Positive; broadcasts to `data`.
    - `key`: For the chains; each voxel has a key of its own.
    - `log_prior`: $\log p$ of a dictionary of numbers, one for each parameter of a voxel, up to a constant. None is flat in the
        parameters, within the limits of the model. Where a limit is infinite, a flat prior needs data that hold the parameter.
    - `n_samples`, `n_warmup`, `n_chains`: Steps that are kept, and those before, of each chain; at least 4, 20 and 2.

    **Returns:** A `Posterior`; nan in voxels whose data are not finite.

    **Error:** of a mean its standard deviation over the root of `effective_samples`, once `r_hat` is near one.

    **Derivatives:** none that mean anything: samples are accepted or not. `least_squares` has those of its minimum.

    **Raises:** `ImportError` without blackjax (`pip install 'mrjax[posterior]'`); `ValueError` where shapes do not fit or numbers
    are out of range.

    **Source:** M. D. Hoffman, A. Gelman, J Mach Learn Res 15 (2014) 1593-1623 (the sampler); blackjax computes it.

    !!! example

        ```python
        >>> import jax
        >>> import mrjax as mr
        >>> model = mr.signals.models.Decay(te=[0.02, 0.05, 0.1])
        >>> data = model({"t2": jax.numpy.array([0.08]), "m0": jax.numpy.array([1.0])})
        >>> options = {"key": jax.random.key(0), "n_samples": 200, "n_warmup": 100}
        >>> found = mr.inverse.posterior(model, data, noise_std=0.02, **options)
        >>> lower, upper = found.interval(0.9)
        >>> bool(lower["t2"][0] < 0.08 < upper["t2"][0])
        True

        ```
    """
    _blackjax()
    data = _checks.number_array(data, "data")
    if data.ndim < 1 or data.shape[-1] != model.n_samples:
        raise ValueError(f"`data` must have shape (*voxels, {model.n_samples}) for this model, but got {data.shape}.")
    counts = {"n_samples": (n_samples, 4), "n_warmup": (n_warmup, 20), "n_chains": (n_chains, 2)}
    for name, (value, least) in counts.items():
        if _checks.positive_integer(value, name) < least:
            raise ValueError(f"`{name}` must be at least {least}, but got {value}.")
    start = least_squares(model, data, noise_std=noise_std).parameters
    voxels, n = data.shape[:-1], data.shape[-1]
    lower, upper = model.limits
    z = {name: unbounded(start[name], lower[name], upper[name]).reshape(-1) for name in model.names}
    z = {name: jnp.where(jnp.isfinite(value), value, 0) for name, value in z.items()}
    known = jnp.all(jnp.isfinite(data), axis=-1)
    per_noise = jnp.broadcast_to(1 / jnp.asarray(noise_std, z[model.names[0]].dtype), data.shape)
    flat = jnp.where(known[..., None], data, 0).reshape(-1, n)
    found = _sampled(
        model, flat, per_noise.reshape(-1, n), z, jax.random.split(key, flat.shape[0]), voxels, log_prior,
        (n_samples, n_warmup, n_chains),
    )  # fmt: skip
    return _shaped(found, voxels, known)


def _shaped(found: Posterior, voxels: tuple[int, ...], known: Array) -> Posterior:
    """With the axes of voxels, and nan where nothing is known."""

    def shaped(leaf: Array) -> Array:
        leaf = leaf.reshape(*voxels, *leaf.shape[1:])
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return jnp.where(jnp.expand_dims(known, range(known.ndim, leaf.ndim)), leaf, jnp.nan)

    return jax.tree.map(shaped, found)


class _Voxel(Module):
    """The posterior of one voxel in coordinates of a spread of about one."""

    model: SignalModel
    data: Inexact[Array, " n"]
    per_noise: Float[Array, " n"]
    log_prior: LogPrior | None = eqx.field(static=True)
    center: Float[Array, " p"]
    turn: Float[Array, "p p"]
    """From these coordinates to those of `bounded`."""

    def parameters(self, w: Float[Array, " p"]) -> tuple[dict[str, Array], Array]:
        """By name, and the sum of the logarithms of slopes."""
        z = self.center + self.turn @ w
        pairs = [bounded(z[i], one.lower, one.upper) for i, one in enumerate(self.model.parameters)]
        slopes = jnp.sum(jnp.stack([slope for _, slope in pairs]))
        return dict(zip(self.model.names, (x for x, _ in pairs), strict=True)), slopes

    def residual(self, w: Float[Array, " p"]) -> Float[Array, " m"]:
        """In units of the noise, real parts before imaginary ones."""
        residual = (self.model(self.parameters(w)[0]) - self.data) * self.per_noise
        return jnp.concatenate([residual.real, residual.imag]) if jnp.iscomplexobj(residual) else residual

    def log_density(self, w: Float[Array, " p"]) -> Float[Array, ""]:
        """Up to a constant."""
        parameters, slopes = self.parameters(w)
        prior = 0.0 if self.log_prior is None else self.log_prior(parameters)
        return slopes + prior - jnp.sum(self.residual(w) ** 2) / 2

    def turned(self) -> "_Voxel":
        """In coordinates in which the information of the data, and a loose one where there is none, is one."""
        columns = jax.jacfwd(self.residual)(jnp.zeros_like(self.center))
        loose = jnp.eye(self.center.size, dtype=columns.dtype) / LOOSEST**2
        factor = jnp.linalg.cholesky(columns.T @ columns + loose)
        turn = jax.scipy.linalg.solve_triangular(factor.T, jnp.eye(self.center.size, dtype=columns.dtype))
        return eqx.tree_at(lambda voxel: voxel.turn, self, turn)


@eqx.filter_jit
def _sampled(
    model: SignalModel,
    data: Array,
    per_noise: Array,
    z: dict[str, Array],
    keys: Array,
    voxels: tuple[int, ...],
    log_prior: LogPrior | None,
    counts: tuple[int, int, int],
) -> Posterior:
    centers = jnp.stack([z[name] for name in model.names], axis=-1)
    arrays = jax.tree.map(jnp.asarray, model)

    def of_voxel(index: Array, data: Array, per_noise: Array, center: Array, key: Array) -> Posterior:
        own = arrays.at(jnp.unravel_index(index, voxels) if voxels else ())
        straight = jnp.eye(center.size, dtype=center.dtype)
        voxel = _Voxel(own, data, per_noise, log_prior, center, straight).turned()
        run = lambda key: _chain(voxel, key, counts)
        w, diverged = jax.vmap(run)(jax.random.split(key, counts[2]))
        samples = jax.vmap(jax.vmap(lambda w: voxel.parameters(w)[0]))(w)
        return Posterior(samples, *_diagnosed(samples), jnp.sum(diverged))

    with jax.numpy_rank_promotion("allow"):  # which blackjax needs, whatever the user forbids
        return jax.vmap(of_voxel)(jnp.arange(data.shape[0]), data, per_noise, centers, keys)


def _chain(voxel: _Voxel, key: Array, counts: tuple[int, int, int]) -> tuple[Array, Array]:
    """Places `(n_samples, p)`, and whether each step diverged."""
    blackjax, (n_samples, n_warmup, _) = _blackjax(), counts
    start, warmup, walk = jax.random.split(key, 3)
    place = SPREAD * jax.random.normal(start, voxel.center.shape, voxel.center.dtype)
    # a long step may end where a limit is met to the last digit, and the model refuses it: nothing can be there
    density = nan_where_it_does_not_hold(voxel.log_density)
    adaptation = blackjax.window_adaptation(blackjax.nuts, density)
    (state, adapted), _ = adaptation.run(warmup, place, num_steps=n_warmup)
    kernel = blackjax.nuts.build_kernel()

    def step(state: Any, key: PRNGKeyArray) -> tuple[Any, tuple[Array, Array]]:
        state, info = kernel(key, state, density, **adapted)
        return state, (state.position, info.is_divergent)

    return jax.lax.scan(step, state, jax.random.split(walk, n_samples))[1]


def _diagnosed(samples: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """`r_hat` of half chains, and effective samples, of `(n_chains, n_samples)`."""
    diagnostics = _blackjax().diagnostics
    halves = lambda value: jnp.concatenate(jnp.split(value[:, : value.shape[1] // 2 * 2], 2, axis=1))
    r_hat = {name: diagnostics.potential_scale_reduction(halves(value)) for name, value in samples.items()}
    return r_hat, {name: diagnostics.effective_sample_size(value) for name, value in samples.items()}


def _blackjax() -> Any:
    try:
        import blackjax
    except ImportError as error:
        raise ImportError("`posterior` needs blackjax: `pip install 'mrjax[posterior]'`.") from error
    import blackjax.diagnostics

    return blackjax
