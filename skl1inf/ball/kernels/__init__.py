"""The passes over the entries: numba on the CPU, torch and Triton on a GPU."""
