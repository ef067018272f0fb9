"""A few voxels that stand for all, on which it is tried out which states matter: on the host, in double precision."""

import itertools
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Complex, Float, Int

from mrjax.physics.pdg.lasting import LASTING, PulseSteps
from mrjax.physics.pdg.rows import Dephasing, GraphRows
from mrjax.physics.pdg.shapes import VoxelShape, share_seen
from mrjax.sequence.gradients import AXES
from mrjax.tissue import Tissue

N_TYPICAL = 8
"""Voxels, evenly spread over the range of T2, and those in which the fields are strongest and weakest besides."""

Components = Complex[np.ndarray, "3 _state _voxel"]


@dataclass(frozen=True, eq=False)
class TypicalVoxels:
    """What acts on them."""

    t1: Float[np.ndarray, " _voxel"]
    t2: Float[np.ndarray, " _voxel"]
    t2_prime: Float[np.ndarray, " _voxel"] | None
    diffusion: Float[np.ndarray, " _voxel"] | None
    off_resonance: Float[np.ndarray, " _voxel"]
    b1: Complex[np.ndarray, " _voxel"]
    position: Float[np.ndarray, "3 _voxel"]
    voxel_size: Float[np.ndarray, "3"] | None
    shape: VoxelShape

    @classmethod
    def of(cls, tissue: Tissue, voxel_size: Float[np.ndarray, "3"] | None, shape: VoxelShape) -> "TypicalVoxels":
        """Of a known tissue."""
        numbers = jax.tree.map(np.asarray, tissue)
        spread = lambda name: np.broadcast_to(np.asarray(getattr(numbers, name)), tissue.voxel_shape).ravel()
        m0 = np.abs(spread("m0"))
        inside = np.flatnonzero(m0 > 0.05 * m0.max(initial=0.0))
        chosen = inside[_standing_for([spread(name)[inside] for name in ("t2", "off_resonance", "b1")])]
        of = lambda name: spread(name)[chosen].astype(complex if name == "b1" else float)
        given = lambda name: of(name) if tissue.has(name) else None
        return cls(
            of("t1"),
            of("t2"),
            given("t2_prime"),
            given("diffusion"),
            of("off_resonance"),
            of("b1"),
            np.stack([of(axis) for axis in AXES]),
            voxel_size,
            shape,
        )

    def relaxed(
        self, components: Components, dephasing: Float[np.ndarray, "_state 5"], during: Dephasing
    ) -> Components:
        """After one row, but for what is wound."""
        gained = -np.expm1(-during.duration / self.t1)
        after = components * self.losses(dephasing, during)
        after[2, 0] += gained
        return after

    def losses(
        self, dephasing: Float[np.ndarray, "_state 5"], during: Dephasing
    ) -> Float[np.ndarray, "3 _state #voxel"]:
        """By which factors components relax and diffuse in one row."""
        e1, e2 = np.exp(-during.duration / self.t1), np.exp(-during.duration / self.t2)
        q, at_rest = dephasing[:, :4], np.zeros((1, 4))
        time, first, second = (np.asarray(x) for x in (during.duration, during.first, during.second))
        courses = ((q, first, second), (-q, first, second), (q, at_rest, np.zeros((1, 2))))
        return np.stack(
            [
                e[None] * self._diffused(wound, time, *integrals)
                for e, (wound, *integrals) in zip((e2, e2, e1), courses, strict=True)
            ]
        )

    def _diffused(self, q: np.ndarray, time: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if self.diffusion is None:
            return np.ones((len(q), 1))
        size = 1.0 if self.voxel_size is None else self.voxel_size[2]
        squares = q**2 * time[:, None] + 2 * q * first
        total = squares[:, :3].sum(axis=1) + second[:, 0] + (squares[:, 3] + second[:, 1]) / size**2
        return np.exp(-4 * np.pi**2 * total[:, None] * self.diffusion)

    def turned(self, dephasing: Float[np.ndarray, "_n 5"]) -> Complex[np.ndarray, "_n _voxel"]:
        """The phase at the middle of each voxel."""
        return np.exp(2j * np.pi * (dephasing[:, :3] @ self.position + dephasing[:, 4:] * self.off_resonance))

    def answers(
        self, dephasing: Float[np.ndarray, "_state 5"], since: Dephasing
    ) -> Complex[np.ndarray, "_sample _signed_state _voxel"]:
        r"""What each sample of a row has of $F_\kappa$, and of $F_{-\kappa}$, at its start."""
        signed = np.concatenate([dephasing, -dephasing])
        there = signed[None] + np.asarray(since.by)[:, None]
        seen = np.asarray(share_seen(there[..., :4], self.voxel_size, self.shape))[..., None]
        left = np.exp(-np.asarray(since.duration)[:, None] / self.t2)[:, None]
        if self.t2_prime is not None:
            left = left * np.exp(-np.abs(there[..., 4:]) / self.t2_prime)
        return seen * left * self.turned(signed)[None]


def _standing_for(ranges: list[np.ndarray]) -> Int[np.ndarray, " _chosen"]:
    """Voxels at evenly spread places in the order of the first range, and at both ends of the others."""
    order = np.argsort(np.real(ranges[0]), kind="stable")
    places = np.linspace(0, len(order) - 1, min(N_TYPICAL, len(order))).round().astype(int)
    ends = [end for values in ranges[1:] for end in (int(np.argmin(np.abs(values))), int(np.argmax(np.abs(values))))]
    return np.unique(np.concatenate([order[places], np.asarray(ends, int)]))


@dataclass(frozen=True, eq=False)
class TypicalChanges:
    """What ends each row, in these voxels: a linear map of the three components, and a gain of the first state's last."""

    maps: Complex[np.ndarray, "_row 3 3 _voxel"]
    adds: Float[np.ndarray, " _row"]

    @classmethod
    def of(cls, rows: GraphRows, voxels: TypicalVoxels) -> "TypicalChanges":
        """Of known changes."""
        n = len(voxels.t1)
        maps, adds = [np.broadcast_to(np.eye(3, dtype=complex)[..., None], (3, 3, n))], [0.0]
        for form, rows_of_form in rows.changes.items():
            numbers = np.asarray(rows_of_form, float)
            if form[0] == "longitudinal":
                maps += [np.broadcast_to(np.diag([0j, 0j, own[0]])[..., None], (3, 3, n)) for own in numbers]
                adds += list(numbers[:, 1])
                continue
            steps = PulseSteps.of(form, numbers) if form[0] in LASTING else None
            turns = _turn(numbers, voxels) if steps is None else _turn_in_steps(steps, voxels, rows.gyromagnetic_ratio)
            maps += [_rotation(*both) for both in zip(*turns, strict=True)]
            adds += [0.0] * len(numbers)
        turned = np.exp(1j * np.asarray(rows.phase))
        frame = np.stack([turned, turned.conj(), np.ones_like(turned)], axis=1)
        of_row = np.stack(maps)[rows.change]
        return cls(frame[:, :, None, None] * of_row * frame.conj()[:, None, :, None], np.asarray(adds)[rows.change])

    def changed(self, components: Components, row: int) -> Components:
        """The components after what ends a row."""
        after = np.einsum("abv,bsv->asv", self.maps[row], components)
        after[2, 0] += self.adds[row]
        return after


Turn = tuple[Complex[np.ndarray, "_change _voxel"], Complex[np.ndarray, "_change _voxel"]]
"""Cayley-Klein parameters."""


def _turn(numbers: Float[np.ndarray, "_change 1"], voxels: TypicalVoxels) -> Turn:
    """Of pulses that take no time."""
    flip = numbers * voxels.b1
    half, axis = np.abs(flip) / 2, np.exp(1j * np.angle(flip))
    return np.cos(half) + 0j, -1j * axis * np.sin(half)


def _turn_in_steps(pulses: PulseSteps, voxels: TypicalVoxels, gyromagnetic_ratio: float) -> Turn:
    """Of RF that lasts, in its middle, without relaxation."""
    rf = pulses.by_step[:, 0] + 1j * pulses.by_step[:, 1]
    area, moment = (gyromagnetic_ratio * pulses.by_step[:, first : first + 3] for first in (2, 5))
    detuning = 2 * np.pi * (voxels.off_resonance[None] - pulses.offset[:, None])
    a, b = np.ones_like(detuning, complex), np.zeros_like(detuning, complex)
    for step in range(rf.shape[-1]):
        about_z = (pulses.dt * (step < pulses.n))[:, None] * detuning + area[..., step] @ voxels.position
        skew = 1 + 1j * (moment[..., step] @ voxels.position)
        across = skew * gyromagnetic_ratio * (pulses.dt * rf[:, step])[:, None] * voxels.b1
        half = np.sqrt(np.abs(across) ** 2 + about_z**2) / 2
        sinc = np.sinc(half / np.pi) / 2
        alpha, beta = np.cos(half) - 1j * sinc * about_z, -1j * sinc * across
        a, b = alpha * a - beta.conj() * b, beta * a + alpha.conj() * b
    ahead = np.exp(-1j * np.pi * pulses.offset * pulses.duration)[:, None]
    turned = np.pi * pulses.duration[:, None] * voxels.off_resonance
    before, after = (gyromagnetic_ratio * pulses.halves[:, half] @ voxels.position + turned for half in (0, 1))
    return ahead * a * np.exp(0.5j * (before + after)), ahead.conj() * b * np.exp(0.5j * (before - after))


def _rotation(
    a: Complex[np.ndarray, " _voxel"], b: Complex[np.ndarray, " _voxel"]
) -> Complex[np.ndarray, "3 3 _voxel"]:
    """Of the three components, as in `StateChange`."""
    stay, swap, tip = a.conj() ** 2, -(b**2), 2 * a.conj() * b
    untip, keep = -(a * b).conj(), np.abs(a) ** 2 - np.abs(b) ** 2 + 0j
    return np.array([[stay, swap, tip], [swap.conj(), stay.conj(), tip.conj()], [untip, untip.conj(), keep]])


def row_of(dephasing: Dephasing, row: int | slice) -> Dephasing:
    """One row, or some."""
    rows = slice(row, row + 1) if isinstance(row, int) else row
    return Dephasing(dephasing.by[rows], dephasing.first[rows], dephasing.second[rows])


def thinned(rows: GraphRows, most: int) -> list[Dephasing]:
    """The samples of transverse magnetisation in each row, at most so many, evenly spread."""
    since, found = rows.samples.since, []
    edges = np.searchsorted(rows.samples.row, np.arange(rows.n_rows + 1))
    for first, last in itertools.pairwise(edges):
        here = first + np.flatnonzero(~rows.samples.longitudinal[first:last])
        at = here[np.unique(np.linspace(0, len(here) - 1, min(most, len(here))).round().astype(int))]
        found.append(Dephasing(since.by[at], since.first[at], since.second[at]))
    return found
