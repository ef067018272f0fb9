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
# # First signals
#
# A sequence, a tissue and an engine give signals. This notebook writes a sequence in five lines, plays it with two engines
# that agree, differentiates it, and compares it with theory.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.units import deg, ms

jax.config.update("jax_enable_x64", True)  # to compare with theory to the last digit

# %% [markdown]
# ## A sequence in five lines
# A spin-echo train: excitation, then again and again half an echo spacing, a crusher, a refocusing pulse, a crusher, half an
# echo spacing, a sample. A leaf with one entry per repetition (here the flip angle) says how often `Repeat` repeats.

# %%
refocusing = jnp.full(16, 140 * deg)
half = mr.Delay(5 * ms)
train = mr.Sequence(
    mr.Pulse(90 * deg, phase=90 * deg),
    mr.Repeat(half, mr.Dephase(), mr.Pulse(refocusing), mr.Dephase(), half, mr.Sample()),
)
print(train)
print(f"{train.n_samples} samples in {float(train.duration) / ms:.0f} ms")

# %% [markdown]
# The same train is `mr.protocols.cpmg(refocusing, 10 * ms)`. What it plays, and which coherence pathways it makes:

# %%
figure = Figure(figsize=(13, 4), layout="constrained")
left, right = figure.subplots(1, 2)
first_five = mr.Sequence(
    mr.Pulse(90 * deg, phase=90 * deg),
    mr.Repeat(mr.Dephase(1, 5 * ms), mr.Pulse(refocusing[:5]), mr.Dephase(1, 5 * ms), mr.Sample()),
)
mr.plot.sequence_diagram(train, axes=left)
mr.plot.coherence_pathways(first_five, axes=right)
figure

# %% [markdown]
# ## Two engines, one answer
# Tissue parameters broadcast to the voxels. Phase graphs (`EPG`) and spins across the voxel (`Isochromats`) take the same
# sequence and the same tissue.

# %%
tissue = mr.Tissue(t1=jnp.array([0.84, 1.6, 4.4]), t2=jnp.array([0.07, 0.08, 2.0]), b1=0.95)
signal = mr.simulate(train, tissue, engine=mr.EPG())
difference = jnp.abs(signal - mr.simulate(train, tissue, engine=mr.Isochromats())).max()
print(f"shape {signal.shape}; the engines differ by {difference:.1e} of M0")
assert difference < 1e-13

# %% [markdown]
# ## Against theory
# With ideal refocusing the echoes decay with T2 alone, whatever the crushers do.

# %%
ideal = mr.protocols.cpmg(jnp.full(16, jnp.pi), 10 * ms)
white = mr.Tissue(t1=0.84, t2=0.07)
echoes = mr.simulate(ideal, white).real
theory = mr.signals.relaxation.t2_decay(ideal.sample_times, t2=0.07)
print(f"largest difference from exp(-t/T2): {jnp.abs(echoes - theory).max():.1e}")
np.testing.assert_allclose(echoes, theory, atol=1e-12)

# %% [markdown]
# ## Derivatives
# Any float leaf can be differentiated: how much does each refocusing angle change the last echo of white matter?

# %%
last_echo = lambda angles: jnp.abs(mr.simulate(mr.protocols.cpmg(angles, 10 * ms), white))[-1]
slope = jax.grad(last_echo)(refocusing)
step = 1e-6
moved = refocusing.at[3].add(step)
numerical = (last_echo(moved) - last_echo(refocusing.at[3].add(-step))) / (2 * step)
print(f"derivative in the fourth angle {slope[3]:.9f}, by finite differences {numerical:.9f}")
assert abs(slope[3] - numerical) < 1e-8

# %% [markdown]
# ## From signals back to maps
# Least squares through the simulation, in every voxel at once, with error bars.

# %%
noise_std = 0.005
rng = np.random.default_rng(1)
true_t2 = np.linspace(0.04, 0.15, 200)
model = lambda p: p["m0"][..., None] * mr.simulate(train, mr.Tissue(t1=1.0, t2=p["t2"])).real
data = model({"m0": jnp.ones(200), "t2": jnp.asarray(true_t2)}) + noise_std * rng.standard_normal((200, 16))
fit = mr.inverse.least_squares(model, data, {"m0": 1.0, "t2": 0.08}, bounds=(1e-3, 10.0), noise_std=noise_std)

figure = Figure(figsize=(13, 4), layout="constrained")
left, right = figure.subplots(1, 2)
mr.plot.signal_curves(signal, train.sample_times, labels=["white matter", "grey matter", "CSF"], marker="o", axes=left)
estimate, deviation = fit.parameters["t2"] / ms, fit.standard_deviation["t2"] / ms
right.errorbar(true_t2 / ms, estimate - true_t2 / ms, 1.96 * deviation, fmt=".", lw=0.5)
right.axhline(0, color="black", lw=0.8)
right.set(xlabel="true T2 (ms)", ylabel="estimate minus truth (ms), 95 % intervals")
figure

# %%
covered = np.mean(np.abs(estimate - true_t2 / ms) < 1.96 * deviation)
print(f"the 95 % interval holds the truth in {covered:.0%} of the voxels")
assert 0.9 < covered < 0.99
