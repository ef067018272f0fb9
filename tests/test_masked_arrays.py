"""NumPy's masked arrays: what is masked is no data, and never counts as such."""

import re

import numpy as np
import pytest

import mrjax as mr
from mrjax.io import read_nifti, write_nifti
from mrjax.signals import relaxation
from mrjax.synthesis import Store

MASKED = np.ma.masked_array([1.0, 0.8, 5.0], mask=[False, False, True])
TE = np.array([0.01, 0.02, 0.04])
DICTIONARY = mr.inverse.Dictionary.build(lambda p: np.exp(-TE[None] / p["t2"][:, None]), {"t2": np.array([0.02, 0.05])})
DECAY = lambda p: p["m0"][..., None] * np.exp(-TE) if p["m0"].ndim == 0 else p["m0"][:, None] * np.exp(-TE)[None]

USERS = {
    "`t1` must": lambda x: mr.Tissue(t1=x, t2=0.1),
    "`fraction` must": lambda x: mr.Pool(fraction=x, exchange_rate=30.0, shift_ppm=3.5, t1=1.0, t2=0.1),
    "`flip_angle` must": mr.Pulse,
    "`duration` must": mr.Delay,
    "`te` must": lambda x: relaxation.t2_decay(x, 0.1),
    "`t2` must": lambda x: relaxation.t2_decay(TE, x),
    "`signals` must": DICTIONARY.match,
    "`data` must": lambda x: mr.inverse.least_squares(DECAY, x, {"m0": 1.0}),
    "`noise_std` must": lambda x: mr.inverse.least_squares(DECAY, np.ones(3), {"m0": 1.0}, noise_std=x),
    "`signal` must": lambda x: mr.inverse.cest.z_spectrum(x, np.array([-300.0, 0.0, 3.5])),
    "`at_ppm` must": lambda x: mr.inverse.cest.correct_b0(np.ones(3), np.arange(3.0), 0.0, x),
    "`m0_scans` must": lambda x: mr.inverse.cest.z_spectrum(np.ones(3), np.arange(3.0), m0_scans=x),
}


@pytest.mark.parametrize("of", ["array", "list of arrays"])
@pytest.mark.parametrize("argument", USERS)
def test_a_masked_entry_is_refused(argument, of):
    sentence = f"({argument}) not be masked, but 1 of its 3 entries are|({argument}) not be masked, but 2 of its 6"
    with pytest.raises(ValueError, match=sentence):
        USERS[argument](MASKED if of == "array" else [MASKED, MASKED])


def test_a_masked_array_that_hides_nothing_is_an_array():
    tissue = mr.Tissue(t1=np.ma.masked_array([1.0, 0.8]), t2=0.1)
    np.testing.assert_allclose(tissue.t1, [1.0, 0.8], rtol=1e-6)


def test_what_a_store_would_keep_is_not_masked(tmp_path):
    make = lambda index: {"signal": np.ma.masked_array(np.ones((len(index), 2)), mask=[[0, 1]] * len(index))}
    with pytest.raises(ValueError, match=re.escape("`signal` must not be masked, but 4 of its 8 entries are")):
        Store.create(tmp_path / "samples", make, 4, 4)


def test_a_masked_map_is_written_with_nan(tmp_path):
    hidden = np.arange(8).reshape(2, 2, 2) == 3
    image = np.ma.masked_array(np.arange(8).reshape(2, 2, 2), mask=hidden)
    data = read_nifti(write_nifti(tmp_path / "map.nii", image, np.eye(4))).data
    np.testing.assert_array_equal(data, np.where(hidden, np.nan, np.arange(8.0).reshape(2, 2, 2)))


def test_masked_entries_are_not_drawn():
    values = np.ma.masked_array([[1.0, 2.0], [1.5, 900.0]], mask=[[0, 0], [0, 1]])
    (drawn,) = mr.plot.parameter_map(values, "t1").images
    np.testing.assert_array_equal(np.isnan(np.ma.filled(drawn.get_array(), np.nan)), values.mask.T)
    assert drawn.get_clim()[1] < 2.01
    shown = np.ma.masked_array([[1, 1], [1, 1]], mask=values.mask)
    (drawn,) = mr.plot.parameter_map(values.data, "t1", mask=shown).images
    assert np.isnan(np.ma.filled(drawn.get_array(), np.nan))[1, 1]
    curve = mr.plot.signal_curves(np.ma.masked_array([3.0, 2.0, 1.0], mask=[0, 1, 0])).lines[0].get_ydata()
    np.testing.assert_array_equal(curve, [3.0, np.nan, 1.0])
    spectrum = mr.plot.z_spectrum(np.arange(3.0), np.ma.masked_array([0.1, 7.0, 0.9], mask=[0, 1, 0])).lines[0]
    np.testing.assert_array_equal(spectrum.get_ydata(), [0.1, np.nan, 0.9])
