"""A network that returns RF and gradient for a wanted profile: `python examples/design/pulses_by_a_network.py`.

After Zhang, Jiang, Jiang et al., NMR Biomed 2021, "Multi-task convolutional neural network-based design of radio frequency pulse
and the accompanying gradients for magnetic resonance imaging". Its layers, data and training are not in what could be read of it,
so all of these are chosen here. The network is trained through the physics: what counts is what its pulses do, within limits
that they cannot exceed. It is judged on profiles that it has not seen, on positions between those that it was trained on, against
least squares for small flip angles and against a search for each pulse.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import mrjax as mr
from mrjax.units import GAMMA_BAR, deg, mm, ms, mT, us, uT

N, DT = 96, 20 * us
MAX_B1, MAX_GRADIENT, MAX_SLEW = 20 * uT, 30 * mT, 150.0
OUTERMOST = 30 * mm
PLACES = np.linspace(-OUTERMOST, OUTERMOST, 61)
BETWEEN = np.linspace(-OUTERMOST, OUTERMOST, 241)
LARGEST, EDGE = 90 * deg, 1.5 * mm
PLATEAUS = (4 * mT, 6 * mT, 9 * mT, 13 * mT)
"""Of the gradients that least squares may choose from, in T/m; the network begins at the third."""


def profiles(key, n):
    """Flip angles in rad of one slab or two: their middles, widths and angles."""
    keys = jax.random.split(key, 4)
    middle = jax.random.uniform(keys[0], (n, 2), minval=-18 * mm, maxval=18 * mm)
    width = jax.random.uniform(keys[1], (n, 2), minval=5 * mm, maxval=20 * mm)
    angle = jax.random.uniform(keys[2], (n, 2), minval=10 * deg, maxval=LARGEST)
    second = jax.random.bernoulli(keys[3], 0.5, (n,))
    return {"middle": middle, "width": width, "angle": angle * jnp.stack([jnp.ones(n), second], axis=1)}


def angles_at(slabs, places):
    """The flip angle of each place in rad, with smooth edges; where slabs meet, the larger."""
    distance = jnp.abs(jnp.asarray(places)[None, None] - slabs["middle"][..., None]) - slabs["width"][..., None] / 2
    return jnp.max(slabs["angle"][..., None] * jax.nn.sigmoid(-4 * distance / EDGE), axis=1)


def played(design):
    """A pulse within the limits from any numbers."""
    real, imaginary = design["real"], design["imaginary"]
    field = MAX_B1 * (real + 1j * imaginary) / jnp.sqrt(1 + real**2 + imaginary**2)
    along_z = mr.design.limited_gradient(design["slew"], DT, MAX_GRADIENT, MAX_SLEW)
    return mr.design.ParallelPulse(field[None], jnp.pad(along_z[:, None], ((0, 0), (2, 0))), DT)


def errors(designs, slabs, places):
    """Of each pulse: the squared error of the transverse magnetisation, relative to what is wanted."""
    position = np.stack([0 * places, 0 * places, places], axis=1)
    ones = jnp.ones((1, places.size))

    def error(design, angle):
        response = mr.design.parallel_response(played(design), b1_maps=ones, position=position)
        return mr.design.relative_error(response.excited, -1j * jnp.sin(angle))

    return jax.vmap(error)(designs, angles_at(slabs, places))


def plateau(strength):
    """Numbers for a gradient that excites in two thirds of the time, and gives back half of its area after."""
    ramp = max(1, round(strength / (0.9 * MAX_SLEW * DT)))
    shape = np.zeros(N + 1)
    turn = 2 * N // 3
    shape[ramp : turn - ramp + 1] = 1.0
    shape[: ramp + 1] = np.linspace(0, 1, ramp + 1)
    shape[turn - ramp : turn + 1] = np.linspace(1, 0, ramp + 1)
    back = np.interp(np.arange(N + 1), [turn, turn + ramp + 1, N - ramp - 1, N], [0.0, 1.0, 1.0, 0.0])
    shape -= back * shape.sum() / (2 * back.sum())
    steps = np.diff(shape) * strength / (MAX_SLEW * DT)
    return np.arctanh(np.clip(steps, -0.98, 0.98))


class PulseDesigner(nnx.Module):
    """Convolutions over the places, then a part for the RF and one for the gradient."""

    def __init__(self, rngs, channels=16, width=512):
        convolution = lambda n_in: nnx.Conv(n_in, channels, (5,), rngs=rngs)
        self.convolutions = nnx.List([convolution(1), convolution(channels)])
        self.shared = nnx.Linear(channels * PLACES.size, width, rngs=rngs)
        self.rf = mr.nn.FullyConnected((width, width, 2 * N), rngs=rngs)
        self.gradient = mr.nn.FullyConnected((width, width // 2, N), rngs=rngs)

    def __call__(self, angles):
        """Numbers for `played`, from flip angles `(batch, n_places)`."""
        units = angles[..., None] / LARGEST
        for layer in self.convolutions:
            units = jax.nn.relu(layer(units))
        units = jax.nn.relu(self.shared(units.reshape(units.shape[0], -1)))
        rf = self.rf(units)
        slew = jnp.asarray(plateau(PLATEAUS[2]), units.dtype)[None] + 0.1 * self.gradient(units)
        return {"real": 0.3 * rf[:, :N], "imaginary": 0.3 * rf[:, N:], "slew": slew}


def loss(network, slabs):
    error = jnp.mean(errors(network(angles_at(slabs, PLACES)), slabs, PLACES))
    return error, {"relative_error": error}


def trained(steps, batch_size, progress=False):
    network, stream = PulseDesigner(nnx.Rngs(0)), mr.synthesis.Stream(profiles, batch_size, seed=0)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(1e-3, steps)))
    mr.nn.train(network, loss, stream.batch, mr.nn.TrainingSchedule(steps), optimiser, progress=progress)
    return network


def for_small_angles(angle):
    """The best of least squares under four gradients, as if flip angles were small; RF beyond the limit is scaled down."""
    found = []
    for strength in PLATEAUS:
        slew = jnp.asarray(plateau(strength))
        along_z = np.asarray(mr.design.limited_gradient(slew, DT, MAX_GRADIENT, MAX_SLEW))
        area = np.append(0.0, np.cumsum((along_z[1:] + along_z[:-1]) / 2 * DT))
        left = area[-1] - (area[1:] + area[:-1]) / 2
        turn = 2 * np.pi * GAMMA_BAR["1H"]
        system = -1j * turn * DT * MAX_B1 * np.exp(1j * turn * np.outer(PLACES, left))
        square = system.conj().T @ system
        b = np.linalg.solve(square + 1e-3 * np.trace(square) / N * np.eye(N), system.conj().T @ (-1j * angle))
        size = np.minimum(np.abs(b), 0.99)
        b = b * size / np.maximum(np.abs(b), 1e-12) / np.sqrt(1 - size**2)  # what `played` turns into the field
        found.append({"real": jnp.asarray(b.real), "imaginary": jnp.asarray(b.imag), "slew": slew})
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little training, two profiles")
    parser.add_argument("--figure", help="where to draw two pulses and what they do")
    options = parser.parse_args(arguments)
    network = trained(*((150, 16) if options.quick else (8000, 32)), progress=not options.quick)
    n, steps = (2, 50) if options.quick else (24, 300)
    slabs = profiles(jax.random.key(1), n)
    designs, seconds = judged(network, slabs, steps)
    judge = jax.jit(lambda designs: jnp.sqrt(errors(designs, slabs, BETWEEN)))
    found = {name: np.asarray(judge(each)) for name, each in designs.items()}
    for name, error in found.items():
        print(
            f"{name}: error {100 * error.mean():.1f} % on average, {100 * error.max():.1f} % at worst, "
            f"{1e3 * seconds[name]:.3g} ms for a pulse"
        )
    if options.figure:
        draw(designs, slabs, options.figure)
    return found


def judged(network, slabs, steps):
    """Pulses of each kind, and the seconds that each took: for the first two without what JAX compiles."""
    each = [row(slabs, i) for i in range(slabs["width"].shape[0])]
    angles = [angles_at(one, PLACES) for one in each]
    ask = nnx.jit(lambda network, angles: network(angles))
    judge = jax.jit(lambda designs, slab: errors(designs, repeated(slab, len(PLATEAUS)), PLACES))

    def best_of_four(slab, angles):
        candidates = for_small_angles(np.asarray(angles[0]))
        return row(candidates, int(jnp.argmin(judge(candidates, slab))))

    kinds = {
        "network": lambda slab, angles: jax.block_until_ready(ask(network, angles)),
        "small angles": best_of_four,
    }
    designs, seconds = {}, {}
    for name, make in kinds.items():
        make(each[0], angles[0])
        begin = time.perf_counter()
        made = [make(*one) for one in zip(each, angles, strict=True)]
        seconds[name] = (time.perf_counter() - begin) / len(each)
        designs[name] = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *made)
    for start in tuple(designs):
        name, begin = f"searched from {start}", time.perf_counter()
        designs[name] = searched(designs[start], slabs, steps)
        seconds[name] = (time.perf_counter() - begin) / len(each)
    return designs, seconds


def row(tree, i):
    """One of many profiles or pulses, as many of one."""
    return jax.tree.map(lambda leaf: leaf[i : i + 1], tree)


def repeated(tree, n):
    """One, as often."""
    return jax.tree.map(lambda leaf: jnp.tile(leaf, (n, 1)), tree)


def searched(designs, slabs, steps):
    """All pulses at once: of Adam's steps no pulse knows what others do. They are short, as slew rates gather to gradients."""
    objective = lambda designs: jnp.mean(errors(designs, slabs, PLACES))
    free = lambda designs: designs
    adam = optax.adam(optax.cosine_decay_schedule(5e-4, steps))
    return mr.design.optimise(objective, designs, free=free, optimiser=adam, steps=steps, progress=False).best


def draw(designs, slabs, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    rows = figure.subplots(2, 3)
    time_edges = np.arange(N + 1) * DT / ms
    position = np.stack([0 * BETWEEN, 0 * BETWEEN, BETWEEN], axis=1)
    for i, (of_field, of_gradient, of_profile) in enumerate(rows):
        wanted = jnp.sin(angles_at(row(slabs, i), BETWEEN))[0]
        of_profile.fill_between(BETWEEN / mm, wanted, color="0.85", label="wanted")
        for name, color in (("small angles", "C1"), ("network", "C0"), ("searched from network", "C2")):
            pulse = played({key: leaf[i] for key, leaf in designs[name].items()})
            of_field.stairs(np.abs(pulse.waveforms[0]) / uT, time_edges, color=color)
            of_gradient.plot(time_edges, pulse.gradient[:, 2] / mT, color=color)
            response = mr.design.parallel_response(pulse, b1_maps=jnp.ones((1, BETWEEN.size)), position=position)
            of_profile.plot(BETWEEN / mm, jnp.real(1j * response.excited), color=color, label=name)
        of_field.set(xlabel="time (ms)", ylabel="|B1| (uT)")
        of_gradient.set(xlabel="time (ms)", ylabel="gradient along z (mT/m)")
        of_profile.set(xlabel="z (mm)", ylabel="-My", ylim=(-0.15, 1.05))
    figure.legend(*rows[0, 2].get_legend_handles_labels(), loc="outside upper center", frameon=False, ncols=4)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
