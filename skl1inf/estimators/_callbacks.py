"""How a fit reports its progress to callbacks."""

from contextlib import contextmanager


class Progress:
    """Tells callbacks where a task of a fit begins and ends."""

    def __init__(self, estimator, context, data):
        self.estimator, self.context, self.data = estimator, context, data

    def part(self, name, **options):
        """Return the progress of a part of this task."""
        context = self.context.subcontext(name, **options)
        return Progress(self.estimator, context, self.data)

    def begin(self):
        """Tell that the task begins."""
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end(self, attributes=None):
        """Tell that the task has ended; return whether a callback asks to stop.

        ``attributes`` is a function that returns the fitted attributes so far.
        """
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, **self.data, reconstruction_attributes=attributes
        )

    @contextmanager
    def task(self, attributes=None):
        """Surround the task."""
        self.begin()
        yield self
        self.end(attributes)


def describe(X, y, sample_weight):
    """Return what callbacks are told about the data of a fit."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}
