"""What each picture shows: the bars, lines, limits, units and labels in it."""

import sys

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.plot import coherence_pathways, parameter_map, sequence_diagram, signal_curves
from mrjax.units import deg, ms

TRAIN = mr.Sequence(
    mr.Pulse(90 * deg, phase=180 * deg),
    mr.Delay(5 * ms),
    mr.Repeat(
        mr.Pulse(jnp.array([45.0, -30.0]) * deg),
        mr.Dephase(2, duration=1 * ms),
        mr.Delay(4 * ms),
        mr.Sample(),
        mr.Dephase(-1),
        mr.Spoil(),
    ),
)


def segments(axes, colour):
    """Ends of the line segments of one colour."""
    lines = [c for c in axes.collections if isinstance(c, LineCollection)]
    found = [c for c in lines if np.allclose(c.get_color()[0][:3], to_rgba(colour)[:3])]
    return [np.asarray(segment) for collection in found for segment in collection.get_segments()]


def colour_bar(axes):
    (image,) = axes.images
    return image.colorbar.ax


# sequence diagrams


def test_a_diagram_shows_pulses_to_scale():
    axes = sequence_diagram(TRAIN)
    bars = np.array(segments(axes, "C0"))
    np.testing.assert_allclose(bars[:, :, 0], [[0, 0], [5, 5], [10, 10]])  # ms
    np.testing.assert_allclose(bars[:, 0, 1], 3)
    np.testing.assert_allclose(bars[:, 1, 1] - 3, 0.8 * np.array([1, 45 / 90, -30 / 90]))
    (phases,) = [line for line in axes.lines if line.get_color() == "C1"]
    np.testing.assert_allclose(phases.get_xdata(), [0, 5, 10])
    np.testing.assert_allclose(phases.get_ydata(), 2 + 0.8 * np.array([0.5, 0, 0]))
    assert [text.get_text() for text in axes.texts] == ["90°", "360°"]


def test_a_diagram_shows_gradients_spoilers_and_samples():
    axes = sequence_diagram(TRAIN)
    bars = [(bar.get_x(), bar.get_width(), bar.get_y(), bar.get_height(), bar.get_hatch()) for bar in axes.patches]
    np.testing.assert_allclose([bar[0] for bar in bars], [5, 10, 10, 15, 10, 15])
    np.testing.assert_allclose(
        [bar[1] for bar in bars], [1, 0.045, 1, 0.045, 0.045, 0.045]
    )  # thin where no time passes
    assert {bar[2] for bar in bars} == {1}
    np.testing.assert_allclose([bar[3] for bar in bars], [0.4, -0.2, 0.4, -0.2, 0.5, 0.5])
    assert [bar[4] for bar in bars] == [None] * 4 + ["////"] * 2
    samples = np.array(segments(axes, "C2"))
    np.testing.assert_allclose(samples[:, 0, 0], np.asarray(TRAIN.sample_times) / ms)
    np.testing.assert_allclose(samples[:, :, 1], [[0, 0.6]] * 2)


def test_a_diagram_is_labelled():
    axes = sequence_diagram(TRAIN)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["RF angle", "RF phase", "gradient", "sample"]
    assert axes.get_xlabel() == "time (ms)"
    assert sequence_diagram(mr.Sequence(mr.Pulse(1.0), mr.Delay(3.0), mr.Sample())).get_xlabel() == "time (s)"


def test_a_part_of_a_diagram():
    axes = sequence_diagram(TRAIN, time_range=(4 * ms, 9 * ms))
    np.testing.assert_allclose(np.array(segments(axes, "C0"))[:, 0, 0], [5])
    assert axes.texts[0].get_text() == "45°"
    assert len(axes.patches) == 1


def test_an_infinite_wait_is_where_a_diagram_ends():
    axes = sequence_diagram(mr.protocols.inversion_recovery([0.1, 0.2]))
    assert len(segments(axes, "C0")) == 2
    assert axes.get_xlim()[1] < 200


def test_a_crowded_diagram_has_one_curve_of_pulses():
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    axes = sequence_diagram(mr.protocols.mrf_fisp(flip_angle[:200], tr[:200], 2 * ms))
    assert len(segments(axes, "C0")) == 0
    (curve,) = [line for line in axes.lines if line.get_color() == "C0"]
    assert curve.get_ydata().max() == pytest.approx(3.8)
    assert axes.get_xlabel() == "time (s)"


# maps


def test_a_map_lies_as_its_array_does():
    """The first axis to the right, the second upwards."""
    values = np.arange(12.0).reshape(4, 3)
    axes = parameter_map(values, "m0")
    (image,) = axes.images
    assert image.origin == "lower"
    np.testing.assert_array_equal(image.get_array(), values.T)
    assert axes.get_title() == "M0"
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == []


@pytest.mark.parametrize(
    ("parameter", "scale", "unit", "factor"),
    [("t1", 1.5, "s", 1), ("t2", 0.1, "ms", 1e3), ("b1", 0.1, "relative", 1), ("off_resonance", 0.1, "Hz", 1)],
)
def test_a_map_has_a_unit_that_suits_it(parameter, scale, unit, factor):
    values = scale * np.linspace(0.5, 1.0, 20).reshape(4, 5)
    axes = parameter_map(values, parameter)
    np.testing.assert_allclose(axes.images[0].get_array(), values.T * factor)
    assert colour_bar(axes).get_ylabel() == unit


def test_limits_of_a_map():
    values = np.linspace(0.2, 2.0, 1000).reshape(10, 100)
    values[0, 0] = 50.0  # one wrong voxel does not darken the others
    assert parameter_map(values, "t1").images[0].get_clim() == pytest.approx((0, np.percentile(values, 99)))
    assert parameter_map(values, "t1", limits=(0.5, 1.0)).images[0].get_clim() == (0.5, 1.0)
    assert parameter_map(values, "t1", limits=(0.1, 0.2)).images[0].get_clim() == pytest.approx((100, 200))
    low = np.percentile(values - 1, 1)
    assert parameter_map(values - 1, "x").images[0].get_clim()[0] == pytest.approx(low, rel=1e-6)
    low, high = parameter_map(np.array([[0.8, 1.0, 1.1]]), "b1").images[0].get_clim()
    assert low < 0.81
    assert high - 1 == pytest.approx(1 - low)
    assert parameter_map(np.zeros((2, 2)), "t2").images[0].get_clim() == (0, 1)
    assert parameter_map(np.full((2, 2), np.nan), "t2").images[0].get_clim() == (0, 1)


def test_a_masked_map_is_blank_outside():
    values, mask = np.ones((3, 2)), np.array([[1, 0], [1, 1], [0, 0]])
    values[0, 1] = 100.0
    axes = parameter_map(values, "t1", mask=mask)
    np.testing.assert_array_equal(np.ma.getmaskarray(axes.images[0].get_array()), mask.T == 0)
    assert axes.images[0].get_clim() == pytest.approx((0, 1))


def test_titles_units_and_colours_of_a_map_can_be_chosen():
    axes = parameter_map(np.ones((3, 2, 1)), "t1", title="before", unit="a.u.", colours="gray")
    assert axes.get_title() == "before"
    assert colour_bar(axes).get_ylabel() == "a.u."
    assert axes.images[0].get_cmap().name == "gray"


# signals


def test_curves_over_time():
    signals = np.array([[1.0, -0.5, 0.25], [2.0, 1.0, 0.5]])
    axes = signal_curves(signals, np.array([4, 8, 12]) * ms, labels=["grey", "white"], marker="o")
    for line, curve in zip(axes.lines, signals, strict=True):
        np.testing.assert_allclose(line.get_xdata(), [4, 8, 12])
        np.testing.assert_array_equal(line.get_ydata(), curve)
        assert line.get_marker() == "o"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (ms)", "signal")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["grey", "white"]


def test_curves_of_complex_signals_are_magnitudes():
    axes = signal_curves(jnp.array([3j, -4.0]))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [3, 4])
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0, 1])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("sample", "|signal|")
    assert axes.get_legend() is None
    assert signal_curves(np.ones((2, 3, 2)), [0.5, 2.0]).get_xlabel() == "time (s)"
    assert len(signal_curves(np.ones((2, 3, 2))).lines) == 6


# coherence pathways


def test_pathways_of_two_pulses():
    """After 90 degrees and one cycle, 90 degrees split order 1 into transverse 1 and -1, and longitudinal 1."""
    sequence = mr.Sequence(
        mr.Pulse(90 * deg),
        mr.Dephase(1, duration=2 * ms),
        mr.Pulse(90 * deg),
        mr.Dephase(1, duration=2 * ms),
        mr.Sample(),
    )
    axes = coherence_pathways(sequence)
    drawn = {colour: {tuple(map(tuple, np.round(s, 9))) for s in segments(axes, colour)} for colour in ("C0", "C3")}
    assert drawn["C0"] == {((0, 0), (2, 1)), ((2, 1), (4, 2)), ((2, -1), (4, 0))}
    assert drawn["C3"] == {((2, 1), (4, 1))}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time (ms)", "dephasing order k")
    pulses = [line.get_xdata()[0] for line in axes.lines if line.get_color() == "0.8"]
    samples = [line.get_xdata()[0] for line in axes.lines if line.get_color() == "C2"]
    np.testing.assert_allclose(pulses, [0, 2])
    np.testing.assert_allclose(samples, [4])
    low, high = axes.get_ylim()
    assert low < -1
    assert high > 2


def strengths(axes, colour):
    """Amplitudes by the start of each line: a line of amplitude a has the opacity 0.15 + 0.85 a."""
    return {
        tuple(np.round(segment[0], 6)): (alpha - 0.15) / 0.85
        for collection in axes.collections
        if np.allclose(collection.get_color()[0][:3], to_rgba(colour)[:3])
        for segment, alpha in zip(collection.get_segments(), np.atleast_1d(collection.get_alpha()), strict=True)
    }


@pytest.mark.exhaustive
@pytest.mark.parametrize("phase", [0.0, 90 * deg])
def test_pathways_are_as_dark_as_their_states_are_large(phase):
    """Also where it depends on phases and on relaxation: the states are those that `play` gives."""
    train = (
        mr.Pulse(90 * deg, phase),
        mr.Dephase(1, duration=10 * ms),
        mr.Pulse(120 * deg),
        mr.Dephase(1, duration=10 * ms),
        mr.Pulse(120 * deg),
    )
    tissue = mr.Tissue(t1=0.5, t2=0.05)
    axes = coherence_pathways(mr.Sequence(*train, mr.Dephase(1, duration=10 * ms)), tissue, threshold=1e-3)
    _, state = mr.play(mr.Sequence(*train), tissue, mr.EPG(n_states=6))
    transverse, longitudinal = strengths(axes, "C0"), strengths(axes, "C3")
    for k in range(3):
        for order, states, drawn in (
            (k, state.f_plus, transverse),
            (-k, state.f_minus, transverse),
            (k, state.z, longitudinal),
        ):
            amplitude = float(np.abs(states[k]))
            assert drawn.get((20.0, order), 0.0) == pytest.approx(amplitude, abs=2e-3), (order, amplitude)


def test_weak_pathways_are_left_out():
    train = mr.protocols.cpmg(jnp.full(4, 160 * deg), 10 * ms)
    every, strong = (coherence_pathways(train, threshold=threshold) for threshold in (1e-3, 0.3))
    assert len(segments(every, "C0")) > len(segments(strong, "C0")) > 4
    assert len(segments(every, "C3")) > 4
    assert len(segments(strong, "C3")) == 0


# all


@pytest.mark.parametrize(
    "draw",
    [
        lambda axes: sequence_diagram(TRAIN, axes=axes),
        lambda axes: parameter_map(np.ones((3, 4)), "t1", axes=axes),
        lambda axes: signal_curves(np.ones((2, 4)), axes=axes),
        lambda axes: coherence_pathways(TRAIN, axes=axes),
    ],
)
def test_pictures_go_where_they_are_told_and_into_files(draw, tmp_path):
    figure = Figure()
    axes = figure.subplots()
    assert draw(axes) is axes
    before = (
        set(sys.modules.get("matplotlib._pylab_helpers").Gcf.figs)
        if "matplotlib._pylab_helpers" in sys.modules
        else set()
    )
    own = draw(None)
    assert own.figure is not figure
    assert own.figure.canvas.manager is None  # no window, no pyplot state
    if "matplotlib._pylab_helpers" in sys.modules:
        assert set(sys.modules["matplotlib._pylab_helpers"].Gcf.figs) == before
    for name, picture in (("own.png", own.figure), ("given.png", figure)):
        picture.savefig(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert np.ptp(matplotlib.image.imread(tmp_path / name)[..., :3]) > 0.5


def test_arrays_of_jax_are_drawn():
    assert parameter_map(jnp.ones((2, 3)), mask=jnp.ones((2, 3), bool)).images
    assert len(signal_curves(jax.numpy.ones((2, 3)), jnp.arange(3.0)).lines) == 2


def test_a_repeat_is_drawn_with_all_its_repetitions():
    train = mr.Repeat(mr.Pulse(jnp.ones(3)), mr.Delay(0.01), mr.Dephase(), mr.Sample())
    bars = np.array(segments(mr.plot.sequence_diagram(train), "C0"))
    np.testing.assert_allclose(bars[:, 0, 0], [0, 10, 20])  # ms
    pathways = mr.plot.coherence_pathways(train)
    assert max(pathways.get_ylim()) > 2  # three repetitions wind up to order three


def test_many_windings_are_the_bars_of_few():
    """One artist in place of a thousand, with the same corners and limits."""
    train = lambda n: mr.Repeat(mr.Pulse(0.3), mr.Delay(5e-3), mr.Dephase(), mr.Delay(5e-3), n_repetitions=n)
    few, many = (mr.plot.sequence_diagram(mr.Sequence(train(n))) for n in (150, 151))
    bars = [bar.get_bbox().get_points() for bar in few.patches]
    (together,) = (c for c in many.collections if isinstance(c, PolyCollection))
    corners = [(path.vertices.min(axis=0), path.vertices.max(axis=0)) for path in together.get_paths()]
    assert not many.patches
    assert len(corners) == len(bars) + 1
    heights = lambda points: np.asarray(points)[:, :, 1]
    np.testing.assert_allclose(heights(corners[:-1]), heights(bars))
    starts = lambda points: np.asarray(points)[:, 0, 0]
    np.testing.assert_allclose(starts(corners[:-1]), starts(bars))
    np.testing.assert_allclose(many.get_ylim(), few.get_ylim())
