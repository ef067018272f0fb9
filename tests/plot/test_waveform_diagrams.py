"""Diagrams of waveforms, slice profiles and trajectories: the curves in them are what is played."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.plot import sequence_diagram, slice_profile, trajectory
from mrjax.units import deg, mm, ms, mT, us

PULSE = mr.ShapedPulse(1e-6 * np.array([1.0, 3.0, -2.0]), 0.5 * ms, phase=0.5 * np.pi, offset=100.0)


def trapezoid(amplitude, axis="x", rise=0.1 * ms, flat=1 * ms):
    return mr.Gradient.trapezoid(amplitude, rise=rise, flat=flat, axis=axis)


def echo(n=2):
    """Excitation, phase encoding and readout, 5 ms each time."""
    return mr.Repeat(
        mr.Together(mr.Sequence(mr.Delay(0.1 * ms), PULSE), trapezoid(10 * mT, "z", flat=1.5 * ms)),
        mr.Together(trapezoid(np.linspace(-1, 1, n) * 8 * mT, "y"), mr.Delay(1.3 * ms)),
        mr.Together(mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(10, 0.1 * ms)), trapezoid(5 * mT, "x")),
        mr.Delay(0.8 * ms),
    )


def row_of(axes, name):
    """The height of a row."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    return axes.get_yticks()[names.index(name)]


def curve_of(axes, name, colour):
    """The curve drawn in a row: times in the unit of the axis, and heights above the row."""
    row = row_of(axes, name)
    for line in axes.lines:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        if to_rgba(line.get_color()) == to_rgba(colour) and x.size > 2 and np.nanmax(np.abs(y - row)) < 0.9:
            return x, y - row
    raise AssertionError(f"no curve in {name}")


def sides(axes):
    """What stands beside each row."""
    return {text.get_text() for text in axes.texts}


# diagrams


@pytest.mark.exhaustive
def test_a_diagram_shows_the_waveforms():
    axes = sequence_diagram(echo())
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["RF amplitude", "RF phase", "Gx", "Gy", "Gz", "ADC"]
    assert sides(axes) == {"3 µT", "360°", "±5 mT/m", "±8 mT/m", "±10 mT/m"}
    timeline = mr.Sequence(echo()).timeline()
    for i, (name, largest) in enumerate((("Gx", 5), ("Gy", 8), ("Gz", 10))):
        times, heights = curve_of(axes, name, "C3")
        assert np.all(np.diff(times) >= 0)
        at = np.linspace(times[0], times[-1], 997)
        played = np.asarray(timeline.at(jnp.asarray(at * ms))[1][:, i]) / (largest * mT)
        np.testing.assert_allclose(np.interp(at, times, heights), 0.42 * played, atol=1e-6)
    times, heights = curve_of(axes, "RF amplitude", "C0")
    middles = np.array([0.35, 0.85, 1.35, 5.35]) + 0.001
    np.testing.assert_allclose(np.interp(middles, times, heights), 0.8 * np.array([1, 3, 2, 1]) / 3)
    np.testing.assert_allclose(np.interp([0.05, 1.65, 3.0], times, heights), 0.0, atol=1e-12)


def test_phases_are_those_of_the_shape_and_break_where_they_jump():
    times, heights = curve_of(sequence_diagram(echo()), "RF phase", "C1")
    drawn = np.unique(np.round(heights[np.isfinite(heights)] / 0.8 * 360, 6))
    np.testing.assert_allclose(drawn, [90, 270])
    jump = np.flatnonzero(np.isnan(heights) & (np.abs(times - 1.1) < 1e-6))
    assert jump.size > 0
    np.testing.assert_allclose(heights[jump[0] + np.array([-1, 1])] / 0.8 * 360, [90, 270])


def test_readouts_are_boxes_with_a_line_for_each_sample():
    axes = sequence_diagram(echo())
    times, heights = curve_of(axes, "ADC", "C2")
    np.testing.assert_allclose(np.interp([3.0, 3.2, 3.9, 4.3], times, heights), [0, 0.6, 0.6, 0], atol=1e-12)
    ticks = [np.asarray(s)[0, 0] for c in axes.collections if hasattr(c, "get_segments") for s in c.get_segments()]
    np.testing.assert_allclose(ticks, mr.Sequence(echo()).sample_times / ms)


def test_a_diagram_may_mix_waveforms_and_what_takes_no_time():
    mixed = mr.Sequence(
        mr.Pulse(90 * deg), trapezoid(20 * mT), mr.Dephase(1, 1 * ms), mr.ContinuousWave(2e-6, 5 * ms, phase=1.0), mr.Spoil(),
        mr.Readout(4, 1 * ms), mr.Sample(),
    )  # fmt: skip
    axes = sequence_diagram(mixed)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["RF angle", "RF amplitude", "RF phase", "Gx", "Gy", "Gz", "gradient", "sample", "ADC"]
    assert sides(axes) == {"90°", "360°", "2 µT", "±20 mT/m"}
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars[0], [1.2, 1.0])
    np.testing.assert_allclose(bars[1][0], 7.2)
    saturation = mr.Sequence(mr.ContinuousWave(2e-6, 2.5), mr.Spoil(), mr.SampleLongitudinal())
    names = [label.get_text() for label in sequence_diagram(saturation).get_yticklabels()]
    assert names == ["RF amplitude", "RF phase", "gradient", "sample"]


def test_gradients_that_go_on_are_not_brought_to_zero_between_events():
    up, down = mr.Gradient([0, 20 * mT], [0, 1 * ms], "x"), mr.Gradient([20 * mT, 0], [0, 1 * ms], "x")
    times, heights = curve_of(sequence_diagram(mr.Sequence(up, down, mr.Delay(1 * ms), down)), "Gx", "C3")
    np.testing.assert_allclose(times, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], atol=1e-12)
    np.testing.assert_allclose(heights / 0.42, [0, 0, 1, 1, 0, 0, 0, 1, 0, 0], atol=1e-12)


def test_a_part_of_a_long_diagram():
    """What overlaps the range is drawn, cut by the limits of the axes; the scale is that of the part."""
    axes = sequence_diagram(echo(100), time_range=(0.2498, 0.2552))
    np.testing.assert_allclose(axes.get_xlim(), np.array([249.8, 255.2]) + np.array([-1, 1]) * 0.054)
    assert "±0.0808 mT/m" in sides(axes)  # of lines 49 and 50
    with pytest.raises(ValueError, match="holds none"):
        sequence_diagram(echo(2), time_range=(1.0, 2.0))


def test_a_long_diagram_is_thinned_and_drawn_again_where_it_is_zoomed_into():
    sequence = echo(2500)  # 10,000 events
    axes = sequence_diagram(sequence)
    times, heights = curve_of(axes, "Gy", "C3")
    assert times.size < 10_000
    # thinning keeps the envelope
    assert heights.max() == pytest.approx(0.42)
    assert heights.min() == pytest.approx(-0.42)
    near = np.abs(times - 6.25) < 0.5
    assert 0.02 < np.abs(heights[near]).max() < 0.05
    n_lines = len(axes.lines)
    axes.set_xlim(6.0, 6.01)
    assert len(axes.lines) == n_lines
    times, heights = curve_of(axes, "Gy", "C3")
    assert times.size < 50
    line = 1200
    at = line * 5 * ms + 1.8 * ms
    np.testing.assert_allclose(np.interp(at, times, heights), 0.42 * (-1 + 2 * line / 2499), rtol=1e-6)
    axes.set_xlim(6.001, 6.009)  # all its points are there
    assert curve_of(axes, "Gy", "C3")[0].size == times.size
    axes.set_xlim(0, 12.5)
    assert curve_of(axes, "Gy", "C3")[1].max() == pytest.approx(0.42)


def test_long_shapes_are_thinned_before_they_are_put_in_a_row():
    shape = 1e-6 * np.hanning(4002)[1:-1]
    train = mr.Repeat(mr.ShapedPulse(shape, 1 * us), mr.Delay(1 * ms), n_repetitions=1000)
    axes = sequence_diagram(train)
    times, heights = curve_of(axes, "RF amplitude", "C0")
    assert times.size < 10_000
    assert heights.max() == pytest.approx(0.8)
    axes.set_xlim(2.5, 2.504)
    times, heights = curve_of(axes, "RF amplitude", "C0")
    inside = (times > 2.5001) & (times < 2.5039)
    expected = 0.8 * np.hanning(4002)[1:-1][np.clip(((times - 2.5) / 1e-6).astype(int), 0, 3999)]
    np.testing.assert_allclose(heights[inside], expected[inside], atol=2e-3)


# slice profiles


def test_a_slice_profile_shows_what_is_excited():
    position = np.linspace(-4, 4, 41)[::-1] * mm
    angle = 0.5 * np.pi / (1 + (position / (2 * mm)) ** 8)
    profile = SimpleNamespace(position=position, excited=-1j * np.sin(angle), inverted=np.cos(angle), flip_angle=angle)
    axes = slice_profile(profile)
    transverse, longitudinal = axes.lines[1:]
    np.testing.assert_allclose(transverse.get_xdata(), np.linspace(-4, 4, 41), atol=1e-12)
    np.testing.assert_allclose(transverse.get_ydata(), np.sin(angle)[::-1])
    np.testing.assert_allclose(longitudinal.get_ydata(), np.cos(angle)[::-1])
    (twin,) = [other for other in axes.figure.axes if other is not axes]
    np.testing.assert_allclose(twin.lines[0].get_ydata(), np.rad2deg(angle)[::-1])
    low, high = axes.get_ylim()
    np.testing.assert_allclose(twin.get_ylim()[0] / twin.get_ylim()[1], low / high)
    assert axes.get_xlabel() == "position (mm)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["|Mxy|", "Mz"]
    given = Figure().subplots()
    assert slice_profile(profile, axes=given) is given
    profile.inverted = profile.inverted[:3]
    with pytest.raises(ValueError, match=r"`inverted` of `profile` must have the shape of its positions, \(41,\)"):
        slice_profile(profile)
    profile.position = 0.0
    with pytest.raises(ValueError, match="`position` of `profile` must have shape"):
        slice_profile(profile)


# trajectories


@pytest.mark.exhaustive
def test_a_trajectory_is_that_of_the_timeline():
    sequence = mr.Sequence(
        mr.Pulse(0.3), trapezoid(-3 * mT), *echo(2).events[2:3], mr.Pulse(np.pi), trapezoid(2 * mT, "z")
    )
    axes = trajectory(sequence, along=("x", "z"))
    timeline = sequence.timeline()
    (dots,) = [line for line in axes.lines if line.get_marker() == "."]
    np.testing.assert_allclose(np.transpose(dots.get_data()), np.asarray(timeline.trajectory())[:, [0, 2]])
    path = axes.collections[0]
    segments = np.array([np.asarray(segment) for segment in path.get_segments()])
    times = np.asarray(path.get_array()) * ms
    starts = np.asarray(timeline.trajectory(jnp.asarray(times)))[:, [0, 2]]
    np.testing.assert_allclose(segments[:, 0], starts, atol=1e-9)
    steps = np.abs(np.diff(segments, axis=1)).max()
    assert steps < np.abs(starts).max() / 2  # not across the inversion
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("kx (1/m)", "kz (1/m)")
    assert trajectory(timeline, along="xyz").get_zlabel() == "kz (1/m)"
    given = Figure().subplots()
    assert trajectory(timeline, axes=given) is given


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: trajectory(mr.Sequence(trapezoid(1.0)), along=("x",)), "`along` must be two or three of"),
        (lambda: trajectory(mr.Sequence(trapezoid(1.0)), along=("x", "x")), "`along` must be two or three of"),
        (lambda: trajectory(mr.Sequence(trapezoid(1.0)), along=("x", "k")), "`along` must be two or three of"),
        (lambda: trajectory(mr.Sequence(trapezoid(1.0)), along=("y", "z")), "must play gradients along y or z, but plays none"),
        (
            lambda: trajectory(mr.Sequence(trapezoid(1.0)), along="xyz", axes=Figure().subplots()),
            '`axes` must have `projection="3d"` for 3 axes',
        ),
    ],
)  # fmt: skip
def test_wrong_trajectories_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize("draw", [lambda: sequence_diagram(echo()), lambda: trajectory(mr.Sequence(echo()))])
def test_pictures_go_into_files(draw, tmp_path):
    axes = draw()
    axes.figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
