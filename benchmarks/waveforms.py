"""Waveforms: a shaped pulse beside the plain kernel, a block pulse, a long Pulseq file.

    python -m benchmarks.waveforms [--small]

Prints a table; one core for the pulses.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr
from mrjax import pulseq
from mrjax.sequence import pulses
from mrjax.units import deg, mm, ms, mT, us

N_STEPS = 1000


def best_of(run: Callable[[], Any], n: int = 5) -> float:
    """Shortest time of several in s, after one for compilation."""
    jax.block_until_ready(run())
    times = []
    for _ in range(n):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return min(times)


def shaped_pulse(n_positions: int, n_frequencies: int) -> list[tuple[str, str]]:
    """The same waveform by `bloch` and by `simulate` with a pulse and a trapezoid."""
    pulse = pulses.sinc(90 * deg, 4 * ms, 6, n_samples=N_STEPS)
    z = jnp.linspace(-10, 10, n_positions)[:, None] * mm
    frequency = jnp.linspace(-100, 100, n_frequencies)[None]
    plain = mr.Tissue(1.0, 0.08, off_resonance=frequency)
    placed = mr.Tissue(1.0, 0.08, off_resonance=frequency, z=z)
    select = mr.Gradient.trapezoid(10 * mT, rise=100 * us, flat=4 * ms, axis="z")
    sequence = mr.Sequence(mr.Together(mr.Sequence(mr.Delay(100 * us), pulse), select), mr.Sample())
    engine = mr.Isochromats()
    jit = jax.jit(lambda tissue: mr.simulate(sequence, tissue, engine))
    kernel = jax.jit(
        lambda tissue: mr.bloch(pulse.waveform, pulse.dt, tissue, field_gradient=10 * mT, position=z).transverse
    )
    by_kernel, by_sequence = best_of(lambda: kernel(plain)), best_of(lambda: jit(placed))
    per_step = 1e9 / (n_positions * n_frequencies * N_STEPS)
    spins = f"{n_positions * n_frequencies} spins x {N_STEPS} steps"
    return [
        (f"`mr.bloch`, {spins}", f"{by_kernel:.3f} s, {by_kernel * per_step:.2f} ns per spin and step"),
        ("the same as `Together(pulse, gradient)`", f"{by_sequence:.3f} s, {by_sequence / by_kernel:.2f}x"),
    ]


def block_pulse(n: int) -> list[tuple[str, str]]:
    """2 s of constant RF."""
    tissue = mr.Tissue(1.0, 0.08, off_resonance=jnp.linspace(-100, 100, n))
    sequence = mr.Sequence(mr.ContinuousWave(1e-6, 2.0), mr.Sample())
    run = jax.jit(lambda tissue: mr.simulate(sequence, tissue, mr.Isochromats()))
    steps = sequence.timeline().n_steps
    return [(f"2 s block pulse, {n} spins", f"{best_of(lambda: run(tissue)) * 1e6 / n:.2f} us per spin, {steps} step")]


def turbo_spin_echo(n_excitations: int, n_echoes: int) -> mr.Sequence:
    """Five blocks an echo and two an excitation."""
    half, gap = 0.8 * ms, 1e-3
    pulse = lambda angle, phase: pulses.sinc(angle * deg, 2 * ms, 4, n_samples=2000, phase=phase)
    select = mr.Gradient.trapezoid(10 * mT, rise=100 * us, flat=2 * ms, axis="z")
    selective = lambda angle, phase: mr.Together(mr.Sequence(mr.Delay(100 * us), pulse(angle, phase)), select)
    encode = np.linspace(-1, 1, n_excitations * n_echoes).reshape(n_excitations, n_echoes) * 2e-5
    lobe = lambda area: mr.Gradient.trapezoid(area=area, rise=100 * us, flat=half, axis="y")
    read = mr.Gradient.trapezoid(8 * mT, rise=100 * us, flat=3.2 * ms, axis="x")
    line = mr.Together(read, mr.Sequence(mr.Delay(100 * us), mr.Readout(128, 25 * us)))
    echo = mr.Repeat(selective(180, 1.5708), lobe(encode), line, lobe(-encode), mr.Delay(gap), n_repetitions=n_echoes)
    return mr.Sequence(mr.Repeat(selective(90, 0.0), mr.Delay(5e-3), echo, n_repetitions=n_excitations))


def long_file(n_excitations: int) -> list[tuple[str, str]]:
    """Written, read, its loops found."""
    sequence = turbo_spin_echo(n_excitations, 16)
    path = Path(tempfile.mkdtemp()) / "tse.seq"
    clock = time.perf_counter
    start = clock()
    pulseq.write(sequence, path)
    written = clock()
    file = pulseq.read(path)
    read = clock()
    again = pulseq.to_sequence(file)
    converted = clock()
    return [
        (
            f"turbo spin echo, {len(file.blocks)} blocks, {path.stat().st_size / 1e6:.1f} MB",
            f"written in {written - start:.2f} s, read in {read - written:.2f} s, as a sequence in {converted - read:.2f} s, "
            f"{again.n_samples} samples",
        )
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    rows = [
        *shaped_pulse(200 if small else 1000, 10 if small else 100),
        *block_pulse(1000 if small else 100_000),
        *long_file(5 if small else 122),
    ]
    print("| | |\n|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
