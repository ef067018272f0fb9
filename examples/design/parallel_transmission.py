"""An even excitation of a head at 7 T by eight transmit channels: `python examples/design/parallel_transmission.py`.

A circularly polarised mode, a static shim and kT-points, all within the same limits of field, power and local SAR.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from scipy.ndimage import uniform_filter

import mrjax as mr
from mrjax.units import GAMMA_BAR, cm, deg, mm, ms, us, uT

ANGLE = 30 * deg
TR = 5 * ms
SEVEN_TESLA = {"n_channels": 8, "object_radius": 9 * cm}
MASS = 10e-3
"""In kg, over a cube of which the IEC averages local SAR."""


class Head:
    """The places of one slice through a cylinder, its transmit fields and what may be played."""

    def __init__(self, spacing):
        line = np.arange(-9 * cm + spacing / 2, 9 * cm, spacing)
        x, y = np.meshgrid(line, line, indexing="ij")
        self.within = np.hypot(x, y) < 9 * cm
        array = mr.phantoms.transmit_array(mr.Tissue(jnp.ones(x.shape), 0.1, x=x, y=y, z=0 * x), **SEVEN_TESLA)
        self.maps, self.place = array.b1[:, self.within], np.stack([x, y, 0 * x], axis=-1)[self.within]
        local = averaged(np.asarray(array.q_matrices()), self.within, (MASS / array.density) ** (1 / 3) / spacing)
        self.local_q = local
        self.limits = mr.design.TransmitLimits(
            tr=TR,
            max_b1=40 * uT,
            local_q=mr.design.virtual_observation_points(local, allowance=0.1),
            max_local_sar=10.0,
            global_q=np.mean(np.asarray(array.q_matrices())[self.within], axis=0),
            max_global_sar=3.2,
        )

    def response(self, pulse):
        return mr.design.parallel_response(pulse, b1_maps=self.maps, position=self.place)


def averaged(matrices, within, width):
    """Over squares of so many voxels, of those of the object alone: nothing changes along z."""
    mean = lambda values: uniform_filter(
        values.astype(float), (max(1, round(width)),) * 2, mode="constant", axes=(0, 1)
    )
    return ((mean(matrices.real) + 1j * mean(matrices.imag)) / np.maximum(mean(within), 1e-9)[..., None, None])[within]


def designed(head, points, start, steps):
    """The points of least error of the magnitude, within the limits."""
    target = jnp.full(head.maps.shape[1], np.sin(ANGLE))
    error = lambda design: mr.design.magnitude_error(head.response(points.pulse(design)).excited, target)
    terms = {"error": (1.0, error), **head.limits.terms(points.pulse, weight=10.0, margin=0.02)}
    objective = mr.design.weighted_sum(terms)
    free = lambda design: {name: design[name] for name in points.bounds}
    return mr.design.optimise(objective, start, free=free, bounds=points.bounds, steps=steps, progress=False)


def of_equal_fields(n_points, duration):
    """The circularly polarised mode, in so many blocks that last so long in all."""
    field = ANGLE / (2 * np.pi * GAMMA_BAR["1H"] * duration)
    return {
        "real": jnp.full((8, n_points), field),
        "imaginary": jnp.zeros((8, n_points)),
        "k": jnp.zeros((n_points - 1, 3)),
    }


def kt_points(head, n_points, block, steps, n_starts):
    """The best of searches from several places in k-space, as there are many minima."""
    points = mr.design.KTPoints(n_points=n_points, block=block, dt=40 * us, max_b1=40 * uT)
    best = None
    for seed in range(n_starts):
        start, rng = of_equal_fields(n_points, n_points * block), np.random.default_rng(seed)
        start["k"] = jnp.asarray(rng.uniform(-6, 6, size=(n_points - 1, 3)) * [1, 1, 0])  # nothing changes along z
        noise = 0.3 * rng.normal(size=(2, 8, n_points)) * float(start["real"][0, 0])
        start |= {"real": start["real"] + noise[0], "imaginary": jnp.asarray(noise[1])}
        found = designed(head, points, start, steps)
        best = found if best is None or found.objective < best.objective else best
    return points.pulse(best.best)


def circularly_polarised(head, duration):
    """Of the mean angle that is wanted."""
    points = mr.design.KTPoints(n_points=1, block=duration)
    design = of_equal_fields(1, duration)
    mean = jnp.mean(head.response(points.pulse(design)).flip_angle)
    return points.pulse(design | {"real": design["real"] * ANGLE / mean})


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a coarser slice, fewer steps, one start")
    parser.add_argument("--figure", help="where to draw the flip angles")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    head = Head(10 * mm if options.quick else 5 * mm)
    steps, n_starts = (150, 1) if options.quick else (400, 3)
    pulses = {
        "circularly polarised": circularly_polarised(head, 1 * ms),
        "static shim": kt_points(head, 1, 1 * ms, steps, n_starts),
        "5 kT-points": kt_points(head, 5, 0.2 * ms, steps, n_starts),
    }
    print(f"{len(head.local_q)} places, {len(head.limits.local_q)} virtual observation points")
    variation = {}
    for name, pulse in pulses.items():
        angles = head.response(pulse).flip_angle
        variation[name] = float(jnp.std(angles) / jnp.mean(angles))
        shares = {limit: float(jnp.max(share)) for limit, share in head.limits.utilisation(pulse).items()}
        print(
            f"{name}: flip angle {float(jnp.mean(angles)) / deg:.1f} deg, varies by {100 * variation[name]:.1f} %; of the limits",
            ", ".join(f"{limit} {share:.2f}" for limit, share in shares.items()),
        )
    if options.figure:
        draw(head, pulses, options.figure)
    return variation


def draw(head, pulses, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.4), layout="constrained")
    rows = figure.subplots(2, 3)
    for axes, (name, pulse) in zip(rows[0], pulses.items(), strict=True):
        image = np.full(head.within.shape, np.nan)
        image[head.within] = np.asarray(head.response(pulse).flip_angle) / deg
        shown = axes.imshow(image.T, origin="lower", vmin=0, vmax=1.5 * ANGLE / deg, extent=(-9, 9, -9, 9))
        axes.set(title=name, xlabel="x (cm)", ylabel="y (cm)")
    figure.colorbar(shown, ax=rows[0], label="flip angle (deg)")
    for axes, pulse in zip(rows[1], pulses.values(), strict=True):
        time = np.arange(pulse.gradient.shape[0]) * pulse.dt / ms
        axes.stairs(np.max(np.abs(pulse.waveforms), axis=0) / uT, time, color="k", label="largest |B1|")
        axes.set(xlabel="time (ms)", ylabel="field (uT)", ylim=(0, None))
        other = axes.twinx()
        for i, along in enumerate("xy"):
            other.plot(time, pulse.gradient[:, i] * 1e3, color=f"C{i}", label=f"gradient along {along}")
        other.set(ylabel="gradient (mT/m)", ylim=(-8, 8))
    rows[1, 0].legend(loc="lower center", frameon=False)
    lines = other.get_legend_handles_labels()
    rows[1, 1].legend(*lines, loc="lower center", frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
