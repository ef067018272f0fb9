"""Fields with the noise of a phase image, directions of the magnet, patches, and k-space of several coils."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.synthesis import (
    SusceptibilityVolume,
    local_field,
    multi_coil_kspace,
    random_b0_direction,
    random_patch,
    random_susceptibility,
)

SHAPE = (24, 20, 16)
SCAN = {"echo_time": 0.02, "b0": 3.0}


@pytest.fixture(scope="module")
def dipole():
    return mr.encoding.Dipole(SHAPE, 1e-3, (0.2, 0.1, 1.0))


def uniform(magnitude):
    chi = jnp.zeros(SHAPE).at[10:14, 8:12, 6:10].set(0.3)
    return SusceptibilityVolume(chi, jnp.ones(SHAPE, bool).at[:, :, :3].set(False), jnp.full(SHAPE, magnitude))


@pytest.mark.exhaustive
def test_without_noise_it_is_the_field_of_the_whole(dipole):
    volume = uniform(0.5)
    field = local_field(jax.random.key(0), volume, dipole, snr=jnp.inf, **SCAN)
    np.testing.assert_allclose(field, volume.mask * dipole(volume.susceptibility), atol=1e-15)
    assert float(jnp.abs(dipole(volume.susceptibility)[:, :, :3]).max()) > 1e-3


@pytest.mark.exhaustive
def test_noise_is_that_of_the_phase_of_a_noisy_image(dipole):
    """Drawn as complex numbers: the phase in rad, over the phase that a ppm gives until the echo."""
    snr, magnitude, n = 40.0, 0.5, 200_000
    real, imaginary = jax.random.normal(jax.random.key(5), (2, n)) / snr
    image = jax.lax.complex(magnitude + real, imaginary)
    expected = float(jnp.std(jnp.angle(image))) / (2 * np.pi * 42.577478 * 3.0 * 0.02)
    volume = uniform(magnitude)
    noisy = local_field(jax.random.key(1), volume, dipole, snr=snr, **SCAN)
    noise = (noisy - dipole(volume.susceptibility))[volume.mask]
    assert float(noise.std()) == pytest.approx(expected, rel=0.03)
    assert float(noise.mean()) == pytest.approx(0, abs=4 * expected / np.sqrt(noise.size))


def test_noise_alone_has_a_uniform_phase(dipole):
    volume = uniform(0.0)
    noisy = local_field(jax.random.key(1), volume, dipole, snr=50.0, **SCAN)
    noise = (noisy - dipole(volume.susceptibility))[volume.mask]
    assert float(noise.std()) * 2 * np.pi * 42.577478 * 3.0 * 0.02 == pytest.approx(np.pi / np.sqrt(3), rel=0.03)


@pytest.mark.slow
def test_a_field_has_slopes_in_the_susceptibility(dipole):
    volume, direction = uniform(0.5), jnp.zeros(SHAPE).at[5, 5, 8].set(1.0)
    weight = jax.random.normal(jax.random.key(2), SHAPE)
    of_chi = lambda chi: jnp.sum(
        weight * local_field(jax.random.key(0), volume._replace(susceptibility=chi), dipole, snr=50.0, **SCAN)
    )
    _, slope = jax.jvp(of_chi, (volume.susceptibility,), (direction,))
    apart = of_chi(volume.susceptibility + 1e-3 * direction) - of_chi(volume.susceptibility - 1e-3 * direction)
    assert float(slope) == pytest.approx(float(apart) / 2e-3, rel=1e-8)
    back = jax.grad(of_chi)(volume.susceptibility)
    assert float(back[5, 5, 8]) == pytest.approx(float(slope), rel=1e-10)


@pytest.mark.exhaustive
def test_directions_are_uniform_on_a_cap():
    tilt = 0.6
    many = jax.vmap(lambda key: random_b0_direction(key, tilt))(jax.random.split(jax.random.key(0), 20_000))
    np.testing.assert_allclose((many**2).sum(-1), 1, rtol=1e-12)
    height = np.sort(np.asarray(many[:, 2]))
    assert height[0] >= np.cos(tilt)
    np.testing.assert_allclose(height, np.linspace(np.cos(tilt), 1, len(height)), atol=0.003)
    np.testing.assert_allclose(many[:, :2].mean(0), 0, atol=0.01)
    np.testing.assert_array_equal(random_b0_direction(jax.random.key(0), 0.0), [0, 0, 1])
    with pytest.raises(ValueError, match="`max_tilt` must be from 0 to pi"):
        random_b0_direction(jax.random.key(0), 4.0)


def test_patches_are_cut_at_one_place_from_all():
    index = jnp.arange(np.prod(SHAPE)).reshape(SHAPE)
    arrays = {"index": index, "channels": jnp.stack([index, -index], -1)}
    cut = jax.jit(lambda key: random_patch(key, arrays, (8, 20, 5)))
    corners = set()
    for seed in range(40):
        patch = cut(jax.random.key(seed))
        x, y, z = np.unravel_index(int(patch["index"][0, 0, 0]), SHAPE)
        np.testing.assert_array_equal(patch["index"], index[x : x + 8, y : y + 20, z : z + 5])
        np.testing.assert_array_equal(patch["channels"][..., 1], -patch["index"])
        corners.add((x, z))
    assert len(corners) > 25
    assert {x for x, _ in corners} >= {0, 16} or len({x for x, _ in corners}) > 12
    assert max(z for _, z in corners) == 11


@pytest.mark.exhaustive
def test_k_space_is_that_of_sense_with_noise_where_it_is_sampled():
    key = jax.random.key(0)
    contrasts = (
        jax.random.uniform(key, (3, 16, 12), jnp.float32) * jnp.array([1.0, 2.0, 5.0], jnp.float32)[:, None, None]
    )
    coils = jax.lax.complex(*jax.random.normal(key, (2, 2, 16, 12), jnp.float32))
    mask = (jnp.arange(12) % 3 == 0)[None]
    measured = jax.jit(lambda snr: multi_coil_kspace(key, contrasts, coils, mask, snr))
    clean = measured(jnp.inf)
    assert (clean.shape, clean.dtype) == ((3, 2, 16, 12), jnp.complex64)
    operator = mr.encoding.sense(coils, mask=mask)
    for image, k_space in zip(contrasts, clean, strict=True):
        np.testing.assert_allclose(k_space, operator(image), rtol=1e-5, atol=1e-5)
    noise = measured(20.0) - clean
    assert not jnp.any(noise[..., 1::3])
    sigma = float(contrasts.max()) / 20
    assert float(noise[..., ::3].real.std()) == pytest.approx(sigma, rel=0.1)
    assert float(noise[..., ::3].imag.std()) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda dipole: local_field(jax.random.key(0), uniform(1.0), dipole, snr=-1.0, **SCAN),
            "`snr` must be positive",
        ),
        (lambda _: random_patch(jax.random.key(0), jnp.ones(SHAPE), (8, 21, 8)), "`patch_shape` must fit"),
        (lambda _: random_patch(jax.random.key(0), (jnp.ones(SHAPE), jnp.ones(4)), (2, 2)), "the same 2 axes"),
        (
            lambda _: multi_coil_kspace(
                jax.random.key(0), jnp.ones((3, 4, 5)), jnp.ones((2, 4, 4)), jnp.ones((1, 1), bool), 9.0
            ),
            "`contrasts` must have shape",
        ),
    ],
    ids=["snr", "patch", "arrays", "contrasts"],
)
def test_mistakes_are_named(make, message, dipole):
    with pytest.raises(ValueError, match=message):
        make(dipole)


@pytest.mark.exhaustive
def test_a_stream_makes_volumes_and_fields():
    def sample(key):
        for_volume, for_direction, for_size, for_noise, for_patch = jax.random.split(key, 5)
        volume = random_susceptibility(for_volume, SHAPE, n_shapes=4)
        size = jax.random.uniform(for_size, (3,), minval=0.6e-3, maxval=2e-3)
        dipole = mr.encoding.Dipole(SHAPE, size, random_b0_direction(for_direction, 0.5))
        field = local_field(for_noise, volume, dipole, snr=50.0, **SCAN)
        return random_patch(for_patch, {"field": field, "chi": volume.susceptibility}, (8, 8, 8))

    make = lambda key, n: jax.vmap(sample)(jax.random.split(key, n))
    batch = mr.synthesis.Stream(make, batch_size=3, seed=0).batch(4)
    assert batch["field"].shape == batch["chi"].shape == (3, 8, 8, 8)
    assert bool(jnp.isfinite(batch["field"]).all())
