# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Better sequences
#
# A sequence is data, and what it measures is differentiable in every number of it. So one may write down what a measurement
# should be good at, and let a search find the numbers: flip angles, a pulse, a path through k-space, all within the limits of
# a scanner.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
import optax
from IPython.display import HTML
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation

import mrjax as mr
from mrjax.units import deg, ms, mT, us

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## Two flip angles for T1
# No unbiased estimate has a smaller variance than the Cramér-Rao bound. It follows from the derivatives of the signal, so we need
# no fits to find the angles that measure T1 = 1 s best with a repetition time of 5 ms.

# %%
tissue = {"t1": jnp.array([1.0]), "m0": jnp.ones(1)}
of_angles = lambda angles: mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=5 * ms)
bound = mr.design.crlb(of_angles, tissue, noise_std=1e-3, weights={"t1": 1.0})
angles = mr.design.optimise(
    bound, jnp.array([4.0, 10.0]) * deg, free=lambda x: x, bounds=(1 * deg, 90 * deg), progress=False
)
print("angles in degrees:", np.round(angles.best / deg, 2))
print(
    "relative deviation of T1, before and after:",
    *(bound.relative_deviation(x)["t1"] for x in (angles.start, angles.best)),
)

# %% [markdown]
# Here the optimum is known: both angles give $1/\sqrt 2$ of the signal at the Ernst angle.

# %%
ernst = mr.signals.relaxation.ernst_angle(5 * ms, 1.0)[0]
exact = 2 * jnp.arctan(jnp.tan(ernst / 2) * jnp.tan(jnp.pi / 8 * jnp.array([1, 3])))
assert np.allclose(angles.best, exact, rtol=1e-3)

# %% [markdown]
# ## An inversion that forgives
# A block pulse inverts where the transmit field is what it should be. This one is to invert from 70 to 130 percent of it, with
# no more than 15 uT. It starts as a block with noise, from which a search can leave.

# %%
b1 = np.linspace(0.7, 1.3, 5)
task = mr.design.PulseTask(
    kind="inversion", flip_angle=180 * deg, n_samples=40, dt=0.1 * ms, wanted=np.ones(5), b1=b1, max_b1=15e-6
)
noise = 0.3 * np.random.default_rng(0).normal(size=(2, 40)) * task.nominal_block()
pulse = mr.design.optimise(
    mr.design.weighted_sum({"error": (1.0, task.error), "energy": (0.005, task.energy)}),
    {"real": jnp.asarray(task.nominal_block() + noise[0]), "imaginary": jnp.asarray(noise[1])},
    free=lambda design: design,
    bounds={"real": (-15e-6, 15e-6), "imaginary": (-15e-6, 15e-6)},
    steps=150,
    progress=False,
)
block = {"real": jnp.full(40, task.nominal_block()), "imaginary": jnp.zeros(40)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), layout="constrained")
left.plot(np.arange(40) * 0.1, np.abs(task.samples(pulse.best)) * 1e6)
left.set(xlabel="time (ms)", ylabel="B1 (uT)")
for design, name in ((block, "block"), (pulse.best, "designed")):
    right.plot(b1, task.response(design).inverted, label=name, marker=".")
right.set(xlabel="transmit field, relative", ylabel="Mz after the pulse")
right.legend()

# %% [markdown]
# ## A path through k-space, as it is learned
# Two arms of a spiral go through the k-space of a small brain with half of the turns that it needs. Splines bend their
# gradients, and weights of the samples are learned along; the time stays what it was. First come the weights alone, so that what
# is gained after that comes from the path. The objective notes where the samples are, so that we can look on.

# %%
scanner = mr.Scanner(max_gradient=30 * mT, max_slew=120.0)
half = mr.protocols.imaging.spiral(0.1, 16, 2, 20 * deg, dwell_time=10 * us, scanner=scanner)
spiral = mr.design.TrajectoryTask(half, scanner, fov=0.2, matrix=32, n_coefficients=12)
slice_of_brain = lambda number: np.asarray(mr.phantoms.brain(shape=(32, 32), slice=number).tissue().m0)[None]
seen, unseen = np.concatenate([slice_of_brain(n) for n in (36, 44)]), slice_of_brain(52)
frames = []


def error(design):
    jax.debug.callback(lambda k: frames.append(np.array(k)), spiral.trajectory(design))
    return spiral.error(design, seen)


objective = mr.design.weighted_sum({"error": (1.0, error), "excess": (100.0, spiral.excess)})
bounds = {"coefficients": (-0.5, 0.5), "weights": (0.0, 20.0)}


def search(start, free, rate, steps):
    adam = optax.adam(optax.cosine_decay_schedule(rate, steps))
    return mr.design.optimise(
        objective, start, free=free, bounds=free(bounds), optimiser=adam, steps=steps, progress=False
    )


weighted = search(spiral.start(), lambda design: design["weights"], 0.02, 60)
frames.clear()
learned = search(weighted.best, lambda design: design, 0.004, 150)
best = spiral.within_limits(learned.best)
for name, design in (("spiral", weighted.best), ("learned", best)):
    print(f"{name}: squared error of an unseen slice {float(spiral.error(design, unseen)):.3f}")

# %%
chosen = frames[:: max(1, len(frames) // 24)]
figure, axes = plt.subplots(figsize=(3.2, 3.2), layout="constrained", dpi=60)
lines = [axes.plot([], [], ".-", markersize=2, linewidth=0.6)[0] for _ in range(2)]
axes.set(xlim=(-90, 90), ylim=(-90, 90), xlabel="kx (1/m)", ylabel="ky (1/m)", aspect="equal")


def draw(number):
    for line, shot in zip(lines, chosen[number].reshape(2, -1, 2), strict=True):
        line.set_data(shot[:, 0], shot[:, 1])
    return lines


animation = FuncAnimation(figure, draw, frames=len(chosen), interval=150)
plt.close(figure)
HTML(animation.to_jshtml())

# %%
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
images = (unseen, *(spiral.reconstructed(design, unseen) for design in (weighted.best, best)))
for place, image, name in zip(axes, images, ("brain", "spiral", "learned"), strict=True):
    place.imshow(np.abs(image[0]).T, origin="lower", cmap="gray", vmin=0, vmax=unseen.max())
    place.set(title=name, xticks=[], yticks=[])

# %% [markdown]
# ## Would a scanner play it?
# `check` refuses what exceeds a limit, and `utilisation` says how much of each is used: here also of the threshold of peripheral
# nerves, by a model with numbers of no scanner in particular.

# %%
nerves = mr.hardware.ChronaxieStimulation(rheobase=20.0, effective_length=0.333, chronaxie=360e-6)
cautious = mr.Scanner(max_gradient=30 * mT, max_slew=120.0, stimulation=nerves)
sequence = spiral.played(best)
scanner.check(sequence)
print({name: round(float(np.max(share)), 2) for name, share in cautious.utilisation(sequence).items()})

# %% [markdown]
# The command line does the same for files of settings, keeps what it has found and goes on after a kill:
# `mrjax design pulse`, `image`, `trajectory`, `crlb` and `cest`.
