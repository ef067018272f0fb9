"""The designs of `examples/design`, small: each finds a better experiment, and fits to noise agree where it is of precision."""

import importlib.util
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "design"


OF_PRECISION = [file for file in sorted(FOLDER.glob("*.py")) if "mr.design.crlb" in file.read_text()]


def played(file, arguments=("--quick",)):
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
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
