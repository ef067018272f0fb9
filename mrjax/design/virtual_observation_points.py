"""Few matrices that bound the local SAR of many places, whatever transmit channels play."""

from typing import Any

import numpy as np
from jaxtyping import Complex

from mrjax import _checks


def virtual_observation_points(
    q_matrices: Any, allowance: float | int = 0.1
) -> Complex[np.ndarray, "n_vop n_channels n_channels"]:
    r"""Few matrices whose largest power is never below that of all places, and above it by little.

    $$\max_r b^H Q_r b \;\le\; \max_v b^H V_v b \;\le\; \max_r b^H Q_r b + \epsilon \max_r \lVert Q_r \rVert \, |b|^2$$

    The matrix of largest norm begins a cluster. It takes in, from the largest to the smallest, each matrix that is below $V = Q +
    Z$ for some positive $Z$ no larger than the allowance; what is left begins the next.

    **Arguments:**

    - `q_matrices`: $Q_r$ such as `TransmitArray.q_matrices` gives, Hermitian and positive, in any unit, `(*places, n_channels,
      n_channels)`.
    - `allowance`: $\epsilon$, above zero.

    **Returns:** $V$ in that unit, `(n_vop, n_channels, n_channels)`, in double precision. Computed by NumPy: not differentiable.

    **Raises:** `ValueError` where matrices are not square and Hermitian, or the allowance is not positive.

    **Source:** G. Eichfelder, M. Gebhardt, Magn Reson Med 66 (2011) 1468-1476.

    !!! example

        ```python
        >>> import numpy as np
        >>> import mrjax as mr
        >>> places = np.array([np.diag([1.0, 0.2]), np.diag([0.9, 0.25]), np.diag([0.1, 0.8])])
        >>> mr.design.virtual_observation_points(places, allowance=0.1).shape
        (2, 2, 2)

        ```
    """
    matrices = _hermitian(q_matrices, "q_matrices")
    if not allowance > 0:
        raise ValueError(f"`allowance` must be above zero, but got {allowance!r}.")
    matrices = matrices.reshape(-1, *matrices.shape[-2:])
    norms = np.linalg.norm(matrices, 2, axis=(1, 2))
    left, most = matrices[np.argsort(-norms)], allowance * norms.max()
    points = []
    while len(left):
        point, left = _cluster(left, most)
        points.append(point)
    return np.stack(points)


def _cluster(matrices: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """A matrix above the first and above others that want no more than `most` for it, and those that do."""
    core, added, left = matrices[0], np.zeros_like(matrices[0]), []
    for matrix in matrices[1:]:
        values, vectors = np.linalg.eigh(matrix - core - added)
        raised = added + (vectors * np.maximum(values, 0.0)) @ vectors.conj().T
        if np.linalg.norm(raised, 2) <= most:
            added = raised
        else:
            left.append(matrix)
    return core + added, np.array(left)


def _hermitian(matrices: Any, name: str) -> np.ndarray:
    matrices = np.asarray(_checks.finite(_checks.number_array(matrices, name), name)).astype(complex)
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2] or not matrices.size:
        raise ValueError(f"`{name}` must have shape (*places, n_channels, n_channels), but has {matrices.shape}.")
    turned = np.swapaxes(matrices.conj(), -1, -2)
    if np.abs(matrices - turned).max() > 1e-5 * np.abs(matrices).max():
        raise ValueError(
            f"`{name}` must be Hermitian, but differs from its adjoint by {np.abs(matrices - turned).max():.3g}."
        )
    return (matrices + turned) / 2
