"""Arterial spin labelling: what labelled blood changes in the magnetisation of tissue."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax import _checks
from mrjax._shapes import with_rank

_SMALL = 1e-4


def pcasl(
    time: Any,
    cbf: Any,
    arrival_time: Any,
    labelling_duration: Any,
    m0: Any = 1.0,
    t1_tissue: Any = 1.3,
    t1_blood: Any = 1.65,
    efficiency: Any = 0.85,
    partition_coefficient: Any = 0.9,
) -> Float[Array, "*voxels n"]:
    r"""Continuous or pseudo-continuous labelling: the general kinetic model.

    $$\Delta M = 2 \alpha \frac{M_0}{\lambda} f \, T_1' \, e^{-\delta / T_{1b}} \left( e^{-\max(t - \delta - \tau, 0) / T_1'}
    - e^{-\max(t - \delta, 0) / T_1'} \right), \qquad \frac{1}{T_1'} = \frac{1}{T_1} + \frac{f}{\lambda}$$

    **Arguments:**

    - `time`: From the beginning of labelling to the readout, in s: labelling duration plus delay. Shape `(n_samples,)`.
    - `cbf`: Blood flow $f$ in mL/(g s). 60 mL/(100 g min) are 0.01. Shape `(*voxels)`. Zero or more.
    - `arrival_time`: $\delta$ in s, when labelled blood reaches the tissue. Shape `(*voxels)`. Zero or more.
    - `labelling_duration`: $\tau$ in s; a number or shape `(n_samples,)`.
    - `m0`: Equilibrium magnetisation of the tissue. Shape `(*voxels)`.
    - `t1_tissue`, `t1_blood`: In s; shape `(*voxels)`.
    - `efficiency`: $\alpha$, of the inversion.
    - `partition_coefficient`: $\lambda$ of water between tissue and blood in mL/g.

    **Returns:** The difference of control and label, shape `(*voxels, n_samples)`, in the unit of `m0`. Exact for plug flow and
    well-mixed tissue; differentiable but where the label begins or ends to arrive at a `time`.

    **Raises:** `ValueError` where times or flows are negative, relaxation times are not positive or shapes do not broadcast.

    **Source:** R. B. Buxton et al., Magn Reson Med 40 (1998) 383-396; D. C. Alsop et al., Magn Reson Med 73 (2015) 102-116
    (defaults of blood at 3 T, efficiency and partition).

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import pcasl
        >>> difference = pcasl(np.array([1.0, 3.6]), cbf=0.01, arrival_time=1.2, labelling_duration=1.8)
        >>> print(np.asarray(difference).round(5))
        [0.      0.00553]

        ```
    """
    named = {"cbf": cbf, "arrival_time": arrival_time, "m0": m0, "t1_tissue": t1_tissue, "t1_blood": t1_blood}
    named |= {"efficiency": efficiency, "partition_coefficient": partition_coefficient}
    (time, duration), voxels = _aligned({"time": time, "labelling_duration": labelling_duration}, named)
    flow, delay, m0, t1_tissue, t1_blood, efficiency, partition = voxels
    rate = 1 / t1_tissue + flow / partition
    arrived, ended = jnp.maximum(time - delay, 0.0), jnp.maximum(time - delay - duration, 0.0)
    filled = jnp.exp(-rate * ended) * -jnp.expm1(-rate * (arrived - ended)) / rate
    return 2 * efficiency * m0 / partition * flow * jnp.exp(-delay / t1_blood) * filled


def pasl(
    time: Any,
    cbf: Any,
    arrival_time: Any,
    bolus_duration: Any,
    m0: Any = 1.0,
    t1_tissue: Any = 1.3,
    t1_blood: Any = 1.65,
    efficiency: Any = 0.98,
    partition_coefficient: Any = 0.9,
) -> Float[Array, "*voxels n"]:
    r"""Pulsed labelling: the general kinetic model.

    $$\Delta M = 2 \alpha \frac{M_0}{\lambda} f \int_{\delta}^{\min(t, \delta + \tau)} e^{-s / T_{1b}} e^{-(t - s) / T_1'} ds,
    \qquad \frac{1}{T_1'} = \frac{1}{T_1} + \frac{f}{\lambda}$$

    **Arguments:**

    - `time`: From the inversion to the readout in s. Shape `(n_samples,)`.
    - `bolus_duration`: $\tau$ in s, as QUIPSS sets it; a number or shape `(n_samples,)`.
    - `cbf`, `arrival_time`, `m0`, `t1_tissue`, `t1_blood`, `efficiency`, `partition_coefficient`: As those of `pcasl`.

    **Returns:** as `pcasl`.

    **Raises:** as `pcasl`.

    **Source:** R. B. Buxton et al., Magn Reson Med 40 (1998) 383-396; D. C. Alsop et al., Magn Reson Med 73 (2015) 102-116
    (defaults).

    !!! example

        ```python
        >>> import numpy as np
        >>> from mrjax.signals.perfusion import pasl
        >>> difference = pasl(np.array([0.5, 1.8]), cbf=0.01, arrival_time=0.7, bolus_duration=0.8)
        >>> print(np.asarray(difference).round(5))
        [0.      0.00518]

        ```
    """
    named = {"cbf": cbf, "arrival_time": arrival_time, "m0": m0, "t1_tissue": t1_tissue, "t1_blood": t1_blood}
    named |= {"efficiency": efficiency, "partition_coefficient": partition_coefficient}
    (time, duration), voxels = _aligned({"time": time, "bolus_duration": bolus_duration}, named)
    flow, delay, m0, t1_tissue, t1_blood, efficiency, partition = voxels
    rate = 1 / t1_tissue + flow / partition
    entered = jnp.clip(time - delay, 0.0, duration)
    x = (1 / t1_blood - rate) * entered
    is_small = jnp.abs(x) < _SMALL
    large = jnp.where(is_small, 1.0, x)
    mean = jnp.where(is_small, 1 - x / 2 + x**2 / 6, -jnp.expm1(-large) / large)
    weight = jnp.exp(-delay / t1_blood - rate * jnp.maximum(time - delay, 0.0))
    return 2 * efficiency * m0 / partition * flow * weight * entered * mean


def _aligned(samples: dict[str, Any], voxels: dict[str, Any]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Arrays of one rank, checked: samples on the last axis, voxels before it."""
    arrays = {name: _checks.real_array(value, name) for name, value in (samples | voxels).items()}
    for name in ("time", "labelling_duration", "bolus_duration", "cbf", "arrival_time"):
        if name in arrays:
            _checks.non_negative(arrays[name], name, "mL/(g s)" if name == "cbf" else "s")
    for name in ("t1_tissue", "t1_blood", "partition_coefficient"):
        _checks.positive(arrays[name], name, "mL/g" if name == "partition_coefficient" else "s")
    rank = len(_checks.broadcast_shape({name: arrays[name] for name in voxels})) + 1
    if any(arrays[name].ndim > 1 for name in samples):
        raise ValueError(
            f"{' and '.join(f'`{name}`' for name in samples)} must be numbers or have one axis, (n_samples,)."
        )
    along = tuple(with_rank(arrays[name].reshape(-1), rank) for name in samples)
    return along, tuple(with_rank(arrays[name][..., None], rank) for name in voxels)
