import csv

import numpy as np
import pytest

from mrjax.phantoms import tubes
from mrjax.phantoms._tables import data_file


@pytest.mark.parametrize(
    ("array", "field_strength", "first", "last"),
    [
        ("NiCl2", 1.5, (2.033, 1.669), (0.022859, 0.0202)),
        ("NiCl2", 3, (1.989, 1.465), (0.021719, 0.01583)),
        ("MnCl2", 1.5, (2.376, 0.9394), (0.08333, 0.00815)),
        ("MnCl2", 3.0, (2.480, 0.5813), (0.0909, 0.005592)),
    ],
)
def test_relaxation_times_are_those_of_the_table(array, field_strength, first, last):
    phantom = tubes((32, 32), array, field_strength)
    assert phantom.names == tuple(f"{array}-{i}" for i in range(1, 15))
    np.testing.assert_allclose((phantom.t1[0], phantom.t2[0]), first)
    np.testing.assert_allclose((phantom.t1[-1], phantom.t2[-1]), last)
    assert np.all(np.diff(phantom.t1) < 0)
    assert np.all(np.diff(phantom.t2) < 0)
    np.testing.assert_array_equal(phantom.proton_density, np.ones(14))


def test_the_table_is_the_published_one(reference_data):
    published = reference_data("nist_phantom/nist_system_phantom.csv")
    with published.open() as theirs, data_file("nist_system_phantom.csv").open() as ours:
        assert list(csv.reader(theirs)) == list(csv.reader(ours))


@pytest.mark.parametrize("shape", [(128, 128), (64, 96)])
def test_areas_are_those_of_spheres_of_15_mm(shape):
    phantom = tubes(shape)
    areas = np.asarray(phantom.fractions).sum((1, 2)) * np.prod(phantom.voxel_size)
    np.testing.assert_allclose(areas, np.pi * 0.0075**2, rtol=5e-3)


def test_spheres_lie_on_a_ring_and_a_square():
    phantom = tubes((140, 140))  # 1 mm
    fractions = np.asarray(phantom.fractions)
    indices = np.stack(np.meshgrid(np.arange(140), np.arange(140), indexing="ij"), -1)
    centres = np.einsum("ixy,xyk->ik", fractions, indices) / fractions.sum((1, 2))[:, None] - 69.5
    np.testing.assert_allclose(np.hypot(*centres[:10].T), 50, atol=0.05)
    np.testing.assert_allclose(centres[0], (0, 50), atol=0.05)
    np.testing.assert_allclose(centres[1], (50 * np.sin(0.2 * np.pi), 50 * np.cos(0.2 * np.pi)), atol=0.05)
    np.testing.assert_allclose(centres[10:], [(-20, 20), (20, 20), (20, -20), (-20, -20)], atol=0.05)


def test_surroundings_are_air():
    phantom = tubes()
    total = np.asarray(phantom.fractions.sum(0))
    assert total.max() == 1
    assert total[64, 64] == 0
    assert ((total > 0.1) & (total < 0.9)).sum() > 200
    assert not phantom.mask[0, 0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shape": (32, 32, 32)}, r"`shape` must have 2 positive integers, but got \(32, 32, 32\)"),
        ({"array": "CuSO4"}, "`array` must be 'NiCl2' or 'MnCl2', but got 'CuSO4'"),
        ({"field_strength": 7.0}, r"`field_strength` must be 1.5 or 3 \(T\), but got 7.0"),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        tubes(**arguments)
