import numpy as np
import pytest

from mrjax.phantoms import shepp_logan


def pixel(phantom, x, y):
    """The pixel that holds a point in the units of the table, -1 to 1."""
    return tuple(int((value + 1) / 2 * size) for value, size in zip((x, y), phantom.shape, strict=False))


@pytest.mark.parametrize("field_strength", [0.55, 1.5, 3, 7.0])
def test_t1_is_a_power_of_the_field(field_strength):
    phantom = shepp_logan((32, 32), field_strength)
    expected = {
        "scalp": 0.324 * field_strength**0.137,
        "bone and marrow": 0.533 * field_strength**0.088,
        "CSF": 4.2,
        "grey matter": 0.857 * field_strength**0.376,
        "white matter": 0.583 * field_strength**0.382,
        "tumour": 0.926 * field_strength**0.217,
    }
    assert phantom.names == tuple(expected)
    np.testing.assert_allclose(phantom.t1, list(expected.values()))
    np.testing.assert_allclose(phantom.t2, (0.07, 0.05, 1.99, 0.1, 0.08, 0.1))
    np.testing.assert_allclose(phantom.proton_density, (0.8, 0.12, 0.98, 0.745, 0.617, 0.95))


def test_areas_are_those_of_ellipses():
    phantom = shepp_logan((160, 160))
    area = np.pi * 0.1**2  # m^2, of the unit circle
    pixel_area = np.prod(phantom.voxel_size)
    measured = np.asarray(phantom.fractions).sum((1, 2)) * pixel_area
    np.testing.assert_allclose(measured.sum(), area * 0.72 * 0.95, rtol=1e-3)
    np.testing.assert_allclose(measured[0], area * (0.72 * 0.95 - 0.69 * 0.92), rtol=1e-2)
    np.testing.assert_allclose(measured[1], area * (0.69 * 0.92 - 0.6624 * 0.874), rtol=1e-2)
    rim_and_ventricles = 0.6624 * 0.874 - 0.6524 * 0.864 + 0.41 * 0.16 + 0.31 * 0.11
    assert 0.9 * rim_and_ventricles < measured[2] / area < rim_and_ventricles  # one is cut by white matter


def test_tissues_lie_where_the_table_has_them():
    phantom = shepp_logan((128, 128))
    points = {
        "scalp": (0, 0.935),
        "bone and marrow": (0, -0.905),
        "grey matter": (0.5, -0.5),
        "white matter": (0, 0.4),
        "tumour": (0, -0.1),
    }
    for name, point in points.items():
        assert phantom.fraction(name)[pixel(phantom, *point)] > 0.8
    # Long axes: the left ventricle leans to the upper left, the right one to the upper right.
    for x, y in ((-0.32, 0.3), (-0.12, -0.3), (0.3, 0.25), (0.14, -0.25)):
        assert phantom.fraction("CSF")[pixel(phantom, x, y)] == 1
    assert phantom.fraction("CSF")[pixel(phantom, -0.12, 0.3)] == 0
    assert not phantom.mask[0, 0]


def test_borders_are_mixed_and_interiors_pure():
    fractions = np.asarray(shepp_logan((128, 128)).fractions)
    assert fractions.min() >= 0
    assert fractions.sum(0).max() <= 1 + 1e-12
    largest, total = fractions.max(0), fractions.sum(0)
    assert (largest[total > 0.5] == 1).mean() > 0.8
    assert ((largest > 0.1) & (largest < 0.9)).sum() > 500


@pytest.mark.exhaustive
def test_volume_in_three_dimensions():
    phantom = shepp_logan((40, 40, 40))
    assert phantom.shape == (40, 40, 40)
    np.testing.assert_allclose(phantom.voxel_size, (0.005, 0.005, 0.005))
    volume = np.asarray(phantom.fractions).sum() * np.prod(phantom.voxel_size)
    np.testing.assert_allclose(volume, 4 / 3 * np.pi * 0.1**3 * 0.72 * 0.95 * 0.93, rtol=2e-3)
    small = shepp_logan((100, 100, 40)).fraction("CSF")
    assert small[50, 55, 32] == 1  # the small ellipsoid of CSF at z = 0.625
    assert small[50, 55, 27] == 0


def test_field_of_view_is_200_mm_for_every_shape():
    phantom = shepp_logan((50, 100))
    np.testing.assert_allclose(phantom.voxel_size, (0.004, 0.002))
    affine = np.array(phantom.affine)
    np.testing.assert_allclose(affine @ [24.5, 49.5, 0, 1], (0, 0, 0, 1), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"shape": (32,)}, r"`shape` must have 2 or 3 positive integers, but got \(32,\)"),
        ({"shape": (32, -1)}, r"`shape` must have 2 or 3 positive integers, but got \(32, -1\)"),
        ({"field_strength": 0.0}, r"`field_strength` must be positive \(T\), but got 0"),
        ({"field_strength": -3.0}, r"`field_strength` must be positive \(T\), but got -3"),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        shepp_logan(**arguments)
