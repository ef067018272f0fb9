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
# # Chemical exchange and magnetisation transfer
#
# White matter with an amide, a relayed nuclear Overhauser effect and a semisolid pool: its Z-spectrum under the pulse train of
# an APT-weighted scan, a fit of the pools with error bars, and a fingerprinting schedule improved by gradients.

# %%
# %matplotlib inline
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.inverse import least_squares, per_voxel_jacobian
from mrjax.protocols import cest
from mrjax.units import ms, uT

jax.config.update("jax_enable_x64", True)

# %% [markdown]
# ## Pools
# Fractions are relative to the water, rates go from the pool to the water. The semisolid pool has z alone, and a line shape.

# %%
amide = mr.Pool(fraction=9e-4, exchange_rate=40.0, t1=1.3, t2=0.1, shift_ppm=3.5)
overhauser = mr.Pool(fraction=4.5e-3, exchange_rate=16.0, t1=1.3, t2=5e-3, shift_ppm=-3.0)
semisolid = mr.Pool(0.10, 23.0, t1=1.0, t2=9e-6, lineshape=mr.lineshapes.SuperLorentzian())
tissue = mr.Tissue(t1=1.05, t2=0.04, pools=(amide, overhauser, semisolid))
engine = mr.BlochMcConnell(b0=3.0)

# %% [markdown]
# ## A train of shaped pulses
# 36 pulses of 50 ms at each of 33 offsets. Pulses that differ in their phase alone share one propagator. (Samples of 0.8 ms
# repeat the spectrum every 1.3 kHz, 10 ppm: half as many would put a false dip at 5 ppm.)

# %%
offset_ppm = np.linspace(-6, 6, 33)
shape = cest.pulse_shapes.gaussian(64)
train = lambda b1: cest.pulse_train(offset_ppm, shape, b1, pulse_duration=50 * ms, n_pulses=36, gap=5 * ms, b0=3.0)
spectra = {f"{b1:.0f} uT": mr.simulate(train(b1 * uT), tissue, engine).real for b1 in (1, 2, 4)}

figure = Figure(figsize=(7, 4), layout="constrained")
axes = mr.plot.z_spectrum(offset_ppm, np.stack(list(spectra.values())), labels=list(spectra), axes=figure.subplots())
figure

# %% [markdown]
# ## What each pool does to the spectrum
# The derivative of Z in every parameter, from forward mode.

# %%
peak = 2 * uT


def z_of(parameters):
    pools = (
        dataclasses.replace(amide, fraction=parameters["amide"], exchange_rate=parameters["amide rate"]),
        dataclasses.replace(overhauser, fraction=parameters["NOE"]),
        dataclasses.replace(semisolid, fraction=parameters["semisolid"]),
    )
    here = dataclasses.replace(tissue, off_resonance=parameters["B0"] * 127.7, pools=pools)
    return mr.simulate(train(peak), here, engine).real


truth = {"amide": 9e-4, "amide rate": 40.0, "NOE": 4.5e-3, "semisolid": 0.10, "B0": 0.05}
truth = {name: jnp.array([value]) for name, value in truth.items()}
jacobian = per_voxel_jacobian(z_of, truth)

figure = Figure(figsize=(7, 3.5), layout="constrained")
axes = figure.subplots()
for name in ("amide", "amide rate", "NOE", "semisolid"):
    axes.plot(offset_ppm, 100 * jacobian[name][0] * truth[name], label=name)
axes.set(xlim=(6, -6), xlabel="offset (ppm)", ylabel="change of Z in %\nper 100 % of the parameter")
axes.legend(frameon=False)
figure

# %% [markdown]
# ## The pools from a noisy spectrum, with error bars
# Six spectra with noise of 0.2 % of M0, all fitted at once. At one power, fraction and exchange rate of the amide change the
# spectrum almost alike (above), so the rate is held.

# %%
noise_std = 2e-3
clean = z_of(truth)
noisy = clean + noise_std * jax.random.normal(jax.random.key(0), (6, offset_ppm.size))
start = {"amide": 5e-4, "NOE": 2e-3, "semisolid": 0.05, "B0": 0.0}
bounds = {"amide": 0.02, "NOE": 0.05, "semisolid": 0.5, "B0": 1.0}
lower = {name: -limit if name == "B0" else limit * 1e-4 for name, limit in bounds.items()}
at_known_rate = lambda parameters: z_of({**parameters, "amide rate": 40.0})
fit = least_squares(at_known_rate, noisy, start, (lower, bounds), noise_std)
for name, value in fit.parameters.items():
    print(
        f"{name:>10}: truth {truth[name][0]:.4g}, mean of fits {value.mean():.4g}, spread {value.std():.2g}, "
        f"error bar {np.median(fit.standard_deviation[name]):.2g}"
    )

# %% [markdown]
# ## A better fingerprinting schedule
# Ten images, one saturation amplitude each. The Cramér-Rao bound says how well fraction and exchange rate can be known; its
# gradient in the amplitudes, by reverse mode through the Bloch-McConnell equations, makes the schedule better.

# %%
solute = {"fraction": jnp.array([1.5e-3]), "exchange_rate": jnp.array([300.0]), "m0": jnp.array([1.0])}


def images(b1, parameters):
    schedule = cest.fingerprinting(
        b1=b1, offset_ppm=jnp.full(b1.shape, 3.0), saturation_time=2.5, tr=3.5, flip_angle=1.0, b0=3.0
    )
    amine = mr.Pool(parameters["fraction"], parameters["exchange_rate"], t1=1.0, t2=0.04, shift_ppm=3.0)
    phantom = mr.Tissue(t1=2.8, t2=0.9, m0=parameters["m0"], pools=(amine,))
    return jnp.abs(mr.simulate(schedule, phantom, engine))


def bound(b1):
    """Relative standard deviations of fraction and exchange rate, for noise of 1 % of M0."""
    columns = per_voxel_jacobian(lambda parameters: images(b1, parameters), solute)
    sensitivity = jnp.stack([(columns[name] * solute[name][:, None])[0] for name in solute], axis=-1)
    covariance = jnp.linalg.inv(sensitivity.T @ sensitivity) * 0.01**2
    return jnp.sqrt(jnp.diag(covariance)[:2])


def objective(amplitude):
    return jnp.log(bound(6 * uT * jax.nn.sigmoid(amplitude))).sum()


value_and_gradient = jax.jit(jax.value_and_grad(objective))
amplitude = jnp.linspace(-1.5, 1.5, 10)
before = bound(6 * uT * jax.nn.sigmoid(amplitude))
optimiser = optax.adam(0.15)
state = optimiser.init(amplitude)
history = []
for _ in range(40):
    value, gradient = value_and_gradient(amplitude)
    update, state = optimiser.update(gradient, state)
    amplitude = optax.apply_updates(amplitude, update)
    history.append(float(value))
after = bound(6 * uT * jax.nn.sigmoid(amplitude))
print(f"fraction: {before[0]:.1%} -> {after[0]:.1%},  exchange rate: {before[1]:.1%} -> {after[1]:.1%}")

figure = Figure(figsize=(8, 3), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(history)
left.set(xlabel="step", ylabel="log of the bounds")
right.bar(np.arange(10) - 0.2, 6 * jax.nn.sigmoid(jnp.linspace(-1.5, 1.5, 10)), 0.4, label="before")
right.bar(np.arange(10) + 0.2, 6 * jax.nn.sigmoid(amplitude), 0.4, label="after")
right.set(xlabel="image", ylabel="B1 (uT)")
right.legend(frameon=False)
figure
