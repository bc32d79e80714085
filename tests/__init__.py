import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy and PyTorch are imported: each worker takes a core
