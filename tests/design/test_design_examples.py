"""The designs of `examples/design`, small: each finds a better experiment, and fits to noise agree where it is of precision."""

import importlib.util
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "design"


WITH_A_NETWORK = FOLDER / "inversion_times_with_a_network.py"
BY_THE_BOUND = [file for file in sorted(FOLDER.glob("*.py")) if "mr.design.crlb" in file.read_text()]
OF_PRECISION = [file for file in BY_THE_BOUND if file != WITH_A_NETWORK]


def imported(file):
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def played(file, arguments=("--quick",)):
    module = imported(file)
    return module, module.main(list(arguments))


@pytest.mark.exhaustive
@pytest.mark.parametrize("file", OF_PRECISION, ids=lambda file: file.stem)
def test_a_design_is_better_and_fits_agree(file, capsys):
    _, result = played(file)
    predicted, found = map(float, re.findall(r"by (\d+\.\d+)", capsys.readouterr().out.splitlines()[-1]))
    assert predicted == pytest.approx(result.factor, abs=1e-3)
    assert predicted > 1.3
    assert found == pytest.approx(predicted, rel=0.1)


@pytest.mark.exhaustive
def test_an_inversion_forgives_what_a_block_of_its_power_does_not(capsys):
    played(FOLDER / "robust_inversion.py", arguments=())
    block, designed = (float(line.rpartition(", ")[2].split()[0]) for line in capsys.readouterr().out.splitlines())
    assert block > -0.2
    assert designed < -0.8


@pytest.mark.exhaustive
def test_little_power_gives_the_image_of_much(capsys):
    """MRzero's task prints a relative power of about 0.19."""
    played(FOLDER / "low_power_echoes.py")
    power, error, unseen = map(float, re.findall(r"(0\.\d+)", capsys.readouterr().out.splitlines()[-1]))
    assert power < 0.22
    assert max(error, unseen) < 0.2


@pytest.mark.exhaustive
def test_times_learned_with_a_network_are_better_by_network_bound_and_fits():
    """At equal time; T1 from the learned network, which knows of no bound, and by least squares, which know of no network."""
    module, result = played(WITH_A_NETWORK, arguments=())
    assert sum(float(times.sum()) for times in result.best.values()) < module.TOTAL * (1 + 1e-6)
    for start, learned in result.deviations.values():
        assert learned < 0.95 * start
    bound, fits = result.deviations["bound"], result.deviations["fits"]
    assert fits == pytest.approx(bound, rel=0.03)


@pytest.mark.exhaustive
def test_points_of_several_channels_excite_evenly_within_the_limits(capsys):
    """Of a circularly polarised mode at 7 T 20 to 30 percent are reported, of kT-points less than 10."""
    _, variation = played(FOLDER / "parallel_transmission.py")
    assert 0.18 < variation["circularly polarised"] < 0.3
    assert variation["static shim"] < variation["circularly polarised"] + 0.01
    assert variation["5 kT-points"] < 0.1
    shares = [float(share) for share in re.findall(r"(?:b1|sar) (\d\.\d+)", capsys.readouterr().out)]
    assert len(shares) == 9
    assert max(shares) <= 1.0


PULSES = FOLDER / "pulses_by_a_network.py"


def test_pulses_for_small_angles_are_what_is_wanted():
    """Where angles are small, least squares is right, and the gradients give back what they wind."""
    module = imported(PULSES)
    slabs = {"middle": jnp.array([[4e-3, 0.0]]), "width": jnp.full((1, 2), 12e-3), "angle": jnp.array([[0.05, 0.0]])}
    candidates = module.for_small_angles(np.asarray(module.angles_at(slabs, module.PLACES)[0]))
    errors = module.errors(candidates, module.repeated(slabs, len(module.PLATEAUS)), module.BETWEEN)
    assert float(jnp.min(errors)) < 0.05**2


def test_what_a_network_plays_is_within_the_limits(rng):
    module = imported(PULSES)
    wild = {name: jnp.asarray(30 * rng.normal(size=module.N)) for name in ("real", "imaginary", "slew")}
    pulse = module.played(wild)
    assert float(jnp.abs(pulse.waveforms).max()) <= module.MAX_B1
    assert float(jnp.abs(pulse.gradient).max()) <= module.MAX_GRADIENT
    assert float(jnp.abs(jnp.diff(pulse.gradient, axis=0)).max()) <= module.MAX_SLEW * module.DT * (1 + 1e-9)


@pytest.mark.exhaustive
def test_a_network_learns_to_design_pulses(capsys):
    """A minute of training at most: from an error of all to less than half, and a search goes on from there."""
    _, errors = played(PULSES)
    assert errors["network"].mean() < 0.6
    assert errors["searched from network"].mean() < errors["network"].mean()
    assert "ms for a pulse" in capsys.readouterr().out


def test_images_of_an_inversion_recovery_follow_the_closed_form():
    module = imported(WITH_A_NETWORK)
    times, t1 = {"inversion_time": [0.2, 1.0], "recovery": [0.6, 2.0]}, np.array([0.4, 1.3])
    images = module.images_of({name: jnp.array(value) for name, value in times.items()})(
        {"t1": jnp.asarray(t1), "m0": 2 * jnp.ones(2)}
    )
    recovered = np.stack([np.ones(2), 1 - np.exp(-0.6 / t1)], axis=1)  # the first begins in equilibrium
    wanted = 2 * (1 - (1 + recovered) * np.exp(-np.array(times["inversion_time"]) / t1[:, None]))
    np.testing.assert_allclose(images, wanted, rtol=1e-10)
