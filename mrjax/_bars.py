"""A column of progress bars that says what JAX compiles while a bar stands still."""

from rich.progress import ProgressColumn, Task
from rich.text import Text

from mrjax._progress import in_words, watch


class CompilationColumn(ProgressColumn):
    """Such as "compiling jit(_play), 3 s", beside a bar that is not finished."""

    max_refresh = None

    def __init__(self):
        super().__init__()
        self.watch = watch()

    def render(self, task: Task) -> Text:
        """What is being compiled, where it takes long."""
        return Text("" if task.finished else in_words(self.watch.longest()), style="dim")
