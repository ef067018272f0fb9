"""The picture of a phase distribution graph."""

import jax.numpy as jnp
import numpy as np
import pytest

import mrjax as mr


def test_every_state_is_a_dot_at_what_winds_it_and_the_strongest_lie_on_top():
    train = mr.protocols.cpmg(jnp.full(4, 2.0), echo_spacing=10e-3)
    engine = mr.PDG(1e-2).with_graph(train, mr.Tissue(1.0, 0.1, t2_prime=0.03))
    axes = mr.plot.phase_graph(engine, by="time")
    _, dots = axes.collections[:2]
    assert len(dots.get_offsets()) == engine.graph.count.sum()
    # halves of an echo spacing
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 1] % 5, 0, atol=1e-9)
    assert np.all(np.diff(dots.get_array()) >= 0)


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="`engine` must have a graph to draw"):
        mr.plot.phase_graph(mr.PDG())
