"""Maps as networks and iterations see them, of order one, and the signals that they make."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax._module import Module
from mrjax._shapes import with_rank
from mrjax.signals.relaxation import spgr, t2_decay
from mrjax.units import deg, ms
from mrjax.zoo.relaxometry.config import RelaxometryConfig

SMALLEST_ANGLE, LARGEST_ANGLE = 3 * deg, 20 * deg

BEYOND = 3.2
"""Largest magnitude of the logarithm of a relaxation time over the usual one, within what is plausible."""


class RelaxationModel(Module):
    r"""Signals of maps of one relaxation time.

    Maps hold, on their last axis, $\ln(T / T_\mathrm{usual})$ and the real and the imaginary part of $M_0$.
    """

    parameter: eqx.AbstractVar[str]
    """What it is called, "t1" or "t2"."""
    usual: eqx.AbstractVar[float]
    """A relaxation time in the middle of what is looked for, in s."""
    limits: eqx.AbstractVar[tuple[float, float]]
    """What is drawn and judged, in s."""

    @abc.abstractmethod
    def signal(self, time: Float[Array, "*voxels"], m0: Inexact[Array, "*voxels"]) -> Inexact[Array, "*voxels n"]:
        """Contrasts of tissue with a relaxation time in s."""

    @property
    @abc.abstractmethod
    def n_contrasts(self) -> int:
        """Their number."""

    def __call__(self, maps: Float[Array, "*voxels 3"]) -> Inexact[Array, "*voxels n"]:
        """The contrasts of maps."""
        return self.signal(*self.parted(maps))

    def parted(self, maps: Float[Array, "*voxels 3"]) -> tuple[Float[Array, "*voxels"], Inexact[Array, "*voxels"]]:
        """The relaxation time in s and the complex $M_0$ that maps hold."""
        time = self.usual * jnp.exp(jnp.clip(maps[..., 0], -BEYOND, BEYOND))
        return time, jax.lax.complex(maps[..., 1], maps[..., 2])

    def joined(self, time: Float[Array, "*voxels"], m0: Inexact[Array, "*voxels"]) -> Float[Array, "*voxels 3"]:
        """The inverse of `parted`."""
        return jnp.stack([jnp.log(time / self.usual), m0.real, m0.imag], axis=-1)


class EchoTrain(RelaxationModel):
    """Spin echoes after full recovery."""

    te: Float[Array, " n"]
    parameter: str = eqx.field(static=True, default="t2")
    usual: float = eqx.field(static=True, default=80 * ms)
    limits: tuple[float, float] = eqx.field(static=True, default=(20 * ms, 200 * ms))

    @property
    def n_contrasts(self) -> int:
        return self.te.size

    def signal(self, time: Float[Array, "*voxels"], m0: Inexact[Array, "*voxels"]) -> Inexact[Array, "*voxels n"]:
        return t2_decay(self.te, time, m0)


class FlipAngles(RelaxationModel):
    """Spoiled gradient echoes, received with a gain that makes the brightest contrast of the usual T1 that of $M_0$."""

    flip_angle: Float[Array, " n"]
    tr: Float[Array, ""]
    parameter: str = eqx.field(static=True, default="t1")
    usual: float = eqx.field(static=True, default=1.2)
    limits: tuple[float, float] = eqx.field(static=True, default=(0.3, 5.0))

    @property
    def n_contrasts(self) -> int:
        return self.flip_angle.size

    def signal(self, time: Float[Array, "*voxels"], m0: Inexact[Array, "*voxels"]) -> Inexact[Array, "*voxels n"]:
        brightest = spgr(self.flip_angle, self.tr, jnp.full_like(self.tr, self.usual)).max()
        signal = spgr(self.flip_angle, self.tr, time, m0=m0)
        return signal / with_rank(brightest, signal.ndim)


def relaxation_model(config: RelaxometryConfig) -> EchoTrain | FlipAngles:
    """The contrasts of a configuration.

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from mrjax.zoo import relaxometry
        >>> model = relaxometry.relaxation_model(relaxometry.RelaxometryConfig(n_contrasts=3))
        >>> maps = model.joined(jnp.array([0.03, 0.1]), jnp.array([1.0, 2j]))
        >>> print(np.asarray(abs(model(maps))).round(2))
        [[0.72 0.51 0.37]
         [1.81 1.64 1.48]]

        ```
    """
    if config.parameter == "t2":
        return EchoTrain(te=config.echo_spacing * jnp.arange(1.0, config.n_contrasts + 1))
    angles = jnp.geomspace(SMALLEST_ANGLE, LARGEST_ANGLE, config.n_contrasts)
    return FlipAngles(flip_angle=angles, tr=jnp.asarray(config.tr, angles.dtype))
