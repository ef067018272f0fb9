"""Maps of T1 and T2 that do not belong together."""

import numpy as np
import pytest

import mrjax as mr
from mrjax.zoo import fingerprints


def test_maps_that_lie_elsewhere_are_refused(tmp_path):
    for name, shift, value in (("t1.nii", 0.0, 1.0), ("t2.nii", 30.0, 0.1)):
        affine = np.diag([2.0, 2.0, 3.0, 1.0])
        affine[0, 3] = shift
        mr.io.write_nifti(tmp_path / name, np.full((3, 2, 2), value), affine)
    with pytest.raises(mr.io.FileError, match=r"t2\.nii lies elsewhere than .*t1\.nii: voxels are up to 30 mm apart"):
        fingerprints.maps(tmp_path / "t1.nii", tmp_path / "t2.nii")
    assert fingerprints.maps(tmp_path / "t1.nii", tmp_path / "t1.nii").t1.shape == (12,)
