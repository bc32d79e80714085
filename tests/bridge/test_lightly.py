"""RecBole without what it asks for: a stand-in does what the real thing does, and is gone from where it was put."""

import json

import numpy as np
import pytest
from sklearn import metrics as real

from recbole_kd.bridge import lightly
from tests.processes import python

CODE = """
import json, sys
import recbole_kd.bridge.recbole
before = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
import numpy as np
from recbole.evaluator import metrics
found = float(metrics.sk_auc(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.8, 1.0])))
import sklearn.exceptions, sklearn.metrics, texttable, torch.utils.tensorboard
homes = [sklearn.exceptions.ConvergenceWarning, sklearn.metrics.auc, texttable.Texttable]
homes = [one.__module__.split(".")[0] for one in [*homes, torch.utils.tensorboard.SummaryWriter]]
print(json.dumps([before, found, homes]))
"""


def test_nothing_is_left_of_the_stand_ins_and_they_call_the_real_things():
    before, found, homes = json.loads(python("-c", CODE, json.dumps(["sklearn", "texttable"])).stdout)
    assert before == []
    assert found == real.auc([0.0, 0.5, 1.0], [0.0, 0.8, 1.0]) == pytest.approx(0.65)
    assert homes == ["sklearn", "sklearn", "texttable", "torch"]


def test_what_is_taken_from_a_stand_in_calls_the_real_thing():
    module = lightly._StandIn("sklearn.metrics")
    values = np.array([1.0, 2.0]), np.array([1.0, 4.0])
    assert module.mean_squared_error(*values) == real.mean_squared_error(*values) == 2.0
    with pytest.raises(AttributeError):
        module.__path__  # noqa: B018 - a module that is no package


def test_one_that_is_there_already_is_not_replaced():
    with lightly._in_place(lightly._StandIn("sklearn.metrics")):
        import sklearn.metrics

        assert sklearn.metrics is real
