"""What the picture of a Z-spectrum shows."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mrjax.plot import z_spectrum

OFFSET = np.linspace(-6, 6, 49)
Z = 1 - 0.9 / (1 + OFFSET**2) - 0.05 / (1 + (OFFSET - 3.5) ** 2)


def twin_of(axes):
    (twin,) = [other for other in axes.figure.axes if other is not axes]
    return twin


def test_a_z_spectrum_runs_from_high_to_low_offsets(rng):
    order = rng.permutation(49)
    axes = z_spectrum(OFFSET[order], Z[order], asymmetry=False)
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), OFFSET)
    np.testing.assert_array_equal(line.get_ydata(), Z)
    assert axes.get_xlim() == (6, -6)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("offset (ppm)", "Z")
    assert len(axes.figure.axes) == 1


def test_its_asymmetry_is_in_percent_at_positive_offsets():
    axes = z_spectrum(OFFSET, np.stack([Z, Z[::-1]]), labels=["up", "down"])
    twin = twin_of(axes)
    lines = [line for line in twin.lines if line.get_linestyle() == "--"]
    assert len(lines) == 2
    positive = OFFSET[OFFSET > 0]
    expected = 100 * (Z[::-1] - Z)[OFFSET > 0]
    for line, sign in zip(lines, (1, -1), strict=True):
        np.testing.assert_allclose(line.get_xdata(), positive)
        np.testing.assert_allclose(line.get_ydata(), sign * expected, atol=1e-10)
    assert twin.get_ylabel() == "MTRasym (%), dashed"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["up", "down"]


def test_a_one_sided_spectrum_has_no_asymmetry():
    axes = z_spectrum(OFFSET[OFFSET > 0], Z[OFFSET > 0])
    assert len(axes.figure.axes) == 1


def test_it_draws_into_given_axes():
    axes = Figure().subplots()
    assert z_spectrum(OFFSET, Z, axes=axes) is axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), Z)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`z` must have the 49 offsets"):
        z_spectrum(OFFSET, Z[:-1])
    with pytest.raises(ValueError, match="at most 20 voxels"):
        z_spectrum(OFFSET, np.tile(Z, (21, 1)))
    with pytest.raises(ValueError, match="`labels` must have one entry"):
        z_spectrum(OFFSET, Z, labels=["a", "b"])
    with pytest.raises(ValueError, match="`offset_ppm` must have shape"):
        z_spectrum(OFFSET[None], Z)
