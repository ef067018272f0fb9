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
# # Physics in networks
#
# What a scan measures tells a part of what we ask for. A network knows what brains look like, but not which brain this is.
# Layers of physics join both: they draw an image towards the data, and networks between them fill in what the data leave open.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from matplotlib.figure import Figure

import mrjax as mr
from mrjax import zoo
from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.nn.consistency import EncodedModel, Fidelity, GaussNewtonStep, GradientStep, ProximalStep, Unrolled
from mrjax.synthesis import Stream, brain_susceptibility, local_field, random_b0_direction
from mrjax.units import mm, ms

# %% [markdown]
# ## A field, and what made it
# Tissue of another susceptibility bends the field of the magnet. From the phase of a gradient echo we know this field, and want
# the susceptibility. The field of a point is a dipole, so the field of a brain is a convolution: `Dipole`. Here is a random
# brain of 5 mm voxels, with its head tilted, and noise in the field as a scan at 3 T has it.

# %%
shape = (32, 40, 32)


def measured(key):
    for_volume, for_direction, for_noise = jax.random.split(key, 3)
    volume = brain_susceptibility(for_volume, shape, 5 * mm)
    direction = random_b0_direction(for_direction, max_tilt=1.0)
    dipole = Dipole(shape, 5 * mm, direction)
    field = local_field(for_noise, volume, dipole, snr=200, echo_time=20 * ms, b0=3.0)
    return volume, dipole, field, direction


volume, dipole, field, direction = jax.jit(measured)(jax.random.key(1))


def draw(images, title=""):
    """Slices through the deep grey matter, in ppm."""
    figure = Figure(figsize=(2.6 * len(images), 3.4), layout="constrained")
    for axes, (name, image) in zip(figure.subplots(1, len(images), squeeze=False)[0], images.items(), strict=True):
        limit = 0.04 if "field" in name else 0.12
        axes.imshow(np.asarray(image)[:, :, 14].T, cmap="gray", vmin=-limit, vmax=limit, origin="lower")
        axes.set_title(name, fontsize=10)
        axes.axis("off")
    figure.suptitle(title)
    return figure


draw({"susceptibility": volume.susceptibility, "field": field})

# %% [markdown]
# ## Two steps towards the data
# A `Fidelity` holds what was measured and how it comes about: $f(x) = \frac12 \| W^{1/2} (A x - y) \|^2$. A `GradientStep` goes
# down its slope. A `ProximalStep` solves for the compromise between the image that it is given and the data. Both take an image
# and return one. Steps alone, from nothing, come this near to the truth (the error is over the size of the susceptibility):

# %%
fidelity = Fidelity(dipole, field, volume.mask.astype(field.dtype))


def error(found, volume):
    return float(qsm.nrmse(found, volume.susceptibility, volume.mask))


def path(step, log_strength, n=30):
    """The error after each of n steps."""
    once = jax.jit(lambda image: step(image, fidelity, log_strength))
    image, errors = jnp.zeros(shape), []
    for _ in range(n):
        image = once(image)
        errors.append(error(image, volume))
    return image, errors


down, of_gradient = path(GradientStep(), jnp.log(2.0))
nearer, of_proximal = path(ProximalStep(), jnp.log(0.05))

figure = Figure(figsize=(5, 3), layout="constrained")
axes = figure.subplots()
axes.plot(range(1, 31), of_gradient, label="gradient steps of length 2")
axes.plot(range(1, 31), of_proximal, label="proximal steps of weight 0.05")
axes.set(xlabel="steps", ylabel="error (%)")
axes.legend()
figure

# %%
draw({"truth": volume.susceptibility, "30 gradient steps": down, "30 proximal steps": nearer})

# %% [markdown]
# Proximal steps are nearer after one step than gradient steps after many, and then both stay where they are: the field of a
# plane wave at the magic angle is zero, so no field tells of such waves. The streaks are what is missing. Something must be known
# of brains.
#
# ## A network between the steps
# `Unrolled` repeats a stage, here a proximal step for each volume of a batch and then a network. The step knows the direction of
# B0 and the size of voxels, so the network need not learn them. The weights of the steps are learned along with it.


# %%
def stage(image, problem, log_weight, network):
    fidelities, masks = problem
    nearer = jax.vmap(ProximalStep(n_iterations=4), in_axes=(0, 0, None))(image, fidelities, log_weight)
    nearer = jnp.where(masks, nearer, 0.0)
    return jnp.where(masks, nearer + 0.04 * network((nearer / 0.04)[..., None])[..., 0], 0.0)


def denoiser(rngs):
    return mr.nn.ResidualNetwork(1, 1, rank=3, channels=12, n_blocks=2, normalisation=None, zero_output=True, rngs=rngs)


unrolled = Unrolled(stage, denoiser, n_stages=3, log_strength=jnp.log(0.05), rngs=nnx.Rngs(0))


def estimate(network, batch):
    volumes, dipoles, fields, _ = batch
    fidelities = jax.vmap(Fidelity)(dipoles, fields, volumes.mask.astype(fields.dtype))
    return network(jnp.zeros_like(fields), (fidelities, volumes.mask))


def loss(network, batch):
    truth = batch[0].susceptibility
    return jnp.sqrt(jnp.mean((estimate(network, batch) - truth) ** 2) / jnp.mean(truth**2)), {}


stream = Stream(lambda key, n: jax.lax.map(measured, jax.random.split(key, n)), batch_size=2, seed=0)
schedule = mr.nn.TrainingSchedule(steps=40, log_every=2)
history = mr.nn.train(unrolled, loss, stream.batch, schedule, optax.adam(3e-3), progress=False)

figure = Figure(figsize=(5, 3), layout="constrained")
history.plot(figure.subplots())
figure

# %% [markdown]
# ## On a brain that was not trained on
# Total variation is the classical way: the map with the least slopes that explains the field. It knows that tissue has borders,
# which a minute of training did not yet teach the network. So let a network start there: in `unrolled_tv` of the zoo each stage
# is an iteration of total variation, and the network says where slopes are shrunk less or more. Before any training it *is* total
# variation, of 15 iterations; the classical map here has 30. A minute of training does not make up for these. An hour does, and
# gains 5 to 12 % of the error: `mrjax train unrolled_tv --preset hour`, figures in `docs/zoo.md`.

# %%
system = zoo.system_called("unrolled_tv")
settings = {"voxel_size": "0.006", "channels": "8", "stages": "3", "steps": "40", "snr": "200"}
shrinking = zoo.trained(system, zoo.configured(system, "smoke", settings), folder=None, progress=False)

unseen = stream.batch(10_000)
volume, dipole, field, direction = jax.tree.map(lambda leaf: leaf[0], unseen)
for_zoo = {
    "field": field[None],
    "mask": volume.mask[None],
    "weights": volume.mask[None].astype(field.dtype),
    "b0_direction": direction[None],
    "voxel_size": jnp.full((1, 3), 5 * mm),
}
found = {
    "truth": volume.susceptibility,
    "steps and network": estimate(unrolled, unseen)[0],
    "total variation": qsm.tv(field, dipole, volume.mask),
    "learned shrinkage": zoo.estimator(system, shrinking)(for_zoo)["susceptibility"][0],
}
draw({f"{name}\n{error(image, volume):.0f} %" if name != "truth" else name: image for name, image in found.items()})

# %% [markdown]
# ## Maps from too few samples
# A `Fidelity` takes any function that JAX can differentiate. `EncodedModel` joins a signal model and an encoding: from maps to
# the contrasts of six echoes, to eight coils, to a fifth of k-space. `GaussNewtonStep` draws maps towards such data. No network
# is in this: it is what a network of maps would be given as its layer. The number is the median of the relative error.

# %%
phantom = mr.phantoms.brain((96, 96))
tissue, inside = phantom.tissue(), np.asarray(phantom.mask)
coils = mr.phantoms.gaussian_coils(phantom, n_coils=8)
te = jnp.arange(1, 7) * 20 * ms
masks = jnp.stack(
    [
        mr.encoding.patterns.variable_density(key, (96, 96), acceleration=5)
        for key in jax.random.split(jax.random.key(2), 6)
    ]
)
encoding = mr.encoding.sense(coils, mask=masks)
# R2 in 10/s and M0, both of order one
decays = lambda maps: mr.signals.relaxation.t2_decay(te, t2=0.1 / maps[..., 0], m0=maps[..., 1])
truth = jnp.stack([0.1 / jnp.asarray(tissue.t2), jnp.asarray(tissue.m0)], -1)
samples = encoding(jnp.moveaxis(decays(truth), -1, 0))
samples = samples + 2e-3 * masks[:, None] * jax.random.normal(jax.random.key(3), samples.shape, samples.dtype)

start = jnp.stack([jnp.ones((96, 96)), jnp.abs(encoding.adjoint(samples)[0])], -1)
step = jax.jit(
    lambda maps: GaussNewtonStep(n_iterations=20)(
        maps, Fidelity(EncodedModel(decays, encoding), samples), jnp.log(3e-3)
    )
)
maps = start
for _ in range(12):
    maps = jnp.clip(step(maps), 0.01, 5.0)

zero_filled = np.abs(np.asarray(encoding.adjoint(samples)))
slope = np.polyfit(np.asarray(te), np.log(zero_filled.reshape(6, -1) + 1e-9), 1)[0]
t2_of = {
    "truth": np.asarray(tissue.t2),
    "fit of zero-filled images": -1 / np.minimum(slope, -0.1).reshape(96, 96),
    "Gauss-Newton on k-space": 0.1 / np.asarray(maps[..., 0]),
}
figure = Figure(figsize=(9, 3.4), layout="constrained")
for axes, (name, t2) in zip(figure.subplots(1, 3), t2_of.items(), strict=True):
    off = np.median(np.abs(t2 / t2_of["truth"] - 1)[inside])
    shown = axes.imshow(np.where(inside, t2 / ms, 0).T, cmap="magma", vmin=0, vmax=200, origin="lower")
    axes.set_title(name if name == "truth" else f"{name}\n{100 * off:.1f} %", fontsize=10)
    axes.axis("off")
figure.colorbar(shown, label="T2 (ms)", ax=figure.axes)
figure
