"""The scikit-learn face: what users import."""
