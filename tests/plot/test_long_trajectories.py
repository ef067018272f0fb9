"""Trajectories of long sequences in single precision."""

import jax
import numpy as np
import pytest

import mrjax as mr
from mrjax.units import ms, mT


@pytest.mark.exhaustive
def test_the_last_path_of_ten_minutes_is_drawn_as_the_first():
    """Single precision drew the last samples up to 8 % off."""
    with jax.enable_x64(False):
        read = mr.Gradient([1 * mT, 1 * mT], [0.0, 1 * ms], "x")
        train = mr.Repeat(mr.Pulse(0.2), read, mr.Sample(), mr.Delay(0.3), n_repetitions=2000)
        axes = mr.plot.trajectory(mr.Sequence(train))
        dots = axes.lines[0].get_xdata()
        np.testing.assert_allclose(dots, dots[0], rtol=1e-6)
        paths = np.array(axes.collections[0].get_segments())[:, :, 0].reshape(2000, -1, 2)
        np.testing.assert_allclose(paths, np.broadcast_to(paths[0], paths.shape), rtol=1e-6, atol=1e-6)
