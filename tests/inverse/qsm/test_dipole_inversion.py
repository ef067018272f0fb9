"""Inversion of the dipole: closed forms, optimality, a brain, derivatives, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compilations, compiled_quickly

from mrjax.encoding import Dipole
from mrjax.inverse import qsm
from mrjax.inverse.qsm._differences import differences, differences_adjoint, roughness

SHAPE, SIZE, TILTED = (18, 16, 20), (1e-3, 1.5e-3, 2e-3), (0.3, -0.5, 0.8)


def blocks():
    """Two blocks of uniform susceptibility, and a mask about them."""
    truth = np.zeros(SHAPE)
    truth[5:9, 6:10, 5:11], truth[10:14, 5:12, 9:15] = 0.1, -0.06
    mask = np.zeros(SHAPE, bool)
    mask[2:16, 2:14, 2:18] = True
    return jnp.asarray(truth), mask


def dipole(padding=1, direction=TILTED):
    return Dipole(SHAPE, SIZE, direction, padding=padding)


def error(found, truth, mask):
    difference, expected = (np.asarray(values)[mask] for values in (found - truth, truth))
    return np.std(difference) / np.std(expected)


@pytest.mark.slow
def test_division_is_exact_where_the_dipole_is_not_small():
    truth, _ = blocks()
    operator = dipole()
    found = np.fft.rfftn(qsm.tkd(operator(truth), operator, 0.2))
    expected, transfer = np.fft.rfftn(truth), np.asarray(operator.transfer)
    kept = np.abs(transfer) > 0.2
    np.testing.assert_allclose(found[kept], expected[kept], atol=1e-12)
    np.testing.assert_allclose(found[~kept], (expected * np.abs(transfer) / 0.2)[~kept], atol=1e-12)


@pytest.mark.parametrize("penalty", ["identity", "gradient"])
def test_the_closed_form_is_the_least_of_its_sum(penalty):
    truth, _ = blocks()
    operator = dipole()
    field = operator(truth)

    def total(chi):
        punished = (chi,) if penalty == "identity" else differences(chi)
        return ((operator(chi) - field) ** 2).sum() + 0.02 * sum((part**2).sum() for part in punished)

    found = qsm.tikhonov(field, operator, 0.02, penalty)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(found), 0, atol=1e-12)


def test_differences_are_products_in_k_space():
    x, *slopes = (jax.random.normal(jax.random.key(i), SHAPE) for i in range(4))
    forth = sum(jnp.vdot(slope, part) for slope, part in zip(slopes, differences(x), strict=True))
    np.testing.assert_allclose(forth, jnp.vdot(differences_adjoint(tuple(slopes)), x), rtol=1e-12)
    expected = np.fft.irfftn(np.fft.rfftn(x) * roughness(SHAPE, x.dtype), SHAPE, axes=(0, 1, 2))
    np.testing.assert_allclose(differences_adjoint(differences(x)), expected, atol=1e-12)


@pytest.mark.exhaustive
def test_total_variation_is_the_least_of_its_sum():
    """No step from it makes the sum smaller; the truth and other solutions are larger."""
    truth, mask = blocks()
    weights = jnp.where(mask, 1.0 + jnp.linspace(0, 1, SHAPE[0])[:, None, None], 0.0)
    operator = dipole()
    noise = 2e-3 * jax.random.normal(jax.random.key(0), SHAPE)
    field, strength = operator(truth) + noise, 1e-4
    scaled = weights / np.asarray(weights)[mask].mean()

    def total(chi):
        length = jnp.sqrt(sum(part**2 for part in differences(chi))).sum()
        return 0.5 * (scaled * (operator(chi) - field) ** 2).sum() + strength * length

    options = {"strength": strength, "weights": weights}
    # a mask of everything, so that nothing is cut and moved: the weights say what is known
    everywhere = np.ones(SHAPE)
    best = qsm.tv(field, operator, everywhere, **(options | {"strength": strength / scaled.mean()}), n_iterations=4000)
    least = total(best)
    few = total(qsm.tv(field, operator, everywhere, **(options | {"strength": strength / scaled.mean()})))
    assert least < few < 1.05 * least
    assert least < total(truth)
    for key in range(20):
        step = jax.random.normal(jax.random.key(key), SHAPE)
        for size in (1e-4, -1e-4):
            assert total(best + size * step) > least
        assert total(best + 1e-3 * key * (truth - best)) >= least * (1 - 1e-9)


@pytest.mark.exhaustive
def test_blocks_are_found_where_division_leaves_streaks():
    truth, mask = blocks()
    operator = dipole()
    field = jnp.where(mask, dipole(padding=2)(truth), 0.0)
    assert error(qsm.tv(field, operator, mask, strength=1e-5), truth, mask) < 0.06
    assert error(qsm.tkd(field, operator), truth, mask) > 0.25


def test_where_the_magnitude_has_edges_the_map_may_have_any():
    truth, mask = blocks()
    operator = dipole()
    field = operator(truth)
    smooth = qsm.tv(field, operator, mask, strength=1e-3)
    magnitude = 1 - 2 * truth
    edged = qsm.medi(field, operator, mask, magnitude, strength=1e-3, edge_fraction=0.2, weights=1.0 * mask)
    assert error(edged, truth, mask) < 0.5 * error(smooth, truth, mask)
    none = qsm.medi(field, operator, mask, magnitude, strength=1e-3, edge_fraction=0.0, weights=1.0 * mask)
    np.testing.assert_allclose(none, smooth, atol=1e-12)


def test_whole_turns_do_not_matter_to_the_nonlinear_inversion():
    truth, mask = blocks()
    operator = dipole()
    phase = 40.0 * operator(truth)
    turned = phase + 2 * np.pi * np.random.default_rng(0).integers(-2, 3, SHAPE)
    found = qsm.ndi(phase, operator, np.ones(SHAPE), 40.0)
    np.testing.assert_allclose(qsm.ndi(turned, operator, np.ones(SHAPE), 40.0), found, atol=1e-9)
    few = qsm.ndi(phase, operator, np.ones(SHAPE), 40.0, n_iterations=20)
    assert error(found, truth, mask) < 0.25 < 0.35 < error(few, truth, mask)


@pytest.mark.exhaustive
def test_one_step_of_the_nonlinear_inversion_is_one_of_descent():
    truth, mask = blocks()
    operator = dipole()
    phase, weights = 30 * operator(truth), jnp.where(mask, 2.0, 0.0)

    def total(chi):
        return 0.25 * (mask * jnp.abs(jnp.exp(1j * operator(chi)) - jnp.exp(1j * phase)) ** 2).sum()

    expected = -1.5 * 2 * jax.jit(jax.grad(total))(jnp.zeros(SHAPE)) / 30
    expected = jnp.where(mask, expected - expected[mask].mean(), 0.0)
    found = qsm.ndi(phase, operator, mask, 30, weights=weights, step=1.5, decay=0, n_iterations=1)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def solvers():
    _, mask = blocks()
    return {
        "tkd": lambda field, operator, strength: qsm.tkd(field, operator, 2000 * strength),
        "tikhonov": lambda field, operator, strength: qsm.tikhonov(field, operator, 100 * strength),
        "tv": lambda field, operator, strength: qsm.tv(field, operator, mask, strength=strength, n_iterations=8),
        "ndi": lambda field, operator, strength: qsm.ndi(
            30 * field, operator, mask, 30, decay=100 * strength, n_iterations=8
        ),
    }


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["tkd", "tikhonov", "tv", "ndi"])
def test_derivatives_are_those_of_differences(name):
    truth, _ = blocks()
    field = dipole()(truth) + 1e-3 * jax.random.normal(jax.random.key(3), SHAPE)
    seed = jax.random.normal(jax.random.key(4), SHAPE)

    @compiled_quickly
    def product(field, direction, strength):
        return jnp.vdot(seed, solvers()[name](field, dipole(direction=direction), strength))

    point = field, jnp.array(TILTED), jnp.asarray(1e-4)
    toward = jax.random.normal(jax.random.key(5), SHAPE) * 1e-2, jnp.array([0.1, 0.2, -0.1]), jnp.asarray(3e-5)
    gradients = compiled_quickly(jax.grad(product, (0, 1, 2)))(*point)
    for i in range(3):
        move = lambda h, i=i: product(
            *(p + h * t if i == j else p for j, (p, t) in enumerate(zip(point, toward, strict=True)))
        )
        h = 1e-6
        np.testing.assert_allclose(
            jnp.vdot(gradients[i], toward[i]), (move(h) - move(-h)) / (2 * h), rtol=2e-5, atol=1e-9
        )
    along = jax.jvp(product, point, toward)[1]
    np.testing.assert_allclose(along, sum(map(jnp.vdot, gradients, toward)), rtol=1e-8)


@pytest.mark.exhaustive
def test_iterations_end_where_nothing_changes():
    truth, mask = blocks()
    operator = dipole()
    field = operator(truth)
    full = qsm.tv(field, operator, mask, n_iterations=30)
    np.testing.assert_allclose(qsm.tv(field, operator, mask, n_iterations=30, tolerance=1e-9), full, atol=1e-12)
    early = qsm.tv(field, operator, mask, n_iterations=1000, tolerance=0.05)
    assert not np.allclose(early, full, atol=1e-4)
    assert error(early, full, mask) < 0.2


def test_a_new_direction_compiles_nothing():
    truth, mask = blocks()
    fields = [dipole(direction=direction)(truth) for direction in (TILTED, (0.0, 0.0, 1.0))]
    operators = [dipole(direction=direction) for direction in (TILTED, (0.0, 0.0, 1.0))]
    qsm.tv(fields[0], operators[0], mask)
    with compilations() as names:
        qsm.tv(fields[1], operators[1], mask)
    assert names == []


def test_nothing_is_found_in_nothing():
    _, mask = blocks()
    zero = np.zeros(SHAPE)
    np.testing.assert_array_equal(qsm.tv(zero, dipole(), mask), zero)
    np.testing.assert_array_equal(qsm.ndi(zero, dipole(), mask, 16.0), zero)


@pytest.mark.exhaustive
def test_a_brain(reference_data):
    """In single precision; the errors are those of `docs/guides/susceptibility.md`."""
    phantom = np.load(reference_data("qsm_phantom/brain_2mm.npz"))
    truth, mask = (np.asarray(phantom[name]) for name in ("chi_ppm", "mask"))
    field = jnp.asarray(phantom["field_ppm"] * mask)
    operator = Dipole(truth.shape, np.float32(2e-3), np.array(phantom["b0_dir"], np.float32), padding=1)
    assert error(qsm.tkd(field, operator, 0.1), truth.astype(np.float32), mask) < 0.28
    found = qsm.tv(field, operator, mask, strength=1e-5, n_iterations=20)
    assert found.dtype == np.float32
    assert error(found, truth.astype(np.float32), mask) < 0.14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, d, m: qsm.tkd(f[1:], d), "`field` must have the shape"),
        (lambda f, d, m: qsm.tkd(f * np.nan, d), "`field` must be finite"),
        (lambda f, d, m: qsm.tkd(f, d, 0.0), "`threshold` must be positive"),
        (lambda f, d, m: qsm.tikhonov(f, d, -1.0), "`strength` must be positive"),
        (lambda f, d, m: qsm.tikhonov(f, d, penalty="laplace"), "`penalty` must be 'identity' or 'gradient'"),
        (lambda f, d, m: qsm.tv(f, d, m[..., 1:]), "`mask` must have the shape"),
        (lambda f, d, m: qsm.tv(f, d, 0 * m), "`mask` must hold at least one voxel"),
        (lambda f, d, m: qsm.tv(f, d, m, weights=-1.0 * m), "`weights` must not be negative"),
        (lambda f, d, m: qsm.tv(f, d, m, weights=1.0 - m), "`weights` must not be zero everywhere"),
        (lambda f, d, m: qsm.tv(f, d, m, weights=np.ones(3)), "`weights` must have the shape"),
        (lambda f, d, m: qsm.tv(f, d, m, n_iterations=0), "`n_iterations` must be an integer"),
        (lambda f, d, m: qsm.tv(f, d, m, tolerance=-1.0), "`tolerance` must"),
        (lambda f, d, m: qsm.medi(f, d, m, f, edge_fraction=1.0), "`edge_fraction` must be"),
        (lambda f, d, m: qsm.medi(f, d, m, f[1:]), "`magnitude` must have the shape"),
        (lambda f, d, m: qsm.ndi(f, d, m, 0.0), "`phase_per_ppm` must be positive"),
        (lambda f, d, m: qsm.ndi(f, d, m, 1.0, step=0.0), "`step` must be positive"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(SHAPE), dipole(), np.ones(SHAPE))
