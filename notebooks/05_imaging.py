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
# # Images
#
# A brain in an uneven field, imaged by an echo-planar sequence and by a train of spin echoes, with eight coils. One of the two
# images is distorted. A single step down a gradient, through the physics of the scan, mends it.

# %%
# %matplotlib inline
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from matplotlib.figure import Figure
from scipy.ndimage import binary_erosion

import mrjax as mr
from mrjax.units import mm, ms

n, field_of_view = 64, 218 * mm

# %% [markdown]
# ## What lies in the scanner
# Grey matter, white matter and CSF of a slice above the sinuses, moved so that its middle lies at the isocentre. The field
# belongs to the place in the head, so it is computed before. `spins` puts two by two spins into each voxel of 2 mm.


# %%
def at_isocentre(phantom):
    affine = np.array(phantom.affine)
    affine[:3, 3] -= (affine @ [*((size - 1) / 2 for size in phantom.shape), 0, 1])[:3]
    return dataclasses.replace(phantom, affine=affine)


phantom = mr.phantoms.brain(slice=38)  # z = 4 mm
fields = mr.phantoms.brain_fields(phantom)
spins = at_isocentre(phantom).spins(sub_spins=2, off_resonance=fields.off_resonance)
coils = mr.phantoms.birdcage_coils(spins, n_coils=8)

figure = Figure(figsize=(9, 4.4), layout="constrained")
mr.plot.coil_maps(mr.phantoms.birdcage_coils(at_isocentre(phantom)), mask=phantom.mask, figure=figure)
figure

# %% [markdown]
# ## What the scanner plays
# Both sequences are real waveforms within the limits of a scanner. The echo-planar one (a spin echo at 80 ms, so that signal is
# not lost) reads all lines after one excitation, half a millisecond each. The other reads a line between two refocusing pulses.

# %%
protocols = mr.protocols.imaging
epi = protocols.se_epi(field_of_view, n, te=80 * ms)
# CSF recovers slowly
fse = protocols.fse(field_of_view, n, echo_spacing=10 * ms, n_echoes=8, tr=10.0, te=80 * ms)

received = {"EPI": mr.acquire(epi, spins, coils=coils)}
# what the crushers wind away twice would come back unwound with two spins a voxel
finer = at_isocentre(phantom).spins(sub_spins=(8, 2), off_resonance=fields.off_resonance)
received["FSE"] = mr.acquire(fse, finer, coils=mr.phantoms.birdcage_coils(finer, n_coils=8))
print({name: signal.shape for name, signal in received.items()})

k_space = {
    name: protocols.cartesian_kspace(received[name], sequence, n) for name, sequence in (("EPI", epi), ("FSE", fse))
}
figure = Figure(figsize=(10, 4.2), layout="constrained")
for axes, (name, values) in zip(figure.subplots(1, 2), k_space.items(), strict=True):
    mr.plot.k_space(values, field_of_view=field_of_view, axes=axes)
    axes.set_title(f"{name}, k-space of eight coils")
figure

# %% [markdown]
# ## Why one is distorted
# A voxel that is $f$ off resonance gains $2 \pi f t$ of phase by the time $t$. In the echo-planar train $t$ rises from line to
# line, as the phase of a displaced voxel does: it appears $f \, T$ pixels towards smaller y, with $T$ the duration of the train.
# In the spin-echo train each line is read at an echo, where $t$ begins anew.

# %%
images = {
    name: mr.reconstruction.root_sum_of_squares(mr.encoding.Fourier((n, n)).adjoint(values)) / n
    for name, values in k_space.items()
}
time = np.asarray(epi.sample_times).reshape(n, n)[:, n // 2]
train = float(n * (time[1] - time[0]))
print(f"10 Hz shift by {10 * train:.2f} pixels")
undistorted = mr.acquire(epi, dataclasses.replace(spins, off_resonance=0.0), coils=coils)

figure = Figure(figsize=(13, 3.8), layout="constrained")
axes = figure.subplots(1, 3)
for one, name in zip(axes, ("FSE", "EPI"), strict=False):
    mr.plot.parameter_map(images[name], title=name, colours="gray", axes=one)
shift = -np.asarray(fields.off_resonance) * train
mr.plot.parameter_map(
    shift,
    title="displacement by the field",
    unit="pixels along y",
    colours="RdBu_r",
    mask=phantom.mask,
    limits=(-4.0, 4.0),
    axes=axes[2],
)
figure

# %% [markdown]
# ## One step that undoes it
# Say that the field is known, from two echo times for instance, and where the head is, and nothing else: neither tissues nor
# contrast. What image $m$ explains the data best? Begin with nothing, and go one step down the gradient of
#
# $$L(m) = \tfrac12 \| \mathrm{acquire}(m) - y \|^2 .$$
#
# `jax.grad` carries the residual back through pulses, gradients, field and coils. The signal is linear in $m$, so the best length
# of the step is known, and `cg` finds it. The step brings signal back to where it came from; what the field has squeezed together
# at the rim stays bright.

# %%
grid = mr.phantoms.brain((n, n), slice=38)
field, outline = mr.phantoms.brain_fields(grid).off_resonance, np.asarray(grid.mask)
pixels = at_isocentre(grid).spins()
maps = mr.phantoms.birdcage_coils(pixels, n_coils=8)[:, 0]


@jax.jit
def one_step(data, off_resonance):
    def misfit(m):
        tissue = mr.Tissue(t1=1.0, t2=0.1, m0=m * outline, off_resonance=off_resonance, x=pixels.x[0], y=pixels.y[0])
        return 0.5 * jnp.sum(jnp.abs(mr.acquire(epi, tissue, coils=maps) - data) ** 2)

    start = jax.grad(misfit)(jnp.zeros((n, n)))
    return cg(lambda m: jax.grad(misfit)(m) - start, -start, maxiter=1)[0]


even = jnp.zeros((n, n))
shown = {
    "in an even field": one_step(undistorted, even),
    "in the uneven field, not told": one_step(received["EPI"], even),
    "the same data, told of the field": one_step(received["EPI"], field),
}

# %%
figure = Figure(figsize=(13, 3.8), layout="constrained")
for axes, (name, image) in zip(figure.subplots(1, 3), shown.items(), strict=True):
    top = float(np.percentile(np.abs(image), 99))
    mr.plot.parameter_map(np.abs(image), title=name, colours="gray", limits=(0.0, top), axes=axes)
    axes.contour(outline.T, levels=[0.5], colors="C1", linewidths=0.8)
figure

# %%
ideal, *others = shown.values()
inside = binary_erosion(outline, iterations=4)  # without the rim
likeness = [float(np.corrcoef(np.abs(ideal)[inside], np.abs(image)[inside])[0, 1]) for image in others]
print("correlation with the image in an even field:", *(f"{value:.3f}" for value in likeness))
assert likeness[0] < 0.93 < 0.96 < likeness[1]
