"""Simulations of known numbers: few programs for all sizes, on all cores, ready to run again.

No derivative passes through them, so that voxels may be added to share a program (`sizes`) and cut off again by NumPy.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

from mrjax.jax_rules import on_one_cpu_device
from mrjax.physics.engine import State
from mrjax.physics.execution import chunks, cores, sizes
from mrjax.physics.execution.dispatch import chunk_size_of, one_voxel_axis, played_in_chunks, voxel_axes
from mrjax.physics.execution.interpreter import Simulation
from mrjax.physics.gradient import Forward
from mrjax.sequence.walk import events_of
from mrjax.tissue import Tissue

WORTH_A_THREAD = 2**24
"""Numbers of the state, times events, that take some ten milliseconds: less is not split over cores."""

PART_BYTES = 2**23
"""Signal of one part of a call that is split."""


class Structure:
    """All of a simulation but its arrays, of which there is one object for all that are equal: compared by identity."""

    def __init__(self, structure: Any, places: tuple[bool, ...], rest: tuple):
        self._structure, self._places, self._rest = structure, places, rest

    @classmethod
    def of(cls, tree: Any) -> "tuple[Structure, list]":
        """The structure of a tree, and its arrays."""
        leaves, structure = jax.tree.flatten(tree)
        places = tuple(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)
        rest = tuple(leaf for leaf, is_array in zip(leaves, places, strict=True) if not is_array)
        arrays = [leaf for leaf, is_array in zip(leaves, places, strict=True) if is_array]
        return _structure(structure, places, rest), arrays

    def filled(self, arrays: list) -> Any:
        """The tree with these arrays."""
        rest, given = iter(self._rest), iter(arrays)
        return jax.tree.unflatten(self._structure, [next(given if is_array else rest) for is_array in self._places])


@functools.cache
def _structure(structure: Any, places: tuple[bool, ...], rest: tuple) -> Structure:
    return Structure(structure, places, rest)


class KnownCall(NamedTuple):
    """A simulation of known numbers, with its voxels on one axis."""

    structure: Structure
    arrays: list
    """Those of the simulation, and then those of the voxels."""
    changing: list[bool]
    """Which of them differ from voxel to voxel."""
    n_voxels: int
    part: int
    """How many voxels one run of the program plays: all, with those that were added, or some."""
    rows: np.ndarray | None
    """Which samples are taken of those that the program gives; None for all."""
    keeps_state: bool
    """Whether the final state is asked for."""

    @classmethod
    def of(
        cls, simulation: Simulation, tissue: Tissue, state: State | None, rows: np.ndarray | None, keeps_state: bool
    ) -> "KnownCall":
        """Decide on the size, and lay out the voxels for it."""
        shape, n = tissue.voxel_shape, math.prod(tissue.voxel_shape)
        simulation = dataclasses.replace(simulation, gradient=Forward())
        voxels = sizes.on_host((tissue, state))
        voxels = (_flattened(voxels[0], shape), jax.tree.map(lambda leaf: one_voxel_axis(leaf, shape), voxels[1]))
        part = _part(simulation, tissue, n)
        differs = lambda leaf: n > 1 and leaf.shape[-1] == n
        if part > n:
            grown = lambda leaf: sizes.lengthened(leaf, leaf.ndim - 1, part) if differs(leaf) else leaf
            changing = [False] * len(jax.tree.leaves(voxels))
            voxels = jax.tree.map(grown, voxels)
        else:
            changing = [differs(leaf) for leaf in jax.tree.leaves(voxels)]
        structure, arrays = Structure.of((simulation, *voxels))
        same = [False] * (len(arrays) - len(changing))
        return cls(
            structure, arrays if part < n else jax.device_put(arrays), same + changing, n, part, rows, keeps_state
        )

    def __call__(self) -> tuple[State, Any]:
        """The final state, voxels last, and the signal, voxels first: of NumPy where they are known and on the host."""
        if self.part < self.n_voxels:
            maps = [leaf for leaf, changes in zip(self.arrays, self.changing, strict=True) if changes]
            return cores.on_cores(self._run, maps, voxel_axes, self.n_voxels, self.part)
        state, signal = self._taken(_program(self.structure, self.keeps_state, self.arrays))
        if self.part == self.n_voxels:
            return state, signal
        return jax.tree.map(lambda leaf: leaf[..., : self.n_voxels], state), signal[: self.n_voxels]

    def _run(self, maps: list) -> tuple[State, Any]:
        """One part of the voxels."""
        given = iter(maps)
        arrays = [next(given) if changes else leaf for leaf, changes in zip(self.arrays, self.changing, strict=True)]
        return self._taken(_program(self.structure, self.keeps_state, arrays))

    def _taken(self, outputs: tuple[State, Any]) -> tuple[State, Any]:
        """The outputs on the host, where they can be seen there, without the samples that were added."""
        if jax.default_backend() == "cpu" and not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(outputs)):
            outputs = sizes.on_host(outputs)
        state, signal = outputs
        if self.rows is None:
            return outputs
        n = len(self.rows)
        return state, signal[:, :n] if self.rows[-1] == n - 1 else signal[:, self.rows]


@functools.partial(jax.jit, static_argnums=(0, 1))
def _program(structure: Structure, keeps_state: bool, arrays: list) -> tuple[State, Any]:
    simulation, tissue, state = structure.filled(arrays)
    if state is not None:
        state = simulation.engine.resumed(state, simulation.sequence, tissue)
    state, signal = played_in_chunks(simulation, tissue, state, chunk_size_of(simulation, tissue))
    return (state if keeps_state else simulation.engine.reported(state)), signal


def _flattened(tissue: Tissue, shape: tuple[int, ...]) -> Tissue:
    """As `Tissue.flattened`, of arrays on the host."""
    flatten = lambda leaf: leaf.reshape(1) if leaf.size == 1 else np.broadcast_to(leaf, shape).reshape(-1)
    return jax.tree.map(flatten, tissue)


def _part(simulation: Simulation, tissue: Tissue, n: int) -> int:
    """How many voxels to play by one run of a program."""
    bytes_per_voxel = simulation.engine.bytes_per_voxel(simulation.sequence, tissue)
    work, n_parts = _work_and_parts(simulation, bytes_per_voxel, n)
    exact = simulation.batch_size
    chunk = exact or (chunks.fitting_the_cache(bytes_per_voxel, simulation.one_kernel) if on_one_cpu_device() else n)
    part = n if n_parts == 1 else cores.part_size(n, n_parts, chunk)
    if part < n or exact:
        return part
    size = sizes.rounded_up(n, sizes.COARSE if work < WORTH_A_THREAD else sizes.FINE)
    return sizes.in_equal_chunks(size, chunk, chunks.VECTOR) if on_one_cpu_device() else size


def _work_and_parts(simulation: Simulation, bytes_per_voxel: float, n_voxels: int) -> tuple[float, int]:
    """Numbers of the state times events, and the number of parts that a call is worth."""
    events = list(events_of(simulation.sequence.events))
    n_events = sum(math.prod(at.repeats) * max(1, at.event.n_samples) for at in events)
    work = n_voxels * bytes_per_voxel / 4 * n_events
    # parts of a few megabytes: memory freed by one is taken by the next, while fresh memory has to be cleared first
    n_samples = sum(math.prod(at.repeats) * at.event.n_samples for at in events)
    n_cores = cores.available_cores()
    each = max(1, round(n_voxels * n_samples * 8 / PART_BYTES / n_cores))
    return work, max(1, min(n_cores * each, n_voxels // chunks.VECTOR, int(work / WORTH_A_THREAD)))
