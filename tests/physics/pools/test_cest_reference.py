"""The Bloch-McConnell engine on published experiments, read from their own files, against exact solutions."""

import dataclasses
import json
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr

PROTOCOLS = {
    "apt000_2p_creatine",
    "apt000_2p_MT_Lor",
    "apt000_3p_MT_Lor",
    "apt000_3p_MT_SL",
    "apt000_7p_WM",
    "apt001_2p_creatine",
    "apt001_3p_MT_Lor",
    "apt003_3p_MT_Lor",
    "apt003_3p_MT_SL",
    "apt003_5p_BMsim",
    "bmsim_case1",
    "bmsim_case2",
    "bmsim_case3",
    "bmsim_case5",
    "bmsim_case7",
    "glint_3p",
    "loas40_3p_MT",
    "mrf001_7p",
    "mrf002_2p_larg",
    "mrf002_3p_larg",
    "t1map_hypsec",
    "wasabi3T_2p_creatine",
    "wasabi3T_5p_BMsim",
}
QUICK = {"apt000_7p_WM", "apt003_3p_MT_SL", "bmsim_case2", "t1map_hypsec", "wasabi3T_2p_creatine"}
"""One of each kind: every experiment compiles programs of its own."""
LONGEST = {"loas40_3p_MT", "mrf002_2p_larg"}
QUICK_GRADIENTS = {"apt003_5p_BMsim", "wasabi3T_5p_BMsim"}


def marked(names, quick):
    """The names, those that are not quick marked as slow."""
    mark = lambda name: pytest.mark.exhaustive if name in LONGEST else pytest.mark.slow
    return [name if name in quick else pytest.param(name, marks=mark(name)) for name in sorted(names)]


IN_FLOAT32 = [
    "apt000_2p_creatine",
    "apt000_7p_WM",
    "apt001_3p_MT_Lor",
    "apt003_3p_MT_SL",
    "bmsim_case2",
    "bmsim_case7",
    "mrf002_2p_larg",
    "t1map_hypsec",
    "wasabi3T_5p_BMsim",
]
"""One of each kind, the hardest included: long waves on pools that hardly relax."""


@pytest.fixture
def experiment(reference_data):
    """`experiment(name)` gives sequence, tissue, engine and the reference file."""

    def load(name, **conventions):
        reference = np.load(reference_data(f"cest/protocols/{name}.npz"))
        meta = json.loads(str(reference["meta"]))
        pools = mr.io.read_pools(reference_data(f"cest/yaml/{meta['yaml']}"), legacy_lineshape=True)
        pools = dataclasses.replace(
            pools,
            max_pulse_samples=meta["max_pulse_samples"],
            reset=meta["reset_init_mag"],
            conventions=dataclasses.replace(pools.conventions, **conventions),
        )
        plain = reference_data("cest/seq") / meta["seq"]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*its md5 is not the one in")  # published so
            file = mr.pulseq.read(plain if plain.exists() else Path(f"{plain}.gz"))
        return pools.sequence(file), pools.tissue, mr.BlochMcConnell(pools.b0, pools.conventions), reference

    return load


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", marked(PROTOCOLS, QUICK))
def test_exact_in_float64(experiment, name):
    sequence, tissue, engine, reference = experiment(name)
    np.testing.assert_allclose(mr.simulate(sequence, tissue, engine).real, reference["mz_exact"], rtol=0, atol=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", marked(IN_FLOAT32, {"apt003_3p_MT_SL", "bmsim_case7"}))
def test_float32(experiment, name):
    *played, reference = experiment(name)
    narrow = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
    cast = lambda leaf: leaf.astype(narrow[leaf.dtype]) if isinstance(leaf, jax.Array) else leaf
    signal = mr.simulate(*jax.tree.map(cast, played))
    assert signal.dtype == np.complex64
    np.testing.assert_allclose(signal.real, reference["mz_exact"], rtol=0, atol=1e-5)


GRADIENTS = ["apt000_2p_creatine", "apt000_3p_MT_Lor", "apt003_5p_BMsim", "mrf002_2p_larg", "wasabi3T_5p_BMsim"]

NOISE_OF_THE_REFERENCE = 5e-9
"""Its derivatives are differences of solutions; those in relaxation times of solutes are themselves only some 1e-7."""


def leaf_of(tissue, name):
    """The leaf that a parameter of the reference stands for, and its derivative: the reference has rates, not times."""
    if name == "rel_b1":
        return (lambda t: t.b1), 1.0
    if name == "b0_inhom_ppm":
        return (lambda t: t.off_resonance), None
    pool, parameter = name.split(".")
    index = int(pool[4]) - 1
    holder = (lambda t: t) if index < 0 else (lambda t: t.pools[index])
    field = {"f": "fraction", "k": "exchange_rate", "dw_ppm": "shift_ppm", "r1": "t1", "r2": "t2"}[parameter]
    leaf = lambda t: getattr(holder(t), field)
    return leaf, -(float(leaf(tissue)) ** 2) if parameter in ("r1", "r2") else 1.0


def with_every_leaf(tissue):
    """Effects that are absent become leaves, so that there is something to differentiate."""
    pools = tuple(dataclasses.replace(pool, shift_ppm=jnp.asarray(pool.shift_ppm)) for pool in tissue.pools)
    return dataclasses.replace(tissue, b1=jnp.array(1.0), off_resonance=jnp.array(0.0), pools=pools)


@pytest.fixture(scope="module")
def jacobians():
    """By name of the experiment, as they are made."""
    return {}


def jacobian_of(jacobians, name, sequence, tissue, engine):
    if name not in jacobians:
        signal = lambda tissue: mr.simulate(sequence, tissue, engine).real
        jacobians[name] = jax.jit(jax.jacfwd(signal))(with_every_leaf(tissue))
    return jacobians[name]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", marked(GRADIENTS, QUICK_GRADIENTS))
def test_derivatives_in_every_tissue_parameter(experiment, reference_data, jacobians, name):
    sequence, tissue, engine, _ = experiment(name)
    reference = np.load(reference_data(f"cest/gradients/{name}_dmz.npz"))
    jacobian = jacobian_of(jacobians, name, sequence, tissue, engine)
    hz_per_ppm = float(engine.b0) * engine.conventions.gyromagnetic_ratio / (2e6 * np.pi)
    for parameter, expected in zip(reference["names"], reference["dmz"], strict=True):
        leaf, factor = leaf_of(with_every_leaf(tissue), str(parameter))
        factor = hz_per_ppm if factor is None else factor
        np.testing.assert_allclose(
            leaf(jacobian) * factor,
            expected,
            rtol=0,
            atol=1e-5 * np.abs(expected).max() + NOISE_OF_THE_REFERENCE,
            err_msg=parameter,
        )


@pytest.mark.slow
def test_reverse_mode_gives_the_same_derivatives(experiment, jacobians):
    sequence, tissue, engine, _ = experiment("apt003_5p_BMsim")
    weight = jnp.cos(jnp.arange(34.0))
    loss = lambda tissue: jnp.sum(weight * mr.simulate(sequence, tissue, engine).real)
    reverse = jax.jit(jax.grad(loss))(with_every_leaf(tissue))
    forward = jacobian_of(jacobians, "apt003_5p_BMsim", sequence, tissue, engine)
    for one, all_samples in zip(jax.tree.leaves(reverse), jax.tree.leaves(forward), strict=True):
        np.testing.assert_allclose(one, weight @ all_samples, rtol=1e-8)


# what was published is z itself, not divided by the measurement far from resonance


@pytest.mark.exhaustive
def test_every_case_lies_inside_the_published_cluster(experiment, reference_data):
    tolerances = np.genfromtxt(reference_data("cest/bmsim_S01/consensus_tolerances.csv"), delimiter=",", names=True)
    for case in (1, 2, 3, 5, 7):
        sequence, tissue, engine, reference = experiment(f"bmsim_case{case}")
        published = np.genfromtxt(reference_data(f"cest/bmsim_S01/case{case}_Z.csv"), delimiter=",", names=True)
        z = mr.simulate(sequence, tissue, engine).real
        here = np.array([np.argmin(abs(reference["offsets_ppm"] - ppm)) for ppm in published["offset_ppm"]])
        cluster = tolerances["main_cluster_max_dZ"][tolerances["case"] == case].item()
        np.testing.assert_allclose(z[here], published["Z"], rtol=0, atol=cluster, err_msg=f"case {case}")


def test_case_3_with_the_delay_of_its_pulses_is_the_published_spectrum(experiment, reference_data):
    sequence, tissue, engine, reference = experiment("bmsim_case3", plays_rf_delay=True)
    published = np.genfromtxt(reference_data("cest/bmsim_S01/case3_Z.csv"), delimiter=",", names=True)
    z = mr.simulate(sequence, tissue, engine).real
    here = np.array([np.argmin(abs(reference["offsets_ppm"] - ppm)) for ppm in published["offset_ppm"]])
    np.testing.assert_allclose(z[here], published["Z"], rtol=0, atol=1e-6)
