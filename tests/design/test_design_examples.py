"""The designs of `examples/design`, small: each finds a better experiment, and fits to noise agree."""

import importlib.util
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "design"


@pytest.mark.exhaustive
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_a_design_is_better_and_fits_agree(file, capsys):
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    result = module.main(["--quick"])
    predicted, found = map(float, re.findall(r"by (\d+\.\d+)", capsys.readouterr().out.splitlines()[-1]))
    assert predicted == pytest.approx(result.factor, abs=1e-3)
    assert predicted > 1.3
    assert found == pytest.approx(predicted, rel=0.1)
