"""Several models on one data set over several seeds: ``recbole-kd compare``."""
