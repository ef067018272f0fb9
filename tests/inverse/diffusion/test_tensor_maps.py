"""Maps of diffusion and kurtosis tensors: closed forms, rotations, finer sums, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from mrjax.inverse import diffusion
from mrjax.signals.diffusion import KURTOSIS_ELEMENTS, TENSOR_ELEMENTS

PLACES = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


def named(full):
    return {name: jnp.asarray(full[..., i, j]) for name, (i, j) in zip(TENSOR_ELEMENTS, PLACES, strict=True)}


def along_an_axis(axial, radial, w_axial, w_radial, w_mixed):
    """A tensor and a kurtosis tensor with the symmetry of a fibre along z."""
    kurtosis = dict.fromkeys(KURTOSIS_ELEMENTS, 0.0) | {"w_zzzz": w_axial, "w_xxxx": w_radial, "w_yyyy": w_radial}
    kurtosis |= {"w_xxyy": w_radial / 3, "w_xxzz": w_mixed, "w_yyzz": w_mixed}
    return named(np.diag([radial, radial, axial])) | kurtosis


def test_closed_forms_and_rotations(rng):
    frames = np.linalg.qr(rng.normal(size=(5, 3, 3)))[0]
    values = np.sort(rng.uniform(0.1e-9, 3e-9, size=(5, 3)), axis=1)[:, ::-1]
    maps = diffusion.tensor_maps(named(np.einsum("vij,vj,vkj->vik", frames, values, frames)))
    mean = values.mean(1, keepdims=True)
    anisotropy = np.sqrt(1.5 * ((values - mean) ** 2).sum(1) / (values**2).sum(1))
    np.testing.assert_allclose(maps.fractional_anisotropy, anisotropy, rtol=1e-12)
    np.testing.assert_allclose(maps.eigenvalues, values, rtol=1e-12)
    np.testing.assert_allclose(maps.mean_diffusivity, mean[:, 0], rtol=1e-13)
    np.testing.assert_allclose(maps.axial_diffusivity, values[:, 0], rtol=1e-12)
    np.testing.assert_allclose(maps.radial_diffusivity, values[:, 1:].mean(1), rtol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(maps.principal_direction * frames[:, :, 0], axis=1)), 1, rtol=1e-12)
    np.testing.assert_allclose(maps.colour, np.abs(frames[:, :, 0]) * anisotropy[:, None], rtol=1e-9)


def test_limits_and_their_derivatives():
    ball, stick = named(1e-9 * np.eye(3)), named(np.diag([0, 0, 1e-9]))
    nothing = named(np.zeros((3, 3)))
    anisotropy = lambda tensor: diffusion.tensor_maps(tensor).fractional_anisotropy
    np.testing.assert_allclose([anisotropy(each) for each in (ball, stick, nothing)], [0, 1, 0], atol=1e-12)
    for tensor in (ball, nothing):
        assert all(np.isfinite(value) for value in jax.grad(anisotropy)(tensor).values())
    lifted = jax.grad(lambda tensor: diffusion.tensor_maps(tensor).axial_diffusivity)(stick)
    np.testing.assert_allclose([lifted["d_zz"], lifted["d_xx"]], [1, 0], atol=1e-12)


def test_kurtosis_of_a_fibre_is_that_of_integrals():
    axial, radial, w_axial, w_radial, w_mixed = 1.9e-9, 0.4e-9, 0.9, 1.4, 0.2
    maps = diffusion.kurtosis_maps(along_an_axis(axial, radial, w_axial, w_radial, w_mixed))
    mean = (axial + 2 * radial) / 3

    def apparent(u):  # the cosine of the angle with the fibre
        w = w_axial * u**4 + 6 * w_mixed * u**2 * (1 - u**2) + w_radial * (1 - u**2) ** 2
        return mean**2 * w / (axial * u**2 + radial * (1 - u**2)) ** 2

    np.testing.assert_allclose(maps.mean_kurtosis, scipy.integrate.quad(apparent, 0, 1)[0], rtol=1e-7)
    np.testing.assert_allclose(maps.axial_kurtosis, apparent(1.0), rtol=1e-12)
    np.testing.assert_allclose(maps.radial_kurtosis, apparent(0.0), rtol=1e-12)
    by_tensor = lambda u: w_axial * u**4 + 6 * w_mixed * u**2 * (1 - u**2) + w_radial * (1 - u**2) ** 2
    np.testing.assert_allclose(maps.mean_kurtosis_tensor, scipy.integrate.quad(by_tensor, 0, 1)[0], rtol=1e-10)


@pytest.mark.exhaustive
def test_derivatives_of_kurtosis_maps_are_those_of_differences(rng):
    parameters = along_an_axis(1.9e-9, 0.4e-9, 0.9, 1.4, 0.2)
    parameters = {name: jnp.asarray(value, float) for name, value in parameters.items()} | {
        "d_xy": jnp.asarray(0.05e-9),
        "d_xz": jnp.asarray(0.1e-9),
    }

    @jax.jit
    def total(changes):
        values = dict(zip(parameters, changes, strict=True))
        size = lambda name: 1e-9 if name.startswith("d_") else 1.0
        return sum(diffusion.kurtosis_maps({name: values[name] * size(name) for name in values}))

    start = jnp.asarray([value * (1e9 if name.startswith("d_") else 1.0) for name, value in parameters.items()])
    direction = jnp.asarray(rng.normal(size=start.shape))
    difference = (total(start + 1e-5 * direction) - total(start - 1e-5 * direction)) / 2e-5
    np.testing.assert_allclose(jax.jvp(total, (start,), (direction,))[1], difference, rtol=1e-7)
    np.testing.assert_allclose(jnp.vdot(jax.grad(total)(start), direction), difference, rtol=1e-7)


def test_elements_are_asked_for():
    with pytest.raises(ValueError, match=r"`parameters` must hold w_xxxx, .* but lack w_xxxx"):
        diffusion.kurtosis_maps(named(np.eye(3)))
