"""Growing samples: most of the training sees few of them, its end sees all.

A pass over few samples tells the weights nearly as much as one over all. So a training
starts on few. What it finds there is corrected on more, and at last on all.
"""

import numpy as np

# The training starts on so many samples, and goes on with so many times as many each
# time, as long as there are twice as many.
_FEW, _GROWTH, _WORTH = 2**12, 8, 2

# More samples get at least and at most so many passes.
_LEAST_PASSES, _MOST_PASSES = 4, 10

# A class has at least this part of its even share of drawn samples, if it can.
_LEAST_SHARE = 0.25


def growing(data, target, options):
    """Return the data of few samples, of more, ..., and of all.

    The samples are drawn within the classes. Each set holds the ones before.

    Parameters
    ----------
    data : Batch
        All samples, of one replica.
    target : Target
        Their target. A loss that is no sum over the samples needs all of them.
    options : Options
        Their seed determines the draw. Mini-batches are few samples already. A handful
        of passes are all made over all samples.

    Returns
    -------
    growing : list of Batch
    """
    sizes = [_FEW]
    while _WORTH * sizes[-1] <= data.n_samples:
        sizes.append(_GROWTH * sizes[-1])
    few = target.separable and options.batch_size is None
    few &= options.max_iter >= _LEAST_PASSES * len(sizes)
    draws = [draw(target, size, options.seed) for size in sizes[:-1] if few]
    return [*(_drawn(data, *each) for each in draws), data]


def shares(samples, n_passes):
    """Return how many passes each of the growing samples gets, of `n_passes`.

    More samples take at most about as long as the few, but get some passes at least.
    """
    few, *more = (data.n_samples for data in samples)
    shares = [min(n_passes * few // n_samples, _MOST_PASSES) for n_samples in more]
    most = n_passes // len(samples)
    on_more = [min(max(share, _LEAST_PASSES), most) for share in shares]
    return [n_passes - sum(on_more), *on_more]


def draw(target, size, seed=0):
    """Draw samples within the classes.

    Returns
    -------
    index : ndarray of shape (size,)
        The samples, ascending. With the same seed, a larger draw holds a smaller one.
    factor : ndarray of shape (size,)
        What their weights are multiplied by, so that a class that is drawn keeps its
        weight.
    """
    weight = target.weight
    if target.classes is None:
        labels = np.zeros(len(weight), dtype=int)
    else:
        (labels,) = target.encoded
    index = np.sort(_interleaved(labels, np.random.default_rng(seed))[:size])
    total, drawn = (
        np.bincount(labels[i], weight[i], labels.max() + 1)
        for i in (slice(None), index)
    )
    # A class may have no weight, and more classes than samples are not all drawn.
    factor = np.divide(total, drawn, out=np.ones_like(total), where=drawn > 0)
    return index, factor[labels[index]]


def _interleaved(labels, rng):
    """Return an order of the samples whose every start has its share of each class."""
    counts = np.bincount(labels)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    place = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    least = _LEAST_SHARE * len(labels) / len(counts)
    return by_class[np.argsort((place + 0.5) / np.repeat(counts.clip(least), counts))]


def _drawn(data, index, factor):
    """Return the data of drawn samples."""
    batch = data.take_samples(index)
    return batch.scaled(batch.weight.new_tensor(factor))
