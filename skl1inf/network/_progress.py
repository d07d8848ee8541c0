"""How the training tells of its progress."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Step:
    """What an observer is told after every pass over the data."""

    iteration: int
    loss: float
    n_survivors: int


class Observer(Protocol):
    """Is told of the progress of the training."""

    def descent(self, name: str, max_iter: int) -> AbstractContextManager:
        """Surround a descent of at most `max_iter` passes."""

    def begin_pass(self) -> None:
        """Note the start of a pass over the data."""

    def end_pass(self, step: Step) -> bool:
        """Note the end of a pass; return whether to stop the descent."""


class Silent:
    """An observer that keeps what it is told to itself."""

    def descent(self, name, max_iter):
        """Surround a descent."""
        return nullcontext()

    def begin_pass(self):
        """Note the start of a pass."""

    def end_pass(self, step):
        """Note the end of a pass, which does not stop the descent."""
        return False


class Course:
    """The passes of a descent, one after the other, as its observer sees them."""

    def __init__(self, observer, may_stop=True):
        self.observer, self.may_stop = observer, may_stop
        self.loss_curve, self.stopped = [], False

    def begin_pass(self):
        """Note the start of a pass."""
        self.observer.begin_pass()

    def end_pass(self, loss, alive):
        """Note the end of a pass; return whether the observer asks to stop.

        `alive` is the mask of the rows alive, (n_replicas, n_features).
        """
        self.loss_curve.append(float(loss.mean()))
        n_survivors = int(alive.sum()) // len(alive)
        step = Step(len(self.loss_curve), self.loss_curve[-1], n_survivors)
        self.stopped = bool(self.observer.end_pass(step)) and self.may_stop
        return self.stopped
