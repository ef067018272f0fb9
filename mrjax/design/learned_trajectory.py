"""A trajectory and the network that makes images of what it samples, learned together."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, ArrayLike, Complex

from mrjax import _checks
from mrjax.design.trajectories import TrajectoryTask
from mrjax.encoding import Coils, LinearOperator, Nufft
from mrjax.nn import Loss
from mrjax.nn.consistency import Fidelity


@dataclasses.dataclass(frozen=True, eq=False)
class _Measured:
    """How images are measured, compared by identity as structures of networks are."""

    task: TrajectoryTask
    coils: Coils
    density: Callable[[Nufft], Array]


class LearnedTrajectory(nnx.Module):
    r"""A trajectory and the network that reconstructs from it, to be trained by `mrjax.nn.train`.

    $$\hat x = R_\theta(y; k, w(k)), \qquad y = E_k \, s \, x + n, \qquad k = k(c)$$

    Images $x$ are measured along the trajectory $k$ of the coefficients $c$ of a `TrajectoryTask`, with coils $s$ and noise $n$,
    and reconstructed by a network $R$ with the density $w$ of that trajectory. $c$ is an `nnx.Param` beside those of the
    network; `mrjax.design.at_rate(optimiser, factor, "trajectory")` gives it a rate of its own.

    **Arguments:**

    - `task`: The `TrajectoryTask` that says what is played.
    - `coefficients`: Of its designs, where to begin. Shape `(n_shots, 2, n_coefficients)`.
    - `network`: Takes a `mrjax.nn.consistency.Fidelity` and returns images, such as `mrjax.nn.NCPDNet` or `mrjax.nn.MoDL`.
    - `coils`: Sensitivities, the squares of which should add up to one. Shape `(n_coils, matrix, matrix)`.
    - `density`: Takes the `Nufft` and returns weights that broadcast to `(n_samples,)`: `mrjax.encoding.iterative_density` for
      `NCPDNet`, and for `MoDL` one over the number of samples.
    - `learned`: Whether the trajectory is learned; otherwise the network alone is.

    Called with `images`, `(batch, matrix, matrix)`, and `noise` of their samples, `(batch, n_coils, n_samples)`, it returns the
    images that are seen, in the precision of `images`.

    **Derivatives:** in all weights and the coefficients.

    **Raises:** `ValueError` for coefficients or coils of another shape.

    **Source:** G. Wang, T. Luo, J.-F. Nielsen, D. C. Noll, J. A. Fessler, IEEE Trans Med Imaging 41 (2022) 2318-2330 (BJORK);
    T. Weiss, O. Senouf, S. Vedula, O. Michailovich, M. Zibulevsky, A. Bronstein, arXiv:1909.05773 (PILOT).

    !!! example

        ```python
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> import mrjax as mr
        >>> from mrjax.units import deg
        >>> scanner = mr.Scanner()
        >>> spokes = mr.protocols.imaging.radial(0.2, 16, 5, 20 * deg, dwell_time=10e-6, scanner=scanner)
        >>> task = mr.design.TrajectoryTask(spokes, scanner, fov=0.2, matrix=16, n_coefficients=6)
        >>> network = mr.nn.NCPDNet(2, channels=8, rngs=nnx.Rngs(0))
        >>> start, coils = task.start()["coefficients"], jnp.ones((1, 16, 16))
        >>> model = mr.design.LearnedTrajectory(task, start, network, coils, mr.encoding.iterative_density)
        >>> model(jnp.ones((3, 16, 16)), jnp.zeros((3, 1, 80))).shape
        (3, 16, 16)

        ```
    """

    def __init__(
        self,
        task: TrajectoryTask,
        coefficients: ArrayLike,
        network: nnx.Module,
        coils: ArrayLike,
        density: Callable[[Nufft], Any],
        *,
        learned: bool = True,
    ):
        start, maps = _checks.real_array(coefficients, "coefficients"), _checks.number_array(coils, "coils")
        expected = task.start()["coefficients"].shape
        if start.shape != expected:
            raise ValueError(f"`coefficients` must have the shape {expected} of the task, but got {start.shape}.")
        if maps.ndim != 3 or maps.shape[1:] != (task.matrix, task.matrix):
            raise ValueError(
                f"`coils` must have shape (n_coils, {task.matrix}, {task.matrix}), the matrix of the task, but got {maps.shape}."
            )
        # what is no Param is not trained, but is kept in checkpoints beside what is
        self.trajectory = nnx.Param(start) if learned else nnx.Variable(start)
        self.network: Any = network
        self._measured = _Measured(task, Coils(maps), density)

    @property
    def task(self) -> TrajectoryTask:
        """What says what is played."""
        return self._measured.task

    def design(self) -> dict[str, Array]:
        """The coefficients as a design of the task."""
        return {"coefficients": self.trajectory[...]}

    def measurement(self, images: Any, noise: ArrayLike) -> Fidelity:
        """What is measured of images, with the noise."""
        images, task = jnp.asarray(images), self.task
        k = task.trajectory(self.design()).astype(images.real.dtype)
        # by one thread, so that a training that goes on takes the same steps, bit for bit
        transform = Nufft(k, (task.matrix, task.matrix), task.fov / task.matrix, threads=1)
        encoding: LinearOperator = transform @ self._measured.coils
        return Fidelity(encoding, encoding.mv(images) + jnp.asarray(noise), self._measured.density(transform))

    def __call__(self, images: Any, noise: ArrayLike) -> Complex[Array, "batch matrix matrix"]:
        """What is seen of images."""
        return self.network(self.measurement(images, noise))


def trajectory_loss(excess: float = 1.0) -> Loss:
    r"""The loss of a `LearnedTrajectory`: absolute errors relative to the images, and what exceeds the limits of the scanner.

    $$\frac{\sum |\hat x - x|}{\sum |x|} + \epsilon \, \mathrm{excess}(c)$$

    **Arguments:**

    - `excess`: $\epsilon$, the weight of `TrajectoryTask.excess`.

    **Returns:** a loss for `mrjax.nn.train`; a batch is a dictionary of `images` and `noise`, as the model is called with.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> loss = mr.design.trajectory_loss(excess=1.0)  # mr.nn.train(model, loss, batch, schedule, optimiser)

        ```
    """

    def of_batch(model: LearnedTrajectory, batch: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        errors = jnp.abs(model(batch["images"], batch["noise"]) - batch["images"])
        error = jnp.sum(errors) / jnp.sum(jnp.abs(batch["images"]))
        beyond = model.task.excess(model.design())
        return error + excess * beyond.astype(error.dtype), {"error": error, "excess": beyond}

    return of_batch
