"""What is imaged: random templates, and slices of the brain phantom."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Key

from mrjax._module import Module
from mrjax.phantoms import brain
from mrjax.synthesis import LogUniform, random_template, smooth_field
from mrjax.synthesis.fields import plane, texture
from mrjax.zoo.relaxometry.config import RelaxometryConfig

LIMITS = {"t1": (0.25, 5.0), "t2": (0.015, 0.4), "m0": (0.4, 1.0)}
"""Of templates: relaxation times in s."""

SLICES = (32, 38, 44, 50, 56)
"""Of the brain phantom that no training sees, nor their neighbours."""

SPREAD, ROUGHNESS = 0.15, 0.05
"""Of drawn tissues, and of the texture in each: standard deviations of logarithms."""

Object = tuple[Float[Array, "nx ny"], Complex[Array, "nx ny"]]
"""The relaxation time in s, 1 where there is nothing, and the complex $M_0$."""


class Templates(Module):
    """Random shapes with random tissues."""

    parameter: str = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True)

    def __call__(self, key: Key[Array, ""]) -> Object:
        """One object."""
        of_object, of_phase = jax.random.split(key)
        prior = LogUniform(LIMITS)
        tissue = random_template(
            of_object, prior, self.shape, off_resonance=None, b1=None, texture_spread=ROUGHNESS, n_shapes=30
        )
        return getattr(tissue, self.parameter), jnp.asarray(tissue.m0) * phase(of_phase, self.shape)


class Brains(Module):
    """Slices of the brain phantom, mirrored or not, with tissues drawn about those of the phantom, and textures."""

    parameter: str = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True)
    fractions: Float[Array, "slice tissue nx ny"]
    times: Float[Array, " tissue"]
    density: Float[Array, " tissue"]

    def __init__(self, parameter: str, shape: tuple[int, int], slices: Sequence[int]):
        phantoms = [brain(shape, slice=index) for index in slices]
        self.parameter, self.shape = parameter, shape
        self.fractions = jnp.stack([phantom.fractions for phantom in phantoms])
        self.times, self.density = getattr(phantoms[0], parameter), phantoms[0].proton_density

    def __call__(self, key: Key[Array, ""]) -> Object:
        """One object."""
        of_slice, of_mirrors, of_times, of_density, of_texture, of_phase = jax.random.split(key, 6)
        fractions = self.fractions[jax.random.randint(of_slice, (), 0, len(self.fractions))]
        for axis, mirrored in zip((-2, -1), jax.random.bernoulli(of_mirrors, shape=(2,)), strict=True):
            fractions = jnp.where(mirrored, jnp.flip(fractions, axis), fractions)
        spread = lambda key: jnp.exp(SPREAD * jax.random.normal(key, self.times.shape, self.times.dtype))
        time, m0 = mixed(fractions, self.times * spread(of_times), self.density * spread(of_density))
        rough = jnp.exp(ROUGHNESS * texture(of_texture, *plane(self.shape)))
        return jnp.where(m0 > 0, time * rough, time), m0 * phase(of_phase, self.shape)


def mixed(
    fractions: Float[Array, "tissue nx ny"], times: Float[Array, " tissue"], density: Float[Array, " tissue"]
) -> tuple[Float[Array, "nx ny"], Float[Array, "nx ny"]]:
    """The geometric mean of relaxation times, weighted by protons, and the density of these."""
    protons = fractions * density[:, None, None]
    m0 = protons.sum(0)
    share = protons / jnp.where(m0 > 0, m0, 1)[None]
    return jnp.exp((share * jnp.log(times)[:, None, None]).sum(0)), m0


def phase(key: Key[Array, ""], shape: tuple[int, int]) -> Complex[Array, "nx ny"]:
    """A smooth phase, of magnitude one."""
    return jnp.exp(1j * smooth_field(key, shape, (-np.pi, np.pi), degree=2))


def learned_from(config: RelaxometryConfig) -> Templates | Brains:
    """What trainings of a configuration draw their objects from."""
    shape = (config.n_pixels, config.n_pixels)
    if config.objects == "templates":
        return Templates(config.parameter, shape)
    return Brains(config.parameter, shape, [i for i in range(20, 68) if min(abs(i - j) for j in SLICES) > 1])


def unseen_brains(config: RelaxometryConfig) -> tuple[Float[Array, "image nx ny"], Complex[Array, "image nx ny"]]:
    """Relaxation time in s and $M_0$ of the slices that no training has seen, with the tissues of the phantom."""
    shape = (config.n_pixels, config.n_pixels)
    tissues = [brain(shape, slice=index).tissue() for index in SLICES]
    return jnp.stack([getattr(tissue, config.parameter) for tissue in tissues]), with_phases(
        jnp.stack([tissue.m0 for tissue in tissues]), config.seed
    )


def with_phases(m0: Float[Array, "image nx ny"], seed: int) -> Complex[Array, "image nx ny"]:
    """Densities, each with a smooth phase of its own."""
    keys = jax.random.split(jax.random.key(seed), len(m0))
    nx, ny = m0.shape[1:]
    return m0 * jax.vmap(lambda key: phase(key, (nx, ny)))(keys)
