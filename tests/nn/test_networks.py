"""Networks between signals and tissue parameters: their sizes, their equations and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mrjax.nn.decoders import RecurrentDecoder
from mrjax.nn.encoders import FullyConnected, RecurrentEncoder, normalised
from mrjax.nn.hydra import Hydra, HydraStage, NonLocalBlock


def n_parameters(network):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))


def randomised(network, rng, scale=0.3):
    """The network in float64 with no parameter zero, so that biases count in comparisons."""
    draw = lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) * scale)
    nnx.update(network, jax.tree.map(draw, nnx.state(network, nnx.Param)))
    return network


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gated_unit(cell, hidden, inputs):
    """The gated recurrent unit, gate by gate."""
    w_r, w_z, w_n = np.split(np.asarray(cell.dense_i.kernel[...]), 3, axis=1)
    b_r, b_z, b_n = np.split(np.asarray(cell.dense_i.bias[...]), 3)
    u_r, u_z, u_n = np.split(np.asarray(cell.dense_h.kernel[...]), 3, axis=1)
    reset = sigmoid(inputs @ w_r + hidden @ u_r + b_r[None])
    update = sigmoid(inputs @ w_z + hidden @ u_z + b_z[None])
    candidate = np.tanh(inputs @ w_n + b_n[None] + reset * (hidden @ u_n))
    return (1 - update) * candidate + update * hidden


def linear(layer, units):
    return units @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])


NETWORKS = {
    "fully connected": (lambda rngs: FullyConnected((12, 7, 2), rngs=rngs), (3, 12), (3, 2)),
    "recurrent encoder": (lambda rngs: RecurrentEncoder(12, 7, rngs=rngs), (3, 12), (3, 2)),
    "recurrent decoder": (lambda rngs: RecurrentDecoder(7, rngs=rngs), (3, 11, 5), (3, 11)),
    "hydra": (lambda rngs: Hydra(13, (4, 6), 5, rngs=rngs), (3, 13), (3, 2)),
}
EACH_NETWORK = pytest.mark.parametrize(("make", "given", "returned"), NETWORKS.values(), ids=NETWORKS)
EACH_ENCODER = pytest.mark.parametrize("make", [NETWORKS[name][0] for name in NETWORKS if "decoder" not in name])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda rngs: FullyConnected((1000, 1000, 300, 300, 2), rngs=rngs),
            (1000 + 1) * 1000 + (1000 + 1) * 300 + (300 + 1) * 300 + (300 + 1) * 2,
        ),
        (
            lambda rngs: RecurrentEncoder(1000, rngs=rngs),
            900 * (1000 + 1 + 300) + 2 * 900 * (300 + 1 + 300) + (300 + 1) * 2,
        ),
        (lambda rngs: RecurrentDecoder(rngs=rngs), 96 * (5 + 1 + 32) + 2 * 96 * (32 + 1 + 32) + 33),
        (
            lambda rngs: Hydra(1000, rngs=rngs),
            (21 + 1) * 16
            + (21 * 16 + 1) * 16
            # 1x1 and 21x1 convolution, then three 1x1 convolutions to half the channels and one back
            + (16 + 1) * 32 + (21 * 32 + 1) * 32 + 3 * (32 + 1) * 16 + (16 + 1) * 32
            + (32 + 1) * 64 + (21 * 64 + 1) * 64 + 3 * (64 + 1) * 32 + (32 + 1) * 64
            + (64 + 1) * 128 + (21 * 128 + 1) * 128 + 3 * (128 + 1) * 64 + (64 + 1) * 128
            + (128 + 1) * 2,
        ),
    ],
    ids=NETWORKS,
)  # fmt: skip
def test_parameters_are_as_many_as_counted_by_hand(make, expected):
    assert n_parameters(nnx.eval_shape(lambda: make(nnx.Rngs(0)))) == expected


@pytest.mark.exhaustive
@EACH_NETWORK
def test_shapes_with_one_batch_axis_several_and_none(make, given, returned):
    network = make(nnx.Rngs(0))
    shape_from = lambda shape: nnx.eval_shape(network, jnp.ones(shape)).shape
    assert shape_from(given) == returned
    assert shape_from((2, *given)) == (2, *returned)
    assert shape_from(given[1:]) == returned[1:]


@pytest.mark.exhaustive
@EACH_NETWORK
def test_each_voxel_is_on_its_own(make, given, returned, rng):
    network = randomised(make(nnx.Rngs(0)), rng)
    inputs = jnp.asarray(rng.normal(size=given))
    answer = nnx.jit(lambda network, inputs: network(inputs))
    alone = jnp.stack([answer(network, voxel) for voxel in inputs])
    np.testing.assert_allclose(answer(network, inputs), alone, rtol=1e-10)


@EACH_NETWORK
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_outputs_have_the_type_of_the_inputs(make, given, returned, dtype):
    assert nnx.eval_shape(lambda inputs: make(nnx.Rngs(0))(inputs), jnp.ones(given, dtype)).dtype == dtype


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_fully_connected_computes_in_the_type_asked_for_and_keeps_its_parameters(dtype, rng):
    network = FullyConnected((12, 30, 2), rngs=nnx.Rngs(0), dtype=dtype)
    exact = FullyConnected((12, 30, 2), rngs=nnx.Rngs(0))
    signal = jnp.asarray(rng.normal(size=(4, 12)))
    outputs = network(signal)
    assert outputs.dtype == dtype
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))} == {jnp.dtype(jnp.float32)}
    tolerance = 10 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(outputs.astype(jnp.float64), exact(signal), rtol=tolerance, atol=tolerance)


@pytest.mark.exhaustive
@EACH_NETWORK
def test_gradients_are_finite_and_reach_the_parameters(make, given, returned, rng):
    network = randomised(make(nnx.Rngs(0)), rng)
    inputs = jnp.asarray(rng.normal(size=given))
    gradient = nnx.jit(nnx.grad(lambda network: jnp.sum(network(inputs) ** 2)))(network)
    flat = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(gradient)}
    assert all(np.isfinite(leaf).all() for leaf in flat.values())
    still = {path for path, leaf in flat.items() if np.max(np.abs(leaf)) < 1e-12}
    if make is NETWORKS["recurrent encoder"][0]:
        assert len(still) == 3
        assert all("dense_h" in path for path in still)
    else:
        # softmax over j ignores what all affinities of sample i share, so the bias of phi never matters
        assert all("phi" in path and "bias" in path for path in still)


@pytest.mark.exhaustive
@EACH_NETWORK
def test_one_seed_gives_one_network(make, given, returned):
    inputs = jnp.ones(given)
    np.testing.assert_array_equal(make(nnx.Rngs(3))(inputs), make(nnx.Rngs(3))(inputs))
    assert not np.allclose(make(nnx.Rngs(3))(inputs), make(nnx.Rngs(4))(inputs))


@pytest.mark.exhaustive
def test_fully_connected_is_linear_layers_with_relu_between_and_none_after(rng):
    network = randomised(FullyConnected((6, 5, 4, 3), rngs=nnx.Rngs(0)), rng)
    signal = rng.normal(size=(40, 6))
    first, second, last = network.layers
    units = np.maximum(linear(second, np.maximum(linear(first, signal), 0)), 0)
    expected = linear(last, units)
    assert (expected < 0).any()
    np.testing.assert_allclose(network(jnp.asarray(signal)), expected, rtol=1e-12)


def test_kernels_start_he_normal_and_biases_at_zero():
    layer = FullyConnected((400, 300), rngs=nnx.Rngs(0)).layers[0]
    np.testing.assert_allclose(jnp.std(layer.kernel[...]), np.sqrt(2 / 400), rtol=0.02)
    assert not layer.bias[...].any()


@pytest.mark.exhaustive
def test_recurrent_encoder_is_one_step_from_zero(rng):
    network = randomised(RecurrentEncoder(6, 4, rngs=nnx.Rngs(0)), rng)
    signal = rng.normal(size=(5, 6))
    units = signal
    for cell in network.cells:
        units = gated_unit(cell, np.zeros((5, 4)), units)
    np.testing.assert_allclose(network(jnp.asarray(signal)), linear(network.output, units), rtol=1e-12)


def test_recurrent_decoder_follows_the_gated_unit(rng):
    network = randomised(RecurrentDecoder(4, rngs=nnx.Rngs(0)), rng)
    features = rng.normal(size=(3, 9, 5))
    states = [np.zeros((3, 4))] * 3
    expected = []
    for repetition in range(9):
        units = features[:, repetition]
        for layer, cell in enumerate(network.cells):
            units = states[layer] = gated_unit(cell, states[layer], units)
        expected.append(linear(network.output, units)[:, 0])
    np.testing.assert_allclose(network(jnp.asarray(features)), np.stack(expected, axis=1), rtol=1e-10)


@pytest.mark.exhaustive
def test_recurrent_decoder_knows_only_the_past(rng):
    network = randomised(RecurrentDecoder(4, rngs=nnx.Rngs(0)), rng)
    features = jnp.asarray(rng.normal(size=(2, 9, 5)))
    changed = network(features.at[:, 5].add(1.0)) - network(features)
    assert not changed[:, :5].any()
    assert (jnp.abs(changed[:, 5:]) > 1e-6).all()


def test_non_local_block_is_softmax_of_embedded_products(rng):
    block = randomised(NonLocalBlock(6, rngs=nnx.Rngs(0)), rng, scale=0.7)
    units = rng.normal(size=(2, 9, 6))
    embed = lambda layer, x: np.einsum("bnc,cd->bnd", x, np.asarray(layer.kernel[...])[0]) + np.asarray(layer.bias[...])
    affinity = np.exp(np.einsum("bic,bjc->bij", embed(block.theta, units), embed(block.phi, units)))
    weights = affinity / affinity.sum(axis=2, keepdims=True)
    seen = np.einsum("bij,bjc->bic", weights, embed(block.g, units))
    np.testing.assert_allclose(block(jnp.asarray(units)), units + embed(block.back, seen), rtol=1e-10)


@pytest.mark.exhaustive
def test_a_stage_adds_its_convolution_along_time_to_the_widened_units(rng):
    stage = randomised(HydraStage(3, 4, 3, rngs=nnx.Rngs(0)), rng)
    units = rng.normal(size=(2, 7, 3))
    wide = np.maximum(units @ np.asarray(stage.widen.kernel[...])[0] + np.asarray(stage.widen.bias[...]), 0)
    padded = np.pad(wide, ((0, 0), (1, 1), (0, 0)))
    kernel = np.asarray(stage.along_time.kernel[...])
    along = sum(padded[:, tap : tap + 7] @ kernel[tap] for tap in range(3)) + np.asarray(stage.along_time.bias[...])
    expected = stage.non_local(jnp.asarray(wide + np.maximum(along, 0)))
    np.testing.assert_allclose(stage(jnp.asarray(units)), expected, rtol=1e-10)


@pytest.mark.exhaustive
def test_hydra_halves_the_samples_before_each_stage_and_averages_over_time(rng):
    network = randomised(Hydra(21, (4, 6, 8), 3, rngs=nnx.Rngs(0)), rng)
    signal = jnp.asarray(rng.normal(size=(2, 21)))

    @nnx.jit
    def answer_and_last_units(network, signal):
        units = network.second(jax.nn.relu(network.first(signal[..., None])))
        for stage, length in zip(network.stages, (10, 5), strict=True):
            units = stage(jnp.max(units[:, : 2 * length].reshape(2, length, 2, -1), axis=2))
        return network(signal), units

    answer, units = answer_and_last_units(network, signal)
    expected = linear(network.output, np.asarray(units).mean(axis=1))
    np.testing.assert_allclose(answer, expected, rtol=1e-10)


def test_normalised_signals_have_norm_one_and_lose_their_scale(rng):
    signal = jnp.asarray(rng.normal(size=(4, 3, 20)))
    np.testing.assert_allclose(jnp.linalg.norm(normalised(signal), axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(normalised(7 * signal), normalised(signal), rtol=1e-12)
    np.testing.assert_allclose(normalised(signal)[0, 0], signal[0, 0] / jnp.linalg.norm(signal[0, 0]), rtol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.float64])
def test_normalised_keeps_zero_and_its_gradient_finite(dtype):
    signal = jnp.array([[0.0, 0.0], [3.0, 4.0]], dtype)
    assert normalised(signal).dtype == dtype
    assert not normalised(signal)[0].any()
    gradient = jax.grad(lambda signal: jnp.sum(normalised(signal)[:, 0]))(signal)
    # the slope of a / sqrt(a^2 + b^2) is b^2 / norm^3, and -a b / norm^3
    expected = [[0, 0], [16 / 125, -12 / 125]]
    np.testing.assert_allclose(gradient.astype(jnp.float64), expected, atol=4 * float(jnp.finfo(dtype).eps))


@pytest.mark.exhaustive
@EACH_ENCODER
@pytest.mark.parametrize("shape", [(3, 11), (12, 3), ()])
def test_wrong_signal_lengths_are_refused(make, shape):
    network = make(nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"`signal` must have 1[23] samples on its last axis, but got shape \(.*\)\."):
        network(jnp.ones(shape))


def test_complex_signals_are_refused():
    with pytest.raises(ValueError, match="`signal` must be real"):
        FullyConnected((4, 2), rngs=nnx.Rngs(0))(jnp.ones((3, 4), complex))
    with pytest.raises(ValueError, match="`signal` must be real"):
        normalised(jnp.ones((3, 4), complex))


@pytest.mark.parametrize("shape", [(3, 9, 4), (5,)])
def test_wrong_features_are_refused(shape):
    network = RecurrentDecoder(4, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"`features` must have shape \(batch, n_repetitions, 5\), but got shape"):
        network(jnp.ones(shape))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda rngs: FullyConnected((4,), rngs=rngs), r"`widths` must hold at least two numbers, but got \(4,\)"),
        (lambda rngs: FullyConnected((4, 0), rngs=rngs), "`widths` must be an integer of at least 1, but got 0"),
        (lambda rngs: RecurrentEncoder(0, rngs=rngs), "`n_samples` must be an integer of at least 1, but got 0"),
        (lambda rngs: RecurrentEncoder(4, 0, rngs=rngs), "`hidden` must be an integer of at least 1, but got 0"),
        (lambda rngs: RecurrentEncoder(4, n_outputs=0, rngs=rngs), "`n_outputs` must be an integer of at least 1"),
        (
            lambda rngs: RecurrentDecoder(n_layers=0, rngs=rngs),
            "`n_layers` must be an integer of at least 1, but got 0",
        ),
        (lambda rngs: Hydra(7, rngs=rngs), "`n_samples` must be at least 8 to be halved 3 times, but got 7"),
        (lambda rngs: Hydra(0, rngs=rngs), "`n_samples` must be an integer of at least 1, but got 0"),
        (lambda rngs: Hydra(8, (4,), rngs=rngs), r"`channels` must hold at least two numbers, but got \(4,\)"),
        (lambda rngs: Hydra(8, (4, 0), rngs=rngs), "`channels` must be an integer of at least 1, but got 0"),
        (lambda rngs: Hydra(8, (4, 1), rngs=rngs), "`channels` of a non-local block must be at least 2, but got 1"),
        (lambda rngs: Hydra(8, kernel=0, rngs=rngs), "`kernel` must be an integer of at least 1, but got 0"),
    ],
)
def test_impossible_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(nnx.Rngs(0))
