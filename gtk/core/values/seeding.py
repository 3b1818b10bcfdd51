"""Seeds of generators, derived from (seed, purpose, where)."""

from hashlib import blake2b


def derive_seed(seed: int, purpose: str, *where: int) -> int:
    """Return a 32-bit seed that is independent for every purpose and place.

    Args:
        seed: the user's seed.
        purpose: what is drawn: "order", "step", "layers", "evaluate", "validation", "init",
            "networks", "sample/NAME".
        where: the epoch, step or block it is drawn for.
    """
    # A hash, since torch's CPU generators use only the low 32 bits of a seed: arithmetic that packs
    # numbers above them would lose these.
    text = "/".join([str(seed), purpose, *map(str, where)])
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "little")
