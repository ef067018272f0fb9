"""Refocusing angles of a fast spin echo of little power that give the image of 180 degrees: MRzero's low-SAR task.

`python examples/design/low_power_echoes.py [--figure low_power_echoes.png]`
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax

import mrjax as mr
from mrjax.units import deg, ms

ECHO_SPACING, ERROR, POWER = 7.4 * ms, 0.85, 0.15


def images_of(phantom):
    """From refocusing angles to the image of one train, from the middle of k-space outwards, summed over tissues."""
    n = phantom.shape[1]
    lines = np.argsort(np.abs(np.arange(n) - n // 2 + 0.25), kind="stable")  # echo by echo
    k_space = jnp.fft.fft(phantom.fractions * phantom.proton_density[:, None, None], axis=2)
    k_space = jnp.fft.fftshift(k_space, axes=2)[:, :, lines]
    back = np.argsort(lines)
    tissue = mr.Tissue(phantom.t1, phantom.t2)

    def image(angles):
        echoes = mr.simulate(mr.protocols.cpmg(angles, echo_spacing=ECHO_SPACING), tissue).real
        seen = jnp.sum(k_space * echoes[:, None, :], axis=0)[:, back]
        return jnp.abs(jnp.fft.ifft(jnp.fft.ifftshift(seen, axes=1), axis=1))

    return image


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="24 lines")
    parser.add_argument("--figure", help="where to draw angles and images")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    n = 24 if options.quick else 42
    image = images_of(mr.phantoms.brain(shape=(n, n)))
    full = jnp.full(n, 180 * deg)
    wanted = image(full)
    power = lambda angles: mr.design.energy(angles) / mr.design.energy(full)
    error = lambda angles: mr.design.relative_error(image(angles), wanted)
    result = mr.design.optimise(
        mr.design.weighted_sum({"error": (ERROR, error), "power": (POWER, power)}),
        full * 0.99,
        free=lambda angles: angles,
        bounds=(0.0, 180 * deg),
        optimiser=optax.adam(optax.cosine_decay_schedule(5 / 180, 150)),
        steps=150,
        progress=False,
    )
    other = images_of(mr.phantoms.brain(shape=(n, n), slice=30))  # a slice that was not trained on
    unseen = float(mr.design.relative_error(other(result.best), other(full))) ** 0.5
    print("angles (deg)", np.round(np.asarray(result.best) / deg).astype(int))
    print(
        f"relative power {float(power(result.best)):.3f}, NRMSE {float(error(result.best)) ** 0.5:.4f}, "
        f"of another slice {unseen:.4f}"
    )
    if options.figure:
        draw(result, (image(result.best), wanted), options.figure)
    return result


def draw(result, images, path):
    axes = mr.plot.design(result, show=lambda angles: {"refocusing_angle": angles})
    figure = axes[0].figure
    figure.set_size_inches(14, 3.2)
    for i, (picture, title) in enumerate(zip(images, ("learned", "180 degrees"), strict=True)):
        place = figure.add_axes((0.68 + 0.16 * i, 0.1, 0.15, 0.75))
        place.imshow(np.asarray(picture).T, origin="lower", cmap="gray")
        place.set(title=title, xticks=[], yticks=[])
    figure.set_layout_engine("none")
    for i, place in enumerate(axes):
        place.set_position((0.06 + 0.31 * i, 0.18, 0.25, 0.7))
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
