"""A callback that the tests of the estimators share."""


class Recorder:
    """A callback that counts passes and may ask to stop."""

    def __init__(self, stop_after=None):
        self.stop_after, self.begun, self.ended = stop_after, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        return context.task_name == "pass" and context.task_id + 1 == self.stop_after
