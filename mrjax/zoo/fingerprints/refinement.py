"""Beyond a network: a few steps of least squares through the physics, from where the network points."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.inverse import Dictionary, Fit, least_squares
from mrjax.nn import BlochDecoder, normalised
from mrjax.synthesis import longer_t1
from mrjax.zoo.fingerprints.data import Estimate, fingerprint, simulated

SHORTEST, LONGEST_T1, LONGEST_T2 = 1e-5, 10.0, 5.0
"""In s: where the search ends."""

STEPS = 12


def refined(start: Estimate, decoder: BlochDecoder, steps: int = STEPS) -> Estimate:
    """An estimate that goes on from `start` to the least squares of fingerprint minus physics.

    Where a few hundred coarse atoms explain a fingerprint better than `start` does, the search begins at the best of them:
    a network far from what it was trained on may point into another valley.

    **Arguments:**

    - `start`: What a network or a dictionary answers.
    - `decoder`: The schedule that was measured.
    - `steps`: Levenberg-Marquardt steps at most, each about one signal and its Jacobian.

    **Returns:** an estimate of T1 and T2 in s.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax import zoo
        >>> decoder = zoo.fingerprints.fisp_decoder(zoo.fingerprints.FingerprintConfig(n_repetitions=100))
        >>> signal = zoo.fingerprints.simulated(decoder, {"t1": jnp.array([0.8]), "t2": jnp.array([0.07])})
        >>> guess = lambda signal: {"t1": jnp.array([1.5]), "t2": jnp.array([0.2])}
        >>> print(f"{zoo.fingerprints.refined(guess, decoder)(signal)['t2'][0]:.4f}")
        0.0700

        ```
    """

    atoms = Dictionary.build(
        lambda p: simulated(decoder, p),
        {"t1": np.geomspace(0.02, 5.0, 24), "t2": np.geomspace(0.005, 2.0, 24)},
        longer_t1,
    )

    @jax.jit
    def refine(
        signal: Float[Array, "voxel n"], begin: dict[str, Float[Array, " voxel"]]
    ) -> dict[str, Float[Array, " voxel"]]:
        fit = fitted(decoder, signal, _better(decoder, signal, begin, atoms), steps)
        return {name: jnp.exp(fit.parameters[name]) for name in ("t1", "t2")}

    return lambda signal: refine(signal, start(signal))


def _better(
    decoder: BlochDecoder,
    signal: Float[Array, "voxel n"],
    begin: dict[str, Float[Array, " voxel"]],
    atoms: Dictionary,
) -> dict[str, Float[Array, " voxel"]]:
    """Where `begin` explains a fingerprint worse than the best of a few atoms does, that atom."""
    explained = (fingerprint(decoder(_inside(begin))) * normalised(signal)).sum(-1)
    best = atoms.match(signal)
    worse = explained < best.correlation
    return {name: jnp.where(worse, best.parameters[name], begin[name]) for name in begin}


def _inside(times: dict[str, Float[Array, " voxel"]]) -> dict[str, Float[Array, " voxel"]]:
    """Relaxation times within the limits of the search."""
    longest = {"t1": LONGEST_T1, "t2": LONGEST_T2}
    known = {name: jnp.where(jnp.isnan(time), 1.0, time) for name, time in times.items()}
    return {name: jnp.clip(time, 2 * SHORTEST, 0.9 * longest[name]) for name, time in known.items()}


def fitted(
    decoder: BlochDecoder,
    signal: Float[Array, "voxel n"],
    start: dict[str, Float[Array, " voxel"]],
    steps: int = STEPS,
    noise_std: float | None = None,
) -> Fit:
    """The fit behind `refined`, with standard deviations.

    **Arguments:**

    - `decoder`, `steps`: As for `refined`.
    - `signal`: Fingerprints, `(voxel, n)`.
    - `start`: `t1` and `t2` in s to begin at, each `(voxel,)`.
    - `noise_std`: Standard deviation of the noise of a fingerprint; None takes it from the residual.

    **Returns:** a `Fit` of `t1` and `t2`, the natural logarithms of the times in s, and of `m0`, the scale.
    """

    def model(p: dict[str, Array]) -> Float[Array, "voxel n"]:
        return -decoder({"t1": jnp.exp(p["t1"]), "t2": jnp.exp(p["t2"])}).imag * p["m0"][:, None]

    inside = {name: jnp.log(time) for name, time in _inside(start).items()}
    decoded = model({**inside, "m0": jnp.ones_like(inside["t1"])})
    # the scale that fits best at the start
    m0 = (decoded * signal).sum(-1) / jnp.maximum((decoded**2).sum(-1), jnp.finfo(decoded.dtype).tiny)
    limits = lambda t1, t2, m0: {"t1": jnp.log(t1), "t2": jnp.log(t2), "m0": m0}
    bounds = (limits(SHORTEST, SHORTEST, 0.0), limits(LONGEST_T1, LONGEST_T2, jnp.inf))
    return least_squares(model, signal, {**inside, "m0": m0}, bounds, noise_std, max_iterations=steps)
