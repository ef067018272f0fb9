"""What the picture of precision against its bound shows."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

from mrjax.inverse import CramerRaoBound, SimulatedFits
from mrjax.plot import precision

SPREADS = {"t2": np.array([0.001, 0.002, np.nan]), "m0": np.array([0.5, 2.0, 1.0])}


def bound(**spreads):
    return CramerRaoBound({name: value / 1.1 for name, value in spreads.items()}, jnp.zeros((3, 2, 2)))


def simulated(**spreads):
    return SimulatedFits(spreads, spreads, jnp.ones(3))


def test_each_parameter_has_its_points_and_its_line():
    figure = Figure()
    axes = precision(bound(**SPREADS), simulated(**SPREADS), figure=figure)
    assert [each.get_title() for each in axes] == ["M0", "T2"]
    assert all(each.figure is figure for each in axes)
    line, points = axes[1].lines
    np.testing.assert_allclose(points.get_xdata(), np.array([1.0, 2.0]) / 1.1)  # in ms, without what is nan
    np.testing.assert_allclose(points.get_ydata(), [1.0, 2.0])
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert axes[1].get_xlabel() == "Cramér-Rao bound (ms)"
    assert axes[0].get_xlabel() == "Cramér-Rao bound"
    assert axes[0].get_ylabel() == "standard deviation of estimates"
    assert axes[0].get_xscale() == axes[0].get_yscale() == "log"


def test_what_does_not_belong_together_is_told():
    with pytest.raises(ValueError, match="`estimates` must have the parameters and voxels of `bound`"):
        precision(bound(**SPREADS), simulated(t2=SPREADS["t2"]))
    with pytest.raises(ValueError, match="of 't2' must be positive and finite somewhere, but are nowhere"):
        precision(bound(t2=np.zeros(3)), simulated(t2=np.zeros(3)))
