"""Sphinx configuration. `make docs` builds the site, with warnings as errors and without a network."""

import hashlib
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import tempfile
import types
from pathlib import Path

# What the pages run compiles much and computes little: here, and in the notebooks' processes. Later versions do not
# know the flag, and end the process.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_use_fusion_emitters=false"

import jupytext
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import istsim
from istsim import experiments
from istsim.benchmark import as_markdown
from istsim.derivations import render

project = "istsim"
author = "The istsim developers"
project_copyright = "The istsim developers"
release = version = importlib.metadata.version("istsim")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "generated", "notebooks/*.ipynb"]

# Pages
html_theme = "furo"
html_title = "istsim"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "github-dark"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Text: code in single backticks in docstrings links to what it names, where it names something.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
default_role = "py:obj"

# Notebooks run again when they or istsim's code have changed.
nb_execution_mode = "cache"
code = sorted(Path(istsim.__file__).parent.rglob("*.py"))
version_of_code = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:16]
nb_execution_cache_path = str(Path(__file__).parent / "_build" / "executed" / version_of_code)
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_render_markdown_format = "myst"
nb_output_stderr = "remove"
nb_merge_streams = True

# A profile of their own, without the user's; ipykernel warns at every start that it talks to itself by TCP.
profile = tempfile.TemporaryDirectory()
os.environ["IPYTHONDIR"] = profile.name
kernel_config = Path(profile.name, "profile_default", "ipython_kernel_config.py")
kernel_config.parent.mkdir()
kernel_config.write_text("get_config().IPKernelApp.log_level = 40\n", encoding="utf-8")

# API
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and meanings are in the text
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True}
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_param = False  # allows several names before one colon
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", ".*"),  # most code in docstrings names nothing
    ("py:class", r".*\b(ndarray|Array|Float|Int|Shaped|Mapping|Callable|Any|Hessians)|sympy\..*|xarray\..*|'.*"),
]
viewcode_line_numbers = True

PUBLIC_MODULES = [
    "istsim",
    "istsim.theory",
    "istsim.symbolic",
    "istsim.theorems",
    "istsim.certificates",
    "istsim.derivations",
    "istsim.verify",
    "istsim.verify.strategies",
    "istsim.figures",
    "istsim.networks",
    "istsim.costs",
    "istsim.studies",
]

# Sphinx reads only below docs, so the notebooks are copied there, each with itself as .ipynb to take along.
DOCS = Path(__file__).parent
(DOCS / "notebooks").mkdir(exist_ok=True)


def write_if_new(path: Path, text: str) -> None:
    """Write a file; where it has this content already, Sphinx need not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


for notebook in sorted((DOCS.parent / "notebooks").glob("*.md")):
    text = notebook.read_text(encoding="utf-8")
    title = re.search("^# .*$", text, re.MULTILINE)
    offer = f"\n\n{{download}}`As a Jupyter notebook <{notebook.stem}.ipynb>`" if title else ""
    at = title.end() if title else 0
    page = (text[:at] + offer + text[at:]).replace("](../docs/", "](../")
    write_if_new(DOCS / "notebooks" / notebook.name, page)
    as_jupyter = jupytext.reads(text, "md:myst")
    for number, cell in enumerate(as_jupyter.cells):
        cell["id"] = str(number)  # random otherwise
    write_if_new(DOCS / "notebooks" / f"{notebook.stem}.ipynb", jupytext.writes(as_jupyter, "ipynb"))

# The page on speed shows what the benchmark printed.
(DOCS / "generated").mkdir(exist_ok=True)
measured = json.loads((DOCS.parent / "benchmarks" / "results.json").read_text(encoding="utf-8"))
(DOCS / "generated" / "benchmark.md").write_text(as_markdown(measured), encoding="utf-8")

# The gallery is what `istsim reproduce --quick` gives with the code as it is.
gallery = DOCS / "generated" / f"gallery-{version_of_code}"
if not (gallery / "report.html").exists():
    experiments.reproduce(gallery, quick=True)
for older in (DOCS / "generated").glob("gallery-*"):
    if older != gallery:
        shutil.rmtree(older)
(DOCS / "generated" / "gallery.md").write_text(
    experiments.as_markdown(gallery, f"generated/{gallery.name}"), encoding="utf-8"
)

# The derivations write their own pages.
render(DOCS.parent / "proofs", DOCS / "proofs")


def warn_of_undocumented_names(app: Sphinx, env: BuildEnvironment) -> None:
    """A public name without an entry in the API pages is a warning, and so fails the build."""
    documented = set(env.domains.python_domain.objects)
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in dir(module):
            value = getattr(module, name)
            public = not name.startswith("_") and not isinstance(value, types.ModuleType)
            ours = (getattr(value, "__module__", None) or "").startswith("istsim")
            if public and ours and f"{module_name}.{name}" not in documented:
                # Shown under the flat API, it need not be repeated.
                if module_name != "istsim" and getattr(istsim, name, None) is value:
                    continue
                logging.getLogger(__name__).warning("%s.%s is missing from docs/api", module_name, name)


def setup(app: Sphinx) -> None:
    """Register the check."""
    app.connect("env-check-consistency", warn_of_undocumented_names)
