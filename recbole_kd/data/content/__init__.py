"""Item features from raw texts and pictures: read, encoded in blocks that outlive a kill, written beside a data set."""
