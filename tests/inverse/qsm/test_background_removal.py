"""Background fields: sources outside go, sources inside stay, derivatives, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiling import compiled_quickly

import mrjax as mr
from mrjax.encoding import Dipole
from mrjax.inverse import qsm

SHAPE, SIZE = (28, 26, 24), 2e-3
METHODS = ["v_sharp", "resharp", "pdf", "lbv"]


CONVERGED = {
    "resharp": {"n_iterations": 1000, "tolerance": 1e-8},
    "pdf": {"n_iterations": 3000, "tolerance": 1e-10},
    "lbv": {"n_iterations": 1000, "tolerance": 1e-10},
}


def applied(name, field, mask, **options):
    """One of the methods with settings for a small object."""
    usual = {"v_sharp": {"radius": 10e-3, "n_radii": 5}, "resharp": {"radius": 4e-3, "n_iterations": 200}}
    options = usual.get(name, {}) | options
    if name == "pdf":
        return qsm.pdf(field, mask, Dipole(SHAPE, SIZE, padding=1.2), **options)
    return getattr(qsm, name)(field, mask, SIZE, **options)


@pytest.fixture(scope="module")
def fields():
    """The mask, the field of sources inside, and that of air beside it: cuboids, whose field is exact outside of them."""
    x, y, z = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in SHAPE], indexing="ij"))
    mask = x**2 + y**2 + z**2 < 10.5**2
    inside = np.where(mask & ((x - 1) ** 2 + (y + 2) ** 2 + z**2 < 3**2), 0.1, 0.0)
    outside = np.where(~mask & ((x - 9) ** 2 + (y - 8) ** 2 + (z + 8) ** 2 < 5**2), 9.0, 0.0)
    field = lambda chi: np.asarray(mr.signals.susceptibility.field_shift(chi, SIZE))
    return mask, field(inside), field(outside)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "left", "lost"),
    [("v_sharp", 0.03, 0.25), ("resharp", 0.02, 0.35), ("pdf", 0.01, 0.4), ("lbv", 0.05, 0.35)],
)
def test_the_background_goes_and_the_local_field_stays(fields, name, left, lost):
    mask, local, background = fields
    size = lambda values, known: np.std(np.asarray(values)[np.asarray(known)])
    of_background, of_local = (applied(name, values, mask) for values in (background, local))
    known = np.asarray(of_background.mask)
    assert known.mean() > 0.3 * mask.mean()
    assert size(of_background.field, known) < left * size(background, known)
    assert size(of_local.field - local, known) < lost * size(local, known)
    assert np.all(np.asarray(of_local.field)[~known] == 0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", METHODS)
def test_what_lies_outside_of_the_mask_is_not_read(fields, name):
    mask, local, _ = fields
    found = applied(name, local, mask)
    np.testing.assert_allclose(applied(name, np.where(mask, local, 5.0), mask).field, found.field, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "rtol"), [("v_sharp", 1e-10), ("resharp", 1e-6), ("pdf", 1e-1), ("lbv", 1e-7)])
def test_derivatives_are_those_of_differences(fields, name, rtol, rng):
    """Each method is linear in the field where it converged, which projection onto dipoles has not after 3000 iterations."""
    mask, local, background = fields
    field = jnp.asarray(local + 0.01 * background)
    toward, seed = rng.normal(size=SHAPE) * 1e-2, rng.normal(size=SHAPE)
    options = CONVERGED.get(name, {})
    product = compiled_quickly(lambda field: jnp.vdot(seed, applied(name, field, mask, **options).field))
    expected = (product(field + toward) - product(field - toward)) / 2
    slope = jnp.vdot(compiled_quickly(jax.grad(product))(field), toward)
    np.testing.assert_allclose(slope, expected, rtol=rtol)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", METHODS)
def test_single_precision_is_enough(fields, name):
    mask, local, background = fields
    total = local + background
    found = applied(name, total.astype(np.float32), mask)
    assert found.field.dtype == np.float32
    # the number of iterations may differ by one
    close = 1e-2 if name == "pdf" else 2e-3
    assert np.max(np.abs(found.field - applied(name, total, mask).field)) < close * np.std(background[mask])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, m: qsm.v_sharp(f[0], m, SIZE), "`field` must be a volume"),
        (lambda f, m: qsm.v_sharp(f * np.nan, m, SIZE), "`field` must be finite"),
        (lambda f, m: qsm.v_sharp(f, m[1:], SIZE), "`mask` must have the shape"),
        (lambda f, m: qsm.v_sharp(f, 0 * m, SIZE), "`mask` must hold at least one voxel"),
        (lambda f, m: qsm.v_sharp(f, m, 0.0), "`voxel_size` must be a positive number"),
        (lambda f, m: qsm.v_sharp(f, m, SIZE, radius=1e-3), "`radius` must be known .* at least the shortest side"),
        (lambda f, m: qsm.v_sharp(f, m, SIZE, threshold=0.0), "`threshold` must be positive"),
        (lambda f, m: qsm.v_sharp(f, m, SIZE, n_radii=0), "`n_radii` must be an integer"),
        (lambda f, m: jax.jit(lambda size: qsm.v_sharp(f, m, size))(SIZE), "`voxel_size` must be known"),
        (lambda f, m: qsm.resharp(f, m, SIZE, radius=40e-3), "`mask` must hold a voxel with 0.04 m of mask around"),
        (lambda f, m: qsm.resharp(f, m, SIZE, strength=0), "`strength` must be positive"),
        (lambda f, m: qsm.pdf(f[1:], m, Dipole(SHAPE, SIZE)), "`field` must have the shape"),
        (lambda f, m: qsm.pdf(f, m, Dipole(SHAPE, SIZE), weights=-m), "`weights` must not be negative"),
        (lambda f, m: qsm.lbv(f, m, SIZE, n_iterations=0), "`n_iterations` must be an integer"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones(SHAPE), np.ones(SHAPE))
