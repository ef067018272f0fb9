"""The signal models that `mrjax fit` knows: what they need, what they fit, and where a fit starts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.cli.acquisition import Acquisition
from mrjax.inverse.jacobian import Model
from mrjax.signals import relaxation


class Decay(eqx.Module):
    """Exponential decay over the echo time, onto an offset if one is fitted; T2 or T2*, as the sequence refocuses or not."""

    parameter: str = eqx.field(static=True)
    te: Float[Array, " n"]

    def __call__(self, params: dict[str, Array]) -> Float[Array, "voxel n"]:
        return relaxation.t2_decay(self.te, params[self.parameter], params["m0"], params.get("offset", 0.0))


class VariableFlipAngle(eqx.Module):
    """Spoiled gradient echoes in the steady state at several flip angles."""

    flip_angle: Float[Array, " n"]
    tr: Float[Array, " n"]
    b1: Float[Array, " voxel"] | None

    def __call__(self, params: dict[str, Array]) -> Float[Array, "voxel n"]:
        b1 = 1.0 if self.b1 is None else self.b1
        return relaxation.spgr(self.flip_angle, self.tr, params["t1"], m0=params["m0"], b1=b1)


class InversionRecovery(eqx.Module):
    r"""$M_0 (1 - (1 + \epsilon) e^{-TI/T_1} + e^{-TR/T_1})$, with the efficiency $\epsilon$ of the inversion fitted."""

    inversion_time: Float[Array, " n"]
    tr: float = eqx.field(static=True)

    def __call__(self, params: dict[str, Array]) -> Float[Array, "voxel n"]:
        t1, efficiency = params["t1"][:, None], params["inversion_efficiency"][:, None]
        recovered = 0.0 if np.isinf(self.tr) else jnp.exp(-self.tr / t1)
        return params["m0"][:, None] * (1 - (1 + efficiency) * jnp.exp(-self.inversion_time[None] / t1) + recovered)


@dataclass(frozen=True)
class Contrast:
    """A kind of measurement that can be fitted."""

    name: str
    help: str
    parameter: str
    """The parameter of interest."""
    sample_option: str
    """Command-line option with one entry per image."""
    grid: dict[str, np.ndarray]
    """Values tried to find a start; M0 follows from the scale."""
    bounds: dict[str, tuple[float, float]]
    model: Callable[[Acquisition, Any], Model]
    """From the settings of the sequence and the B1 map of the voxels, or None."""


def _decay(parameter: str) -> Callable[[Acquisition, Any], Decay]:
    return lambda played, b1: Decay(parameter, jnp.asarray(played.samples))


def _vfa(played: Acquisition, b1: Any) -> VariableFlipAngle:
    return VariableFlipAngle(jnp.asarray(played.samples), jnp.asarray(played.tr), b1)


def _ir(played: Acquisition, b1: Any) -> InversionRecovery:
    time, tr = played.samples, float(played.tr[0])
    if np.any(played.tr != tr):
        raise ValueError(f"--tr must be the same for all images, but the sidecars hold {played.tr.tolist()} s.")
    if time.min() < 0 or time.max() > tr:
        raise ValueError(f"--ti must lie between 0 and --tr ({tr:g} s), but got {time.min():g} to {time.max():g} s.")
    return InversionRecovery(jnp.asarray(time), tr)


CONTRASTS = {
    contrast.name: contrast
    for contrast in (
        Contrast(
            "t2star",
            "T2* from gradient echoes at several echo times",
            "t2star",
            "te",
            {"t2star": np.geomspace(1e-3, 1.0, 80)},
            {"t2star": (1e-4, 10.0)},
            _decay("t2star"),
        ),
        Contrast(
            "t2",
            "T2 from spin echoes at several echo times",
            "t2",
            "te",
            {"t2": np.geomspace(2e-3, 3.0, 80)},
            {"t2": (1e-4, 20.0)},
            _decay("t2"),
        ),
        Contrast(
            "vfa",
            "T1 from spoiled gradient echoes at several flip angles",
            "t1",
            "flip_angle",
            {"t1": np.geomspace(0.05, 6.0, 80)},
            {"t1": (1e-3, 50.0)},
            _vfa,
        ),
        Contrast(
            "ir",
            "T1 from inversion recovery, signed or in magnitude",
            "t1",
            "ti",
            {"t1": np.geomspace(0.02, 6.0, 60), "inversion_efficiency": np.array([0.7, 0.85, 1.0])},
            {"t1": (1e-3, 50.0), "inversion_efficiency": (0.0, 1.5)},
            _ir,
        ),
    )
}
