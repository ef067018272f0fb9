"""NC-PDNet and MoDL off the grid: closed forms of untrained networks, matrices written out, derivatives in the trajectory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import mrjax as mr
from mrjax.encoding import Coils, Nufft, iterative_density
from mrjax.nn.consistency import Fidelity

N, N_COILS, N_SAMPLES, VOXEL = 6, 2, 60, 0.01


@pytest.fixture(scope="module")
def scan():
    """A trajectory at random, coils whose squares add up to one, images, and the whole encoding as a matrix."""
    rng = np.random.default_rng(0)
    k = jnp.asarray(rng.uniform(-0.5 / VOXEL, 0.5 / VOXEL, (N_SAMPLES, 2)))
    maps = rng.normal(size=(N_COILS, N, N)) + 1j * rng.normal(size=(N_COILS, N, N))
    maps = jnp.asarray(maps / np.linalg.norm(maps, axis=0))
    images = jnp.asarray(rng.normal(size=(3, N, N)) + 1j * rng.normal(size=(3, N, N)))
    place = (np.arange(N) - N // 2) * VOXEL
    x, y = (np.exp(-2j * np.pi * np.asarray(k)[:, axis : axis + 1] * place) for axis in (0, 1))
    matrix = np.einsum("sx,sy,cxy->csxy", x, y, maps).reshape(N_COILS * N_SAMPLES, N * N)
    return k, maps, images, matrix


def fidelity_of(k, maps, images, weights):
    encoding = Nufft(k, (N, N), VOXEL, tolerance=1e-12, threads=1) @ Coils(maps)
    return Fidelity(encoding, encoding.mv(images), weights)


def scrambled(network, seed=1):
    """The network with all weights at random, so that nothing is zero."""
    leaves, structure = jax.tree.flatten(nnx.state(network, nnx.Param))
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    new = [0.1 * jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]
    nnx.update(network, jax.tree.unflatten(structure, new))
    return network


def test_an_untrained_nc_pdnet_is_the_density_compensated_adjoint(scan):
    k, maps, images, matrix = scan
    density = iterative_density(Nufft(k, (N, N), VOXEL, threads=1))
    seen = mr.nn.NCPDNet(2, channels=4, rngs=nnx.Rngs(0))(fidelity_of(k, maps, images, density))
    weights = np.tile(np.asarray(density), N_COILS)
    expected = np.asarray(images).reshape(3, -1) @ (matrix.conj().T @ (weights[:, None] * matrix)).T
    np.testing.assert_allclose(seen.reshape(3, -1), expected, atol=1e-9)


def test_a_stage_of_nc_pdnet_is_its_equation(scan):
    k, maps, images, matrix = scan
    weights = np.linspace(0.5, 1.5, N_SAMPLES) / N_SAMPLES
    network = scrambled(mr.nn.NCPDNet(1, n_primal=2, channels=4, rngs=nnx.Rngs(0)))
    normal = matrix.conj().T @ (np.tile(weights, N_COILS)[:, None] * matrix)
    start = np.asarray(images).reshape(3, -1) @ normal.T
    gradient = (start - np.asarray(images).reshape(3, -1)) @ normal.T
    stacked = np.stack([start, start, gradient], axis=-1).reshape(3, N, N, 3)
    own = jax.tree.map(lambda leaf: leaf[0], nnx.state(network.stages.network))
    alone = nnx.merge(nnx.graphdef(network.stages.network), own)
    expected = start.reshape(3, N, N) + alone(jnp.asarray(stacked))[..., 0]
    seen = network(fidelity_of(k, maps, images, jnp.asarray(weights)))
    assert float(jnp.max(jnp.abs(expected - start.reshape(3, N, N)))) > 0.01
    np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-6 * float(np.max(np.abs(expected))))


def test_an_untrained_modl_is_regularised_least_squares(scan):
    k, maps, images, matrix = scan
    network = mr.nn.MoDL(1, channels=4, n_first=60, n_iterations=60, rngs=nnx.Rngs(0))
    seen = network(fidelity_of(k, maps, images, 1 / N_SAMPLES))
    normal, strength = matrix.conj().T @ matrix / N_SAMPLES, 0.05
    solve = np.linalg.inv(normal + strength * np.eye(N * N))
    right = np.asarray(images).reshape(3, -1) @ normal.T
    first = right @ solve.T
    expected = (right + strength * first) @ solve.T  # the denoiser changes nothing yet
    np.testing.assert_allclose(seen.reshape(3, -1), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["nc_pdnet", "modl"])
def test_derivatives_in_the_trajectory_are_differences(scan, kind):
    k, maps, images, _ = scan
    networks = {
        "nc_pdnet": lambda: mr.nn.NCPDNet(2, n_primal=2, channels=4, rngs=nnx.Rngs(0)),
        "modl": lambda: mr.nn.MoDL(1, channels=4, n_first=40, n_iterations=40, rngs=nnx.Rngs(0)),
    }
    network = scrambled(networks[kind]())
    if kind == "modl":
        network.stages.log_strength[...] = jnp.asarray(-2.0)
    along = jnp.asarray(np.random.default_rng(2).normal(size=k.shape))
    data = fidelity_of(k, maps, images, None).data

    @jax.jit
    def error(step):
        moved = k + step * along
        encoding = Nufft(moved, (N, N), VOXEL, tolerance=1e-12, threads=1)
        density = iterative_density(encoding, 5) if kind == "nc_pdnet" else 1 / N_SAMPLES
        return jnp.mean(jnp.abs(network(Fidelity(encoding @ Coils(maps), data, density)) - images) ** 2)

    size = 1e-3
    difference = (error(size) - error(-size)) / (2 * size)
    assert abs(float(difference)) > 1e-4
    np.testing.assert_allclose(jax.grad(error)(0.0), difference, rtol=1e-3)


def test_images_of_a_batch_do_not_know_of_each_other(scan):
    k, maps, images, _ = scan
    for network in (mr.nn.NCPDNet(2, channels=4, rngs=nnx.Rngs(0)), mr.nn.MoDL(2, channels=4, rngs=nnx.Rngs(0))):
        scrambled(network)
        all_of_them = network(fidelity_of(k, maps, images, 1 / N_SAMPLES))
        alone = network(fidelity_of(k, maps, images[1:2], 1 / N_SAMPLES))
        np.testing.assert_allclose(all_of_them[1:2], alone, atol=1e-5)


def test_what_cannot_be_says_so(scan):
    k = scan[0]
    for kind in (mr.nn.NCPDNet, mr.nn.MoDL):
        with pytest.raises(TypeError, match=f"`{kind.__name__}` needs an encoding that is a LinearOperator"):
            kind(1, channels=4, rngs=nnx.Rngs(0))(Fidelity(jnp.sin, jnp.ones((1, N, N), complex)))
    with pytest.raises(ValueError, match="`data` must have shape"):
        mr.nn.NCPDNet(1, channels=4, rngs=nnx.Rngs(0))(Fidelity(Nufft(k, (N, N), VOXEL), jnp.ones(N_SAMPLES, complex)))
    with pytest.raises(ValueError, match="`n_primal` must be an integer"):
        mr.nn.NCPDNet(1, n_primal=0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="`n_first` must be an integer"):
        mr.nn.MoDL(1, n_first=0, rngs=nnx.Rngs(0))
