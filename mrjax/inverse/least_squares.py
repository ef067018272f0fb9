"""Fitting any model, voxel by voxel and all voxels at once."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import PyTree

from mrjax import _checks
from mrjax.inverse._fit_inputs import checked_inputs
from mrjax.inverse._objective import objective
from mrjax.inverse._search import fitted
from mrjax.inverse.batches import fits_in_batches, joined
from mrjax.inverse.fit import Fit as Fit
from mrjax.inverse.jacobian import Model


def least_squares(
    model: Model,
    data: Any,
    init: PyTree | None = None,
    bounds: tuple[PyTree, PyTree] | None = None,
    noise_std: Any | None = None,
    *,
    likelihood: str = "gaussian",
    loss: str = "squared",
    n_coils: int = 1,
    starts: int = 1,
    polarities: Any | None = None,
    max_iterations: int = 100,
    batch_size: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Fit:
    r"""Levenberg-Marquardt in every voxel at once: parameters that minimise $\sum_n |d_n - s_n(p)|^2 / \sigma_n^2$.

    Steps solve $(J^T J + \lambda \, \mathrm{diag} J^T J) \, \delta = J^T r$ with a damping $\lambda$ for each voxel, on the
    parameters that are not held at a bound; the Jacobian is exact (`per_voxel_jacobian`). A step that does not lower the
    cost, or leads to where the model is not defined (a negative T2, nan), is taken back and damped more. A voxel has
    converged when the undamped step moves no parameter by more than `eps ** (2/3)` of itself (4e-11 in float64, 2e-5 in
    float32), or changes the signal by less than 1e-4 of the residual (1e-3 in float32), far less than the noise moves it,
    or by less than rounding does. One that cannot move otherwise has stalled, not converged.

    **Arguments:**

    - `model`: Takes a PyTree like `init` and returns signals of shape `(*voxels, n)`, real or complex. A voxel's signal must
      depend on that voxel's parameters alone.
    - `data`: Measured signals, `(*voxels, n)`; complex if the model is.
    - `init`: PyTree (a dict, say) of starting values, of shape `(*voxels)` or broadcasting to it; or a function of the data
      that returns it, such as a match to a `Dictionary`. A `mrjax.signals.models.SignalModel` needs none: it starts at the
      `first_guess`. With `polarities` it gets the data with each row of signs. With several `starts` they are the first axis
      of every array.
    - `bounds`: `(lower, upper)`, each a number or a PyTree like `init`; parameters stay within. Those of a
      `SignalModel` by default.
    - `noise_std`: Standard deviation of the noise, for complex data in each of real and imaginary part; broadcasts to
      `data`. None estimates it in each voxel from the residual, which needs more samples than parameters.
    - `likelihood`: "gaussian"; or "rician" for magnitudes of signals with complex noise of a known `noise_std` in each part,
      whose floor is then not taken for signal: the minimum is that of $-2 \log$ of the Rice distribution, and standard
      deviations follow from its Fisher information. "noncentral_chi" is the same for the root of the sum of squares of
      `n_coils` coils.
    - `loss`: "squared"; or "huber", "soft_l1" or "cauchy" (`mrjax.inverse.robust_losses`), which let samples that are off by
      more than `noise_std` count less, so that single wrong ones do not decide.
    - `n_coils`: Coils that a "noncentral_chi" magnitude was joined of, each with noise of `noise_std` in each part; up to 64.
    - `starts`: From how many points each voxel is searched; the fit of lowest cost is kept. A `SignalModel` brings them: its
      trials that fit best, each better than those beside it.
    - `polarities`: For magnitudes of a real `model` that changes sign, as inversion recovery does: rows of +1 and -1,
      `(n_alternatives, n)`, such as `recovery_polarities` gives. The data with the signs of each row are fitted, and in each
      voxel the fit of lowest cost is kept. (A model of magnitudes has a kink at each null, and a search does not pass it.)
    - `max_iterations`: Where a voxel that has not converged stops.
    - `batch_size`: Fit so many voxels at a time, by one program, and keep no more in the memory of the device; for known numbers
      alone, not inside `jit`. Data stay where they are, a memory-mapped file too. A model that holds maps needs a
      method `at(voxels)` as a `SignalModel` has it.
    - `progress`: Called after each batch with the numbers of voxels that are fitted and that are there.

    **Returns:**

    A `Fit`, whose `status` says where it is one. Its `covariance` is $(J^T W J)^{-1}$: exact for models that are linear over
    the spread of the noise. It is nan for parameters at a bound. Parameters of voxels whose data, or
    whose model at the start, are not finite are nan. With noise estimated from the residual, intervals follow Student's
    t with n - p degrees of freedom: 2.23 standard deviations for 95 % with 10, not 1.96. For a robust `loss` it is
    multiplied with `robust_losses.variance_factor`.

    Works inside `jit` and `vmap`, and is differentiated in both modes, in data, noise, bounds and whatever the model holds or
    closes over: as the minimum that it is (implicit function theorem, with the exact second derivatives of the cost),
    whatever the steps were. That takes $2 p^2$ signals, once. The start has no influence,
    and derivatives are nan in voxels that did not converge.

    **Raises:** `ValueError` where shapes or structures do not fit, bounds cross, `noise_std` is not positive, data are complex
    and the model is real, data are not magnitudes or have no `noise_std` for a likelihood of magnitudes, a robust `loss` has
    no `noise_std`, or signs are not +1 or -1.

    **Source:** D. W. Marquardt, J Soc Ind Appl Math 11 (1963) 431-441 (damping scaled by the diagonal).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from mrjax.inverse import least_squares
        >>> te = jnp.array([0.01, 0.03, 0.06, 0.1])
        >>> decay = lambda p: p["m0"][..., None] * jnp.exp(-te / p["t2"][..., None])
        >>> data = decay({"m0": jnp.array([2.0, 3.0]), "t2": jnp.array([0.05, 0.09])})
        >>> fit = least_squares(decay, data, init={"m0": 1.0, "t2": 0.07}, bounds=(0.0, 10.0))
        >>> print(*(f"{value:.4f}" for value in fit.parameters["t2"]))
        0.0500 0.0900

        ```

        Magnitudes of an inversion recovery:

        ```python
        >>> from mrjax.inverse import recovery_polarities
        >>> from mrjax.signals.relaxation import inversion_recovery
        >>> ti = jnp.array([0.05, 0.4, 1.1, 2.5])
        >>> recovery = lambda p: inversion_recovery(ti, p["t1"], m0=p["m0"])
        >>> magnitude = jnp.abs(recovery({"m0": jnp.array([1.0, 1.0]), "t1": jnp.array([0.3, 1.6])}))
        >>> fit = least_squares(recovery, magnitude, {"m0": 1.0, "t1": 0.8}, polarities=recovery_polarities(ti))
        >>> print(*(f"{value:.4f}" for value in fit.parameters["t1"]))
        0.3000 1.6000

        ```
    """
    if batch_size is not None:
        options = {
            "likelihood": likelihood,
            "loss": loss,
            "n_coils": n_coils,
            "starts": starts,
            "polarities": polarities,
        }
        fit = functools.partial(least_squares, max_iterations=max_iterations, **options)
        batches = fits_in_batches(fit, model, data, init, bounds, noise_std, batch_size, starts)
        return joined(batches, np.shape(data)[:-1], progress)
    data = _checks.number_array(data, "data")
    if data.ndim < 1 or data.shape[-1] == 0:
        raise ValueError(f"`data` must have shape (*voxels, n) with at least one sample, but got {data.shape}.")
    if max_iterations < 1:
        raise ValueError(f"`max_iterations` must be at least 1, but got {max_iterations}.")
    starts = _checks.positive_integer(starts, "starts")
    chosen = objective(likelihood, loss, n_coils, noise_std is not None)
    inputs = checked_inputs(model, data, init, bounds, noise_std, chosen, polarities, starts)
    return fitted(model, inputs, chosen, max_iterations)
