"""The one kind of error that a user can mend, and words that such errors share."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something that was given is wrong: a file, a key of the configuration, an image.

    The message is written for a person: what is wrong, where it is (file, key, line, image
    or unit), and what to do. It is shown without a traceback.
    """


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return a sentence, with a space before it, that names the nearest words; or nothing.

    Examples
    --------
    >>> did_you_mean("conv6", ["conv1", "conv5", "pool5"])
    " Did you mean 'conv5' or 'conv1'?"
    >>> did_you_mean("relu", ["conv1"])
    ''
    """
    near = difflib.get_close_matches(word, list(words), n=3, cutoff=0.5)
    likeness = {other: difflib.SequenceMatcher(None, other, word).ratio() for other in near}
    # Beside one that is clearly meant the others only confuse.
    near = [other for other in near if likeness[other] > likeness[near[0]] - 0.1]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name if it has none.

    Torch's messages go on for many lines. TorchScript begins with where the error is, and says
    what it is in the last line.

    Examples
    --------
    >>> first_line(ValueError("cut off\\nat byte 7")), first_line(EOFError())
    ('cut off', 'EOFError')
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "TorchScript interpreter" in lines[0] else 0]
