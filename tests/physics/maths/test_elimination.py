"""Small systems of equations, eliminated in every voxel, against a library's solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.physics.maths.elimination import solved


@pytest.mark.parametrize("n", [2, 3, 4])
def test_solutions_and_derivatives_are_those_of_a_library(n):
    rng = np.random.default_rng(n)
    with jax.enable_x64(True):
        left, _ = jnp.linalg.qr(jnp.asarray(rng.standard_normal((50, n, n))))
        matrix, right = (
            jnp.eye(n)[None] - 0.999 * left,
            jnp.asarray(rng.standard_normal((50, n))),
        )  # 1 less a contraction
        by_library = lambda matrix, right: jnp.linalg.solve(matrix, right[..., None])[..., 0]
        loss = lambda solve: lambda matrix, right: jnp.sum(jnp.sin(solve(matrix, right)))
        pairs = [(solve(matrix, right), jax.grad(loss(solve), (0, 1))(matrix, right)) for solve in (solved, by_library)]
        for found, expected in zip(*map(jax.tree.leaves, pairs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * float(jnp.max(jnp.abs(expected))))
