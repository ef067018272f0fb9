"""Pictures of designs show what was designed."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import deg


@pytest.fixture(scope="module")
def result():
    start = {"flip_angle": jnp.full(5, 10 * deg), "tr": jnp.asarray(0.01)}
    objective = lambda design: mr.design.energy(design["flip_angle"]) + design["tr"] ** 2
    return mr.design.optimise(objective, start, free=lambda design: design["flip_angle"], steps=3, progress=False)


class RelativeDeviation:
    """As a `CramerRao`, of two tissues."""

    def relative_deviation(self, design):
        return {"t1": jnp.mean(design["flip_angle"]) / deg * jnp.array([0.01, 0.02])}


def test_curves_convergence_and_tissues_are_drawn(result):
    angles, convergence, tissues = mr.plot.design(result, bound=RelativeDeviation())
    for line, design in zip(angles.lines, (result.start, result.best), strict=True):
        np.testing.assert_allclose(line.get_ydata(), design["flip_angle"] / deg, rtol=1e-12)
    assert angles.get_ylabel() == "flip angle (deg)"
    np.testing.assert_allclose(convergence.lines[0].get_ydata(), result.history.column("objective")[1])
    heights = [bar.get_height() for bar in tissues.patches]
    np.testing.assert_allclose(heights[:2], [10.0, 20.0])
    assert heights[2] < 10.0
    assert tissues.get_ylabel() == "standard deviation of T1 (%)"


def test_what_is_shown_can_be_chosen(result):
    axes = mr.plot.design(result, show=lambda design: {"tr": design["tr"] * jnp.ones(4)})
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), np.full(4, 10.0))
    assert axes[0].get_ylabel() == "tr (ms)"


def test_arrays_of_several_axes_are_refused(result):
    with pytest.raises(ValueError, match=r"one value for each repetition to be drawn, but got shape \(2, 5\)"):
        mr.plot.design(result, show=lambda design: jnp.stack([design["flip_angle"]] * 2))
