import pytest
import torch

from faceimit.metrics.flow_chain import chained_flow


def test_chain_of_translations():
    flow = torch.zeros(5, 2, 16, 16)
    flow[1:, 0] = torch.tensor([1.0, 2.0, -0.5, 0.25]).view(4, 1, 1)
    hidden = torch.zeros(5, 16, 16, dtype=torch.bool)
    total, visible = chained_flow(flow, hidden, 3)
    assert total.shape == (2, 2, 16, 16)
    torch.testing.assert_close(total[0, 0], torch.full((16, 16), 2.5))
    torch.testing.assert_close(total[1, 0], torch.full((16, 16), 1.75))
    assert visible[:, :, :12].all()
    assert not visible[0, :, 15].any()  # 2.5 px to the right of the last column


def test_chain_remembers_what_was_hidden_on_the_way():
    flow = torch.zeros(3, 2, 8, 8)
    flow[2, 0] = 1  # frame 2 pixel x was at x + 1 in frame 1
    hidden = torch.zeros(3, 8, 8, dtype=torch.bool)
    hidden[1, 4, 4] = True
    _, visible = chained_flow(flow, hidden, 2)
    assert not visible[0, 4, 3]
    assert visible[0, 4, 5]


def test_gap_must_fit():
    with pytest.raises(ValueError, match="expected gap"):
        chained_flow(torch.zeros(3, 2, 4, 4), torch.zeros(3, 4, 4, dtype=torch.bool), 3)
