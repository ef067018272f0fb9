"""Diagrams of many pulses: each is drawn where it is played, and nothing between."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.plot import sequence_diagram
from mrjax.units import deg, ms

BLUE = np.array(colors.to_rgb("C0"))


def painted(axes, figure, start, end, height):
    """The largest share of a picture's columns, between two times, in which there is blue at a height above the axis."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3] / 255.0
    (left, _), (right, y) = (axes.transData.transform((time, height)) for time in (start, end))
    band = image[image.shape[0] - int(y) - 1, int(left) + 2 : int(right) - 1]
    return np.mean(np.abs(band - BLUE[None]).max(-1) < 0.35)


@pytest.mark.parametrize("n", [60, 400])
def test_no_rf_is_drawn_in_dead_time(n):
    train = mr.Repeat(mr.Pulse(jnp.linspace(80, 90, n // 2) * deg), mr.Delay(1 * ms), mr.Sample())
    sequence = mr.Sequence(train, mr.Delay(n * ms), train)
    figure = Figure(figsize=(8, 4), dpi=150)
    axes = sequence_diagram(sequence, axes=figure.subplots())
    labels = [label.get_text() for label in axes.get_yticklabels()]
    above = axes.get_yticks()[labels.index("RF angle")] + 0.4
    assert painted(axes, figure, n / 2 + 1, 1.5 * n - 1, above) == 0  # the dead time, in ms
    assert painted(axes, figure, 0, n / 2, above) > 0.2  # the train


def test_every_pulse_of_many_rises_to_its_angle_and_returns():
    angles = np.linspace(-20, 40, 300)
    sequence = mr.Sequence(mr.Repeat(mr.Pulse(jnp.asarray(angles) * deg), mr.Delay(2 * ms), mr.Sample()))
    axes = sequence_diagram(sequence)
    (curve,) = [line for line in axes.lines if line.get_color() == "C0"]
    times, values = curve.get_data()
    row = values[0]
    np.testing.assert_allclose(np.unique(times), 2.0 * np.arange(300), atol=1e-9)
    np.testing.assert_allclose(values[1::3] - row, 0.8 * angles / 40, atol=1e-12)
    np.testing.assert_array_equal(values[0::3], row)
    np.testing.assert_array_equal(values[2::3], row)
