"""Whatever could run what a file says is named here with the reason why it does not; anything else fails."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import recbole

import recbole_kd

OURS, THEIRS = (Path(package.__file__).parent for package in (recbole_kd, recbole))

MODULES = {"pickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "subprocess", "runpy", "ctypes", "torch.hub"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    *("torch.load", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.memmap"),
    *("pd.read_pickle", "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load", "import_module"),
    *("importlib.import_module", "os.system", "os.popen", "os.execv", "os.execve", "os.spawnv", "np.fromregex"),
}
# Names under which a file imports one of the calls: from torch.serialization import load
FROM = {("torch.serialization", "load"), ("torch", "load"), ("numpy", "load"), ("yaml", "load"), ("os", "system")}

WEIGHTS_ONLY = "weights_only=True, after the archive's checksums were compared"
LENT = "bridge.no_pickles lends it a torch.load that opens tensors and plain values only"
OF_OTHERS = "of models that are not general recommenders, which are never built here"
OWN_NAMES = "a module of this package, by a name in the code"
NEVER_CALLED = "bridge overrides what calls it, or nothing here does"

ALLOWED = {
    "__init__.py": {"import_module": OWN_NAMES},
    "bridge/lightly.py": {"import_module": "modules of RecBole and three other libraries, by names in the code"},
    "bridge/checkpoint.py": {
        "import pickle": "only for the name of the exception that PyTorch's safe loader raises",
        "from torch.serialization import load": WEIGHTS_ONLY,
    },
    "bridge/inside_recbole.py": {"importlib.import_module": "ray.tune, by its name in the code"},
    "bridge/no_pickles.py": {
        "import pickle": "only for the name of the exception that PyTorch's safe loader raises",
        "np.load": "it is taken to be replaced by one with allow_pickle=False",
        "torch.load": "it is taken to be replaced by one with weights_only=True",
    },
    "bridge/recbole_checkpoint.py": {"read_pickle": "foundation.pickles, which imports and calls nothing"},
    "bridge/properties.py": {"yaml.load": "with a SafeLoader, files of the two packages alone"},
    "bridge/written_values.py": {"yaml.load": "with a subclass of SafeLoader"},
    "cli/__init__.py": {"import_module": OWN_NAMES},
    "data/convert/sparse_pickles.py": {"read_pickle": "foundation.pickles, with a list of what may be named"},
    "data/content/lite0.py": {"from torch.serialization import load": "weights_only=True"},
    "experiments/compare/execute.py": {
        "import subprocess": "our own module by this interpreter with -P, no shell; what it does goes through a pipe"
    },
    "foundation/allocator.py": {"import ctypes": "two numbers for the allocator of the C library that is loaded"},
    "foundation/npy.py": {"np.load": "allow_pickle=False, after the header was read by hand"},
    "foundation/pickles.py": {
        "import pickle": "an Unpickler whose find_class makes records; every pickle is measured before",
        "pickle.Unpickler": "its find_class imports nothing",
    },
    "foundation/registry.py": {
        "import_module": "modules of this package; those of others are loaded where the user names or installs them"
    },
    "foundation/user_classes.py": {
        "import_module": "a module that the user names on the command line; a name from a file never comes here"
    },
}

OF_RECBOLE = {
    "config/configurator.py": {
        "eval": "overridden: KDConfig reads values as literals",
        "yaml.load": "with RecBole's subclass of FullLoader: PyYAML 5.4 and newer run nothing with it",
    },
    "data/dataset/dataset.py": {
        "import pickle": "save() only, which save_dataset asks for, and that key is refused",
        "yaml.load": "the wheel's own url.yaml",
    },
    "data/utils.py": {
        "import pickle": "create_dataset is never called, and load_split_dataloaders is replaced during the one call",
        "pickle.load": "create_dataset is never called, and load_split_dataloaders is replaced during the one call",
        "importlib.import_module": NEVER_CALLED,
    },
    "model/context_aware_recommender/kd_dagfm.py": {"eval": OF_OTHERS, "torch.load": OF_OTHERS},
    "model/general_recommender/convncf.py": {"torch.load": LENT},
    "model/general_recommender/ldiffrec.py": {"np.load": "bridge.no_pickles lends it a np.load that unpickles nothing"},
    "model/general_recommender/nais.py": {"torch.load": LENT},
    "model/general_recommender/neumf.py": {"torch.load": LENT},
    "model/general_recommender/ract.py": {"torch.load": LENT},
    "model/sequential_recommender/s3rec.py": {"torch.load": OF_OTHERS},
    "quick_start/quick_start.py": {"torch.load": "never imported: it asks for ray"},
    "trainer/hyper_tuning.py": {"eval": NEVER_CALLED},
    "trainer/trainer.py": {
        "__import__": "xgboost and lightgbm, by names in the code",
        "torch.load": "overridden in evaluate, and resume_checkpoint is never called",
    },
    "utils/utils.py": {"importlib.import_module": "recbole.trainer by its name; get_model is never called"},
}


def uses(source: str) -> Iterator[str]:
    """What a file imports or mentions of all that could run a file's content."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if name.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                f"from {node.module} import {name.name}"
                for name in node.names
                if (node.module, name.name) in FROM or (node.module or "").split(".")[0] in MODULES
            )
        elif isinstance(node, ast.Attribute | ast.Name):
            name = dotted(node)
            if name in CALLS or (isinstance(node, ast.Name) and name in BUILTINS):
                yield name
            elif name.endswith("read_pickle"):
                yield "read_pickle"


def dotted(node: ast.expr) -> str:
    """``np.load`` of the expression."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


@pytest.mark.parametrize(("folder", "allowed"), [(OURS, ALLOWED), (THEIRS, OF_RECBOLE)], ids=["ours", "RecBole's"])
def test_every_use_is_named_with_its_reason(folder, allowed):
    found = {
        path.relative_to(folder).as_posix(): names
        for path in folder.rglob("*.py")
        if (names := set(uses(path.read_text(encoding="utf-8"))))
    }
    assert found == {path: set(reasons) for path, reasons in allowed.items()}
    assert all(reason for reasons in allowed.values() for reason in reasons.values())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import pickle", ["import pickle"]),
        ("from subprocess import run", ["from subprocess import run"]),
        ("x = np.load(p, allow_pickle=True)", ["np.load"]),
        ("f = torch.load", ["torch.load"]),
        ("from torch import load", ["from torch import load"]),
        ("eval('1')", ["eval"]),
        ("model.eval()", []),
        ("re.compile('x')", []),
        ("ast.literal_eval('x')", []),
    ],
)
def test_what_the_walk_sees(source, expected):
    assert list(uses(source)) == expected


@pytest.mark.parametrize(
    ("call", "keyword", "value"),
    [("read_tensors", "weights_only", True), ("np.load", "allow_pickle", False)],
)
def test_our_calls_say_that_they_are_safe(call, keyword, value):
    calls = [
        node
        for path in OURS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and dotted(node.func) == call
    ]
    assert calls
    for node in calls:
        given = {word.arg: word.value for word in node.keywords}
        assert isinstance(given[keyword], ast.Constant)
        assert given[keyword].value is value


def test_a_process_is_started_without_the_working_folder_and_without_a_shell():
    tree = ast.parse((OURS / "experiments/compare/execute.py").read_text(encoding="utf-8"))
    (call,) = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func) == "subprocess.Popen"
    ]
    assert [getattr(word, "value", None) for word in call.args[0].elts][1:3] == ["-P", "-m"]
    assert "shell" not in {word.arg for word in call.keywords}
