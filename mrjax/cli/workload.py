"""How large a simulation will be, before it begins."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

MEMORY = Path("/proc/meminfo")
COPIES = 1.5
"""Of maps of coils and tissue, while they are made and sorted."""
OF_PROGRAMS = 7e8
"""Bytes of Python, JAX and compiled programs."""
PULSES, EXACT = 3e6, 3e7
"""What a core computes in a second, roughly: spins x pulses, and spins x samples x coils one by one. Samples that are encoded
together cost little beside the pulses."""
LONG = 30.0
"""Seconds from which on they are worth a word."""
LARGE = 0.5
"""Share of the free memory from which on it is worth a word."""


@dataclass(frozen=True)
class Workload:
    """Counts of a simulation."""

    n_spins: int
    n_compartments: int
    n_pulses: int
    n_samples: int
    n_coils: int
    is_exact: bool

    @property
    def seconds(self) -> float:
        """To a factor of three or so, on all cores."""
        each = self.n_pulses / PULSES + self.is_exact * self.n_samples * self.n_coils / EXACT
        return self.n_spins * self.n_compartments * each / (os.cpu_count() or 1)

    @property
    def bytes(self) -> float:
        """At the most, in single precision: complex maps of coils, magnetisation of compartments, two fields, samples."""
        of_spins = self.n_spins * (8 * self.n_coils + 4 * self.n_compartments + 8)
        return OF_PROGRAMS + COPIES * of_spins + 16 * self.n_samples * self.n_coils

    def said(self, free: float | None) -> str | None:
        """What the user should hear before; None where it is small.

        Raises `ValueError` where it needs more memory than is free.
        """
        counts = f"{self.n_spins * self.n_compartments:,} spins, {self.n_samples:,} samples and {self.n_coils} coils"
        if free is not None and self.bytes > free:
            raise ValueError(
                f"{counts} need about {_gigabytes(self.bytes)} of memory, but {_gigabytes(free)} are free; take fewer "
                "--sub-spins, --coils or a smaller --matrix."
            )
        words = [f"about {_gigabytes(self.bytes)} of memory"] * (free is not None and self.bytes > LARGE * free)
        words += [f"some {_duration(self.seconds)}"] * (self.seconds > LONG)
        return f"{counts} will take {' and '.join(words)}." if words else None


def free_memory() -> float | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    if MEMORY.exists():
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return None


def n_spins(shape: tuple[int, ...], sub_spins: tuple[int, ...]) -> int:
    """Of one compartment."""
    return math.prod(shape) * math.prod(sub_spins)


def _gigabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.2g} GB" if n_bytes < 1e11 else f"{n_bytes / 1e9:,.0f} GB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"
