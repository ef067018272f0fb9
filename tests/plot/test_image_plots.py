"""Images, comparisons, coil maps and k-space: what is where, on which scale, with which numbers."""

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv
from matplotlib.figure import Figure

import mrjax as mr
from mrjax.plot import coil_maps, image_comparison, images, k_space
from mrjax.units import mm, ms, mT, us

RAMP = np.arange(12.0).reshape(4, 3)
READ = mr.Sequence(
    mr.Pulse(0.2),
    mr.Together(
        mr.Sequence(mr.Delay(0.1 * ms), mr.Readout(8, 20 * us)),
        mr.Gradient.trapezoid(5 * mT, rise=0.1 * ms, flat=0.16 * ms, axis="y"),
    ),
)


def test_images_share_a_scale_and_lie_upright():
    axes = images(np.stack([RAMP, 2 * RAMP]), labels=["one", "two"])
    assert axes.shape == (1, 2)
    for one, expected, title in zip(axes[0], (RAMP, 2 * RAMP), ("one", "two"), strict=True):
        (drawn,) = one.images
        np.testing.assert_array_equal(drawn.get_array(), expected.T)
        assert drawn.origin == "lower"
        assert one.get_title() == title
        assert drawn.get_clim() == pytest.approx((0, np.percentile([RAMP, 2 * RAMP], 99.5)))


def test_complex_images_have_phases_below_where_they_are_bright():
    values = np.array([[1.0, 1j], [-1.0, 1e-4]])
    axes = images(values, limit=2.0)
    assert axes.shape == (2, 1)
    np.testing.assert_allclose(axes[0, 0].images[0].get_array(), np.abs(values).T)
    assert axes[0, 0].images[0].get_clim() == (0, 2)
    phases = axes[1, 0].images[0].get_array()
    np.testing.assert_allclose(phases.filled(np.nan), [[0, 180], [90, np.nan]])


def test_negative_images_are_drawn_about_zero():
    assert images(RAMP - 5, limit=3).ravel()[0].images[0].get_clim() == (-3, 3)


def test_rulers_are_in_mm_with_the_middle_pixel_at_zero():
    (one,) = images(RAMP, voxel_size=(2 * mm, 4 * mm)).ravel()
    np.testing.assert_allclose(one.images[0].get_extent(), [-5, 3, -6, 6])
    assert (one.get_xlabel(), one.get_ylabel()) == ("x (mm)", "y (mm)")


def test_a_comparison_says_how_far_off_an_image_is():
    reference = np.array([[2.0, 0.0], [0.0, 2.0j]])
    test = reference + np.array([[0.1, 0], [0, 0]])
    axes = image_comparison(reference, test, magnification=5, labels=("truth", "fit"))
    assert [one.get_title() for one in axes[:2]] == ["truth", "fit"]
    psnr, nrmse = 20 * np.log10(2 / 0.05), 100 * 0.1 / np.sqrt(8)
    assert axes[2].get_title() == f"difference x 5\nPSNR {psnr:.1f} dB, NRMSE {nrmse:.2f} %"
    np.testing.assert_allclose(axes[2].images[0].get_array(), [[0.5, 0], [0, 0]], atol=1e-12)
    assert len({one.images[0].get_clim() for one in axes}) == 1


def test_what_is_not_a_number_is_not_counted():
    reference, test = np.array([[1.0, np.nan], [1.0, 1.0]]), np.array([[1.0, 5.0], [1.1, np.nan]])
    assert f"NRMSE {100 * 0.1 / np.sqrt(2):.2f} %" in image_comparison(reference, test)[2].get_title()
    assert "no difference" in image_comparison(RAMP, RAMP)[2].get_title()
    assert "the reference is zero" in image_comparison(0 * RAMP, RAMP)[2].get_title()


def test_coils_have_the_hue_of_their_phase_and_the_brightness_of_their_magnitude():
    maps = np.array([[[1.0, 0.25]], [[1j, -0.25]]])
    axes = coil_maps(maps)
    assert axes.shape == (2,)
    first, second = (rgb_to_hsv(np.asarray(one.images[0].get_array())) for one in axes)
    assert first.shape == (2, 1, 3)
    np.testing.assert_allclose(first[:, 0, 2], [1, 0.5], atol=1e-2)
    np.testing.assert_allclose([*first[:, 0, 0], *second[:, 0, 0]], [0, 0, 0.25, 0.5])


def test_maps_at_spins_and_masks():
    maps = np.ones((3, 1, 4, 5)) + 0j
    mask = np.zeros((4, 5), bool)
    mask[1, 2] = True
    image = np.asarray(coil_maps(maps, mask=mask)[0].images[0].get_array())
    assert image.shape == (5, 4, 3)
    np.testing.assert_array_equal(np.all(image == 1, axis=-1), ~mask.T)


def test_k_space_on_a_grid_is_in_decibel():
    data = np.array([[1.0, 0.1], [1e-9, 10j]])
    axes = k_space(data, field_of_view=(0.2, 0.1), decades=3)
    (drawn,) = axes.images
    np.testing.assert_allclose(drawn.get_array(), [[-20, -60], [-40, 0]], atol=1e-9)
    np.testing.assert_allclose(drawn.get_extent(), [-7.5, 2.5, -15, 5])
    assert drawn.get_clim() == (-60, 0)
    coils = k_space(np.stack([data, 0 * data]))
    np.testing.assert_allclose(coils.images[0].get_array(), k_space(data).images[0].get_array())


def test_k_space_along_a_sequence_has_its_samples_where_they_are():
    samples = np.arange(1.0, 9) * 1j
    for trajectory in (READ, READ.timeline(), READ.timeline().trajectory()):
        (drawn,) = k_space(samples, trajectory, along="yz").collections
        k = np.asarray(READ.timeline().trajectory())[:, 1]
        np.testing.assert_allclose(np.asarray(drawn.get_offsets())[:, 0], k)
        np.testing.assert_allclose(drawn.get_array(), 20 * np.log10(np.arange(1, 9) / 8))


def test_a_path_is_drawn_over_k_space():
    axes = k_space(np.ones((8, 8)), field_of_view=0.2)
    assert mr.plot.trajectory(READ, axes=axes) is axes
    assert axes.get_xlabel() == "kx (1/m)"
    assert len(axes.images) == len(axes.collections) == 1


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: images(np.ones(4)), r"`values` must be one image, \(nx, ny\), or several.*but got shape \(4,\)"),
        (lambda: images(np.ones((13, 2, 2))), "`values` must hold at most 12 images to be seen, but got 13"),
        (lambda: images(RAMP, labels=["a", "b"]), "`labels` must have one entry for each of the 1 images, but got 2"),
        (lambda: images(RAMP, voxel_size=0), r"`voxel_size` must be a positive number or two \(m\), but got 0"),
        (
            lambda: image_comparison(RAMP, RAMP.T),
            r"`test` must have the shape of `reference`, \(4, 3\), but got \(3, 4\)",
        ),
        (lambda: image_comparison(RAMP, RAMP, magnification=0), "`magnification` must be positive, but got 0"),
        (lambda: coil_maps(np.ones((2, 3))), r"`coils` must have shape \(n_coils, nx, ny\)"),
        (lambda: coil_maps(np.ones((2, 3, 3)), mask=np.ones((2, 2))), r"`mask` must have the shape of a map, \(3, 3\)"),
        (lambda: k_space(np.ones(4)), r"`data` must have shape \(nx, ny\) on a grid, or come with a `trajectory`"),
        (
            lambda: k_space(np.ones(4), np.ones((5, 3))),
            r"`trajectory` must have shape \(n_samples, 3\) with the 4 samples",
        ),
        (lambda: k_space(RAMP, along="xx"), "`along` must be two of"),
        (
            lambda: k_space(RAMP, field_of_view=-1),
            r"`field_of_view` must be a positive number or two \(m\), but got -1",
        ),
        (lambda: k_space(RAMP, decades=0), "`decades` must be positive, but got 0"),
    ],
)
def test_errors_name_the_argument(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(
    "draw",
    [
        lambda figure: images(jnp.ones((2, 3, 4)) * 1j, figure=figure),
        lambda figure: image_comparison(RAMP, jnp.asarray(RAMP) + 1, figure=figure),
        lambda figure: coil_maps(jnp.ones((5, 3, 4)) * 1j, figure=figure),
    ],
)
def test_pictures_go_where_they_are_told_and_into_files(draw, tmp_path):
    figure = Figure()
    assert draw(figure).ravel()[0].figure is figure
    own = draw(None).ravel()[0].figure
    assert own.canvas.manager is None  # no window, no pyplot state
    own.savefig(tmp_path / "own.png")
    assert np.ptp(matplotlib.image.imread(tmp_path / "own.png")[..., :3]) > 0.5
