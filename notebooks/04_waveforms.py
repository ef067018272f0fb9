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
# # Real waveforms
#
# A sequence as a scanner plays it: shaped pulses under slice gradients, readouts under theirs, limits of the hardware, a Pulseq
# file. And a refocusing pulse that gradient descent makes better than the sinc it starts from.

# %%
# %matplotlib inline
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import mrjax as mr
from mrjax import pulseq
from mrjax.sequence import pulses
from mrjax.units import GAMMA_BAR, deg, mm, ms, mT, uT

# %% [markdown]
# ## Events that last
# Events follow one another in a `Sequence`. In a `Together` tracks are played at once: a `Delay` in a track lets what comes
# after it begin later. Every number is a leaf, so a phase-encoding table is an array.

# %%
thickness, field_of_view, n = 5 * mm, 200 * mm, 32
sinc = pulses.sinc(90 * deg, 3 * ms, 4, n_samples=150)
strength = float(pulses.bandwidth_of(sinc)) / (GAMMA_BAR["1H"] * thickness)
select = mr.Gradient.trapezoid(strength, rise=0.2 * ms, flat=3 * ms, axis="z")
excitation = mr.Together(mr.Sequence(mr.Delay(0.2 * ms), sinc), select)

cycle = 1 / (GAMMA_BAR["1H"] * field_of_view)
lobe = lambda area, axis: mr.Gradient.trapezoid(area=area, rise=0.2 * ms, flat=0.6 * ms, axis=axis)
read = mr.Gradient.trapezoid(-n * cycle / (3.2 * ms), rise=0.2 * ms, flat=3.2 * ms, axis="x")
before = mr.Together(lobe(-select.area / 2, "z"), lobe((n / 2 - np.arange(n)) * cycle, "y"), lobe(-read.area / 2, "x"))
line = mr.Together(read, mr.Sequence(mr.Delay(0.2 * ms), mr.Readout(n, 0.1 * ms)))
spoiler = mr.Gradient.trapezoid(area=3e-5, rise=0.2 * ms, flat=2 * ms, axis="z")
scan = mr.Sequence(mr.Repeat(excitation, before, line, spoiler, mr.Delay(0.1)))

scanner = mr.Scanner(max_gradient=40 * mT, max_slew=150.0, max_b1=20 * uT)
scanner.check(scan)  # raises an error that names the event, were there a limit that it breaks

figure = Figure(figsize=(8, 5), layout="constrained")
axes = mr.plot.sequence_diagram(scan, time_range=(0.0, 12 * ms), axes=figure.subplots())
figure

# %% [markdown]
# The same events give the trajectory, and the image of three points: x to the right, y down the rows, as it lies in space.

# %%
pixel = field_of_view / n
points = jnp.array([[-10.0, -5.0, 1.0], [6.0, 8.0, 2.0], [11.0, -11.0, 3.0]])
tissue = mr.Tissue(t1=0.1, t2=0.05, m0=points[:, 2], x=points[:, 0] * pixel, y=points[:, 1] * pixel)
signal = mr.simulate(scan, tissue, mr.Isochromats()).sum(0).reshape(n, n)
image = jnp.abs(jnp.fft.fftshift(jnp.fft.ifft2(jnp.fft.ifftshift(signal))))

figure = Figure(figsize=(8, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
mr.plot.trajectory(scan, axes=left)
extent = [-100, 100, 100, -100]
right.imshow(image, extent=extent, cmap="gray")
right.set(xlabel="x (mm)", ylabel="y (mm)", title="image")
figure

# %% [markdown]
# ## A refocusing pulse by gradient descent
# The profile of a pulse between crushers is $|\beta|^2$. A sinc, scaled to 180°, refocuses a narrow and rounded slice. Its 150
# samples are free now, within the peak of the sinc; what is asked for is a slice of 4 mm, and nothing beyond 6.4 mm.

# %%
z = jnp.linspace(-10, 10, 161) * mm
inside, outside = jnp.abs(z) < 2 * mm, jnp.abs(z) > 3.2 * mm
start = pulses.with_flip_angle(sinc, 180 * deg)
peak = pulses.peak_b1(start)


def pulse_of(samples):
    """Within the peak of the sinc, whatever the samples."""
    return mr.ShapedPulse(peak * jnp.tanh(samples), start.dt, use="refocusing")


def error_of(pulse):
    refocused = jnp.abs(mr.slice_profile(pulse, z, gradient=strength).refocused)
    return jnp.mean(inside * (refocused - 1) ** 2 + 4 * outside * refocused**2)


@jax.jit
def improved(samples, state):
    gradient = jax.grad(lambda samples: error_of(pulse_of(samples)))(samples)
    change, state = adam.update(gradient, state)
    return optax.apply_updates(samples, change), state


adam = optax.adam(0.02)
samples = jnp.arctanh(jnp.clip(start.waveform / peak, -0.97, 0.97))
state = adam.init(samples)
for _ in range(600):
    samples, state = improved(samples, state)
designed = pulse_of(samples)
print(f"mean squared error {error_of(start):.4f} -> {error_of(designed):.4f}")
print(f"energy {pulses.energy(start):.2e} -> {pulses.energy(designed):.2e} T² s")
assert error_of(designed) < 0.3 * error_of(start)

# %%
figure = Figure(figsize=(9, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
time = (np.arange(150) + 0.5) * float(start.dt) / ms
for name, pulse in (("sinc", start), ("designed", designed)):
    left.plot(time, pulse.waveform / uT, label=name)
    right.plot(z / mm, jnp.abs(mr.slice_profile(pulse, z, gradient=strength).refocused), label=name)
left.set(xlabel="time (ms)", ylabel="B1 (µT)")
right.set(xlabel="z (mm)", ylabel="refocused")
right.legend()
figure

# %% [markdown]
# ## To the scanner and back
# Any sequence that passes the check can be written as a Pulseq file. What is read back plays the same.

# %%
path = Path(tempfile.mkdtemp()) / "scan.seq"
pulseq.write(scan, path)
again = pulseq.to_sequence(pulseq.read(path))
difference = jnp.abs(mr.simulate(again, tissue, mr.Isochromats()).sum(0) - signal.reshape(-1)).max()
print(path.read_text()[:120])
print(f"largest difference of the signal: {difference / jnp.abs(signal).max():.1e}")
