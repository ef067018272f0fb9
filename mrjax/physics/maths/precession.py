"""Relaxation and off-resonance during a time without RF: what all engines share."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.sequence.double_length import angle
from mrjax.tissue import Tissue


def decay(duration: Float[Array, ""], time_constant: Float[Array, "#voxel"]) -> Float[Array, "#voxel"]:
    r"""$\exp(-t / T)$; zero with zero gradient after an infinite time, where the plain formula differentiates to nan."""
    gone = jnp.isinf(duration) & jnp.isfinite(time_constant)
    return jnp.where(gone, 0.0, jnp.exp(-finite(duration) / time_constant))


def recovery(duration: Float[Array, ""], time_constant: Float[Array, "#voxel"]) -> Float[Array, "#voxel"]:
    r"""$1 - \exp(-t / T)$ without cancellation for short times."""
    done = jnp.isinf(duration) & jnp.isfinite(time_constant)
    return jnp.where(done, 1.0, -jnp.expm1(-finite(duration) / time_constant))


def precession_angle(duration: Float[Array, ""], tissue: Tissue) -> Float[Array, "#voxel"] | None:
    r"""Angle $2 \pi \, \Delta f \, t$ by which off-resonance turns the transverse magnetisation, less whole turns; None
    without any."""
    if not tissue.has("off_resonance"):
        return None
    return angle(tissue.off_resonance, finite(duration))


def squared_winding(voxel_size: Float[Array, ""] | None) -> Float[Array, ""]:
    r"""$(2 \pi / \Delta x)^2$ in rad²/m²: what one cycle across the voxel means for diffusion."""
    if voxel_size is None:
        raise ValueError(
            "Diffusion needs the distance in m that one cycle is wound over: pass `voxel_size` to the engine."
        )
    return (2 * jnp.pi / voxel_size) ** 2


def finite(duration: Float[Array, ""]) -> Float[Array, ""]:
    """The duration, or zero where it is infinite and full relaxation decides alone."""
    return jnp.where(jnp.isinf(duration), 0.0, duration)
