"""``recbole-kd tune``: the search for a model's best values on the validation part."""
