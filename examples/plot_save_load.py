"""
========================
Save a selector, load it
========================

A fitted selector holds numpy arrays and plain values and no torch object, also after a
fit on a GPU. A pickle can run any code when it is loaded. `skops
<https://skops.readthedocs.io>`_ saves without pickle, and loads only the types that you
trust.
"""

# %%
# Fit
# ---

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skl1inf import L1InfFeatureSelector
from skl1inf.datasets import load_srbct
from skl1inf.plotting import LatentSpaceDisplay

srbct = load_srbct(as_frame=True)
X, y = srbct.data, srbct.target_names[srbct.target]
model = make_pipeline(L1InfFeatureSelector(random_state=0), SVC()).fit(X[:63], y[:63])

fitted = {name: value for name, value in vars(model[0]).items() if name.endswith("_")}
for name, value in fitted.items():
    print(f"{name:22s} {type(value).__name__}")

# %%
# Save, look, load
# ----------------
# ``get_untrusted_types`` lists the types that a file asks you to trust, before any
# object is made. Read that list, and pass the types that you know.

with TemporaryDirectory() as folder:
    path = Path(folder) / "model.skops"
    skops.io.dump(model, path)
    asks_for = skops.io.get_untrusted_types(file=path)
    print(f"{path.stat().st_size / 1e6:.1f} MB, asks for {asks_for}")
    ours = f"{L1InfFeatureSelector.__module__}.L1InfFeatureSelector"
    loaded = skops.io.load(path, trusted=[ours])

# %%
# The same model
# --------------

assert np.array_equal(loaded.predict(X), model.predict(X))
print("genes:", *loaded[0].get_feature_names_out()[:8], "...")
print(f"accuracy on the 20 held-out samples: {loaded.score(X[63:], y[63:]):.2f}")

LatentSpaceDisplay.from_estimator(loaded[0], X[63:], y[63:])
plt.title("the code that the loaded selector gives new samples")
plt.show()
