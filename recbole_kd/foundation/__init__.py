"""What all of recbole_kd stands on and what knows nothing of models, data or training."""
