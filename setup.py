"""Packaging: ``properties/`` lies at the top for people to read and is installed inside the package."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION = next(
    line.split('"')[1] for line in Path("recbole_kd/__init__.py").read_text().splitlines() if "__version__ =" in line
)

TUNE = ["optuna>=4,<5"]

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
    | {"recbole_kd.report": ["template/*"]},
    install_requires=[
        "torch>=2.2",
        "recbole>=1.2.1,<1.3",
        "numpy>=1.26",
        "scipy>=1.11",
        "pandas>=2,<3",
        "pydantic>=2.5",
        "scikit-learn>=1.3",
        "matplotlib>=3.8",
        "jinja2>=3.1",
        "tabulate>=0.9",
        "tqdm",
        "pyyaml",
    ],
    extras_require={
        "tune": TUNE,
        "test": [*TUNE, "pytest>=8", "hypothesis>=6", "build>=1", "ruff", "mypy", "selenium>=4.20"],
    },
    entry_points={"console_scripts": ["recbole-kd = recbole_kd.cli:main"]},
)
