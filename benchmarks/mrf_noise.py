"""How large are the errors of matching, networks and refinement against noise, and how far from the Cramér-Rao bound?

    python -m benchmarks.mrf_noise [--runs runs] [--steps 600] [--small] [--out benchmarks/results]

from the root of the repository, after `python -m benchmarks.mrf_tables`, whose trainings it takes. Fingerprints of the
brain phantom get noise with signal-to-noise ratios from 10 to 100 (root mean square of a fingerprint over the standard
deviation); drawn is the root mean square of log10 of estimate over truth, with the bound for unknown T1, T2 and scale.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from matplotlib.figure import Figure

from mrjax.nn import BlochDecoder
from mrjax.zoo import System, estimator, fingerprints, load
from mrjax.zoo.fingerprints import Estimate, FingerprintConfig, Voxels, fitted, phantom, refined
from mrjax.zoo.methods import dictionary_matching

RATIOS = (10, 18, 32, 56, 100)


def errors(estimate: Estimate, voxels: Voxels, signal: np.ndarray) -> dict[str, float]:
    """Root mean square of log10 of estimate over truth, for T1 and T2."""
    parts = [estimate(jnp.asarray(signal[i : i + 1000])) for i in range(0, len(signal), 1000)]
    found = {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in ("t1", "t2")}
    log_ratio = lambda name: np.log10(found[name] / voxels.parameters[name])
    return {name: float(np.sqrt(np.mean(log_ratio(name) ** 2))) for name in found}


def bound(decoder: BlochDecoder, voxels: Voxels, signal: np.ndarray, ratio: float) -> dict[str, float]:
    """The Cramér-Rao bound of the same number: the standard deviations of a fit that begins at the truth."""
    truth = {name: jnp.asarray(value) for name, value in voxels.parameters.items()}
    deviation = 1 / (ratio * np.sqrt(signal.shape[-1]))
    fit = jax.jit(lambda s, start: fitted(decoder, s, start, 1, deviation))(jnp.asarray(signal), truth)
    each = {name: np.asarray(fit.standard_deviation[name]) / np.log(10) for name in ("t1", "t2")}
    return {name: float(np.sqrt(np.mean(value**2))) for name, value in each.items()}


def drawn(results: dict[str, dict[str, list[float]]]) -> Figure:
    """T1 and T2 side by side, a line for each method."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("t1", "t2"), strict=True):
        for method, by_name in results.items():
            style = {"color": "black", "linestyle": "--"} if method == "Cramér-Rao bound" else {"marker": "o"}
            axes.loglog(RATIOS, by_name[name], label=method, **style)
        axes.set_xlabel("signal-to-noise ratio of a fingerprint")
        axes.set_title(f"T{name[1]}")
        axes.set_xticks(RATIOS, [str(ratio) for ratio in RATIOS])
        axes.minorticks_off()
    figure.axes[0].set_ylabel("root mean square of log10(estimate / truth)")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where mrf_tables kept its trainings")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--small", action="store_true", help="fewer voxels and no dictionary")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    voxels = phantom(draws=1, slices=(44,), shape=(24, 24) if options.small else (64, 64))
    decoder = fingerprints.fisp_decoder(FingerprintConfig())
    clean = voxels.signals(decoder)
    network = lambda method: estimator(*_trained(options.runs / f"table1_{method}_0_{options.steps}"))
    methods = {"FC": network("FC"), "DRONE": network("DRONE"), "BlochNet": network("BlochNet")}
    if not options.small:
        methods["dictionary matching"] = dictionary_matching.estimator(FingerprintConfig())
    methods["BlochNet, refined"] = refined(methods["BlochNet"], decoder)
    results = {name: {"t1": [], "t2": []} for name in [*methods, "Cramér-Rao bound"]}
    for i, ratio in enumerate(RATIOS):
        signal = np.asarray(fingerprints.noisy(jax.random.key(i), jnp.asarray(clean), ratio))
        found = {name: errors(estimate, voxels, signal) for name, estimate in methods.items()}
        found["Cramér-Rao bound"] = bound(decoder, voxels, clean, ratio)
        for name, by_name in found.items():
            for key, value in by_name.items():
                results[name][key].append(value)
        print(ratio, {name: f"{value['t2']:.4f}" for name, value in found.items()}, flush=True)
    known = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, "ratios": RATIOS, "results": results}
    (options.out / "mrf_noise.json").write_text(json.dumps(known, indent=1))
    drawn(results).savefig(options.out / "mrf_noise.png", dpi=150)


def _trained(folder: Path) -> tuple[System, nnx.Module]:
    system, _, network = load(folder)
    return system, network


if __name__ == "__main__":
    main()
