"""What users of other fitting tools reported as wrong, tried here: each test names the report and holds the right answer."""

import jax.numpy as jnp
import nibabel
import numpy as np
import pytest

from mrjax.inverse import FitStatus, least_squares
from mrjax.io import read_nifti
from mrjax.signals import relaxation
from mrjax.units import deg, ms


@pytest.mark.exhaustive
def test_repetition_times_may_differ_between_flip_angles():
    """qMRLab 293: T1 was wrong where each flip angle had a repetition time of its own."""
    angles, tr = jnp.array([3.0, 8.0, 15.0, 25.0]) * deg, jnp.array([8.0, 12.0, 20.0, 30.0]) * ms
    t1 = jnp.array([0.3, 0.9, 1.8, 4.0])
    b1 = jnp.array([0.8, 1.0, 1.1, 1.25])
    model = lambda p: relaxation.spgr(angles, tr, p["t1"], m0=p["m0"], b1=b1)
    data = model({"t1": t1, "m0": jnp.full(4, 700.0)})
    fit = least_squares(model, data, {"t1": 1.0, "m0": 1000.0}, bounds=(1e-3, jnp.inf))
    assert np.all(fit.status == FitStatus.CONVERGED)
    np.testing.assert_allclose(fit.parameters["t1"], t1, rtol=1e-6)
    np.testing.assert_allclose(fit.parameters["m0"], 700.0, rtol=1e-6)


@pytest.mark.exhaustive
def test_two_flip_angles_give_t1_but_no_error_bar_unless_the_noise_is_known():
    """qMRLab 449: two images for two parameters are fitted exactly, and say nothing about the noise."""
    angles = jnp.array([4.0, 18.0]) * deg
    model = lambda p: relaxation.spgr(angles, 15 * ms, p["t1"], m0=p["m0"])
    data = model({"t1": jnp.array([1.1]), "m0": jnp.array([5.0])})
    start = {"t1": 0.5, "m0": 4.0}
    fit = least_squares(model, data, start, bounds=(1e-3, jnp.inf))
    np.testing.assert_allclose(fit.parameters["t1"], 1.1, rtol=1e-6)
    assert np.isnan(fit.standard_deviation["t1"][0])
    known = least_squares(model, data, start, bounds=(1e-3, jnp.inf), noise_std=0.01)
    assert np.isfinite(known.standard_deviation["t1"][0])


def test_integers_are_scaled_as_their_header_says(tmp_path):
    """fMRIPrep 2531, spine-generic 36: slope and intercept of a header were lost, not a number, or differed per image."""
    values = np.arange(8.0).reshape(2, 2, 2) * 3.5 - 4
    stored = ((values + 4) / 3.5).astype(np.int16)
    image = nibabel.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(3.5, -4)
    # nibabel takes the numbers of an array as they are, so what is stored is written as bytes
    header = image.header.copy()
    header.set_data_dtype(np.int16)
    header["vox_offset"], header["scl_slope"], header["scl_inter"], header["magic"] = 352, 3.5, -4, b"n+1"
    path = tmp_path / "scaled.nii"
    path.write_bytes(header.binaryblock + b"\0" * 4 + stored.tobytes(order="F"))
    np.testing.assert_allclose(read_nifti(path).data, values, rtol=1e-6)
    header["scl_slope"] = header["scl_inter"] = np.nan
    path.write_bytes(header.binaryblock + b"\0" * 4 + stored.tobytes(order="F"))
    np.testing.assert_array_equal(read_nifti(path).data, stored)
