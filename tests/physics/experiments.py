"""Sequences that between them use every event and every effect; shared by the tests of the engines."""

import jax.numpy as jnp
import numpy as np

import mrjax as mr

VOXEL_SIZE = 1e-4  # m, so that diffusion matters


def tissue(**changes) -> mr.Tissue:
    """Three voxels with every effect that both engines know."""
    parameters = {
        "t1": jnp.array([0.3, 0.9, 2.5]),
        "t2": jnp.array([0.04, 0.1, 0.6]),
        "m0": jnp.array([1.0, 0.7, 2.0]),
        "off_resonance": jnp.array([-12.0, 4.0, 30.0]),
        "b1": jnp.array([0.8, 1.0, 1.15]),
        "diffusion": jnp.array([0.5e-9, 1e-9, 3e-9]),
    }
    return mr.Tissue(**(parameters | changes))


def every_event() -> mr.Sequence:
    """All events, nested repeats, leaves that change with the inner, the outer or no repetition, orders of both signs."""
    angles = jnp.linspace(0.3, 1.1, 6).reshape(2, 3)
    return mr.Sequence(
        mr.Pulse(jnp.pi * 0.9, phase=0.3),
        mr.Dephase(2, duration=1e-3),
        mr.Delay(15e-3),
        mr.Repeat(
            mr.Delay(jnp.array([2e-3, 5e-3])),
            mr.Repeat(
                mr.Pulse(angles, phase=jnp.array([0.1, -0.4, 2.0])),
                mr.Delay(jnp.array([[3e-3], [4e-3]])),
                mr.Sample(phase=angles),
                mr.Dephase(1, duration=jnp.array([1e-3, 0.0, 2e-3])),
                mr.Pulse(0.8, phase=1.2),
                mr.Dephase(-2),
            ),
            mr.Sample(),
        ),
        mr.Spoil(),
        mr.Pulse(0.5),
        mr.Sequence(mr.Delay(2e-3), mr.Sample(phase=0.2)),
    )


def protocols() -> dict[str, mr.Sequence]:
    """Every protocol, at sizes a test can afford."""
    flip_angle, tr = mr.protocols.published_fisp_schedule()
    return {
        "spin_echo": mr.protocols.spin_echo(te=[0.02, 0.08]),
        "spin_echo with tr": mr.protocols.spin_echo(te=[0.02, 0.08], tr=[1.0, 2.0]),
        "inversion_recovery": mr.protocols.inversion_recovery([0.1, 1.0], inversion_angle=[3.0, 2.5]),
        "spgr": mr.protocols.spgr(np.linspace(0.1, 0.4, 60), tr=0.01, te=0.003, n_repetitions=60),
        "spgr, ideal": mr.protocols.spgr(0.3, tr=0.01, te=0.003, n_repetitions=60, phase_increment=None),
        "bssfp": mr.protocols.bssfp(0.7, tr=0.005, n_repetitions=100),
        "cpmg": mr.protocols.cpmg(np.linspace(2.0, 3.0, 16), echo_spacing=0.01),
        "multi_echo_gre": mr.protocols.multi_echo_gre([4e-3, 8e-3, 20e-3], flip_angle=0.5),
        "mrf_fisp": mr.protocols.mrf_fisp(flip_angle[:60], tr[:60], te=2e-3, phase=0.4, inversion_time=0.02),
    }
