"""What a matrix must answer."""

from typing import Protocol

from sklearn.preprocessing import StandardScaler


class Matrix(Protocol):
    """Data as they were given, samples in rows and features in columns.

    Attributes
    ----------
    X : array or matrix of shape (n_samples, n_features)
        The data.
    shape : tuple of int
        (n_samples, n_features).
    can_be_centred : bool
        Whether the matrix stays what it is when its columns are centred. A sparse one
        becomes dense.
    """

    def take_samples(self, index):
        """Return the matrix of the samples `index`."""

    def columns(self, index, samples=slice(None)):
        """Return the features `index` of some samples as an array.

        Its shape is (n_samples, n_chosen).
        """

    def take_columns(self, index):
        """Return the features `index` in memory, as X has them: dense or sparse."""
        return self.X[:, index]

    def standardized(self, mean, inverse_scale, device):
        """Return ``Z = (X - mean) * inverse_scale`` as a `Standardized`, in float32."""

    def squared_norms(self, mean, inverse_scale):
        """Return ``||(x_i - mean) * inverse_scale||^2`` of every sample, in float64."""

    def weighted_sums(self, R):
        """Return ``X' R`` in float64, of shape (n_features, ...)."""

    def centred(self, index, mean, root):
        """Return ``root * (X - mean)`` of the features `index`, for the linear model.

        ``mean`` has one entry a chosen feature, ``root`` one a sample.
        """

    def far_columns(self, mean):
        """Return the columns with a mean that is large relative to their spread."""

    def statistics(self, weight):
        """Return the weighted mean and deviation of every column, and what is constant.

        The deviation of a constant column is given as 1.
        """
        # The scaler centres nothing here; it only refuses to be asked to.
        scaler = StandardScaler(with_mean=self.can_be_centred)
        scaler.fit(self.X, sample_weight=weight)
        # It takes a deviation that is zero up to rounding for a constant column.
        constant = scaler.scale_ != scaler.var_**0.5
        return scaler.mean_, scaler.scale_, constant


class Standardized(Protocol):
    """Standardised matrices of one or several replicas, in torch.

    Every tensor has a leading dimension of replicas. Features come before samples, so
    that the entries of a few features lie together in memory.

    Attributes
    ----------
    n_features, n_samples : int
        The shape of one replica.
    device : torch.device
        Where the tensors are.
    in_blocks : bool
        Whether each product over all features reads blocks of samples from elsewhere.
        Then one product is faster than one for every chunk of samples.
    """

    in_blocks = False

    def __matmul__(self, W):
        """Return ``Z W``, of shape (n_replicas, n_samples, n_hidden)."""

    def adjoint(self, D):
        """Return ``Z' D``, of shape (n_replicas, n_features, n_hidden)."""

    def adjoint_blocks(self, D):
        """Yield slices of the features, each with its rows of ``Z' D``."""

    def transposed_blocks(self):
        """Yield slices of the features, each with its rows of ``Z'``.

        Only a chunk of samples is ever asked for.
        """

    def chunk(self, samples):
        """Return the matrices of a slice of the samples."""

    def take_samples(self, index):
        """Return the matrices of the samples `index`, in memory where they are few."""

    def take_features(self, index):
        """Return the matrices of the features `index`, (n_replicas, n_chosen)."""

    def stack(self, others):
        """Return this and others as replicas, padded with zeros, or None.

        None: each is trained alone.
        """
