"""Hold all that a training works with: recipe, base model, items, folders, processes."""

from dataclasses import dataclass

from simlift.core.recipe import Plugin
from simlift.models.wan.base_model import WanBase
from simlift.models.wan.flow_matching import Expert
from simlift.training._encode import Cache
from simlift.training._process_group import ProcessGroup
from simlift.training.items import Item
from simlift.training.recipe import TrainRecipe
from simlift.training.state import TrainingFolder


@dataclass(frozen=True, eq=False)
class Training:
    """All that a loop works with; `pairs` names the training set."""

    recipe: TrainRecipe
    base: WanBase
    folder: TrainingFolder
    cache: Cache
    trained: tuple[Item, ...]
    evaluated: tuple[Item, ...]
    processes: ProcessGroup
    experts: tuple[Expert, ...]
    pairs: str
    control: Plugin | None = None  # what drew the references, where they are no renders

    @property
    def size(self) -> int:
        """Samples of a step, over all processes."""
        return self.recipe.batch * self.recipe.accumulate * self.processes.size
