"""Pure functions on tensors: graphs, sorting, ragged rows, losses."""
