"""U-Nets, residual networks and DnCNN: what they are made of, what they see, and how they start."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import mrjax as mr
from mrjax.nn.convolutions import Doubling, convolution, halved, plane_by_plane

RANKS = pytest.mark.parametrize("rank", [2, 3])


def image(shape, seed=0):
    """In single precision, for which XLA has convolutions ready on CPU; for others it compiles each."""
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)


@nnx.jit
def applied(network, x):
    return network(x)


def n_weights(network):
    arrays = nnx.to_pure_dict(nnx.state(network, nnx.Any(nnx.Param, nnx.BatchStat)))
    return sum(array.size for array in jax.tree.leaves(arrays))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_a_volume_is_convolved_plane_by_plane(kernel):
    x, taps = (array.astype(float) for array in (image((2, 5, 4, 3, 2)), image((kernel, kernel, kernel, 2, 3), 1)))
    layout = ("NDHWC", "DHWIO", "NDHWC")
    as_flax_calls = lambda f: lambda x, taps: f(x, taps, (1, 1, 1), "SAME", dimension_numbers=layout)
    in_planes, at_once = as_flax_calls(plane_by_plane), as_flax_calls(jax.lax.conv_general_dilated)
    np.testing.assert_allclose(in_planes(x, taps), at_once(x, taps), rtol=1e-12, atol=1e-12)
    if kernel == 3:
        slopes = [jax.grad(lambda *a, f=f: jnp.sum(jnp.sin(f(*a))), (0, 1))(x, taps) for f in (in_planes, at_once)]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), *slopes)


@pytest.mark.exhaustive
@RANKS
def test_a_layer_convolves_as_flax_does(rank):
    ours = convolution(2, 3, 3, rank, nnx.Rngs(0))
    theirs = nnx.Conv(2, 3, (3,) * rank, rngs=nnx.Rngs(1))
    nnx.update(theirs, nnx.state(ours))
    x = image((2, *(5, 6, 4)[:rank], 2))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.exhaustive
@RANKS
def test_doubling_is_a_transposed_convolution(rank):
    ours = Doubling(3, 2, rank=rank, rngs=nnx.Rngs(0))
    ours.bias[...] = jnp.array([0.5, -1.0], jnp.float32)
    kernel = jnp.moveaxis(ours.linear.kernel[...].reshape(3, *(2,) * rank, 2), 0, -2)
    theirs = nnx.ConvTranspose(3, 2, (2,) * rank, (2,) * rank, rngs=nnx.Rngs(0))
    # XLA turns the kernel about
    theirs.kernel[...], theirs.bias[...] = jnp.flip(kernel, range(rank)), ours.bias[...]
    x = image((2, *(4, 3, 2)[:rank], 3))
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-6, atol=1e-6)


@pytest.mark.exhaustive
@RANKS
def test_halved_is_the_maximum_of_pairs(rank):
    x = image((2, *(4, 6, 2)[:rank], 3))
    np.testing.assert_array_equal(halved(x), nnx.max_pool(x, (2,) * rank, (2,) * rank))


@pytest.mark.exhaustive
def test_a_learned_step_of_modl_qsm_has_the_published_weights():
    """448,259 are stored with those of BatchNorm; one is the length of the step, which is no part of the network."""
    network = mr.nn.ResidualNetwork(2, 2, rank=3, dropout=0.5, rngs=nnx.Rngs(0))
    assert n_weights(network) == 448_259 - 1


def test_qsmnet_has_the_weights_of_its_layers():
    channels = (32, 64, 128, 256, 512)
    network = nnx.eval_shape(lambda: mr.nn.UNet(1, 1, rank=3, channels=channels, kernel=5, slope=0.1, rngs=nnx.Rngs(0)))
    pairs = list(zip((1, *channels), channels, strict=False))
    double = lambda n_in, n_out: 125 * (n_in + n_out) * n_out + 2 * 4 * n_out
    down = sum(double(*pair) for pair in pairs)
    up = sum(double(2 * fine, fine) + 8 * fine * coarse + fine for fine, coarse in pairs[1:])
    assert n_weights(network) == down + up + 33


NETWORKS = {
    "unet": lambda rank, **options: mr.nn.UNet(2, 2, rank=rank, channels=(4, 6), rngs=nnx.Rngs(0), **options),
    "residual": lambda rank, **options: mr.nn.ResidualNetwork(
        2, 2, rank=rank, channels=4, n_blocks=2, rngs=nnx.Rngs(0), **options
    ),
    "dncnn": lambda rank, **options: mr.nn.DnCNN(2, 2, rank=rank, channels=4, n_layers=3, rngs=nnx.Rngs(0), **options),
}
EVERY = pytest.mark.parametrize("name", NETWORKS)


@pytest.mark.exhaustive
@EVERY
@RANKS
def test_odd_sizes_go_through_with_slopes(name, rank):
    network = NETWORKS[name](rank, normalisation="group")
    x = image((2, *(7, 6, 5)[:rank], 2))

    @nnx.jit
    def slopes(network, x):
        return nnx.grad(lambda network, x: jnp.sum(network(x) ** 2), argnums=(0, 1))(network, x)

    assert nnx.eval_shape(lambda: network(x)).shape == x.shape
    of_weights, of_images = slopes(network, x)
    leaves = [*jax.tree.leaves(nnx.to_pure_dict(of_weights)), of_images]
    assert all(bool(jnp.isfinite(leaf).all() & jnp.any(leaf != 0)) for leaf in leaves)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "reach"), [("unet", None), ("residual", 5), ("dncnn", 3)])
def test_a_voxel_is_seen_as_far_as_the_layers_reach(name, reach):
    network = NETWORKS[name](2, normalisation=None)
    x, weights = jnp.zeros((1, 17, 17, 2)), nnx.to_pure_dict(nnx.state(network, nnx.Param))
    # with weights above zero nothing cancels
    nnx.update(network, nnx.State(jax.tree.map(abs, weights)))
    seen = np.asarray(network(x.at[0, 8, 8].set(1.0))[0, :, 8, 0] != network(x)[0, :, 8, 0])
    if reach is None:  # 2 convolutions of 1 voxel, 2 of 2 voxels and 2 of 1 voxel, beside the blocks of the maximum
        assert 8 <= seen.sum() <= 2 * (2 + 4 + 2 + 1) + 1
    else:
        np.testing.assert_array_equal(seen, abs(np.arange(17) - 8) <= reach)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "options", "is_identity"),
    [("unet", {"residual": True}, True), ("unet", {}, False), ("residual", {}, False), ("dncnn", {}, True)],
)
def test_networks_can_start_as_nothing_or_as_the_identity(name, options, is_identity):
    network, x = NETWORKS[name](2, zero_output=True, **options), image((2, 6, 5, 2))
    np.testing.assert_array_equal(applied(network, x), x if is_identity else 0 * x)
    other = NETWORKS[name](2, **options)
    assert float(jnp.abs(applied(other, x) - (x if is_identity else 0)).max()) > 0.1


@pytest.mark.exhaustive
def test_a_unet_leaves_what_is_far_from_its_margin_alone():
    """Zeros about the images are what every convolution has there, and what was added is cut off."""
    network = NETWORKS["unet"](2, normalisation=None)
    x = image((1, 40, 8, 2))
    cut = applied(network, x[:, :39])  # one row is added at the end, of zeros
    np.testing.assert_allclose(cut[:, :20], applied(network, x)[:, :20], rtol=1e-5, atol=1e-5)
    assert not np.allclose(cut[:, -1], applied(network, x)[:, 38])


@EVERY
@pytest.mark.exhaustive
def test_batch_statistics_and_dropout_are_those_of_training_alone(name):
    options = {} if name == "dncnn" else {"dropout": 0.5}
    network = NETWORKS[name](2, **options)

    def loss(net, x):
        return jnp.mean((net(x) - 1.0) ** 2), {}

    batch = lambda step: 3.0 + image((4, 6, 4, 2), step)
    before = batch(9)
    history = mr.nn.train(network, loss, batch, mr.nn.TrainingSchedule(30), optax.adam(1e-2), progress=False)
    assert history.column("loss")[1][-1] < history.column("loss")[1][0]
    np.testing.assert_array_equal(applied(network, before), applied(network, before))
    means = [stat for path, stat in nnx.to_flat_state(nnx.state(network, nnx.BatchStat)) if path[-1] == "mean"]
    assert len(means) == {"unet": 6, "residual": 4, "dncnn": 2}[name]
    assert all(bool(jnp.any(mean[...] != 0)) for mean in means)
    network.train()
    if options:
        assert not np.array_equal(applied(network, before), applied(network, before))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NETWORKS["unet"](4), "`rank` must be 2"),
        (lambda: NETWORKS["unet"](2, normalisation="layer"), "`normalisation` must be"),
        (lambda: mr.nn.DnCNN(1, 2, rank=2, rngs=nnx.Rngs(0)), "`n_out` must be `n_in`.*1 and 2"),
        (lambda: mr.nn.DnCNN(1, 1, rank=2, n_layers=1, rngs=nnx.Rngs(0)), "`n_layers` must be at least 2"),
        (lambda: mr.nn.UNet(1, 1, rank=2, channels=(), rngs=nnx.Rngs(0)), "`channels`.*empty"),
        (lambda: NETWORKS["residual"](3)(jnp.ones((4, 4, 4, 2))), r"shape \(batch, nx, ny, nz, 2\), but got \(4, 4"),
    ],
    ids=["rank", "normalisation", "residual", "layers", "channels", "images"],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_complex_numbers_become_channels_and_back():
    x = jax.lax.complex(image((3, 4, 2)), image((3, 4, 2), 1))
    real = mr.nn.complex_as_channels(x)
    np.testing.assert_array_equal(real, np.concatenate([x.real, x.imag], -1))
    np.testing.assert_array_equal(mr.nn.channels_as_complex(real), x)
    assert mr.nn.channels_as_complex(real.astype(jnp.float32)).dtype == jnp.complex64
    with pytest.raises(ValueError, match="even number of channels"):
        mr.nn.channels_as_complex(real[..., :3])
