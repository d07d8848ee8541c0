"""The order of the gallery: what most users ask first comes first."""

ORDER = (
    "plot_select_genes.py",
    "plot_choose_radius.py",
    "plot_stability.py",
    "plot_grid_search.py",
    "plot_single_cell.py",
    "plot_survival.py",
    "plot_pathways.py",
    "plot_covariates.py",
    "plot_regression.py",
    "plot_unsupervised.py",
    "plot_multitask.py",
    "plot_save_load.py",
    "plot_projection_geometry.py",
    "plot_compare_balls.py",
    "plot_projected_layer.py",
)


def position(filename: str) -> int:
    """Return the place of an example; every example has one."""
    return ORDER.index(filename)
