"""What the echoes of some voxels give, summed in each coil."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from mrjax.physics.imaging.blocks import Blocks, EncodedSamples
from mrjax.physics.imaging.encoding import Answer, ColumnPlaces, encoded, unit_phasor
from mrjax.physics.imaging.evolution import decayed_and_turned
from mrjax.physics.imaging.parts import AbstractAcquisition, Part
from mrjax.physics.maths.loops import checkpointed_scan
from mrjax.physics.pdg.component_map import Components
from mrjax.physics.pdg.operators import Played, PrecessingVoxels
from mrjax.physics.pdg.shapes import VoxelShape
from mrjax.physics.pdg.table import PhaseGraphTable
from mrjax.sequence.double_length import angle


class EchoTable(eqx.Module):
    """Of which states the images of each row are made."""

    state: Int[Array, "row emitting"]
    """As in `Echo.states`, or the state after all others for none."""
    image: Int[Array, "row emitting"]
    """Which of the images of the row they are a part of."""
    time: Float[Array, "row emitting"]
    """For how long off-resonances have turned them, in s."""
    further: Float[Array, "row emitting"]
    """By how much longer off-resonances within the voxel have dephased them than others of the image, in s."""
    n_images: int = eqx.field(static=True)
    """Of each row."""


class EchoBlocks(eqx.Module):
    """What the blocks of samples are of."""

    image: Int[Array, " block"]
    since: Float[Array, " block"]
    """For how long off-resonances within the voxel have dephased the image in the middle, in s; 0 or more."""
    side: Float[Array, " block"]
    """1 while this grows, -1 while it falls."""
    weighting: Float[Array, "block point"] | None
    """By diffusion since the start of the row, in s/m^2."""


class GraphAcquisition(AbstractAcquisition):
    """All but the voxels."""

    table: PhaseGraphTable
    echoes: EchoTable
    samples: EncodedSamples
    blocks: tuple[EchoBlocks, ...]
    voxel_size: Float[Array, "3"] | None
    shape: VoxelShape = eqx.field(static=True)
    gyromagnetic_ratio: float = eqx.field(static=True)

    def of(self, part: Part) -> Complex[Array, "coil echo_sample"]:
        """Samples of all echoes, in the order of their blocks."""
        played = Played.of(self.table, part.tissue, self.voxel_size, self.shape, self.gyromagnetic_ratio)
        images = self.images(played, part)
        places = ColumnPlaces(part.along, (*part.across, None))  # pyright: ignore[reportArgumentType]
        shape = part.n_columns, part.weights.shape[-1] // part.n_columns
        by_column = jnp.moveaxis(part.weights.reshape(-1, *shape), 0, 1)

        def answer_of(blocks: Blocks) -> Any:
            number = next(i for i, own in enumerate(self.samples.blocks) if own is blocks)
            return _EchoAnswers(blocks, self.blocks[number], images.reshape(-1, *shape), played.voxels, shape)

        return encoded(self.samples, answer_of, places, by_column, self.computed_again)

    def images(self, played: Played, part: Part) -> Complex[Array, "image voxel"]:
        """The magnetisation of each echo at the start of its row."""
        n_voxels, n_rows = part.weights.shape[-1], self.echoes.state.shape[0]
        nothing = jnp.zeros((self.table.n_states, n_voxels), jnp.result_type(part.tissue.t1, 1j))

        def row(components: Components, now: Int[Array, ""]) -> tuple[Components, Array]:
            return played.after_row(components, now), self._of_row(components, now, played.voxels)

        begin = (nothing, nothing, nothing.at[0].set(1.0))
        return checkpointed_scan(row, begin, jnp.arange(n_rows), n_rows, unroll=1)[1].reshape(-1, n_voxels)

    def _of_row(
        self, components: Components, row: Int[Array, ""], voxels: PrecessingVoxels
    ) -> Complex[Array, "image voxel"]:
        state, image, time, further = (
            x[row] for x in (self.echoes.state, self.echoes.image, self.echoes.time, self.echoes.further)
        )
        plus, minus, _ = components
        emitting = jnp.concatenate([plus, jnp.conj(minus), jnp.zeros_like(plus[:1])])[state]
        emitting = emitting * voxels.dephased(further)
        if voxels.tissue.has("off_resonance"):
            emitting = emitting * unit_phasor(angle(jnp.asarray(voxels.tissue.off_resonance)[None], time[:, None]))
        is_part = (image[None] == jnp.arange(self.echoes.n_images)[:, None]).astype(plus.real.dtype)
        sums = jnp.matmul(is_part, jnp.concatenate([emitting.real, emitting.imag], axis=1), precision="highest")
        return jax.lax.complex(*jnp.split(sums, 2, axis=1))


class _EchoAnswers:
    """Of some blocks, from the images at the start of their rows."""

    def __init__(
        self, blocks: Blocks, own: EchoBlocks, images: Array, voxels: PrecessingVoxels, shape: tuple[int, int]
    ):
        self.own, self.images, self.voxels, self.shape = own, images, voxels, shape
        tissue, self.middle = voxels.tissue, blocks.middle
        n = shape[0] * shape[1]
        spread = lambda values: jnp.broadcast_to(values, (n,)).reshape(shape)
        self.decay = spread(1 / tissue.t2)
        self.dephasing = spread(1 / tissue.t2_prime) if tissue.has("t2_prime") else None
        self.off_resonance = spread(tissue.off_resonance) if tissue.has("off_resonance") else None
        self.diffusion = spread(tissue.diffusion) if own.weighting is not None else None
        sides = (1.0,) if self.dephasing is None else (1.0, -1.0)
        during = lambda side: jnp.moveaxis(jax.lax.map(lambda time: self._during(time, side), blocks.instants), 0, 1)
        self.during = [during(side) for side in sides]

    def __call__(self, block: Any, time: Any) -> Answer:
        image, since, side = self.own.image[block], self.own.since[block], self.own.side[block]
        magnetisation = self.images[image] * decayed_and_turned(time, (self.decay, self._frequency), self._turned(time))
        during = self.during[0]
        if self.dephasing is not None:
            magnetisation = magnetisation * jnp.exp(-since * self.dephasing)
            during = jnp.where(side > 0, *self.during)
        if self.own.weighting is not None and self.diffusion is not None:
            during = during * jnp.exp(-self.own.weighting[block][None, :, None] * self.diffusion[:, None])
        return magnetisation, during

    @property
    def _frequency(self) -> Array | None:
        return None if self.off_resonance is None else 2 * jnp.pi * self.off_resonance

    def _turned(self, time: Any) -> Array | None:
        if self.off_resonance is None:
            return None
        fixed = jax.lax.stop_gradient((self.off_resonance, time))
        return angle(fixed[0], jnp.asarray(fixed[1])[None, None])

    def _during(self, time: Array, side: float) -> Complex[Array, "column place"]:
        """From the middle of a block on, but for the off-resonance that the weights of samples hold."""
        rate = self.decay if self.dephasing is None else self.decay + side * self.dephasing
        turned = self._turned(time)
        ahead = angle(self.middle, time)[None, None]
        turned = -ahead if turned is None else turned - ahead
        return decayed_and_turned(time, (rate, self._frequency), jnp.broadcast_to(turned, rate.shape))
