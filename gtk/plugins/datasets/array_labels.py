"""The labels in an .npz file; the array's type and shape decide the kind of condition."""

from collections.abc import Sequence
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from gtk.core.values.condition import Attributes, Classes, ConditionSpec, Numbers
from gtk.core.values.text import counted, visible
from gtk.plugins.datasets.labels import make_labels
from gtk.plugins.datasets.npz_array import find_array, wrong

#: `dtype.kind` of whole numbers and of strings; objects are whole numbers beyond any 64 bits.
WHOLE, TEXT = "iuO", "US"


def read_labels(
    archive: ZipFile, count: int, test_count: int
) -> tuple[ConditionSpec | None, NDArray[Any], tuple[str, ...]]:
    """Return the condition, the labels of all images, test images last, and notes for the user.

    Args:
        archive: the open .npz file.
        count: the number of images.
        test_count: the number of test images, 0 if the file has none.

    Raises:
        InvalidValue: labels of one split are missing, or have an unknown type or shape.
    """
    arrays = [
        _array(archive, name, size)
        for name, size in (("labels", count), ("test_labels", test_count))
        if size or find_array(archive, name)
    ]
    found = [array for array in arrays if array is not None]
    names = _names(archive)
    if not found:
        return None, np.zeros(count + test_count, np.int64), ()
    if len(found) < len(arrays):
        raise wrong(archive, "labels or test_labels is missing: give both, or neither")
    kinds = {(array.dtype.kind.replace("u", "i"), array.shape[1:]) for array in found}
    if len(kinds) > 1:
        first, second = (f"{array.dtype} {array.shape}" for array in found)
        raise wrong(
            archive,
            f"labels and test_labels differ in type or shape: labels is {first}, test_labels is "
            f"{second}: save both alike",
        )
    labels = _joined(found)
    notes = _doubts(labels)
    if labels.ndim == 1 and labels.dtype.kind in WHOLE + TEXT:
        condition, labels = _classes(archive, labels, names)
        same = "all labels are the same, so the images are used without classes"
        return condition, labels, () if condition else (same,)
    condition, labels = _numbers(archive, labels[:, None] if labels.ndim == 1 else labels, names)
    return condition, labels, notes


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the rows of all arrays; whole numbers of any types stay whole."""
    whole = all(array.dtype.kind in WHOLE for array in arrays)
    # numpy makes float64 of int64 and uint64, and so one number of classes.
    if whole and np.result_type(*arrays).kind == "f":
        return np.concatenate([array.astype(object) for array in arrays])
    return np.concatenate(arrays)


def _doubts(labels: NDArray[Any]) -> tuple[str, ...]:
    """Return a note where labels that are not classes look like classes."""
    columns = labels.shape[1] if labels.ndim == 2 else 1
    if labels.dtype.kind not in "biuf" or not columns:
        return ()
    table = labels.reshape(len(labels), columns)
    binary = bool(np.isin(table, (0, 1)).all())
    if columns > 1 and binary and (table.sum(axis=1) == 1).all():
        what = "numbers" if labels.dtype.kind == "f" else "attributes"
        note = (
            f"each row of labels has a single 1, and they were taken for {columns} {what}: for "
            f"{columns} classes save labels.argmax(axis=1)"
        )
        return (note,)
    integers = labels.ndim == 2 and labels.dtype.kind in "iu"
    floats = labels.dtype.kind == "f" and bool((table == np.rint(table)).all())
    if columns > 1 or not (integers or floats):
        return ()
    what = "one number" if floats else "one attribute"
    note = (
        f"labels are whole numbers, stored as {labels.dtype} {labels.shape}, and were taken for "
        f"{what}: for classes save labels.reshape(-1).astype('int64')"
    )
    return (note,)


def _array(archive: ZipFile, name: str, count: int) -> NDArray[Any] | None:
    stored = find_array(archive, name)
    if stored is None:
        return None
    if len(stored) != count:
        rows = f"{name} has {counted(len(stored), 'row')} for {counted(count, 'image')}"
        raise wrong(archive, f"{rows}: save a row for each image")
    if len(stored.shape) > 2 or stored.dtype.kind not in WHOLE + TEXT + "bf":
        raise wrong(
            archive,
            f"{name} is {stored.dtype} {stored.shape}: save whole numbers or strings (N,) for "
            "classes, 0 and 1 (N, n) for attributes, floats (N,) or (N, n) for numbers",
        )
    return stored.read()


def _names(archive: ZipFile) -> tuple[str, ...]:
    """Return the names of classes, attributes or numbers; empty if the file lacks them."""
    stored = find_array(archive, "names")
    if stored is None:
        return ()
    if len(stored.shape) != 1 or stored.dtype.kind not in TEXT:
        raise wrong(archive, f"names is {stored.dtype} {stored.shape}: save strings (n,)")
    names = _texts(archive, "names", stored.read())
    if not all(names) or len(set(names)) < len(names):
        raise wrong(archive, "names has an empty name or a duplicate: make them unique")
    return names


def _texts(archive: ZipFile, name: str, array: NDArray[Any]) -> tuple[str, ...]:
    try:
        decoded = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
        "".join(decoded.tolist()).encode()  # fails on lone surrogates
    except UnicodeError as error:
        raise wrong(archive, f"{name} has a string that is not valid UTF-8") from error
    return tuple(decoded.tolist())


def _classes(
    archive: ZipFile, labels: NDArray[Any], names: tuple[str, ...]
) -> tuple[ConditionSpec | None, NDArray[Any]]:
    """Return classes from strings, from indices into `names`, or from numbers."""
    if labels.dtype.kind in TEXT:
        if names:
            raise wrong(archive, "labels are strings already: leave names out")
        texts = _texts(archive, "labels", labels)
        if not all(texts):
            raise wrong(archive, "labels has an empty name: give each class a name")
        return make_labels(Classes, (), texts, "labels")
    found, positions = np.unique(labels, return_inverse=True)
    if not names:
        names, labels = tuple(str(number) for number in found.tolist()), positions
    elif not 0 <= found[0] <= found[-1] < len(names):
        raise wrong(
            archive,
            f"labels are {found[0]}..{found[-1]}, but names are for 0..{len(names) - 1}: save a "
            "name for each class",
        )
    if len(found) == 1:
        return None, np.zeros(len(labels), np.int64)
    return Classes(names), labels.astype(np.int64)


def _numbers(
    archive: ZipFile, labels: NDArray[Any], names: tuple[str, ...]
) -> tuple[ConditionSpec | None, NDArray[Any]]:
    """Return attributes from bool or whole numbers, numbers from floats."""
    count = labels.shape[1]
    if labels.dtype.kind in TEXT or not count:
        raise wrong(archive, f"labels are {labels.dtype} {labels.shape}: save strings as (N,)")
    usual = tuple(f"value-{column}" for column in range(count)) if count > 1 else ("value",)
    if len(names or usual) != count:
        given = f"names has {counted(len(names), 'name')} for {counted(count, 'column')} of labels"
        raise wrong(archive, f"{given}: save a name for each")
    if labels.dtype.kind == "f":
        return make_labels(Numbers, names or usual, labels, visible(archive.filename))
    if not np.isin(labels, (0, 1)).all():
        raise wrong(
            archive,
            "labels (N, n) of whole numbers are attributes, which must be 0 or 1: save floats for "
            "numbers, or (N,) for classes",
        )
    return make_labels(Attributes, names or usual, labels, "labels")
