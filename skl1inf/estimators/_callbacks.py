"""How fits tell callbacks and the standard output of their progress."""

from contextlib import contextmanager


def describe(X, y, sample_weight):
    """Return what callbacks are told of the data of a fit."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


class Progress:
    """Tells callbacks where a task of a fit begins and ends.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted.
    context : sklearn.callback.CallbackContext
        The context of the task.
    data : dict, default=None
        What callbacks are told of the data: see `describe`. None: nothing.
    """

    def __init__(self, estimator, context, data=None):
        self.estimator, self.context, self.data = estimator, context, data or {}

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

    def each(self, name, results, n_tasks):
        """Yield the results of tasks that are not observed themselves."""
        with self.part(name, max_subtasks=n_tasks).task() as tasks:
            for result in results:
                with tasks.part("task").task():
                    pass
                yield result


class TrainingProgress(Progress):
    """The progress of a fit that trains networks: their `Observer`."""

    @contextmanager
    def descent(self, name, max_iter):
        """Surround a descent of at most `max_iter` passes."""
        self.name, self.step = name, None
        with self.part(name, max_subtasks=max_iter).task() as self.passes:
            yield
        if self.estimator.verbose:
            self._print()

    def begin_pass(self):
        """Note the start of a pass over the data."""
        self.one_pass = self.passes.part("pass")
        self.one_pass.begin()

    def end_pass(self, step):
        """Note the end of a pass; return whether a callback asks to stop."""
        self.step = step
        if self.estimator.verbose > 1 and step.iteration % 10 == 0:
            self._print()
        return self.one_pass.end()

    def _print(self):
        print(
            f"[{type(self.estimator).__name__}] {self.name}, pass "
            f"{self.step.iteration}: loss {self.step.loss:.6g}, "
            f"{self.step.n_survivors} features alive"
        )
