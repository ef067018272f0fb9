import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from mrjax.phantoms import brain
from mrjax.phantoms._tables import data_file

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_brain_phantom.py"


@pytest.fixture(scope="module")
def volume():
    return brain()


def volumes_ml(phantom):
    per_voxel = np.prod(phantom.voxel_size) * 1e6
    return np.asarray(phantom.fractions).sum((1, 2, 3)) * per_voxel


def inside(fractions, compartment):
    """Voxels that are, like their neighbours, mostly `compartment`."""
    mostly = np.where(fractions.sum(0) > 0.5, fractions.argmax(0), -1)
    return ndimage.binary_erosion(mostly == compartment)


def centre_of_mass(phantom):
    total = np.asarray(phantom.fractions.sum(0))
    indices = ndimage.center_of_mass(total.reshape(*total.shape, *(1,) * (3 - total.ndim)))
    return (np.array(phantom.affine) @ [*indices, 1])[:3]


def test_fractions_are_fractions(volume):
    for phantom in (volume, brain(shape=(50, 60)), brain(shape=(200, 20, 90))):
        fractions = np.asarray(phantom.fractions)
        assert fractions.min() >= 0
        assert fractions.max() <= 1
        assert fractions.sum(0).max() <= 1 + 1e-6


def test_most_voxels_inside_a_tissue_are_pure(volume):
    for phantom, grey_limit, white_limit in ((volume, 0.85, 0.97), (brain(slice=44), 0.75, 0.96)):
        fractions = np.asarray(phantom.fractions)
        grey, white = ((fractions[i][inside(fractions, i)] >= 0.95).mean() for i in (0, 1))
        assert grey > grey_limit
        assert white > white_limit


def test_borders_are_mixed(volume):
    largest = np.asarray(volume.fractions).max(0)
    mixed = (largest > 0.05) & (largest < 0.95)
    assert 0.3 < mixed.sum() / (largest > 0.05).sum() < 0.6


def test_volumes_are_those_of_the_template(volume):
    # The unsharpened maps have 999, 670 and 240 ml within the mask.
    np.testing.assert_allclose(volumes_ml(volume), (999, 670, 240), rtol=0.005)


def test_the_template_is_symmetric(volume):
    np.testing.assert_array_equal(volume.fractions, volume.fractions[:, ::-1])
    np.testing.assert_allclose(centre_of_mass(volume)[0], 0, atol=1e-6)


def test_anatomy_lies_where_mni_space_has_it(volume):
    def at(name, *position):
        index = np.linalg.solve(np.array(volume.affine), [*position, 1])[:3].round().astype(int)
        return float(volume.fraction(name)[tuple(index)])

    assert at("CSF", -8, 14, 14) > 0.85  # frontal horn
    assert at("white matter", -26, -30, 30) > 0.95  # corona radiata
    assert at("white matter", 0, 24, 6) > 0.5  # genu of the corpus callosum
    assert at("grey matter", -26, 4, 0) > 0.9  # putamen
    assert at("grey matter", -40, -20, -70) == 0  # below the temporal lobe
    assert not volume.mask[0, 0, 0]


def test_slices_are_the_planes_of_the_volume(volume):
    for index, plane in ((30, 30), (-51, 30), (80, 80)):
        phantom = brain(slice=index)
        np.testing.assert_array_equal(phantom.fractions, volume.fractions[..., plane])
        assert phantom.affine[2][3] == -72 + 2 * plane
    assert volume.voxel_size == (0.002, 0.002, 0.002)
    assert brain(slice=30).voxel_size == (0.002, 0.002)


def test_the_default_slice_shows_ventricles():
    phantom = brain(shape=(109, 109))
    np.testing.assert_array_equal(phantom.fractions, brain(slice=44).fractions)
    assert inside(np.asarray(phantom.fractions), 2).sum() * 4e-6 > 4e-4  # m^2


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", [(64, 64, 48), (50, 60, 30), (128, 128, 96), (217, 30, 20)])
def test_resampling_keeps_volumes_and_positions(volume, shape):
    phantom = brain(shape=shape)
    assert phantom.shape == shape
    np.testing.assert_allclose(volumes_ml(phantom), volumes_ml(volume), rtol=0.005)
    np.testing.assert_allclose(centre_of_mass(phantom), centre_of_mass(volume), atol=0.02)
    extent = np.multiply(phantom.shape, phantom.voxel_size)
    np.testing.assert_allclose(extent, np.multiply(volume.shape, volume.voxel_size))


@pytest.mark.parametrize("shape", [(64, 64), (33, 200)])
def test_resampling_a_slice_keeps_areas_and_positions(shape):
    fine, phantom = brain(slice=50), brain(shape=shape, slice=50)
    assert phantom.shape == shape
    areas = [np.asarray(p.fractions).sum((1, 2)) * np.prod(p.voxel_size) for p in (fine, phantom)]
    np.testing.assert_allclose(areas[1], areas[0], rtol=0.01)
    np.testing.assert_allclose(centre_of_mass(phantom), centre_of_mass(fine), atol=0.02)


def test_slice_of_a_resampled_volume():
    whole, phantom = brain(shape=(40, 40, 20)), brain(shape=(40, 40, 20), slice=-9)
    np.testing.assert_array_equal(phantom.fractions, whole.fractions[..., 11])
    np.testing.assert_allclose(phantom.affine[2][3], (np.array(whole.affine) @ [0, 0, 11, 1])[2])


@pytest.mark.parametrize(
    ("field_strength", "t1_ms", "t2_ms"),
    [(1.5, (1197, 646, 4454), (87, 80, 2372.9)), (3, (1607, 838, 4454), (76, 71, 2372.9))],
)
def test_tissue_values_are_those_published(field_strength, t1_ms, t2_ms):
    phantom = brain(slice=44, field_strength=field_strength)
    assert phantom.names == ("grey matter", "white matter", "CSF")
    np.testing.assert_allclose(phantom.t1, np.array(t1_ms) * 1e-3)
    np.testing.assert_allclose(phantom.t2, np.array(t2_ms) * 1e-3)
    np.testing.assert_allclose(phantom.proton_density, (0.837, 0.691, 1))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"slice": 81}, "`slice` must be an integer from -81 to 80, but got 81"),
        ({"slice": -82}, "`slice` must be an integer from -81 to 80, but got -82"),
        ({"shape": (9, 9, 5), "slice": 5}, "`slice` must be an integer from -5 to 4, but got 5"),
        ({"shape": (64,)}, r"`shape` must have 2 or 3 positive integers, but got \(64,\)"),
        ({"shape": (64, 0)}, r"`shape` must have 2 or 3 positive integers, but got \(64, 0\)"),
        ({"field_strength": 7.0}, r"`field_strength` must be 1.5 or 3 \(T\), but got 7.0"),
    ],
)
def test_errors_name_the_argument(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        brain(**arguments)


def test_a_jitted_function_takes_a_brain():
    phantom = brain(shape=(32, 32))
    signal = lambda p: (p.compartments().m0 * jnp.exp(-0.1 / p.compartments().t2)).sum(0)
    assert np.max(signal(phantom)) > 0.1
    np.testing.assert_allclose(jax.jit(signal)(phantom), signal(phantom), rtol=1e-12)


def test_the_embedded_file_is_small_and_comes_with_its_notice():
    assert data_file("brain_2mm.npz").stat().st_size <= 1.5e6
    notice = data_file("NOTICE.md").read_text(encoding="utf-8")
    for years in ("1993-2004", "1993-2009"):
        assert f"Copyright (C) {years} Louis Collins, McConnell Brain Imaging Centre" in notice
    assert "nilearn" in notice


@pytest.mark.exhaustive
def test_the_script_rebuilds_the_embedded_file(reference_data):
    folder = reference_data("mni152/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz").parent
    spec = importlib.util.spec_from_file_location("build_brain_phantom", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rebuilt = script.build(folder)
    with np.load(data_file("brain_2mm.npz")) as shipped:
        np.testing.assert_array_equal(rebuilt["affine"], shipped["affine"])
        difference = np.abs(rebuilt["fractions"].astype(int) - shipped["fractions"])
    # Rounding to 1/255 may fall either way on another machine.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4
