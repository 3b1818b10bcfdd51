"""run.json as a schema: what its entries are, and what an older gtk left out."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

#: The version of run.json that this gtk reads and writes.
FORMAT = 1
#: The largest run.json in bytes; names of classes take most of one.
LARGEST_RUN = 16 * 2**20
#: The most values of one image: a gigabyte as float32.
MOST_VALUES = 1 << 28

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Size = Annotated[int, Meta(ge=1, le=MOST_VALUES)]
Threads = Annotated[int, Meta(ge=1, le=1024)]
Name = Annotated[str, Meta(min_length=1, max_length=1_000)]


class PluginTable(TypedDict):
    """A plugin's name, and its options, which its config class checks."""

    name: Name


class DataTable(PluginTable):
    """The data set's name, its options, and the path that it reads."""

    root: str | None


class TrainTable(TypedDict):
    """The trainer's options, which `TrainConfig` checks."""

    epochs: Positive
    patience: NotRequired[Count]


class Package(TypedDict):
    """The package that a plugin came from."""

    package: Name
    version: NotRequired[Name]


class Packages(TypedDict):
    """The packages of the plugins."""

    data: Package
    model: Package
    conditioner: Package
    loss: Package
    sampler: NotRequired[Package]


class ConditionTable(TypedDict):
    """What each image is labelled with; a plugin's kind has entries of its own."""

    names: Annotated[list[str], Meta(min_length=1)]
    kind: NotRequired[Name]
    ranges: NotRequired[list[tuple[float, float]]]


class DataSpecTable(TypedDict):
    """The description of the data that the model is built for."""

    name: str
    channels: Size
    height: Size
    width: Size
    condition: ConditionTable | None


class ImageCounts(TypedDict):
    """The number of images in each split."""

    train: Count
    test: Count


class TrialRow(TypedDict):
    """The speed of one arithmetic in the trial that chose the training's."""

    precision: Literal["fp32", "bf16"]
    memory_format: Literal["contiguous", "channels-last"]
    threads: Threads
    images_per_second: Annotated[float, Meta(ge=0)]


class InitTable(TypedDict):
    """Where the first weights come from: a path or a module, its checkpoint's step, its SHA-256."""

    source: str
    step: Count | None
    sha256: str


class RunFormat(TypedDict):
    """What tells an older gtk that it cannot read a newer one's run.json."""

    format: int


class RunFile(TypedDict):
    """run.json: what describes a run, enough to rebuild its model without the data."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)]
    created: NotRequired[str]
    recipe: NotRequired[str | None]
    train: TrainTable
    data: DataTable
    model: PluginTable
    conditioner: PluginTable
    loss: PluginTable
    sampler: NotRequired[PluginTable]
    metric: NotRequired[dict[Name, dict[Name, Any]]]
    packages: Packages
    device: Name
    threads: Threads
    trial: NotRequired[list[TrialRow]]
    data_spec: DataSpecTable
    init_from: NotRequired[InitTable]
    images: NotRequired[ImageCounts]
    content: NotRequired[str]
    notes: NotRequired[list[str]]
    versions: NotRequired[dict[str, str]]
    folders: NotRequired[list[Name]]
    networks: NotRequired[dict[str, Count]]
    loss_networks: NotRequired[dict[str, Count]]
    finished: NotRequired[bool]
