"""RecBole's own keys and its models': what each may be, and the sentence about what it may not be."""

import pytest
from recbole.model.general_recommender import BPR, MultiVAE, NeuMF

from recbole_kd.bridge import properties
from recbole_kd.bridge.model_keys import settings_of_recbole
from recbole_kd.bridge.recbole_files import recommenders
from recbole_kd.bridge.run_checks import check_run, tidied
from recbole_kd.bridge.run_settings import RunSettings
from recbole_kd.bridge.written_values import literal
from recbole_kd.foundation.errors import UserError

DEFAULTS = {}
for file in (
    properties.RECBOLE_FOLDER / "overall.yaml",
    properties.RECBOLE_FOLDER / "dataset" / "sample.yaml",
    properties.FOLDER / "overall.yaml",
):
    DEFAULTS |= properties.values_of(file)
TIMED = {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}


def read(*words: str, model: type = BPR, **values) -> dict:
    """What is left of the values of a run after all checks; words are ``key=value``, as on the command line."""
    given = {key: literal(value) for key, value in (word.split("=", 1) for word in words)}
    found = tidied({**DEFAULTS, **given, **values})
    check_run(RunSettings.read(found), model)
    return found


def split(text: str, **more: str) -> str:
    rest = {"order": "RO", "group_by": "user", "mode": "full", **more}
    return f"eval_args={{split: {text}, {', '.join(f'{key}: {value}' for key, value in rest.items())}}}"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        # eval_args
        (split("{RS: [0.8, 0.2]}"), "eval_args.split=.*RS takes three shares"),
        (split("{RS: 0.8}"), "RS takes three shares"),
        (split("{RS: [0.8, 0.1, x]}"), "RS takes three shares"),
        (split("{RS: [0.8, 0.0, 0.2]}"), r"the valid\(ation\) part would be empty"),
        (split("{RS: [0.8, 0.2, 0]}"), "the test part would be empty"),
        (split("{RS: [-1, 0.2, 0.1]}"), "the training part would be empty"),
        (split("{LS: valid_only}"), "valid_only leaves no test part"),
        (split("{LS: test_only}"), "test_only leaves no validation part"),
        (split("{LS: 3}"), "write {LS: valid_and_test}"),
        (split("{XX: 3}"), "there is no split 'XX'"),
        (split("{rs: [8, 1, 1]}"), "there is no split 'rs'; did you mean RS"),
        (split("{RS: [8, 1, 1], LS: valid_and_test}"), "write one way to split"),
        (split("[0.8, 0.1, 0.1]"), "write one way to split"),
        (split("null"), "there is no split"),
        (split("{RS: [8, 1, 1]}", oder="TO"), "eval_args=.* there is no 'oder' in it.*did you mean order"),
        (split("{RS: [8, 1, 1]}", order="XO"), "eval_args.order='XO' is not valid: .*'RO' or 'TO'"),
        (split("{RS: [8, 1, 1]}", order="TO"), "column timestamp is not loaded; .*load_col"),
        (split("{TS: [8, 1, 1]}"), "column timestamp is not loaded; .*load_col"),
        (split("{RS: [8, 1, 1]}", group_by="item"), "eval_args.group_by='item' is not valid: write user, or none"),
        (split("{RS: [8, 1, 1]}", mode="ful"), "no mode 'ful'; did you mean full"),
        (split("{RS: [8, 1, 1]}", mode="uni"), "no mode 'uni'"),
        (split("{RS: [8, 1, 1]}", mode="uni0"), "no mode 'uni0'"),
        (split("{RS: [8, 1, 1]}", mode="uni1.5"), "no mode 'uni1.5'"),
        (split("{RS: [8, 1, 1]}", mode="7"), "no mode 7"),
        (split("{RS: [8, 1, 1]}", mode="{valid: full, tset: full}"), "did you mean test"),
        (split("{RS: [8, 1, 1]}", mode="{}"), "write one mode"),
        (split("{RS: [8, 1, 1]}", mode="labeled"), "mode labeled needs labels; give threshold.*LABEL_FIELD"),
        ("eval_args=full", "eval_args='full' is not valid: write it as {split:"),
        ("eval_args=[1]", "write it as {split:"),
        ("eval_args=null", "write it as {split:"),
        # columns
        ("load_col=[user_id, item_id]", r"load_col=.*say of which file: {inter: \[user_id, item_id\]}"),
        ("load_col=user_id", r"say of which file: {inter: \[user_id\]}"),
        ("load_col=7", "load_col=7 is not valid"),
        ("load_col={iter: [user_id, item_id]}", "load_col: there is no 'iter' in it.*did you mean inter"),
        ("load_col={inter: user_id}", r"write a list, as {inter: \[user_id\]}"),
        ("load_col={inter: [user_id]}", "load_col leaves out the column 'item_id'"),
        ("load_col={inter: [user_id, item]}", "leaves out the column 'item_id' .*did you mean item"),
        ("load_col={inter: [user_id, 7]}", r"load_col.inter\[1\]=7 is not valid"),
        ("load_col={inter: null}", "load_col.inter=None is not valid"),
        ("load_col={item: [item_id]}", r"load_col leaves out the .inter file"),
        ("unload_col={inter: [timestamp]}", "load_col and unload_col both name columns of the .inter file"),
        ("unused_col={intr: [timestamp]}", "unused_col: .*did you mean inter"),
        ("additional_feat_suffix=../../etc", "additional_feat_suffix=.*holds no slash"),
        ("additional_feat_suffix=[7]", "additional_feat_suffix"),
        ("benchmark_filename=[train, valid]", r"write the three parts, as \[train, valid, test\]"),
        ("benchmark_filename=[train, train, test]", "write the three parts"),
        ("benchmark_filename=train", "write the three parts"),
        ("benchmark_filename=[train, valid, ../test]", r"benchmark_filename\[2\]='../test' is not valid: .*no slash"),
        ("USER_ID_FIELD=item_id", "USER_ID_FIELD and ITEM_ID_FIELD are both 'item_id'"),
        ("USER_ID_FIELD=7", "USER_ID_FIELD=7 is not valid"),
        ("alias_of_user_id=uid", r"alias_of_user_id='uid' is not valid: write a list, as \[uid\]"),
        ("preload_weight=[a]", "preload_weight"),
        ("seq_len={image: 0}", "seq_len.image=0 is not valid"),
        ("MAX_ITEM_LIST_LENGTH=0", "MAX_ITEM_LIST_LENGTH=0 is not valid"),
        ("field_separator=::", "separated by one character"),
        ("field_separator=", "separated by one character"),
        ("seq_separator=\\t", "field_separator and seq_separator are the same"),
        ("encoding=utf9", "encoding='utf9' is not valid: Python knows no such encoding"),
        ("encoding=7", "encoding=7 is not valid: Python knows no such encoding"),
        # filters
        ("user_inter_num_interval=5", r"user_inter_num_interval=5 is not valid: write \[5,inf\)"),
        ("user_inter_num_interval=5.", r"write \[5.0,inf\)"),
        ("item_inter_num_interval=[5,inf", r"item_inter_num_interval='\[5,inf' is not valid: .*write \[5,inf\)"),
        ("item_inter_num_interval=5,inf", r"write \[5,inf\)"),
        ("item_inter_num_interval=5-10", r"write \["),
        ("item_inter_num_interval=>=4", r"write \[4,inf\)"),
        ("item_inter_num_interval=> 4", r"write \(4,inf\)"),
        ("item_inter_num_interval=<=4", r"write \(-inf,4\]"),
        ("item_inter_num_interval=≤4", r"write \(-inf,4\]"),
        ("item_inter_num_interval==4", r"write \[4,4\]"),
        ("item_inter_num_interval=[10,5]", r"it ends before it begins; write \[5,10\]"),
        ("item_inter_num_interval=[0,5);[7,6)", "it ends before it begins"),
        ("item_inter_num_interval=[0,5);x", r"an interval is written \[5,inf\)"),
        ("item_inter_num_interval=True", r"an interval is written \[5,inf\)"),
        ("item_inter_num_interval=[1,2,3]", "an interval has a bracket at each end and two numbers"),
        ("item_inter_num_interval={a: 1}", "item_inter_num_interval"),
        ("item_inter_num_interval=[nan,5]", "item_inter_num_interval"),
        ('val_interval={rating: ">=4"}', r"val_interval=.*rating: .*write \[4,inf\)"),
        ("val_interval=[4,inf)", r"write {COLUMN: "),
        ("val_interval={rating: 4}", r"rating: write \[4,inf\)"),
        ("val_interval={rating: null}", "rating has no interval"),
        ("rm_dup_inter=yes", "rm_dup_inter='yes' is not valid: .*'first' or 'last'"),
        ("rm_dup_inter=False", "rm_dup_inter=False is not valid: .*'first' or 'last'"),
        ("threshold=3", "threshold=3 is not valid: write one column .*{rating: 3}"),
        ("threshold={rating: 3, other: 2}", "write one column"),
        ("threshold={rating: high}", "threshold.rating='high' is not valid"),
        ("threshold={}", "write one column"),
        ("filter_inter_by_user_or_item=1", "filter_inter_by_user_or_item=1 is not valid"),
        ("normalize_field=rating", r"write a list, as \[rating\]"),
        ("normalize_all=yes", "normalize_all='yes' is not valid"),
        ("discretization={rating: {methd: ED}}", "discretization.rating=.*did you mean method"),
        # training
        ("train_neg_sample_args=5", "train_neg_sample_args=5 is not valid: write it as {distribution: uniform"),
        ("train_neg_sample_args={distribution: uniforn}", "train_neg_sample_args.distribution='uniforn' is not valid"),
        ("train_neg_sample_args={distribution: 7}", "train_neg_sample_args.distribution=7 is not valid"),
        ("train_neg_sample_args={sample_nun: 2}", "no 'sample_nun' in it.*did you mean sample_num"),
        ("train_neg_sample_args={sample_num: 0}", "train_neg_sample_args.sample_num=0 is not valid"),
        ("train_neg_sample_args={alpha: -1}", "train_neg_sample_args.alpha=-1 is not valid"),
        ("train_neg_sample_args={dynamic: True}", "needs candidates to choose from; set candidate_num"),
        ("train_neg_sample_args=null", "BPR learns from pairs .* needs negatives"),
        ("train_neg_sample_args={distribution: none}", "BPR learns from pairs .* needs negatives"),
        ("clip_grad_norm=5", "clip_grad_norm=5 is not valid: write it as {max_norm: 5"),
        ("clip_grad_norm={max_nrom: 5}", "did you mean max_norm"),
        ("clip_grad_norm={norm_type: 2}", "clip_grad_norm.max_norm is not set"),
        ("clip_grad_norm={max_norm: 0}", "clip_grad_norm.max_norm=0 is not valid"),
        ("transform=mask_itemseq", "transforms are of sequences"),
        ("shuffle=no", "shuffle='no' is not valid"),
        ("seed=-1", "seed=-1 is not valid: .*greater than or equal to 0"),
        ("seed=4294967296", "seed=4294967296 is not valid: .*less than 4294967296"),
        ("loss_decimal_place=-1", "loss_decimal_place=-1 is not valid"),
        # evaluation
        ("metric_decimal_place=four", "metric_decimal_place='four' is not valid"),
        ("repeatable=1", "repeatable=1 is not valid"),
        ("metrics=7", r"metrics=7 is not valid: write names of metrics, as \[Recall, NDCG\]"),
        ("metrics=[]", "write names of metrics"),
        ("metrics=NDCG,Recall", r"write several as a list, \[NDCG,Recall\]"),
        ("topk=5,10", r"write the length of the lists, or several as \[5, 10\]"),
        ("topk=[]", "write the length of the lists"),
        ("topk=0", "topk=0 is not valid: .*greater than or equal to 1"),
        ("topk=[5, 0]", r"topk\[1\]=0 is not valid"),
        ("teacher=[[1]]", "write the name of a model"),
        # surroundings
        ("gpu_id=first", "gpu_id='first' is not valid: write the number of a GPU"),
        ("gpu_id=True", "write the number of a GPU"),
        ("worker=-1", "worker=-1 is not valid"),
        ("nproc=2", "nproc=2 is not valid: a run is one process"),
        ("local_rank=0", "local_rank=0 is not valid: .*leave it out"),
        ("state=loud", "state='loud' is not valid: write one of info"),
        ("data_path=7", "data_path=7 is not valid"),
        ("checkpoint_dir=", "checkpoint_dir='' is not valid: it is no path"),
        ("result_file=a\0b", "it is no path"),
        ("log_wandb=7", "log_wandb=7 is not valid"),
    ],
)
def test_what_is_refused(word, says):
    with pytest.raises(UserError, match=says) as caught:
        read(word)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "word",
    [
        *(split("{RS: [8, 1, 1]}"), split("{LS: valid_and_test}"), split("{RS: [0.8, 0.1, 0.1]}", group_by="none")),
        *(split("{RS: [8, 1, 1]}", mode="uni100"), split("{RS: [8, 1, 1]}", mode="{valid: pop50, test: full}")),
        *("eval_args={}", "user_inter_num_interval=[5,inf)", "user_inter_num_interval=(0, 1e3];[2e3,inf)")[1:],
        *("item_inter_num_interval=[5,10]", "item_inter_num_interval=(5,10)", "item_inter_num_interval=null"),
        *("val_interval={rating: '[4,inf)'}", "val_interval={genre: [drama, comedy]}", "load_col=null"),
        *("load_col={inter: '*', item: [item_id, price]}", "gpu_id=0,1", "gpu_id=-1", "gpu_id=''", "nproc=1"),
        *("additional_feat_suffix=vec", "clip_grad_norm={max_norm: 5}", "clip_grad_norm={max_norm: 5, norm_type: 2}"),
        *("train_neg_sample_args={distribution: popularity, alpha: 1}", "encoding=gb18030", "state=ERROR", "worker=2"),
        *("train_neg_sample_args={dynamic: true, candidate_num: 2}", "rm_dup_inter=last", "topk=5 "),
    ],
)
def test_what_is_taken(word):
    read(word, valid_metric="MRR@5") if "topk" in word else read(word)


def test_an_order_by_time_with_its_column():
    read(split("{LS: valid_and_test}", order="TO"), **TIMED)
    read(split("{TS: [8, 1, 1]}"), load_col=None)
    read(split("{RS: [8, 1, 1]}", order="TO"), benchmark_filename=["train", "valid", "test"])  # nothing is ordered


def test_labels_make_labeled_evaluations_and_training_without_negatives():
    labels = {"threshold": {"rating": 4}}
    with pytest.raises(UserError, match="mode labeled rates single items"):
        read(split("{RS: [8, 1, 1]}", mode="labeled"), **labels)
    read(split("{RS: [8, 1, 1]}", mode="labeled"), "metrics=[AUC]", "valid_metric=AUC", **labels)
    read("train_neg_sample_args=null", model=NeuMF, **labels)
    read("train_neg_sample_args=null", model=MultiVAE)  # its batches are users
    with pytest.raises(UserError, match="NeuMF learns from good and bad items"):
        read("train_neg_sample_args=null", model=NeuMF)
    with pytest.raises(UserError, match=r"compares single values, not lists; they need .*labeled"):
        read("metrics=[RMSE]", "valid_metric=RMSE")
    with pytest.raises(UserError, match=r"metrics: .*keep those of one kind"):
        read("metrics=[Recall, RMSE]", "valid_metric=Recall@10")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("field_separator=\\t", "\t"),
        ("field_separator=,", ","),
        ("item_inter_num_interval=[5,inf]", "[5,inf]"),
        ("item_inter_num_interval=[5,10]", [5, 10]),  # as ever, so that fingerprints stay
        ("gpu_id=[0,1]", (0, 1)),
    ],
)
def test_what_has_one_meaning_is_read_so(word, value):
    assert read(word)[word.split("=")[0]] == value


def test_a_number_in_scientific_notation_is_one_anywhere():
    assert literal("{max_norm: 1e-3}") == {"max_norm": 1e-3}
    assert literal("[1e-2, a]") == [0.01, "a"]
    assert literal("1e-3") == 0.001


NUMBERS = [True, -1, 0, 7, 2.5, float("nan"), float("inf"), 10**400]
ANYTHING = [*NUMBERS, None, "", "word", "\0", [], [1], ["a"], [[]], {}, {"a": 1}, {1: 2}, {"a": {}}, (1, 2), object()]


def complaint(function, *arguments) -> str:
    """The sentence that a function ends in, ``""`` where there is none."""
    try:
        function(*arguments)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", sorted({*RunSettings.model_fields} - {"model"}))
def test_no_value_of_any_key_ends_in_another_error(key):
    for value in [*ANYTHING, {"inter": None}, {"split": {"RS": [None] * 3}}]:
        said = complaint(lambda value=value: read(**{key: value}))
        assert "\n" not in said


@pytest.mark.parametrize(
    ("model", "key", "value", "says"),
    [
        ("NeuMF", "mlp_hidden_size", "sixtyfour", r"valid list, such as \[128, 64\]"),
        ("NeuMF", "mlp_hidden_size", 64, r"valid list, such as \[128, 64\]"),
        ("NeuMF", "mlp_hidden_size", ["a"], "valid integer, such as"),
        ("NeuMF", "mlp_hidden_size", [0], "greater than or equal to 1"),
        ("NeuMF", "dropout_prob", 1, "less than 1, such as 0.1"),
        ("NeuMF", "mf_train", 1, "valid boolean, such as True"),
        ("NeuMF", "mf_pretrain_path", 5, "valid string"),
        ("BPR", "embedding_size", 0, "greater than or equal to 1, such as 64"),
        ("BPR", "embedding_size", 6.5, "valid integer"),
        ("LightGCN", "reg_weight", "much", "valid number, such as 1e-05"),
        ("LightGCN", "reg_weight", -1, "greater than or equal to 0"),
        ("LightGCN", "n_layers", -1, "greater than or equal to 0"),
        ("SGL", "type", "XD", "'ED', 'ND' or 'RW', such as ED"),
        ("SGL", "ssl_tau", 0, "greater than 0"),
        ("ItemKNN", "knn_method", "both", "'item' or 'user'"),
        ("NAIS", "reg_weights", [0.1], "at least 3 items"),
        ("DiffRec", "noise_min", float("nan"), "finite number|greater than or equal"),
    ],
)
def test_a_models_own_keys(model, key, value, says):
    with pytest.raises(UserError, match=f"^{key}.*is not valid: .*{says}"):
        settings_of_recbole(model).read({key: value})


@pytest.mark.parametrize("model", sorted(recommenders()))
def test_the_defaults_of_each_model_are_valid(model):
    values = properties.values_of(properties.RECBOLE_FOLDER / "model" / f"{model}.yaml")
    settings = settings_of_recbole(model)
    assert set(settings.read(values).model_dump()) == set(values) - set(RunSettings.model_fields)
    for key in settings.model_fields:
        for value in ANYTHING:
            said = complaint(settings.read, {**values, key: value})
            assert said == "" or said.startswith(key)


def test_a_whole_number_does_where_any_number_does():
    assert settings_of_recbole("LightGCN").read({"reg_weight": 1}).reg_weight == 1
    assert settings_of_recbole("SimpleX").read({"negative_weight": 0.5}).negative_weight == 0.5
    assert not settings_of_recbole("VBPR").model_fields  # ours, which declares its own
