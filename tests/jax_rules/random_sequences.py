"""Random nested sequences, and a program that differentiates those of the given seeds in many ways."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import mrjax as mr


def random_sequence(seed: int) -> mr.Sequence:
    """One or two loops, up to three deep, one after the other."""
    rng = np.random.default_rng(seed)
    loops = [_loop(rng, (), int(rng.integers(1, 4))) for _ in range(rng.integers(1, 3))]
    return mr.Sequence(mr.Pulse(rng.uniform(0.5, 2.0), rng.uniform(-3, 3)), *loops, mr.Sample())


def _loop(rng: np.random.Generator, repeats: tuple[int, ...], depth: int) -> mr.Repeat:
    """So many loops within one another, with an event or two in each."""
    repeats = (*repeats, int(rng.integers(1, 4)))
    entries = [_event(rng, repeats) for _ in range(rng.integers(1, 3))]
    if depth > 1:
        entries.insert(int(rng.integers(len(entries) + 1)), _loop(rng, repeats, depth - 1))
    return mr.Repeat(*entries, n_repetitions=repeats[-1])


def _event(rng: np.random.Generator, repeats: tuple[int, ...]):
    def drawn(low: float, high: float) -> np.ndarray:
        """One number, or one for each repetition of some of the loops."""
        shape = tuple(n if rng.random() < 0.6 else 1 for n in repeats) if rng.random() < 0.5 else ()
        return rng.uniform(low, high, shape)

    match rng.choice(["pulse", "pulse", "delay", "dephase", "dephase", "sample", "sample", "spoil"]):
        case "pulse":
            return mr.Pulse(drawn(-3, 3), drawn(-3, 3)) if rng.random() < 0.5 else mr.Pulse(drawn(-3, 3))
        case "delay":
            return mr.Delay(drawn(0, 0.03))
        case "dephase":
            return mr.Dephase(int(rng.choice([1, -1, 2])), *([drawn(0, 0.01)] if rng.random() < 0.5 else []))
        case "sample":
            return mr.Sample(drawn(-3, 3)) if rng.random() < 0.5 else mr.Sample()
        case _:
            return mr.Spoil()


def derivatives(seed: int) -> dict:
    """Programs of one number, each of which gives the first or second derivative along the same line."""
    sequence, rng = random_sequence(seed), np.random.default_rng(seed)
    draw = lambda low, high: rng.uniform(low, high, 2)
    frequency = draw(-50, 50) if rng.random() < 0.3 else 0.0
    tissue = mr.Tissue(draw(0.3, 2), draw(0.02, 0.2), b1=draw(0.7, 1.2), off_resonance=frequency)
    numbers, rest = eqx.partition((tissue, sequence), eqx.is_inexact_array)
    change = jax.tree.map(lambda x: 0.1 * jnp.cos(jnp.arange(x.size)).reshape(x.shape), numbers)

    def loss(mode, in_tissue=1.0):
        def along(x):
            moved = lambda by: lambda number, change: number + by * change
            tissue = jax.tree.map(moved(in_tissue * x), numbers[0], change[0]) if in_tissue else numbers[0]
            sequence = jax.tree.map(moved(x), numbers[1], change[1])
            tissue, sequence = eqx.combine((tissue, sequence), rest)
            return jnp.sum(jnp.abs(mr.simulate(sequence, tissue, mr.EPG(4), gradient=mode) - 0.2j) ** 2)

        return along

    modes = [mr.gradient.Checkpoints(), mr.gradient.Direct(), mr.gradient.Forward()]
    forward = lambda function: lambda x: jax.jvp(function, (x,), (1.0,))[1]
    at_once = lambda function: lambda x: jax.vmap(function)(jnp.stack([x, x + 0.01]))[0]
    first = {"forward": forward(loss(None)), "forward at once": at_once(forward(loss(None)))}
    first |= {f"reverse by {mode}": jax.grad(loss(mode)) for mode in modes}
    first |= {"reverse at once": at_once(jax.grad(loss(None))), "in checkpoint": jax.grad(jax.checkpoint(loss(None)))}
    second = {f"forward of reverse by {mode}": forward(jax.grad(loss(mode))) for mode in modes}
    second |= {f"reverse of forward by {mode}": jax.grad(forward(loss(mode))) for mode in modes}
    second |= {"forward of forward": forward(forward(loss(None))), "reverse of reverse": jax.grad(jax.grad(loss(None)))}
    of_sequence = {"forward, sequence": forward(loss(None, 0.0))}
    of_sequence |= {f"reverse, sequence, by {mode}": jax.grad(loss(mode, 0.0)) for mode in modes}
    return {"first": first, "second": second, "of the sequence alone": of_sequence}


FEW = ("forward", "forward at once", "reverse by Forward()", "forward, sequence", "reverse, sequence, by Forward()")


def compile_all(seed: int, names: tuple[str, ...] | None) -> None:
    """Compile and run; all that ought to be the same number are."""
    for programs in derivatives(seed).values():
        found = []
        for name, program in programs.items():
            if names is None or name in names:
                print("seed", seed, name, flush=True)  # the last line tells which one ended the process
                found.append(jax.jit(program)(0.0))
        if found:
            np.testing.assert_allclose(found, found[0], rtol=1e-8, atol=1e-10)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    for seed in map(int, sys.argv[2:]):
        compile_all(seed, FEW if sys.argv[1] == "few" else None)
