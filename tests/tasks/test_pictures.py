import numpy as np

from faceimit.tasks.pictures import flow_colours


def test_no_motion_is_white_and_opposite_directions_differ():
    flow = np.zeros((2, 4, 4), dtype=np.float32)
    flow[0, 0, 0], flow[0, 0, 1] = 2.0, -2.0
    colours = flow_colours(flow, largest=2.0)
    assert (colours[3, 3] == 255).all()
    assert (colours[0, 0] != colours[0, 1]).any()
    assert colours[0, 0].min() == 0  # full saturation
