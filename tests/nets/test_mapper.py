import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from faceimit.errors import InputError
from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL, PARTS
from faceimit.nets.mapper import ControlMapper, ControlValues, check_controls, load_mapper, pack_mapper
from faceimit.nets.packed import pack

SMALL = {"size": 64, "width": 16, "channels": 2, "hidden": 8}


def crops(count=2, side=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return ControlMapper(**SMALL).eval()


@pytest.mark.parametrize("backbone", ["compact", "resnet10", "mobilenet_v3_small"])
@pytest.mark.parametrize(("size", "side"), [(64, 64), (96, 80)])
def test_any_backbone_and_any_crop_give_30_deviations(backbone, size, side):
    output = ControlMapper(backbone, **SMALL | {"size": size}).eval()(crops(side=side))
    assert output.deviations.shape == (2, len(NAMES))
    assert output.features.shape == (2, 8 * len(PARTS))


def test_zero_output_is_neutral_and_values_keep_to_the_ranges(net):
    quiet = ControlMapper(**SMALL).eval().requires_grad_(False)
    for head in quiet.heads.values():
        torch.nn.init.zeros_(head.out.weight)
    values = ControlValues(quiet)(crops())
    assert values.numpy() == pytest.approx(np.tile(NEUTRAL, (2, 1)), abs=1e-5)
    for head in quiet.heads.values():
        torch.nn.init.constant_(head.out.bias, 9.0)
    assert ControlValues(quiet)(crops())[0].numpy() == pytest.approx(HIGH)
    for head in quiet.heads.values():
        torch.nn.init.constant_(head.out.bias, -9.0)
    assert ControlValues(quiet)(crops())[0].numpy() == pytest.approx(LOW)


def test_a_head_moves_its_own_controls_and_no_other(net):
    before = net(crops()).deviations
    for part, columns in PARTS.items():
        with torch.no_grad():
            net.heads[part].out.bias += 1.0
        change = net(crops()).deviations - before
        with torch.no_grad():
            net.heads[part].out.bias -= 1.0
        expected = torch.zeros_like(change)
        expected[:, list(columns)] = 1.0
        assert torch.allclose(change, expected, atol=1e-5)


def test_light_moves_no_servo_and_floats_are_as_bytes(net):
    pictures = crops() // 2
    brighter = pictures.float() * 1.6 + 20
    assert torch.allclose(net(pictures).deviations, net(brighter).deviations, atol=1e-3)
    assert torch.allclose(net(pictures).deviations, net(pictures.float()).deviations, atol=1e-6)


def test_weights_file_round_trip(net, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(pack_mapper(net, SMALL, half=False))
    assert torch.equal(load_mapper(path)(crops()).deviations, net(crops()).deviations)
    path.write_bytes(pack_mapper(net, SMALL))
    assert torch.allclose(load_mapper(path)(crops()).deviations, net(crops()).deviations, atol=1e-2)


def test_other_controls_are_refused_by_name(net, tmp_path):
    others = ["Tail Wag" if name == "Nose Wrinkle" else name for name in NAMES]
    with pytest.raises(InputError, match=r"Tail Wag.*Nose Wrinkle"):
        check_controls(others)
    with pytest.raises(InputError, match=r"Jaw Pitch at 14 instead of 13"):
        check_controls([*NAMES[:13], NAMES[14], NAMES[13], *NAMES[15:]])
    state = net.state_dict() | {"_extra_state": {"controls": others}}
    with pytest.raises(InputError, match="Tail Wag"):
        ControlMapper(**SMALL).load_state_dict(state)
    path = tmp_path / "a.safetensors"
    path.write_bytes(pack(net.state_dict(), {"format": "faceimit-mapper-1", "arguments": SMALL, "controls": others}))
    with pytest.raises(InputError, match="Tail Wag"):
        load_mapper(path)


def test_bad_files_are_refused(net, tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match="cannot read"):
        load_mapper(path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a weights file"):
        load_mapper(path)
    whole = pack_mapper(net, SMALL)
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="damaged"):
        load_mapper(path)
    path.write_bytes(save(load(whole)))
    with pytest.raises(InputError, match="not a weights file"):
        load_mapper(path)
    path.write_bytes(pack(net.state_dict(), {"format": "faceimit-landmarks-1"}))
    with pytest.raises(InputError, match="faceimit-landmarks-1"):
        load_mapper(path)
    path.write_bytes(pack_mapper(net, SMALL | {"width": 24}))
    with pytest.raises(InputError, match="another network"):
        load_mapper(path)


def test_a_size_that_leaves_no_grid_is_refused():
    with pytest.raises(InputError, match="got 100"):
        ControlMapper(size=100)


def test_it_exports(net):
    program = torch.export.export(ControlValues(net), (crops(),))
    assert torch.allclose(program.module()(crops(seed=1)), net.values(crops(seed=1)), atol=1e-4)
