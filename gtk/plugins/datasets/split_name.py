"""Names by which people tell the images for training from those for testing."""

import re
from dataclasses import dataclass
from typing import Literal

#: "train", "test", "val": what a split is for. "other": images without labels, which nobody uses.
Role = Literal["train", "test", "val", "other"]

WORDS: dict[Role, str] = {
    "train": "train training trn trainset trainingset",
    "test": "test testing tst testset testingset eval evaluation holdout",
    "val": "val valid validation dev valset validset validationset devset",
    "other": "pred predict prediction predictions unlabeled unlabelled",
}
ROLES = {word: role for role, words in WORDS.items() for word in words.split()}
#: Words, besides numbers, that add nothing: "train_images", "train2017".
GENERIC = frozenset({
    "set", "data", "dataset", "images", "image", "imgs", "img", "split", "folder", "samples",
})  # fmt: skip
#: A word in lower or upper case or with a capital, a number, or letters of another script.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
#: Longer names are read no further.
LONGEST = 80


@dataclass(frozen=True)
class SplitName:
    """A name such as "train", "Training_set", "val2017" or "seg_train".

    Attributes:
        role: what the split is for.
        rest: other words of the name, without those that add nothing.
    """

    role: Role
    rest: tuple[str, ...]


def split_name(name: str) -> SplitName | None:
    """Return what a name says about a split, None if it names no split, or two."""
    words = WORD.findall(name[:LONGEST])
    roles = [ROLES[word.lower()] for word in words if word.lower() in ROLES]
    if len(roles) != 1:
        return None
    rest = [word for word in words if word.lower() not in ROLES]
    telling = (word for word in rest if word.lower() not in GENERIC and not word.isdigit())
    return SplitName(roles[0], tuple(telling))


def squeezed_name(name: str) -> str:
    """Return a name's letters and numbers, in lower case, without what people put between them."""
    return re.sub(r"[\W_]+", "", name.lower())
