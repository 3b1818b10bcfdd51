"""One function turns (seed, purpose, where) into the seed of a generator."""

from hashlib import blake2b


def derive_seed(seed: int, purpose: str, *where: int) -> int:
    """Return a 32-bit seed that is independent for every purpose and place.

    Hashing rather than arithmetic, since torch's CPU generators use only the low 32 bits: numbers
    packed above them would be lost.

    Args:
        seed: the user's seed.
        purpose: what is drawn: "order", "step", "layers", "evaluate", "validation", "init".
        where: the epoch, step or block it is drawn for.
    """
    text = "/".join([str(seed), purpose, *map(str, where)])
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "little")
