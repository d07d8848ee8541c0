"""The data files that the package ships."""
