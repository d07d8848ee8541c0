"""Configuration of the documentation."""

import os
import sys
import warnings
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.logging import getLogger

import skl1inf

sys.path.insert(0, str(Path(__file__).parent))  # gallery_order

project = "skl1inf"
author = "the skl1inf developers"
copyright = "2026, the skl1inf developers (BSD-3-Clause)"
release = version = skl1inf.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = [
    "_build",
    "_tables",
    "auto_examples/*.ipynb",
    "auto_examples/*.py.md5",
]
templates_path = ["_templates"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}

# Links to other projects need the network: the build that is published sets this.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
    if os.environ.get("DOCS_ONLINE")
    else {}
)

if not intersphinx_mapping:  # inherited docstrings refer to scikit-learn's pages
    suppress_warnings = ["ref.ref"]

# What leads elsewhere needs the network, and the pages of the gallery are made here.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(joblib|matplotlib|sklearn)(\..*)?")]
linkcheck_ignore = ["https?://", "auto_examples/.*html"]

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say them
numpydoc_show_class_members = False  # the class template lists them

html_math_renderer = "mathml"  # browsers draw it themselves, without the network
html_theme = "pydata_sphinx_theme"
html_title = "skl1inf"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
alone = ("benchmarks", "changelog", "contributing", "get_started")
html_sidebars = {page: [] for page in alone}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skl1inf",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "image_srcset": ["2x"],
    "write_computation_times": False,
    "abort_on_example_error": True,
    "within_subsection_order": "gallery_order.position",
}
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

# What the methods that scikit-learn adds to estimators refer to in its own guide.
SKLEARN_TARGETS = {
    "df_output_transform",
    "meta-estimator",
    "metadata_routing",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
}


def leave_unlinked(app, env, node, text):
    """Return the plain text of a link that only the online build can resolve."""
    return text if node["reftarget"] in SKLEARN_TARGETS else None


def write_math(translator, node):
    """Write a formula, in a line or on lines of its own, as MathML."""
    as_block = node.tagname == "math_block"
    try:
        translator.body.append(tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        getLogger(__name__).warning("Formula: %s", error, location=node)
    raise SkipNode


def setup(app):
    """Connect the handler, after that of intersphinx, and the writer of formulas."""
    app.connect("missing-reference", leave_unlinked, priority=900)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
