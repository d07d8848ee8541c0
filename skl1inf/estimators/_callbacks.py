"""How fits tell callbacks and the standard output of their progress."""

from contextlib import contextmanager


class Progress:
    """Tells callbacks and the standard output how the training goes."""

    def __init__(self, estimator, context, data=None):
        self.estimator, self.context, self.data = estimator, context, {}
        if data is not None:
            metadata = {"sample_weight": data.sample_weight}
            self.data = {"X": data.matrix.X, "y": data.y, "metadata": metadata}

    def _begin(self, context):
        context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return context

    def _end(self, context):
        return context.call_on_fit_task_end(estimator=self.estimator, **self.data)

    @contextmanager
    def training(self):
        """Surround the whole training."""
        yield self._begin(self.context)
        self._end(self.context)

    @contextmanager
    def descent(self, name, max_iter):
        """Surround a descent of at most `max_iter` passes."""
        self.descent_context = self.context.subcontext(name, max_subtasks=max_iter)
        self._begin(self.descent_context)
        self.name, self.step = name, None
        yield
        self._end(self.descent_context)
        if self.estimator.verbose:
            self._print()

    def begin_pass(self):
        """Note the start of a pass over the data."""
        self.pass_context = self._begin(self.descent_context.subcontext("pass"))

    def end_pass(self, step):
        """Note the end of a pass; return whether a callback asks to stop."""
        self.step = step
        if self.estimator.verbose > 1 and step.iteration % 10 == 0:
            self._print()
        return self._end(self.pass_context)

    def each(self, name, results, n_tasks):
        """Yield the results of tasks that are not observed themselves."""
        context = self._begin(self.context.subcontext(name, max_subtasks=n_tasks))
        for result in results:
            self._end(self._begin(context.subcontext("task")))
            yield result
        self._end(context)

    def _print(self):
        print(
            f"[{type(self.estimator).__name__}] {self.name}, pass "
            f"{self.step.iteration}: loss {self.step.loss:.6g}, "
            f"{self.step.n_survivors} features alive"
        )
