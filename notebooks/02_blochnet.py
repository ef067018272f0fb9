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
# # BlochNet
#
# An encoder reads T1 and T2 from a fingerprint; an exact physics decoder, without weights, says which fingerprint they would
# give. This notebook trains the `smoke` preset, maps a brain slice, and then lets the physics finish what the network began.

# %%
# %matplotlib inline
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import mrjax as mr
from mrjax import zoo
from mrjax.units import ms

# %% [markdown]
# ## Data that are made while training
# A batch is simulated on the device from its step and a seed alone; nothing is stored, and resuming meets the same batches.

# %%
system = zoo.system_called("blochnet")
config = zoo.configured(system, "smoke", {})
batch = zoo.fingerprints.stream(config).batch(0)
print({name: value.shape for name, value in batch.items()})

figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots()
for i in range(3):
    t1, t2 = float(batch["t1"][i, 0]) / ms, float(batch["t2"][i, 0]) / ms
    axes.plot(batch["signal"][i, 0], label=f"T1 {t1:.0f} ms, T2 {t2:.0f} ms")
axes.set_xlabel("repetition")
axes.set_ylabel("fingerprint")
axes.legend()
figure

# %% [markdown]
# ## Training
# The loss is the error of log10 T1 and log10 T2, plus that of the decoded fingerprint. The decoder carries its Jacobian
# forward, so reverse mode stores no states. On the command line: `mrjax train blochnet --preset smoke`.

# %%
network = zoo.trained(system, config, folder=None, progress=False)

# %% [markdown]
# ## Maps of a slice
# The phantom's voxels are none of the training grid.

# %%
phantom = mr.phantoms.brain((64, 64))
inside = np.asarray(phantom.mask)
tissue = phantom.tissue()
truth = {name: np.asarray(getattr(tissue, name))[inside] for name in ("t1", "t2")}
voxels = zoo.fingerprints.Voxels(truth["t1"].astype(np.float32), truth["t2"].astype(np.float32))
decoder = zoo.fingerprints.fisp_decoder(config)
signal = jnp.asarray(voxels.signals(decoder))

by_network = zoo.estimator(system, network)
answers = {
    "truth": truth,
    "BlochNet": by_network(signal),
    "refined": zoo.fingerprints.refined(by_network, decoder)(signal),
}


# %%
def on_grid(values):
    image = np.zeros(phantom.shape)
    image[inside] = values
    return np.rot90(image)


figure = Figure(figsize=(10, 6), layout="constrained")
for row, (name, longest) in zip(figure.subplots(2, 3), (("t1", 4.5), ("t2", 0.3)), strict=True):
    for axes, (method, answer) in zip(row, answers.items(), strict=True):
        image = axes.imshow(on_grid(answer[name]) / ms, vmin=0, vmax=longest / ms)
        axes.set_title(f"T{name[1]}, {method}")
        axes.set_axis_off()
    figure.colorbar(image, ax=row, label="ms")
figure

# %% [markdown]
# ## How far off
# The error is the mean square of log10(estimate / truth), as in the paper. Without noise, least squares through the physics
# (`zoo.fingerprints.refined`) ends at the truth; the network gives it a start.

# %%
for method in ("BlochNet", "refined"):
    answer = answers[method]
    error = np.mean([np.log10(np.asarray(answer[name]) / truth[name]) ** 2 for name in truth])
    print(f"{method:10s} {error:.2e}")

# %% [markdown]
# With noise the refined answer cannot be the truth, but it can be as good as any unbiased one: its spread over voxels, in units
# of the standard deviation that the fit itself reports, should be 1.

# %%
snr = 20.0
noisy = zoo.fingerprints.noisy(jax.random.key(0), signal, snr)
deviation = 1 / (snr * np.sqrt(signal.shape[-1]))
refine = jax.jit(lambda s, start: zoo.fingerprints.fitted(decoder, s, start, noise_std=deviation))
fit = refine(noisy, by_network(noisy))
scaled = {name: (fit.parameters[name] - np.log(truth[name])) / fit.standard_deviation[name] for name in truth}

figure = Figure(figsize=(9, 3), layout="constrained")
bins = np.linspace(-4, 4, 41)
for axes, (name, values) in zip(figure.subplots(1, 2, sharey=True), scaled.items(), strict=True):
    axes.hist(values, bins, density=True, label=f"standard deviation {np.std(values):.2f}")
    axes.plot(bins, np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), "k--", label="normal distribution")
    axes.set_xlabel(f"error of ln T{name[1]} / its standard deviation")
    axes.set_ylim(0, 0.65)
    axes.legend()
figure
