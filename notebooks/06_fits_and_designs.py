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
# # Fits and designs
#
# From signals to parameters, with honest error bars; and from error bars to a better experiment. All of it starts from a *model*:
# a signal as a function of what is to be found.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.units import deg, ms

model = mr.signals.models.Decay(te=jnp.arange(1, 9) * 12 * ms)
print(model)

# %% [markdown]
# ## A map, and its uncertainty
# A slice of a brain without its CSF, eight echoes, noise of 2 % of pure water. `least_squares` starts where a few trials fit
# best, fits all voxels at once, and returns the standard deviation of each parameter beside it.

# %%
brain = mr.phantoms.brain(shape=(56, 64))
tissue = brain.tissue()
inside = np.asarray(brain.mask) & (np.asarray(tissue.t2) < 0.15)  # water of CSF hardly decays during these echoes
truth = {"t2": jnp.where(inside, tissue.t2, 0.08), "m0": jnp.where(inside, tissue.m0, 0.0)}
noise_std = 0.02
signals = model(truth)
data = signals + noise_std * jax.random.normal(jax.random.key(0), signals.shape)
fit = mr.inverse.least_squares(model, data, noise_std=noise_std)


def draw(maps, limits, title):
    """Maps of T2 beside each other."""
    figure = Figure(figsize=(3.2 * len(maps), 3.1), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, len(maps)), maps.items(), strict=True):
        of_map = (0.0, 0.012) if "deviation" in name else limits
        mr.plot.parameter_map(values, "t2", mask=inside, limits=of_map, title=name, axes=axes)
    figure.suptitle(title)
    return figure


maps = {
    "truth": truth["t2"],
    "fit": fit.parameters["t2"],
    "its standard deviation": fit.standard_deviation["t2"],
}
draw(maps, (0.05, 0.11), "T2 from eight echoes")

# %% [markdown]
# Are the error bars right? Then in 95 % of the voxels the truth lies within 1.96 of them.

# %%
off = np.abs(fit.parameters["t2"] - truth["t2"]) / fit.standard_deviation["t2"]
print(f"{100 * np.mean(off[inside] < 1.96):.1f} % of {inside.sum()} voxels")

# %% [markdown]
# ## Could any estimate do better?
# The Cramér-Rao bound is the least variance of an estimate without bias. `crlb` takes it from the exact derivatives of the model;
# `monte_carlo` fits many signals with noise. Where the dots lie on the line, the fit uses all that the data tell. For tissues of
# other T2 the eight echoes serve less well: the longer T2, the less of the decay they see.

# %%
tissues = {"t2": jnp.geomspace(0.02, 0.3, 10), "m0": jnp.full(10, 0.7)}
bound = mr.inverse.crlb(model, tissues, noise_std)
found = mr.inverse.monte_carlo(model, tissues, noise_std, jax.random.key(1), 500)
mr.plot.precision(bound, found)[0].figure

# %% [markdown]
# ## Maps straight from k-space
# A scanner measures k-space, and to save time only a part of it: here every third line and eight in the middle, other lines for
# each echo, in four coils. Images that are reconstructed one by one carry noise and fold-over into the map. `maps_from_k_space`
# asks instead for the map whose k-space fits to all that was measured, and that has few edges (total variation).

# %%
nx, ny = inside.shape
lines = np.arange(ny)
played = np.stack([(lines % 3 == echo % 3) | (np.abs(lines - ny // 2) < 4) for echo in range(8)])
x, y = np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny), indexing="ij")
coils = jnp.asarray([np.exp(-((x - a) ** 2 + (y - b) ** 2) + 1j * (a * y - b * x)) for a in (-1, 1) for b in (-1, 1)])
encoding = mr.encoding.sense(coils, mask=jnp.broadcast_to(played[:, None], (8, nx, ny)))
clean = encoding(jnp.moveaxis(signals, -1, 0).astype(complex))
of_parts = jax.random.normal(jax.random.key(2), (2, *clean.shape))
k_space = jnp.where(clean == 0, 0, clean + noise_std / 2 * (of_parts[0] + 1j * of_parts[1]))

images = mr.reconstruction.cg_sense(encoding, k_space, n_iterations=12)
one_by_one = mr.inverse.least_squares(model, jnp.moveaxis(images, 0, -1).real, noise_std=noise_std)
smooth = mr.inverse.TotalVariation(40.0)
straight = mr.inverse.maps_from_k_space(
    model, k_space, encoding, noise_std=noise_std / 2, regularisation=smooth, n_steps=8, n_draws=8
)
maps = {
    "CG-SENSE, then fit": one_by_one.parameters["t2"],
    "straight from k-space": straight.parameters["t2"],
    "its standard deviation": straight.standard_deviation["t2"],
}
for name in list(maps)[:2]:
    print(f"{name}: median error {100 * np.median(np.abs(maps[name] / truth['t2'] - 1)[inside]):.1f} %")
draw(maps, (0.05, 0.11), f"T2 from {100 * played.mean():.0f} % of k-space")

# %% [markdown]
# This standard deviation is that of the noise. What total variation takes away of small structures is not in it: what smooths has
# to be paid for with a bias.

# %% [markdown]
# ## A better experiment
# The bound needs no data, so it can be minimised *before* the scan. T1 is often mapped by spoiled gradient echoes at a few flip
# angles. Which ones? `mr.design.crlb` makes an objective of the bound, averaged over tissues, and `optimise` follows its
# derivative.

# %%
of_angles = lambda angles: mr.signals.models.VariableFlipAngle(flip_angle=angles, tr=5 * ms)
brain_tissues = {"t1": jnp.array([0.84, 1.6]), "m0": jnp.ones(2)}  # white and grey matter at 3 T
objective = mr.design.crlb(of_angles, brain_tissues, noise_std=2e-4, weights={"t1": 1.0})
start = jnp.array([4.0, 7.0, 10.0]) * deg
result = mr.design.optimise(objective, start, free=lambda angles: angles, bounds=(1 * deg, 30 * deg), progress=False)
print(f"angles {np.round(start / deg, 1)} deg become {np.round(result.best / deg, 1)} deg")
print(f"the variance of T1, averaged over both tissues, is divided by {result.factor:.2f}")
predicted = [objective.relative_deviation(angles)["t1"] for angles in (start, result.best)]
print(f"that of grey matter by {float((predicted[0] / predicted[1])[1]) ** 2:.2f}")

# %% [markdown]
# A promise of the bound; fits to signals with noise have to keep it. Here are 4000 voxels of grey matter, before and after.

# %%
voxels = {"t1": jnp.full(4000, 1.6), "m0": jnp.ones(4000)}
figure = Figure(figsize=(6, 3.2), layout="constrained")
axes = figure.subplots()
variances = []
for name, angles, colour in (("start", start, "0.6"), ("designed", result.best, "C0")):
    spoiled = of_angles(angles)
    noise = 2e-4 * jax.random.normal(jax.random.key(3), (4000, 3))
    t1 = np.asarray(mr.inverse.least_squares(spoiled, spoiled(voxels) + noise).parameters["t1"])
    axes.hist(
        t1, bins=np.linspace(1.48, 1.72, 49), histtype="step", color=colour, label=f"{name}: {1e3 * t1.std():.0f} ms"
    )
    variances.append(t1.var())
axes.axvline(1.6, color="k", linewidth=0.8)
axes.set(xlabel="fitted T1 (s)", ylabel="voxels", title="T1 of grey matter, true value 1.6 s")
axes.legend(title="standard deviation", frameon=False)
print(f"in these fits the variance is divided by {variances[0] / variances[1]:.2f}")
figure

# %% [markdown]
# Two of the three angles are nearly the same: with three images, one angle is worth two of them. The same from the command line,
# for this experiment and others, with a figure and files for the scanner:
#
# ```sh
# mrjax design crlb vfa --flip-angle 4deg 7deg 10deg --tissue white-matter grey-matter --tr 5ms
# ```
