"""Run by test_devices.py in a process of its own: one host, eight devices; raises where something is wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import mrjax as mr
from mrjax.physics.execution import dispatch, sharding
from mrjax.physics.execution.interpreter import Simulation

ENGINE = mr.EPG(10)


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "t1": rng.uniform(0.5, 2.0, (256, 3)),
        "t2": rng.uniform(0.05, 0.1, (256, 3)),
        "b1": rng.uniform(0.9, 1.1, (256, 1)),
    }


def fisp() -> mr.Sequence:
    return mr.protocols.mrf_fisp(np.linspace(0.1, 1.0, 40), 12e-3, te=5e-3)


def spread(tissue: mr.Tissue, mesh: Mesh) -> mr.Tissue:
    place = lambda leaf: jax.device_put(leaf, NamedSharding(mesh, PartitionSpec("voxels")))
    return jax.tree.map(place, tissue)


def is_spread(array: jax.Array, axis: int = 0) -> bool:
    return array.sharding.spec[axis] == "voxels" and len(array.sharding.device_set) == 8


def one_device_gives_the_same_bits(tissue: mr.Tissue, mesh: Mesh) -> None:
    alone = mr.simulate(fisp(), tissue, ENGINE)
    everywhere = mr.simulate(fisp(), spread(tissue, mesh), ENGINE)
    assert is_spread(everywhere)
    np.testing.assert_array_equal(everywhere, alone)


def nothing_is_gathered(tissue: mr.Tissue, mesh: Mesh) -> None:
    sequence, tissue = mr.Sequence(fisp()), spread(tissue, mesh)
    plan = ENGINE.plan(sequence, tissue, None, keeps_state=False)
    simulation = Simulation.of(plan, mr.gradient.Checkpoints(), batch_size=None)
    others, static = eqx.partition(simulation, eqx.is_array)
    where = sharding.voxel_sharding(tissue)
    placed = sharding.placed(tissue, None, others, where)
    program = dispatch._on_devices.lower(*placed, static, where).compile().compiled.as_text()
    assert not [kind for kind in ("all-gather", "all-reduce", "all-to-all", "collective-permute") if kind in program]
    traced = jax.jit(lambda tissue: mr.simulate(fisp(), tissue, ENGINE)).lower(tissue).compile()
    # under jit the checks of values reduce one number; the voxels stay where they are
    assert "all-gather" not in traced.as_text()
    assert is_spread(jax.jit(lambda tissue: mr.simulate(fisp(), tissue, ENGINE))(tissue))


def states_and_derivatives_stay_where_they_are(tissue: mr.Tissue, mesh: Mesh) -> None:
    tissue = spread(tissue, mesh)
    _, state = mr.play(fisp(), tissue, ENGINE)
    assert is_spread(state.z, 1)
    assert is_spread(mr.play(fisp(), tissue, mr.EPG(), state=state)[0])
    loss = lambda tissue: jnp.sum(jnp.abs(mr.simulate(fisp(), tissue, ENGINE)) ** 2)
    gradient = jax.jit(jax.grad(loss))(tissue)
    assert is_spread(gradient.t1)
    np.testing.assert_allclose(gradient.t2, jax.grad(loss)(jax.tree.map(np.asarray, tissue)).t2, rtol=1e-10)
    model = lambda p: mr.simulate(fisp(), mr.Tissue(p["t1"], p["t2"]), ENGINE)
    assert is_spread(mr.inverse.per_voxel_jacobian(model, {"t1": tissue.t1, "t2": tissue.t2})["t2"])


def fits_stay_where_they_are(tissue: mr.Tissue, mesh: Mesh) -> None:
    times = jnp.arange(1, 9) * 20e-3
    tissue = spread(tissue, mesh)
    model = lambda p: p["m0"][..., None] * jnp.exp(-times / p["t2"][..., None])
    data = model({"m0": jnp.ones_like(tissue.t2), "t2": tissue.t2})
    fit = mr.inverse.least_squares(
        model, data, {"m0": 0.8 * jnp.ones_like(tissue.t2), "t2": 0.07 * jnp.ones_like(tissue.t2)}
    )
    assert is_spread(fit.parameters["t2"])
    np.testing.assert_allclose(fit.parameters["t2"], tissue.t2, rtol=1e-6)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    assert jax.device_count() == 8
    mesh = Mesh(np.array(jax.devices()), ("voxels",))
    for check in (
        one_device_gives_the_same_bits,
        nothing_is_gathered,
        states_and_derivatives_stay_where_they_are,
        fits_stay_where_they_are,
    ):
        check(mr.Tissue(**inputs()), mesh)
