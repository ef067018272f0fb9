"""What `import mrjax` brings, and what waits until it is asked for."""

import subprocess
import sys

import pytest

import mrjax as mr

THIRD_PARTY = (
    "matplotlib",
    "diffrax",
    "scipy",
    "flax",
    "optax",
    "orbax",
    "nibabel",
    "yaml",
    "rich",
    "optimistix",
    "lineax",
)
SIMULATION = """
train = mr.Repeat(mr.Pulse(0.3), mr.Delay(5e-3), mr.Sample(), mr.Delay(5e-3), mr.Spoil(), n_repetitions=10)
mr.simulate(train, mr.Tissue(t1=1.0, t2=0.1), mr.EPG())
"""
HELP = """
from mrjax.cli import main
try:
    main({arguments})
except SystemExit:
    pass
"""


def imported_by(code: str) -> list[str]:
    """The modules that a Python of its own holds after `import mrjax` and some code."""
    command = f"import sys\nimport mrjax as mr\n{code}\nprint('modules', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "code", ["", SIMULATION, HELP.format(arguments=["--help"])], ids=["import", "simulate", "help"]
)
def test_nothing_is_imported_that_is_not_used(code):
    modules = imported_by(code)
    # not even that of jax, which asks SciPy for nothing until one of its functions is used
    assert not {name.partition(".")[0] for name in modules} & set(THIRD_PARTY)
    assert "mrjax.physics.epg.engine" in modules
    assert not {"mrjax.physics.pools.engine", "mrjax.physics.isochromats.engine", "mrjax.pulseq"} & set(modules)


def test_help_of_a_command_imports_what_it_says_alone():
    modules = imported_by(HELP.format(arguments=["fit", "--help"]))
    assert {"mrjax.cli.fit", "rich"} <= set(modules)  # progress bars
    assert not {name.partition(".")[0] for name in modules} & (set(THIRD_PARTY) - {"rich"})
    assert not {"mrjax.cli.cest", "mrjax.pulseq"} & set(modules)


def test_every_command_has_its_own_help(capsys):
    from mrjax.cli import COMMANDS, main

    for name in (name for of_module in COMMANDS.values() for name in of_module):
        with pytest.raises(SystemExit):
            main([name, "--help"])
        assert f"usage: mrjax {name} [-h]" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out
    assert all(f"    {name} " in listed for of_module in COMMANDS.values() for name in of_module)


@pytest.mark.parametrize(
    ("use", "brings"),
    [
        ("mr.nn.BlochDecoder", "flax"),
        ("mr.plot.signal_curves", "matplotlib"),
        ("mr.BlochODE()", "diffrax"),
        ("mr.propagation.ODE()", "diffrax"),
        ("mr.io.read_pools", "yaml"),
        ("from mrjax import plot", "matplotlib"),
        ("from mrjax.physics import BlochMcConnell", "mrjax.physics.pools.engine"),
    ],
)
def test_what_is_used_is_imported(use, brings):
    assert brings in imported_by(use)


def test_names_that_wait_are_listed():
    rooms = {"encoding", "inverse", "io", "nn", "phantoms", "plot", "protocols", "pulseq", "reconstruction", "signals"}
    assert rooms | {"synthesis", "zoo", "BlochMcConnell", "BlochODE", "Isochromats", "propagation", "simulate"} <= set(
        dir(mr)
    )
    assert {"BlochODEState", "BlochMcConnellState"} <= set(dir(mr.physics))
    assert {"PoolFile", "read_pools", "read_grid", "read_nifti"} <= set(dir(mr.io))
    assert all(getattr(mr, name) is not None for name in dir(mr))


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'mrjax' has no attribute 'nerves'"):
        mr.nerves  # noqa: B018
    with pytest.raises(AttributeError, match=r"'mrjax' has no attribute 'plott'\. Did you mean `plot`\?"):
        mr.plott  # noqa: B018
    with pytest.raises(AttributeError, match=r"Did you mean `BlochODEState`\?"):
        mr.physics.BlochODEstat  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nerves'"):
        from mrjax import nerves  # noqa: F401
