from recbole_kd.experiments.results.row import Row


def test_which_trainings_were_cut_short():
    stages = {1: {"at_epoch_limit": True}, 2: {"at_epoch_limit": False}, 3: {"at_epoch_limit": None}, 4: {}}
    assert Row("BPR", "model", stages).at_epoch_limit == [1]
