"""How magnetisation passes through the states of a graph, in typical voxels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float

from mrjax.physics.pdg.rows import Dephasing, GraphRows
from mrjax.physics.pdg.search import NONE, States, after
from mrjax.physics.pdg.typical import Components, TypicalChanges, TypicalVoxels, row_of, thinned

SAMPLES_OF_A_ROW = 16
"""On which it is tried out, at most."""


@dataclass(frozen=True, eq=False)
class Passage:
    """The states at the start of each row, and what they hold."""

    states: list[States]
    """After each row."""
    amplitudes: list[Components]
    """At the start of each row."""
    lost: float
    """What states held that were left out for there were too many, as the root of their power."""

    @property
    def dephasings(self) -> list[Float[np.ndarray, "_state 5"]]:
        """At the start of each row."""
        return [np.zeros((1, 5)), *(states.dephasing for states in self.states[:-1])]


@dataclass(frozen=True, eq=False)
class Trial:
    """A sequence and the voxels on which it is tried out."""

    rows: GraphRows
    wound: Float[np.ndarray, "_row 5"]
    """That tells states apart."""
    voxels: TypicalVoxels
    changes: TypicalChanges
    samples: list[Dephasing]

    @classmethod
    def of(cls, rows: GraphRows, wound: Float[np.ndarray, "_row 5"], voxels: TypicalVoxels) -> "Trial":
        """Of known numbers."""
        return cls(rows, wound, voxels, TypicalChanges.of(rows, voxels), thinned(rows, SAMPLES_OF_A_ROW))

    def turned_alike(self, row: int) -> Complex[np.ndarray, "3 _voxel"]:
        """By what is wound without telling states apart."""
        alike = (self.rows.rows.by[row] - self.wound[row])[None]
        turn = self.voxels.turned(alike)[0]
        return np.stack([turn, turn.conj(), np.ones_like(turn)])

    def passage(self, least: float, most_states: int) -> Passage:
        """All states that hold at least so much, and at most so many for each row."""
        dephasing, amplitude = np.zeros((1, 5)), np.zeros((3, 1, len(self.voxels.t1)), complex)
        amplitude[2] = 1.0
        found, amplitudes, lost = [], [], 0.0
        for row in range(self.rows.n_rows):
            amplitudes.append(amplitude)
            states = after(dephasing, np.abs(amplitude).max(axis=2) > 0, self.wound[row])
            amplitude = self.after_row(amplitude, dephasing, states, row)
            size = np.sqrt(np.mean(np.abs(amplitude) ** 2, axis=(0, 2)))
            kept = np.append(True, size[1:] >= least)
            if kept.sum() > most_states:
                strongest = kept & (size >= np.partition(size, -most_states)[-most_states])
                strongest[0] = True
                lost += float(np.sum(size[kept & ~strongest] ** 2))
                kept = strongest
            found.append(States(states.dephasing[kept], states.source[:, kept]))
            dephasing, amplitude = states.dephasing[kept], amplitude[:, kept]
        return Passage(found, amplitudes, float(np.sqrt(lost)))

    def after_row(
        self, amplitude: Components, dephasing: Float[np.ndarray, "_state 5"], states: States, row: int
    ) -> Components:
        """What the states after a row hold."""
        relaxed = self.voxels.relaxed(amplitude, dephasing, row_of(self.rows.rows, row))
        relaxed = relaxed * self.turned_alike(row)[:, None]
        return self.changes.changed(gathered(relaxed, states.source), row)

    def samples_of(self, passage: Passage, kept: list[Bool[np.ndarray, " _state"]]) -> Complex[np.ndarray, "_n _voxel"]:
        """All samples, by those states at the start of each row that are kept."""
        amplitude, samples = passage.amplitudes[0], []
        for row, (dephasing, states) in enumerate(zip(passage.dephasings, passage.states, strict=True)):
            samples.append(self.sampled(amplitude * kept[row][:, None], dephasing, row))
            amplitude = self.after_row(amplitude * kept[row][:, None], dephasing, states, row)
        return np.concatenate(samples)

    def sampled(
        self, amplitude: Components, dephasing: Float[np.ndarray, "_state 5"], row: int
    ) -> Complex[np.ndarray, "_n _voxel"]:
        """The samples of a row."""
        both = np.concatenate([amplitude[0], amplitude[1].conj()])
        both[len(dephasing)] = 0.0  # of no dephasing both are one
        since = self.samples[row]
        turned = self.voxels.turned(np.asarray(since.by))
        return turned * np.einsum("nsv,sv->nv", self.voxels.answers(dephasing, since), both)

    def latent(self, passage: Passage) -> list[Float[np.ndarray, " _state"]]:
        """How much of all samples comes by each state, as the root of its power, if nothing else interferes."""
        gain = np.zeros((3, len(passage.states[-1].dephasing), len(self.voxels.t1)))
        found = []
        for row in reversed(range(self.rows.n_rows)):
            dephasing, states, amplitude = passage.dephasings[row], passage.states[row], passage.amplitudes[row]
            before = np.einsum("abv,asv->bsv", np.abs(self.changes.maps[row]) ** 2, gain)
            gain = scattered(before, states.source, len(dephasing))
            gain = gain * self.voxels.losses(dephasing, row_of(self.rows.rows, row)) ** 2
            emitted = np.sum(np.abs(self.voxels.answers(dephasing, self.samples[row])) ** 2, axis=0)
            gain[:2] += emitted.reshape(2, len(dephasing), -1)
            found.append(np.sqrt(np.mean(np.sum(np.abs(amplitude) ** 2 * gain, axis=0), axis=1)))
        return found[::-1]


def gathered(components: Components, source: np.ndarray) -> Components:
    """Components where they are after a row."""
    plus, minus, z = components
    nothing = np.zeros_like(plus[:1])
    transverse = np.concatenate([plus, minus.conj(), nothing])
    return np.stack([transverse[source[0]], transverse[source[1]].conj(), np.concatenate([z, nothing])[source[2]]])


def scattered(
    gain: Float[np.ndarray, "3 _after _voxel"], source: np.ndarray, n: int
) -> Float[np.ndarray, "3 _before _voxel"]:
    """The transpose of `gathered`, of what has no phase."""
    transverse = np.zeros((2 * n, gain.shape[-1]))
    longitudinal = np.zeros((n, gain.shape[-1]))
    for component in (0, 1):
        from_some = source[component] != NONE
        np.add.at(transverse, source[component][from_some], gain[component][from_some])
    from_some = source[2] != NONE
    longitudinal[source[2][from_some]] = gain[2][from_some]
    return np.stack([transverse[:n], transverse[n:], longitudinal])
