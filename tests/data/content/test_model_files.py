import json

import pytest

from recbole_kd.data.content import model_files
from recbole_kd.data.content.model_files import carried_folder, check_model, find_folder, identity_of
from recbole_kd.foundation.digest import sha256_of
from recbole_kd.foundation.errors import UserError

MODULES = [{"type": "sentence_transformers.models.Transformer", "path": ""}]
MODULES += [{"type": "sentence_transformers.sentence_transformer.modules.Pooling", "path": "1_Pooling"}]


@pytest.fixture
def model(tmp_path):
    """The files of a model, with nothing in them."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "modules.json").write_text(json.dumps(MODULES))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_plain_model(model):
    check_model(model, "m")
    (model / "modules.json").unlink()
    check_model(model, "m")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"config.json": None, "modules.json": None}, "has no config.json"),
        ({"config.json": {"auto_map": {"AutoModel": "code.Model"}}}, "brings code of its own"),
        ({"config.json": "{"}, "config.json is no JSON"),
        ({"modules.json": "[" * 100_000}, "modules.json is no JSON"),
        ({"adapter_config.json": {}}, "is an adapter of another model"),
        ({"model.safetensors": None, "pytorch_model.bin": "x"}, "no weights in safetensors"),
        ({"modules.json": [{"type": "os.system", "path": ""}]}, "has a part 'os.system'"),
        ({"modules.json": [{"type": "mine.Transformer", "path": ""}]}, "has a part 'mine.Transformer'"),
        ({"modules.json": [{"type": "sentence_transformers.models.CLIPModel", "path": ""}]}, "CLIPModel"),
        ({"modules.json": ["x"]}, "has a part ''"),
        ({"modules.json": [{**MODULES[0], "path": "../../x"}]}, "leads out of its folder"),
        ({"modules.json": [{**MODULES[0], "path": "/etc"}]}, "leads out of its folder"),
        ({"modules.json": [{**MODULES[0], "path": "0_T"}]}, "no weights in safetensors in"),
    ],
)
def test_what_is_not_plain(model, changes, says):
    for name, content in changes.items():
        if content is None:
            (model / name).unlink()
        else:
            (model / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError, match=says):
        check_model(model, "m")


@pytest.mark.parametrize(("activation", "refused"), [("torch.nn.modules.activation.Tanh", False), ("os.system", True)])
def test_the_activation_of_a_layer_is_no_name_from_anywhere(model, activation, refused):
    dense = model / "2_Dense"
    dense.mkdir()
    (dense / "config.json").write_text(json.dumps({"activation_function": activation}))
    (dense / "model.safetensors").write_bytes(b"more")
    (model / "modules.json").write_text(
        json.dumps([*MODULES, {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    )
    if refused:
        with pytest.raises(UserError, match=r"activation 'os\.system'"):
            check_model(model, "m")
    else:
        check_model(model, "m")


def test_an_identity_is_that_of_the_files(model):
    before = identity_of(model, "m")
    assert before.weights == sha256_of(b"weights")
    (model / "README.md").write_text("not read")
    assert identity_of(model, "m") == before
    (model / "config.json").write_text("{}")
    assert identity_of(model, "m").weights == before.weights
    assert identity_of(model, "m").files != before.files


def test_where_a_model_is(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_folder("model") == model.relative_to(tmp_path)
    with pytest.raises(UserError, match="is a file; give the folder"):
        find_folder("model/config.json")
    with pytest.raises(UserError, match="no folder, no installed package that carries a model, and no owner/name"):
        find_folder("modle")
    with pytest.raises(UserError, match="no folder"):
        find_folder("./gone/model")


def test_a_package_is_not_imported_for_its_files(model, monkeypatch):
    class File:
        def __init__(self, path):
            self.name, self._path = path.name, path

        def locate(self):
            return self._path

    monkeypatch.setattr(model_files.metadata, "files", lambda name: [File(path) for path in sorted(model.iterdir())])
    assert carried_folder("anything") == model
    monkeypatch.undo()
    assert carried_folder("pytest") is None
    assert carried_folder("no-such-package") is None
    assert carried_folder("") is None
