"""Steps towards the data: closed forms against conjugate gradients, derivatives, precision, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr
from mrjax.encoding import Dipole, Fourier, LinearOperator, Mask, sense
from mrjax.nn.consistency import EncodedModel, Fidelity, GaussNewtonStep, GradientStep, ProximalStep, inverse_of
from mrjax.signals.relaxation import spgr, t2_decay

VOLUME, TILTED = (8, 10, 6), (0.3, -0.5, 0.8)


def drawn(i, shape=VOLUME, dtype=float):
    return jax.random.normal(jax.random.key(i), shape, dtype)


def positive(i, shape=VOLUME):
    return jax.random.uniform(jax.random.key(i), shape, minval=0.3, maxval=2.0)


def coils(shape=(6, 8)):
    return drawn(7, (3, *shape), complex)


def masks(shape=(6, 8)):
    return jax.random.bernoulli(jax.random.key(8), 0.6, shape)


def dense(operator, like):
    """The matrix of a real-linear map on real and imaginary parts."""
    flat, shape = like.size, like.shape
    is_complex = jnp.iscomplexobj(like)
    columns = []
    for unit in (1.0, 1j) if is_complex else (1.0,):
        for i in range(flat):
            vector = jnp.zeros(flat, like.dtype).at[i].set(unit).reshape(shape)
            out = np.asarray(operator(vector)).ravel()
            columns.append(np.concatenate([out.real, out.imag]))
    return np.array(columns).T


CASES = {
    "circular dipole": lambda: (Dipole(VOLUME, 1e-3, TILTED, padding=1), drawn(0), drawn(1), None),
    "padded dipole": lambda: (Dipole(VOLUME, 1e-3, TILTED), drawn(0), drawn(1), None),
    "weighted dipole": lambda: (Dipole(VOLUME, 1e-3, TILTED), drawn(0), drawn(1), positive(2)),
    "masked Fourier": lambda: (
        Mask(masks()) @ Fourier((6, 8)),
        drawn(0, (6, 8), complex),
        drawn(1, (6, 8), complex),
        positive(2, (6, 8)),
    ),
    "Fourier": lambda: (Fourier((6, 8)), drawn(0, (6, 8), complex), drawn(1, (6, 8), complex), None),
    "unscaled Fourier": lambda: (
        Fourier((6, 8), unitary=False),
        drawn(0, (6, 8), complex),
        drawn(1, (6, 8), complex),
        None,
    ),
    "mask": lambda: (Mask(positive(3)), drawn(0), drawn(1), positive(2)),
    "coils": lambda: (
        sense(coils(), mask=masks()),
        drawn(0, (6, 8), complex),
        drawn(1, (3, 6, 8), complex),
        positive(2, (1, 6, 8)),
    ),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_a_proximal_step_solves_its_equation(name):
    encoding, image, data, weights = CASES[name]()
    strength = 0.3
    step = ProximalStep(n_iterations=400, tolerance=1e-13)
    found = step(image, Fidelity(encoding, data, weights), jnp.log(strength))
    w = jnp.ones(()) if weights is None else weights
    left = encoding.adjoint(w * encoding.mv(found)) + strength * found
    right = encoding.adjoint(w * data) + strength * image
    np.testing.assert_allclose(left, right, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circular dipole", "masked Fourier", "mask"])
def test_the_closed_form_is_what_conjugate_gradients_find(name):
    encoding, image, data, weights = CASES[name]()

    class Unknown(LinearOperator):
        """The same operator, of which no spectrum is known."""

        inner: LinearOperator

        @property
        def in_shape(self):
            return self.inner.in_shape

        def mv(self, vector):
            return self.inner.mv(vector)

        def adjoint(self, data):
            return self.inner.adjoint(data)

    assert inverse_of(encoding, weights, jnp.array(0.3)).is_exact
    assert inverse_of(Unknown(encoding), weights, jnp.array(0.3)) is None
    step = ProximalStep(n_iterations=400, tolerance=1e-13)
    closed, found = (step(image, Fidelity(E, data, weights), jnp.log(0.3)) for E in (encoding, Unknown(encoding)))
    np.testing.assert_allclose(closed, found, atol=1e-10)


@pytest.mark.exhaustive
def test_the_preconditioner_saves_iterations():
    """Of a dipole with uneven weights, as `qsm_relaxometry.md` measured: five steps with it beat ten without."""
    shape, strength = (24, 24, 24), 5e-3
    dipole = Dipole(shape, 1e-3, padding=1)
    truth, weights = drawn(0, shape), positive(1, shape)
    fidelity = Fidelity(dipole, dipole(truth), weights)
    exact = ProximalStep(n_iterations=500, tolerance=1e-13)(0.8 * truth, fidelity, jnp.log(strength))
    found = ProximalStep(n_iterations=5, tolerance=0.0)(0.8 * truth, fidelity, jnp.log(strength))
    right = -fidelity.gradient(0.8 * truth)
    matrix = lambda v: dipole.mv(weights * dipole.mv(v)) + strength * v
    plain = 0.8 * truth + jax.scipy.sparse.linalg.cg(matrix, right, tol=0.0, maxiter=10)[0]
    distance = lambda x: float(jnp.linalg.norm(x - exact))
    assert distance(found) < distance(plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circular dipole", "weighted dipole", "masked Fourier", "coils"])
def test_the_gradient_of_the_fidelity_is_that_of_differences(name):
    encoding, image, data, weights = CASES[name]()
    fidelity, direction = Fidelity(encoding, data, weights), CASES[name]()[1][::-1]
    ends = [fidelity(image + sign * 1e-5 * direction) for sign in (1, -1)]
    slope = jnp.vdot(fidelity.gradient(image), direction).real
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-8)
    as_function = Fidelity(lambda x: encoding.mv(x), data, weights)
    np.testing.assert_allclose(as_function.gradient(image), fidelity.gradient(image), atol=1e-12)


def of_steps(name):
    """A number that depends on all that a proximal step takes, and where it is looked at."""
    weighted = {"weighted dipole", "coils"}
    _, image, data, weights = CASES[name]()
    arguments = {"image": image, "data": data, "log_weight": jnp.array(-1.0)}
    if name in weighted:
        arguments["weights"] = weights
    arguments["kernel"] = jnp.array(TILTED) if "dipole" in name else coils()

    def number(arguments, n_iterations=300):
        kernel = arguments["kernel"]
        padding = 1 if name == "circular dipole" else 2
        encoding = Dipole(VOLUME, 1e-3, kernel, padding) if "dipole" in name else sense(kernel, mask=masks())
        fidelity = Fidelity(encoding, arguments["data"], arguments.get("weights"))
        found = ProximalStep(n_iterations, 1e-14)(arguments["image"], fidelity, arguments["log_weight"])
        return jnp.sum(jnp.abs(found + 0.3) ** 3)

    return number, arguments


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["circular dipole", "weighted dipole", "coils"])
def test_derivatives_of_a_proximal_step_are_those_of_differences(name):
    number, arguments = of_steps(name)
    change = jax.tree.map(lambda x: jax.random.normal(jax.random.key(9), x.shape, x.dtype), arguments)
    moved = lambda t: number(jax.tree.map(lambda a, c: a + t * c, arguments, change))
    moved = jax.jit(moved)
    expected = (moved(1e-5) - moved(-1e-5)) / 2e-5
    forward = jax.jvp(moved, (0.0,), (1.0,))[1]
    reverse = jax.jit(jax.grad(number))(arguments)
    backward = sum(jnp.sum(s * c).real for s, c in zip(*map(jax.tree.leaves, (reverse, change)), strict=True))
    np.testing.assert_allclose(forward, expected, rtol=1e-5)
    np.testing.assert_allclose(backward, expected, rtol=1e-5)


@pytest.mark.exhaustive
def test_derivatives_do_not_depend_on_the_number_of_iterations():
    number, arguments = of_steps("weighted dipole")
    slopes = [jax.grad(number)(arguments, n) for n in (100, 400)]
    for one, other in zip(*map(jax.tree.leaves, slopes), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.exhaustive
def test_nothing_is_nan_long_after_convergence_in_float32():
    dipole = Dipole(VOLUME, jnp.float32(1e-3), jnp.array(TILTED, jnp.float32))
    weights = jnp.where(positive(2) > 1, 0.0, positive(2)).astype(jnp.float32)
    fidelity = Fidelity(dipole, drawn(1, dtype=jnp.float32), weights)
    for image in (drawn(0, dtype=jnp.float32), jnp.zeros(VOLUME, jnp.float32)):
        value, slope = jax.value_and_grad(
            lambda s, image=image: jnp.sum(ProximalStep(2000, 0.0)(image, fidelity, s) ** 2)
        )(-5.0)
        assert value.dtype == jnp.float32
        assert np.isfinite(value)
        assert np.isfinite(slope)
    nothing = Fidelity(dipole, jnp.zeros(VOLUME, jnp.float32), weights)
    assert (ProximalStep()(jnp.zeros(VOLUME, jnp.float32), nothing, 0.0) == 0).all()


@pytest.mark.exhaustive
def test_many_measurements_with_operators_of_their_own():
    directions = jnp.array([TILTED, (0, 0, 1.0)])
    images, data = drawn(0, (2, *VOLUME)), drawn(1, (2, *VOLUME))
    fidelities = jax.vmap(lambda b, y: Fidelity(Dipole(VOLUME, 1e-3, b), y))(directions, data)
    step = ProximalStep(100, 1e-12)
    together = jax.vmap(step, in_axes=(0, 0, None))(images, fidelities, jnp.log(0.1))
    for i in range(2):
        alone = step(images[i], Fidelity(Dipole(VOLUME, 1e-3, directions[i]), data[i]), jnp.log(0.1))
        np.testing.assert_allclose(together[i], alone, atol=1e-9)


@pytest.mark.exhaustive
def test_a_gradient_step_of_phases_is_that_of_nonlinear_dipole_inversion():
    dipole, phase, chi, weights = Dipole(VOLUME, 1e-3, TILTED), drawn(1), drawn(0), positive(2)
    fidelity = Fidelity(lambda x: jnp.exp(1j * dipole.mv(x)), jnp.exp(1j * phase), weights)
    expected = chi - 0.7 * dipole.adjoint(weights * jnp.sin(dipole(chi) - phase))
    np.testing.assert_allclose(GradientStep()(chi, fidelity, jnp.log(0.7)), expected, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["weighted dipole", "coils"])
def test_gauss_newton_of_what_is_linear_is_a_proximal_step(name):
    encoding, image, data, weights = CASES[name]()
    fidelity = Fidelity(encoding, data, weights)
    linear = ProximalStep(300, 1e-13)(image, fidelity, -1.0)
    np.testing.assert_allclose(GaussNewtonStep(1, 300, 1e-13)(image, fidelity, -1.0), linear, atol=1e-9)


def relaxometry():
    angles, tr = jnp.array([0.05, 0.1, 0.2, 0.35]), 15e-3
    model = lambda maps: spgr(angles, tr, t1=1 / maps[..., 0], m0=maps[..., 1])
    masks = jax.random.bernoulli(jax.random.key(3), 0.7, (4, 6, 8))
    encoding = EncodedModel(model, sense(coils(), mask=masks))
    truth = jnp.stack([positive(4, (6, 8)), positive(5, (6, 8))], -1)
    return encoding, truth


@pytest.mark.exhaustive
def test_gauss_newton_finds_maps_from_the_k_space_of_coils():
    encoding, truth = relaxometry()
    fidelity = Fidelity(encoding, encoding(truth))
    start = jnp.ones_like(truth)
    found = eqx.filter_jit(GaussNewtonStep(n_steps=12, n_iterations=100))(start, fidelity, jnp.log(1e-7))
    np.testing.assert_allclose(found, truth, rtol=1e-3)


@pytest.mark.exhaustive
def test_derivatives_of_a_gauss_newton_step_are_those_of_differences():
    encoding, truth = relaxometry()
    data, start = encoding(truth), jnp.ones_like(truth)
    step = GaussNewtonStep(n_steps=2, n_iterations=200, tolerance=1e-14)

    @jax.jit
    def number(start, data, log_weight):
        return jnp.sum(step(start, Fidelity(encoding, data), log_weight) ** 3)

    change = drawn(1, start.shape), drawn(2, data.shape, complex), jnp.array(0.7)
    at = lambda t: number(start + t * change[0], data + t * change[1], -3.0 + t * change[2])
    expected = (at(1e-5) - at(-1e-5)) / 2e-5
    slopes = jax.grad(number, (0, 1, 2))(start, data, jnp.array(-3.0))
    backward = sum(jnp.sum(s * c).real for s, c in zip(slopes, change, strict=True))
    np.testing.assert_allclose(backward, expected, rtol=1e-5)
    np.testing.assert_allclose(jax.jvp(at, (0.0,), (1.0,))[1], expected, rtol=1e-5)


@pytest.mark.exhaustive
def test_an_encoded_model_is_the_model_then_the_encoding():
    te = jnp.array([0.01, 0.05])
    model = lambda maps: t2_decay(te, t2=maps[..., 0], m0=maps[..., 1])
    maps = jnp.stack([positive(0, (6, 8)), positive(1, (6, 8))], -1)
    masks = jax.random.bernoulli(jax.random.key(3), 0.5, (2, 6, 8))
    found = EncodedModel(model, sense(coils(), mask=masks))(maps)
    for i in range(2):
        expected = sense(coils(), mask=masks[i])(model(maps)[..., i])
        np.testing.assert_allclose(found[i], expected, atol=1e-14)


@pytest.mark.exhaustive
def test_an_engine_stands_in_for_a_model():
    sequence = mr.protocols.cpmg(jnp.full(3, 2.5), echo_spacing=10e-3)
    decoder = mr.nn.BlochDecoder(sequence)
    encoding = EncodedModel(
        lambda maps: decoder({"t1": jnp.ones(maps.shape[:-1]), "t2": maps[..., 0]}), sense(coils(), mask=masks())
    )
    truth = 0.1 * positive(0, (6, 8, 1))
    fidelity = Fidelity(encoding, encoding(truth))
    nearer = GradientStep()(0.9 * truth, fidelity, jnp.log(1e-4))
    assert float(fidelity(nearer)) < float(fidelity(0.9 * truth))


def test_mistakes():
    with pytest.raises(TypeError, match=r"needs an encoding that is a LinearOperator, but got a function"):
        ProximalStep()(jnp.ones(3), Fidelity(lambda x: x, jnp.ones(3)), 0.0)
    with pytest.raises(ValueError, match="`weights` must broadcast to the shape"):
        Fidelity(Mask(jnp.ones(3)), jnp.ones(3), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match="`weights` must not be negative"):
        Fidelity(Mask(jnp.ones(3)), jnp.ones(3), -jnp.ones(3))
    with pytest.raises(ValueError, match="`n_iterations` must be an integer of at least 1"):
        ProximalStep(n_iterations=0)
